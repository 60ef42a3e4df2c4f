//! Recordings of runs: what is in them, what is not, and what the simulated site makes of them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use owaim::endpoints::{EndpointBook, Origin};
use owaim::recording::Recorder;
use owaim_inventory::{EndpointKind, Site};
use owaim_lab::{Lab, LabOptions};
use owaim_proto::psrp::{self, Pipeline, PipelineOutput};
use owaim_transport::{Client, ClientOptions, Connect as _, Secret, Session};
use serde_json::Value;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
/// What the names of the example sites have in common, and others of them.
const NAMES: [&str; 6] = [
    "litware",
    "atl-",
    "redmond",
    "executives",
    "owa-001",
    "mbx-00",
];

/// What one call gave.
struct Call {
    code: i32,
    out: String,
    err: String,
}

fn owaim(arguments: &[&str]) -> Call {
    let output = Command::new(env!("CARGO_BIN_EXE_owaim"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Call {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Step and outcome of every node, names left out.
fn outcomes(report: &str) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(report).unwrap();
    let text = |node: &Value, key: &str| node[key].as_str().unwrap().to_owned();
    let nodes = report["nodes"].as_array().unwrap().iter();
    let mut outcomes: Vec<_> = nodes
        .map(|node| (text(node, "step"), text(node, "outcome")))
        .collect();
    outcomes.sort();
    outcomes
}

/// None of `names` is in a file of `folder`: as text, nor in Base64 of UTF-8 or UTF-16.
fn assert_nothing_survives(folder: &Path, names: &[&str]) {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let mut texts = vec![text.clone()];
        let alphabet = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
        for run in text.split(|c| !alphabet(c)).filter(|run| run.len() >= 8) {
            for start in 0..4 {
                let run = run.get(start..).unwrap();
                let whole = run.get(..run.len() / 4 * 4).unwrap();
                if let Ok(bytes) = STANDARD.decode(whole) {
                    texts.push(bytes.iter().map(|b| char::from(*b)).collect());
                }
            }
        }
        for text in texts {
            for form in [text.to_lowercase(), text.to_lowercase().replace('\0', "")] {
                for name in names {
                    let found = form.find(name);
                    assert!(found.is_none(), "{name} in {}: {form:.300}", path.display());
                }
            }
        }
        files += 1;
    }
    assert!(files > 2, "{}", folder.display());
}

/// Records a run of `example` and replays it.
fn check_replay(example: &str, command: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let site = format!("{EXAMPLES}/{example}.toml");
    let (record, runs) = (path("record"), path("runs"));
    let call = |site: &str, more: [&str; 2]| {
        let mut arguments = vec![command[0], site];
        arguments.extend(&command[1..]);
        arguments.extend(["--lab", "--format", "json", "--run-dir", &runs]);
        arguments.extend(more);
        owaim(&arguments)
    };
    let recorded = call(&site, ["--record", &record]);
    assert!(
        recorded
            .err
            .contains("names, addresses and secrets replaced"),
        "{}",
        recorded.err
    );
    assert_nothing_survives(Path::new(&record), &NAMES);
    let replayed = call(&format!("{record}/site.toml"), ["--lab-replay", &record]);
    assert_eq!(recorded.code, replayed.code, "{}", replayed.err);
    assert_eq!(
        outcomes(&recorded.out),
        outcomes(&replayed.out),
        "{}",
        replayed.err
    );
}

#[test]
fn an_apply_is_replayed_with_the_same_outcomes() {
    check_replay("rotation", &["apply", "--yes"]);
}

#[test]
fn a_verify_is_replayed_with_the_same_outcomes() {
    check_replay("litware", &["verify"]);
}

#[test]
fn a_server_that_fails_fails_again() {
    check_replay("maintenance", &["verify"]);
}

#[test]
fn a_recording_goes_into_a_folder_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "x").unwrap();
    let site = format!("{EXAMPLES}/litware.toml");
    let record = folder.path().to_str().unwrap();
    let call = owaim(&["verify", &site, "--lab", "--record", record]);
    assert_eq!(call.code, 3, "{}", call.err);
    assert!(
        call.err.contains("expected a new or an empty folder"),
        "{}",
        call.err
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn edited_recordings_are_refused_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (record, runs) = (path("record"), path("runs"));
    let site = format!("{EXAMPLES}/litware.toml");
    let place = "atl-mbx-001/windows";
    let words = ["--", "Get-Service", "-Name", "W3SVC"];
    let invoke = |site: &str, place: &str, more: [&str; 2]| {
        let mut arguments = vec!["invoke", site, place, "--lab"];
        arguments.extend(more);
        arguments.extend(words);
        owaim(&arguments)
    };
    let recorded = invoke(&site, place, ["--record", &record]);
    assert_eq!(recorded.code, 0, "{}", recorded.err);
    let site = format!("{record}/site.toml");
    let file = fs::read_dir(&record)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_session = |path: &PathBuf| path.extension().is_some_and(|e| e == "xml");
    let file = file.into_iter().find(is_session).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let name = file.file_stem().unwrap().to_str().unwrap();
    let host = name.split('-').nth(1).unwrap();
    let place = format!("{host}/windows");
    let cases = [
        (text.clone(), 0, ""),
        (
            text.get(..text.len() / 2).unwrap().to_owned(),
            3,
            "no recording that can be replayed",
        ),
        (
            text.replace("form=\"1\"", "form=\"9\""),
            3,
            "expected <recording form=",
        ),
        (
            text.replace("type=\"CREATE_PIPELINE\"", "type=\"NONE\""),
            3,
            "a type of message",
        ),
        (
            text.replace(">W3SVC<", ">WAS<"),
            4,
            "expected Get-Service -Name WAS",
        ),
        (
            text.replace("type=\"PIPELINE_STATE\"", "type=\"WARNING_RECORD\""),
            4,
            "",
        ),
        (String::new(), 3, "no recording that can be replayed"),
    ];
    for (text, code, message) in cases {
        fs::write(&file, text).unwrap();
        let call = invoke(&site, &place, ["--lab-replay", &record]);
        assert!(
            call.code == code && call.err.contains(message),
            "{message}: {} {}",
            call.code,
            call.err
        );
    }
    let call = owaim(&["verify", &site, "--lab-replay", &record, "--run-dir", &runs]);
    assert!(
        call.code == 3 && call.err.contains("they need --lab"),
        "{}",
        call.err
    );
}

/// A lab with the example site, and an endpoint of it.
struct Bench {
    site: Site,
    text: String,
    lab: Lab,
}

impl Bench {
    async fn new(text: String, replay: Option<PathBuf>) -> Self {
        let site = owaim_inventory::parse("site.toml", &text).unwrap();
        let options = LabOptions {
            replay,
            ..LabOptions::default()
        };
        let lab = Lab::start(&site, options).await.unwrap();
        Self { site, text, lab }
    }

    fn book(&self) -> EndpointBook {
        EndpointBook::from_file(self.lab.endpoints(), &self.site, Origin::Lab).unwrap()
    }

    /// Who records into `folder` what is exchanged with this lab.
    fn recorder(&self, folder: &Path) -> Recorder {
        Recorder::into_folder(folder, &self.site, self.text.clone(), &[], &self.book()).unwrap()
    }

    /// A session at an endpoint of that kind.
    async fn session(&self, kind: EndpointKind, client: Client) -> Box<dyn Session> {
        let book = self.book();
        let host = &self.site.exchange.admin_host;
        let found = book
            .iter()
            .find(|(place, _)| place.kind == kind && place.host == *host);
        client.connect(found.unwrap().1).await.unwrap()
    }

    /// Runs `pipelines` one after the other in such a session.
    async fn run(
        &self,
        kind: EndpointKind,
        client: Client,
        pipelines: &[Pipeline],
    ) -> Vec<PipelineOutput> {
        let mut session = self.session(kind, client).await;
        let mut outputs = Vec::new();
        for pipeline in pipelines {
            outputs.push(session.run(pipeline).await.unwrap());
        }
        session.close().await;
        outputs
    }
}

fn small_answers() -> Client {
    // What does not fit into an answer is spread over several.
    Client::new(ClientOptions {
        receive_limit: 10 << 10,
        ..ClientOptions::default()
    })
}

/// `automation`, `generic` and `management` are in the names of types of every session.
#[tokio::test]
async fn names_that_are_in_the_middle_of_words_do_not_stay() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let text = fs::read_to_string(format!("{EXAMPLES}/litware.toml")).unwrap();
    let server = "CN=Tom,OU=Eric,CN=Ana,DC=litwareinc,DC=com";
    let pipelines = [
        Pipeline::new(psrp::Command::new("Get-OwaVirtualDirectory")),
        Pipeline::new(psrp::Command::new("Get-OwaVirtualDirectory").with("Server", server)),
    ];
    let bench = Bench::new(text, None).await;
    let observer = Arc::new(bench.recorder(&record));
    let client = Client::default().observed_by(Arc::clone(&observer) as _);
    bench.run(EndpointKind::Exchange, client, &pipelines).await;
    bench.lab.stop().await.unwrap();
    observer.finish().unwrap();
    assert_nothing_survives(&record, &["=tom", "=eric", "=ana"]);
}

