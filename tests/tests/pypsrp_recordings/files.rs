//! Scenarios of pypsrp's copying of files: its scripts, run by our client with the input that it gives them.
//!
//! Our own file transfer goes by typed commands; here the pipelines count.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput, PipelineState};
use sha1::{Digest as _, Sha1};

use crate::pipelines::with_input;
use crate::pools::{opened, run, texts};
use crate::programs::alone;
use crate::server::Server;

const CONTENT: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
/// A hash that is that of nothing here.
const OTHER: &str = "c3499c2729730a7f807efb8676a92dcb6f8a3f8f";
/// Bytes in a piece: what fits into an envelope of 150 KiB, in base64 twice.
const PIECE: usize = 85_404;

fn hash(content: &[u8]) -> String {
    hex::encode(Sha1::digest(content))
}

/// A script with a path, and whether variables in the path are to be expanded.
fn pipeline(server: &Server, path: &str, expand: bool) -> Pipeline {
    Pipeline::new(Command::script(server.script(0)).arg(path).arg(expand))
}

/// Sends a file, in pieces and with its hash at the end.
async fn send(
    server: &Server,
    content: &[u8],
    hash: &str,
    path: &str,
    expand: bool,
) -> PipelineOutput {
    let pool = opened(server).await;
    let mut pipeline = pipeline(server, path, expand);
    pipeline.takes_input = true;
    let mut input: Vec<Value> = content
        .chunks(PIECE)
        .map(|piece| STANDARD.encode(piece).into())
        .collect();
    if input.is_empty() {
        input.push("".into());
    }
    input.push(STANDARD.encode(hash).into());
    let output = with_input(&pool, &pipeline, input).await;
    pool.close().await;
    output
}

/// Sends a file; gives its path on the server.
async fn sent(server: &Server, content: &[u8], path: &str, expand: bool) -> String {
    let output = send(server, content, &hash(content), path, expand).await;
    assert_eq!(output.state, PipelineState::Completed);
    let [path] = texts(&output).try_into().unwrap();
    path
}

/// The file has that content on the server, and is removed there.
async fn check(server: &Server, path: &str, content: &str) {
    let output = alone(server, &format!("powershell.exe Get-Content {path}")).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), content);
    alone(server, &format!("powershell Remove-Item -Path '{path}'")).await;
}

pub(crate) async fn copy(server: Server) {
    let path = sent(&server, CONTENT, "test_file", false).await;
    // A second time to where it is already.
    let path = sent(&server, CONTENT, &path, false).await;
    assert!(path.starts_with(r"C:\Users\"), "{path}");
    check(&server, &path, "abcdefghijklmnopqrstuvwxyz").await;
}

pub(crate) async fn copy_empty(server: Server) {
    let path = sent(&server, b"", "test_file", false).await;
    assert!(path.starts_with(r"C:\Users\"), "{path}");
    check(&server, &path, "").await;
}

pub(crate) async fn copy_large(server: Server) {
    let path = sent(&server, &CONTENT.repeat(20_000), "test_file", false).await;
    assert_eq!(path, r"C:\Users\vagrant\Documents\test_file");
}

pub(crate) async fn copy_fails(server: Server) {
    let output = send(&server, CONTENT, OTHER, "test_file", false).await;
    let PipelineState::Failed(error) = output.state else {
        panic!("{output:?}");
    };
    let expected = format!(
        "Transport failure, hash mismatch\r\nActual: {}\r\nExpected: {OTHER}",
        hash(CONTENT)
    );
    assert_eq!(error.message, expected);
}

pub(crate) async fn copy_expands(server: Server) {
    let path = sent(&server, CONTENT, r"%TEMP%\test_file", true).await;
    let path = sent(&server, CONTENT, &path, false).await;
    assert_eq!(path, r"C:\Users\vagrant\AppData\Local\Temp\test_file");
    check(&server, &path, "abcdefghijklmnopqrstuvwxyz").await;
}

/// Fetches a file: what the server gave of it.
async fn get(server: &Server, path: &str, expand: bool) -> PipelineOutput {
    let pool = opened(server).await;
    let output = run(&pool, &pipeline(server, path, expand)).await;
    pool.close().await;
    output
}

/// The content of a file that was fetched, and the hash that the server told.
fn content(output: &PipelineOutput) -> (Vec<u8>, String) {
    assert_eq!(output.state, PipelineState::Completed);
    let mut texts = texts(output);
    let hash = texts.pop().unwrap();
    let content = texts
        .iter()
        .flat_map(|piece| STANDARD.decode(piece).unwrap());
    (content.collect(), hash)
}

pub(crate) async fn fetch(server: Server) {
    let (content, told) = content(&get(&server, r"C:\temp\file.txt", false).await);
    assert_eq!(hash(&content), "70e3bea8cdb0d0c883bccff5228933d933b88a80");
    assert_eq!(told, hash(&content));
}

pub(crate) async fn fetch_expands(server: Server) {
    let (content, told) = content(&get(&server, r"%TEMP%\file.txt", true).await);
    assert_eq!(hash(&content), "22c1a78ec5ada1cd2f3665b58b30499e51a3b029");
    assert_eq!(told, hash(&content));
}

async fn fails(server: &Server, path: &str, message: &str) {
    let PipelineState::Failed(error) = get(server, path, false).await.state else {
        panic!("{path} was fetched");
    };
    assert_eq!(error.message, message);
}

pub(crate) async fn fetch_of_folder(server: Server) {
    let message = r"The path at 'C:\Windows' is a directory, src must be a file";
    fails(&server, r"C:\Windows", message).await;
}

pub(crate) async fn fetch_of_nothing(server: Server) {
    let message = r"The path at 'C:\fakefile.txt' does not exist";
    fails(&server, r"C:\fakefile.txt", message).await;
}

pub(crate) async fn fetch_of_other(server: Server) {
    // pypsrp's test takes another hash for that of what was fetched; here it is the true one that the server told.
    let (content, told) = content(&get(&server, r"C:\temp\file.txt", false).await);
    assert_eq!(told, "eec729d9a0fa275513bc44a4cb8d4ee973b81e1a");
    assert_eq!(told, hash(&content));
    assert_ne!(told, OTHER);
}
