//! The model as its callers see it: pipelines in, records out.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use owaim_inventory::{EndpointKind, HostName, Site};
use owaim_proto::clixml::{Object, Value};
use owaim_proto::psrp::{Command, ErrorRecord, Pipeline, PipelineOutput, PipelineState, Record};
use uuid::Uuid;

use super::record::CallRecord;
use super::{Caller, Execution, Recorder, World, lock};
use crate::overlay::Overlay;

mod certificates;
mod examples;
mod exchange;
mod import;
mod lync;
mod lync_topology;
mod network;
mod servers;
mod unified;
mod windows;

const START: &str = "2026-11-23T10:00:00Z";

/// A small site with names of its own: one server for client access, three backends.
const SITE: &str = r#"
[site]
name = "fabrikam"
[lync]
version = "2013"
pool = "fe.fabrikam.test"
site_id = "HQ"
[lync.trusted_application]
pool = "im.fabrikam.test"
id = "Mail"
port = 5201
[exchange]
version = "2013"
admin_host = "front.fabrikam.test"
[certificate]
subject = "im.fabrikam.test"
[policies]
mailbox = ["Default", "Clerks"]
[[hosts]]
name = "front.fabrikam.test"
roles = ["cas"]
[[hosts]]
name = "box-a.fabrikam.test"
roles = ["backend"]
install_root = 'D:\Mail'
[[hosts]]
name = "box-b.fabrikam.test"
roles = ["backend"]
[[hosts]]
name = "box-c.fabrikam.test"
roles = ["backend"]
[credentials.default]
username = 'FABRIKAM\lab'
password = { env = "LAB_PASSWORD" }
"#;

/// Hosts that make it a site with a Lync side.
const FRONT_ENDS: &str = r#"
[[hosts]]
name = "fe1.fabrikam.test"
roles = ["lync-front-end"]
endpoints.lync-local = {}
[[hosts]]
name = "fe2.fabrikam.test"
roles = ["lync-front-end"]
"#;

const FE: &str = "fe1.fabrikam.test";
const BOX: &str = "box-a.fabrikam.test";
const FRONT: &str = "front.fabrikam.test";
const WEB_CONFIG: &str = "D:\\Mail\\ClientAccess\\Owa\\web.config";

#[derive(Default)]
struct Tape(Mutex<Vec<CallRecord>>);

impl Recorder for Tape {
    fn call(&self, record: &CallRecord) {
        self.0.lock().expect("no panic").push(record.clone());
    }
}

/// A world with a clock that the test moves.
struct Lab {
    world: World,
    tape: Arc<Tape>,
    now: Arc<Mutex<Timestamp>>,
    session: Uuid,
}

impl Lab {
    fn new(overlay: &str) -> Self {
        Self::kept(overlay, None)
    }

    fn kept(overlay: &str, folder: Option<&std::path::Path>) -> Self {
        Self::of(SITE, overlay, folder)
    }

    /// The site with two Front Ends; the first has an endpoint of the site's own.
    fn with_lync(overlay: &str) -> Self {
        Self::of(&format!("{SITE}{FRONT_ENDS}"), overlay, None)
    }

    fn of(site: &str, overlay: &str, folder: Option<&std::path::Path>) -> Self {
        let site: Site = owaim_inventory::parse("site.toml", site).expect("the site is valid");
        let overlay = Overlay::parse("lab.toml", overlay).expect("the overlay is valid");
        let now = Arc::new(Mutex::new(START.parse().expect("a time")));
        let clock = Arc::clone(&now);
        let tape = Arc::new(Tape::default());
        let recorder: Arc<dyn Recorder> = Arc::<Tape>::clone(&tape);
        let clock = Arc::new(move || *clock.lock().expect("no panic"));
        let world = World::by_clock(&site, &overlay, folder, recorder, clock).expect("a world");
        Self {
            world,
            tape,
            now,
            session: Uuid::new_v4(),
        }
    }

    fn pass(&self, seconds: i64) {
        let mut now = self.now.lock().expect("no panic");
        *now = now
            .checked_add(SignedDuration::from_secs(seconds))
            .expect("in range");
    }

    fn caller(&self, host: &str, endpoint: EndpointKind) -> Caller {
        let host = HostName::new(host).expect("a name");
        Caller {
            host,
            endpoint,
            user: "FABRIKAM\\lab".into(),
            session: self.session,
        }
    }

    fn execute(&self, host: &str, endpoint: EndpointKind, pipeline: &Pipeline) -> Execution {
        self.world.run(&self.caller(host, endpoint), pipeline, &[])
    }