#[tokio::test]
async fn a_recording_takes_no_more_room_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(format!("{EXAMPLES}/litware.toml")).unwrap();
    let bench = Bench::new(text, None).await;
    let pipelines = [Pipeline::new(psrp::Command::new("Get-OwaVirtualDirectory"))];
    let run = async |name: &str, most: usize| {
        let record = folder.path().join(name);
        let observer = Arc::new(bench.recorder(&record).keeping(most));
        let client = Client::default().observed_by(Arc::clone(&observer) as _);
        bench.run(EndpointKind::Exchange, client, &pipelines).await;
        let beyond = observer.finish().unwrap();
        (
            beyond,
            fs::read_to_string(record.join("README.txt")).unwrap(),
        )
    };
    let (beyond, readme) = run("small", 1 << 10).await;
    assert!(beyond > 2, "{beyond}");
    let expected = format!("NOT WHOLE: its last {beyond} exchanges are in no file");
    assert!(readme.contains(&expected), "{readme}");
    let (beyond, readme) = run("large", 1 << 20).await;
    assert!(beyond == 0 && !readme.contains("NOT WHOLE"), "{readme}");
    bench.lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_session_of_a_replay_runs_any_number_of_pipelines() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let text = fs::read_to_string(format!("{EXAMPLES}/litware.toml")).unwrap();
    let pipeline = Pipeline::new(psrp::Command::new("Get-OwaVirtualDirectory"));
    let bench = Bench::new(text, None).await;
    let observer = Arc::new(bench.recorder(&record));
    let client = Client::default().observed_by(Arc::clone(&observer) as _);
    let recorded = bench
        .run(
            EndpointKind::Exchange,
            client,
            std::slice::from_ref(&pipeline),
        )
        .await;
    bench.lab.stop().await.unwrap();
    observer.finish().unwrap();
    let text = fs::read_to_string(record.join("site.toml")).unwrap();
    let bench = Bench::new(text, Some(record)).await;
    let pipelines = vec![pipeline; 100];
    let client = Client::default();
    let replayed = bench.run(EndpointKind::Exchange, client, &pipelines).await;
    bench.lab.stop().await.unwrap();
    assert_eq!(replayed.len(), 100);
    for output in replayed {
        assert_eq!(output.records.len(), recorded[0].records.len());
    }
}

