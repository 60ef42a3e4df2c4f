//! What a simulated site leaves behind: after its stop it changes nothing any more, whatever was under
//! way.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use owaim_inventory::EndpointKind;
use owaim_lab::{Lab, LabOptions, Overlay};
use owaim_proto::psrp::{Command, Pipeline};
use owaim_tests::lab::by_ntlm;
use owaim_transport::{PoolOptions, RunspacePool, Timeouts, identify};

const OVERLAY: &str = r#"
[[faults]]
cmdlet = "Get-Service"
kind = "delay:1500"
"#;

fn write(name: &str) -> Pipeline {
    let path = [r"C:\Windows\Temp\", name].concat();
    Pipeline::new(
        Command::new("Set-Content")
            .with("LiteralPath", path)
            .with("Value", "written"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_after_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let text = include_str!("../../examples/litware.toml");
    let site = owaim_inventory::parse("litware.toml", text).unwrap();
    let options = LabOptions {
        overlay: Overlay::parse("overlay.toml", OVERLAY).unwrap(),
        state_dir: Some(folder.path().into()),
        ..LabOptions::default()
    };
    let lab = Lab::start(&site, options).await.unwrap();
    let mut entries = lab.endpoints().endpoints.iter();
    let entry = entries.find(|entry| entry.kind == EndpointKind::Windows);
    let entry = entry.unwrap();
    let endpoint = by_ntlm(entry);

    let options = PoolOptions::default();
    let pool = RunspacePool::open(&endpoint, &options).await.unwrap();
    let mut first = pool.start(&write("before.txt")).await.unwrap();
    while first.next().await.unwrap().is_some() {}
    // The one runspace is busy with the first of these when the site stops; the second waits for it.
    let busy = Pipeline::new(Command::new("Get-Service").with("Name", "RemoteRegistry"));
    let busy = pool.start(&busy).await.unwrap();
    let waits = pool.start(&write("after.txt")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    lab.stop().await.unwrap();
    drop((busy, waits, pool));

    let saved = || fs::read_to_string(folder.path().join("state.json")).unwrap();
    let at_the_stop = saved();
    assert!(at_the_stop.contains("before.txt"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(saved() == at_the_stop, "the state changed after the stop");
    // The connections have ended too, and nobody listens.
    let timeouts = Timeouts {
        connect: Duration::from_secs(1),
        response: Duration::from_secs(1),
    };
    assert!(identify(&endpoint, timeouts).await.is_err());
}