    fn windows(&self, host: &str, pipeline: impl Into<Line>) -> PipelineOutput {
        finished(self.execute(host, EndpointKind::Windows, &pipeline.into().0))
    }

    /// At a Front End's endpoint of that kind.
    fn lync(&self, endpoint: EndpointKind, pipeline: impl Into<Line>) -> PipelineOutput {
        finished(self.execute(FE, endpoint, &pipeline.into().0))
    }

    fn exchange(&self, pipeline: impl Into<Line>) -> PipelineOutput {
        finished(self.execute(FRONT, EndpointKind::Exchange, &pipeline.into().0))
    }

    /// The last record of a call.
    fn last(&self) -> CallRecord {
        self.tape
            .0
            .lock()
            .expect("no panic")
            .last()
            .cloned()
            .expect("a record")
    }

    fn recycle(&self, host: &str) {
        let output = self.windows(
            host,
            appcmd(&["recycle", "apppool", "/apppool.name:MSExchangeOWAAppPool"]),
        );
        assert_eq!(
            texts(&output),
            ["\"MSExchangeOWAAppPool\" successfully recycled"]
        );
    }

    /// Ids of the messaging events of `host`, oldest first.
    fn events(&self, host: &str) -> Vec<i64> {
        let filter = "*[System[Provider[@Name='MSExchange OWA'] and Task=9]]";
        let command = Command::new("Get-WinEvent")
            .with("LogName", "Application")
            .with("FilterXPath", filter);
        let output = self.windows(host, command.switch("Oldest"));
        output
            .objects()
            .map(|e| e.get("Id").and_then(Value::as_i64).expect("an id"))
            .collect()
    }

    /// The thumbprint of the messaging certificate of `host`.
    fn thumbprint(&self, host: &str) -> String {
        let output = self.windows(
            host,
            Command::new("Get-ChildItem").with("LiteralPath", "Cert:\\LocalMachine\\My"),
        );
        let wanted = |c: &&Value| {
            c.get("Subject").and_then(Value::text).as_deref() == Some("CN=im.fabrikam.test")
        };
        output
            .objects()
            .find(wanted)
            .and_then(|c| c.get("Thumbprint")?.text())
            .expect("the certificate")
    }

    /// Brings everything into the state in which messaging works at [`BOX`].
    fn configure(&self) {
        let on = |c: Command| {
            c.with("InstantMessagingEnabled", true)
                .with("InstantMessagingType", "Ocs")
        };
        for command in [
            on(Command::new("Set-OwaVirtualDirectory")
                .with("Identity", "FRONT\\owa (Default Web Site)")),
            on(Command::new("Set-OwaMailboxPolicy").with("Identity", "Default")),
        ] {
            assert!(self.exchange(command).is_clean());
        }
        self.pass(10);
        self.write_settings("fe.fabrikam.test", &self.thumbprint(BOX));
    }

    fn write_settings(&self, server: &str, thumbprint: &str) {
        let text = format!(
            "<configuration><appSettings><add key=\"IMServerName\" value=\"{server}\"/>\
             <add key=\"IMCertificateThumbprint\" value=\"{thumbprint}\"/></appSettings></configuration>"
        );
        let command = Command::new("Set-Content")
            .with("LiteralPath", WEB_CONFIG)
            .with("Encoding", "Byte");
        assert!(
            self.windows(BOX, command.with("Value", text.into_bytes()))
                .is_clean()
        );
    }
}

/// A pipeline, from a command or as it is.
struct Line(Pipeline);

impl From<Command> for Line {
    fn from(command: Command) -> Self {
        Self(Pipeline::new(command))
    }
}

impl From<Pipeline> for Line {
    fn from(pipeline: Pipeline) -> Self {
        Self(pipeline)
    }
}

fn finished(execution: Execution) -> PipelineOutput {
    match execution {
        Execution::Finished { output, .. } => output,
        Execution::Prompt { call, .. } => panic!("asks {call:?}"),
    }
}

fn appcmd(arguments: &[&str]) -> Command {
    let start = Command::new("C:\\Windows\\System32\\inetsrv\\appcmd.exe");
    arguments
        .iter()
        .fold(start, |command, argument| command.arg(*argument))
}

fn texts(output: &PipelineOutput) -> Vec<String> {
    output
        .objects()
        .map(|v| v.text().unwrap_or_default())
        .collect()
}

fn property(value: &Value, name: &str) -> String {
    value
        .get(name)
        .and_then(Value::text)
        .unwrap_or_else(|| panic!("{name} of {value:?}"))
}

fn first_error(output: &PipelineOutput) -> &ErrorRecord {
    output.errors().next().expect("an error")
}