#[tokio::test]
async fn secrets_travel_again_and_spread_messages_are_spread_again() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let text = fs::read_to_string(format!("{EXAMPLES}/litware.toml")).unwrap();
    let pipelines = [
        Pipeline::new(psrp::Command::new("Get-OwaVirtualDirectory").with("Server", "atl-cas-001")),
        Pipeline::new(
            psrp::Command::new("Import-ExchangeCertificate")
                .with("FileData", vec![0x81u8; 300])
                .with("Password", Secret::new("pa55-canary".into())),
        ),
    ];
    let bench = Bench::new(text, None).await;
    let observer = Arc::new(bench.recorder(&record));
    observer.hide([Secret::new("pa55-canary".into())]);
    let client = small_answers().observed_by(Arc::clone(&observer) as _);
    let recorded = bench.run(EndpointKind::Exchange, client, &pipelines).await;
    bench.lab.stop().await.unwrap();
    observer.finish().unwrap();
    assert_nothing_survives(
        &record,
        &[&NAMES[..], &["pa55", "encryptedsessionkey\">bg"]].concat(),
    );
    let files = fs::read_dir(&record)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let file = files
        .into_iter()
        .find(|path| path.extension().is_some_and(|e| e == "xml"))
        .unwrap();
    let written = fs::read_to_string(file).unwrap();
    for expected in [
        "[secure string]",
        "[key]",
        "pieces=\"2\"",
        "type=\"PUBLIC_KEY\"",
    ] {
        assert!(written.contains(expected), "{expected}");
    }

    let text = fs::read_to_string(record.join("site.toml")).unwrap();
    let bench = Bench::new(text, Some(record)).await;
    let host = bench.site.exchange.admin_host.short().to_owned();
    let replayed = [
        Pipeline::new(psrp::Command::new("Get-OwaVirtualDirectory").with("Server", host.as_str())),
        pipelines[1].clone(),
    ];
    let replayed = bench
        .run(EndpointKind::Exchange, small_answers(), &replayed)
        .await;
    bench.lab.stop().await.unwrap();
    assert_eq!(recorded.len(), replayed.len());
    for (recorded, replayed) in recorded.iter().zip(&replayed) {
        assert_eq!(recorded.records.len(), replayed.records.len());
        assert_eq!(recorded.is_clean(), replayed.is_clean());
    }
    assert_eq!(recorded[0].objects().count(), replayed[0].objects().count());
    assert_eq!(recorded[1].records.len(), replayed[1].records.len());
}

/// It is the service that is asked, and no shell of it.
#[tokio::test]
async fn what_a_service_said_of_itself_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let text = fs::read_to_string(format!("{EXAMPLES}/litware.toml")).unwrap();
    let bench = Bench::new(text, None).await;
    let observer = Arc::new(bench.recorder(&record));
    let client = Client::default().observed_by(Arc::clone(&observer) as _);
    let room = async |bench: &Bench, client| {
        let mut session = bench.session(EndpointKind::Windows, client).await;
        let room = session.learn_room().await;
        session.close().await;
        room
    };
    let recorded = room(&bench, client).await;
    bench.lab.stop().await.unwrap();
    observer.finish().unwrap();
    assert!(recorded > 300_000, "{recorded}");

    let text = fs::read_to_string(record.join("site.toml")).unwrap();
    let again = Bench::new(text, Some(record)).await;
    assert_eq!(room(&again, Client::default()).await, recorded);
    again.lab.stop().await.unwrap();
}
