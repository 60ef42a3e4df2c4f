//! Files to a simulated server and back, whole and in pieces.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::{Arc, Mutex};

use owaim_inventory::EndpointKind;
use owaim_lab::{Lab, LabOptions, Overlay};
use owaim_proto::psrp::{Command, Pipeline};
use owaim_tests::lab::by_ntlm;
use owaim_transport::{
    Client, Connect as _, Exchange, FileTransfer, FileTransferError, Observer, Session, Transferred,
};

/// With `Get-FileHash`, and the one backend of the example that has none.
const HOSTS: [&str; 2] = ["atl-cas-001", "atl-mbx-001"];

const REMOTE: &str = r"C:\Windows\Temp\UcmaRuntimeSetup.exe";

async fn start(overlay: &str) -> Lab {
    let text = include_str!("../../examples/litware.toml");
    let site = owaim_inventory::parse("litware.toml", text).unwrap();
    let options = LabOptions {
        overlay: Overlay::parse("overlay.toml", overlay).unwrap(),
        ..LabOptions::default()
    };
    Lab::start(&site, options).await.unwrap()
}

async fn session(lab: &Lab, host: &str) -> Box<dyn Session> {
    connect(lab, host, Client::default()).await
}

async fn connect(lab: &Lab, host: &str, client: Client) -> Box<dyn Session> {
    let entry = lab
        .endpoints()
        .endpoints
        .iter()
        .find(|entry| entry.kind == EndpointKind::Windows && entry.host.short() == host)
        .unwrap();
    let endpoint = by_ntlm(entry);
    client.connect(&endpoint).await.unwrap()
}

/// Octets without a pattern that a piece put in the wrong place could hide in.
fn content(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(&mut next).take(size).collect()
}

async fn upload(
    session: &mut dyn Session,
    local: &Path,
) -> (Result<Transferred, FileTransferError>, Vec<u64>) {
    let mut steps = Vec::new();
    let mut report = |progress: owaim_transport::TransferProgress| steps.push(progress.done);
    let mut transfer = FileTransfer::new(session, "srv", &mut report);
    let result = transfer.upload(local, REMOTE).await;
    (result, steps)
}

async fn download(
    session: &mut dyn Session,
    local: &Path,
) -> Result<Transferred, FileTransferError> {
    let mut report = |_| {};
    FileTransfer::new(session, "srv", &mut report)
        .download(REMOTE, local)
        .await
}

#[tokio::test]
async fn files_go_there_and_back() {
    let lab = start("").await;
    let folder = tempfile::tempdir().unwrap();
    let (local, back) = (folder.path().join("there"), folder.path().join("back"));
    for host in HOSTS {
        let mut session = session(&lab, host).await;
        for size in [0, 1, 20_000, 300_001] {
            std::fs::write(&local, content(size)).unwrap();
            let (sent, steps) = upload(session.as_mut(), &local).await;
            let sent = sent.unwrap();
            assert_eq!((sent.size, sent.resumed_at), (size as u64, 0), "{host}");
            assert_eq!(steps.last(), Some(&(size as u64)));
            assert!(steps.is_sorted());
            // What is there is not sent again.
            let (again, steps) = upload(session.as_mut(), &local).await;
            assert_eq!(again.unwrap().resumed_at, size as u64);
            assert!(steps.is_empty(), "{steps:?}");
            let fetched = download(session.as_mut(), &back).await.unwrap();
            assert_eq!(fetched.sha256, sent.sha256);
            assert_eq!(std::fs::read(&back).unwrap(), content(size), "{host}");
        }
        session.close().await;
    }
    lab.stop().await.unwrap();
}

/// Notes what is sent, and how large it is.
#[derive(Default)]
struct Noted(Mutex<Vec<(&'static str, usize)>>);

impl Observer for Noted {
    fn exchanged(&self, exchange: &Exchange<'_>) {
        let noted = (exchange.action, exchange.sent);
        self.0.lock().unwrap().push(noted);
    }
}

/// Each piece goes in one request, as large as the server is known to take. The first step tells where it begins.
#[tokio::test]
async fn a_piece_is_sent_in_one_request() {
    for (size, envelopes, pieces) in [
        (1_000_000, 100 << 10..=150 << 10, 13),
        // Much: the server was asked what it takes.
        (3_000_000, 400 << 10..=500 << 10, 11),
    ] {
        let lab = start("").await;
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("there");
        std::fs::write(&local, content(size)).unwrap();
        let noted = Arc::new(Noted::default());
        let client = Client::default().observed_by(Arc::clone(&noted) as _);
        let mut session = connect(&lab, HOSTS[0], client).await;
        let (sent, steps) = upload(session.as_mut(), &local).await;
        sent.unwrap();
        session.close().await;
        lab.stop().await.unwrap();
        let noted = noted.0.lock().unwrap();
        assert!(noted.iter().all(|(action, _)| !action.starts_with("Send")));
        let largest = noted.iter().map(|(_, sent)| *sent).max().unwrap();
        assert!(envelopes.contains(&largest), "{size}: {largest}");
        assert_eq!(steps.len(), 1 + pieces);
    }
}

#[tokio::test]
async fn what_was_interrupted_is_gone_on_with() {
    // The third piece is written and its answer lost.
    let lab = start(
        "[[faults]]\nhost = \"atl-cas-001.litwareinc.com\"\nendpoint = \"windows\"\naction = \"Command\"\nnth = 5\n\
         kind = \"drop-after\"\n",
    )
    .await;
    let folder = tempfile::tempdir().unwrap();
    let (local, back) = (folder.path().join("there"), folder.path().join("back"));
    std::fs::write(&local, content(500_000)).unwrap();
    let mut first = session(&lab, HOSTS[0]).await;
    let (lost, steps) = upload(first.as_mut(), &local).await;
    assert!(
        matches!(lost, Err(FileTransferError::Transport(_))),
        "{lost:?}"
    );
    let done = *steps.last().unwrap();
    first.close().await;

    let mut second = session(&lab, HOSTS[0]).await;
    let (sent, _) = upload(second.as_mut(), &local).await;
    let sent = sent.unwrap();
    assert!(sent.resumed_at >= done && sent.resumed_at > 0, "{sent:?}");

    // The beginning of a download is kept too, but for what does not make a whole record.
    let mut part = content(500_000);
    part.truncate(100_000);
    std::fs::write(folder.path().join("back.owaim-part"), part).unwrap();
    let fetched = download(second.as_mut(), &back).await.unwrap();
    assert_eq!(fetched.resumed_at, 98_304);
    assert_eq!(std::fs::read(&back).unwrap(), content(500_000));
    second.close().await;
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_part_of_another_file_is_thrown_away() {
    let lab = start("").await;
    let folder = tempfile::tempdir().unwrap();
    let (local, back) = (folder.path().join("there"), folder.path().join("back"));
    std::fs::write(&local, content(200_000)).unwrap();
    let mut session = session(&lab, HOSTS[0]).await;
    let other = Command::new("Add-Content")
        .with("LiteralPath", format!("{REMOTE}.owaim-part").as_str())
        .with("Encoding", "Byte")
        .with("Value", vec![0; 1000]);
    assert!(session.run(&Pipeline::new(other)).await.unwrap().is_clean());
    let (sent, _) = upload(session.as_mut(), &local).await;
    assert_eq!(sent.unwrap().resumed_at, 0);
    std::fs::write(folder.path().join("back.owaim-part"), vec![0; 100_000]).unwrap();
    let error = download(session.as_mut(), &back).await.unwrap_err();
    assert!(
        matches!(error, FileTransferError::Mismatch { .. }),
        "{error}"
    );
    assert!(!back.exists());
    assert_eq!(
        download(session.as_mut(), &back).await.unwrap().resumed_at,
        0
    );
    session.close().await;
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn refusals_name_place_and_reason() {
    let lab = start("").await;
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("there");
    std::fs::write(&local, content(10)).unwrap();
    let mut session = session(&lab, HOSTS[0]).await;
    let mut report = |_| {};
    let mut transfer = FileTransfer::new(session.as_mut(), "srv", &mut report);
    for (remote, expected) in [
        (r"setup.exe", "full path"),
        (r"C:\Temp\*.exe", "without wildcards"),
        (r"C:\Temp\", "full path"),
        (r"C:\no such folder\setup.exe", "no such folder"),
    ] {
        let said = transfer
            .upload(&local, remote)
            .await
            .unwrap_err()
            .to_string();
        assert!(said.contains(expected) && said.contains("srv"), "{said}");
    }
    let said = transfer
        .upload(&folder.path().join("none"), REMOTE)
        .await
        .unwrap_err();
    assert!(matches!(said, FileTransferError::Local { .. }), "{said}");
    let said = transfer.download(r"C:\none.txt", &local).await.unwrap_err();
    assert!(
        said.to_string().contains("expected a file, found none"),
        "{said}"
    );
    session.close().await;
    lab.stop().await.unwrap();
}
