//! No script text leaves the program: every pipeline that a run sends is looked at on its way.
#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use owaim::bus::Bus;
use owaim::endpoints::{EndpointBook, Origin};
use owaim::engine::{self, RunOptions};
use owaim::event::Mode;
use owaim::graph::Plan;
use owaim::outcome::ExitCode;
use owaim::run::{Keeper, Run};
use owaim::selection::Selection;
use owaim::sessions::Sessions;
use owaim::stop::Stop;
use owaim_inventory::catalogue::{COMMON_PARAMETERS, find, parameter_refusal, refusal};
use owaim_inventory::{HostName, Site};
use owaim_lab::{Lab, LabOptions, Overlay};
use owaim_proto::clixml::{Base, Value};
use owaim_proto::psrp::{Pipeline, PipelineOutput};
use owaim_transport::{Client, Connect, Endpoint, Session, TransportError};

/// A door that notes every pipeline that goes through it.
struct Noting {
    door: Client,
    sent: Arc<Mutex<Vec<Pipeline>>>,
}

struct NotingSession {
    session: Box<dyn Session>,
    sent: Arc<Mutex<Vec<Pipeline>>>,
}

#[async_trait]
impl Connect for Noting {
    async fn connect(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>, TransportError> {
        let session = self.door.connect(endpoint).await?;
        Ok(Box::new(NotingSession {
            session,
            sent: Arc::clone(&self.sent),
        }))
    }
}

#[async_trait]
impl Session for NotingSession {
    async fn run(&mut self, pipeline: &Pipeline) -> Result<PipelineOutput, TransportError> {
        self.sent.lock().unwrap().push(pipeline.clone());
        self.session.run(pipeline).await
    }

    fn is_usable(&self) -> bool {
        self.session.is_usable()
    }

    async fn close(self: Box<Self>) {
        self.session.close().await;
    }
}

struct InMemory;

impl Keeper for InMemory {
    fn save(&self, host: &HostName, name: &str, _content: &[u8]) -> io::Result<String> {
        Ok(format!("{host}/{name}"))
    }

    fn keep(&self, host: &HostName, name: &str, _content: &[u8]) -> io::Result<String> {
        Ok(format!("{host}/{name}"))
    }
}

/// Every pipeline of a plan, an apply and a verify over the example site, begun as `overlay` says.
async fn sent(overlay: &str) -> Vec<Pipeline> {
    let site: Site =
        owaim_inventory::parse("litware.toml", include_str!("../../examples/litware.toml"))
            .unwrap();
    let overlay = Overlay::parse("overlay", overlay).unwrap();
    let lab = Lab::start(
        &site,
        LabOptions {
            overlay,
            ..LabOptions::default()
        },
    )
    .await
    .unwrap();
    let sent = Arc::new(Mutex::new(Vec::new()));
    for mode in [Mode::Plan, Mode::Apply, Mode::Verify] {
        let steps = owaim_steps::steps_for(&site)
            .into_iter()
            .map(Arc::from)
            .collect();
        let plan = Plan::new(steps, &Selection::default(), mode).unwrap();
        let door = Noting {
            door: Client::default(),
            sent: Arc::clone(&sent),
        };
        let book = EndpointBook::from_file(lab.endpoints(), &site, Origin::Lab).unwrap();
        let bus = Bus::new(Vec::new());
        let sessions = Sessions::new(Arc::new(door), book, bus.clone());
        let run = Run::new(
            site.clone(),
            plan,
            mode,
            sessions,
            bus,
            Box::new(InMemory),
            Stop::default(),
        );
        let (_, exit) = engine::execute(
            &Arc::new(run),
            &RunOptions {
                run: "r".into(),
                strict: false,
                shows_drift: false,
            },
        )
        .await;
        assert!(
            matches!(exit, ExitCode::Success | ExitCode::Drift),
            "{mode:?}: {exit:?}"
        );
    }
    lab.stop().await.unwrap();
    Arc::into_inner(sent).unwrap().into_inner().unwrap()
}

fn has_script(value: &Value) -> bool {
    match value {
        Value::ScriptBlock(_) => true,
        Value::Object(object) => {
            let base = match &object.base {
                Base::None => false,
                Base::Primitive(value) => has_script(value),
                Base::List(items)
                | Base::Enumerable(items)
                | Base::Stack(items)
                | Base::Queue(items) => items.iter().any(has_script),
                Base::Dictionary(entries) => entries
                    .iter()
                    .any(|(key, value)| has_script(key) || has_script(value)),
            };
            base || object
                .adapted
                .iter()
                .chain(&object.extended)
                .any(|(_, value)| has_script(value))
        }
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pipeline_is_typed_and_in_the_catalogue() {
    let overlays = [
        "",
        "nested = \"full\"",
        // The ways around what old servers lack, and around values that are wrong already.
        "[hosts.\"atl-mbx-001.litwareinc.com\"]\nwindows = \"2008R2\"\npowershell = \"2.0\"\n",
        "[policies.Executives]\nenabled = false\n",
    ];
    let mut programs = 0;
    for overlay in overlays {
        let pipelines = sent(overlay).await;
        assert!(pipelines.len() > 100, "{}", pipelines.len());
        for command in pipelines.iter().flat_map(Pipeline::commands) {
            let name = &command.name;
            assert!(!command.is_script, "{name} is a script");
            assert_eq!(refusal(name), None, "{name}");
            assert!(
                !command
                    .parameters
                    .iter()
                    .any(|parameter| has_script(&parameter.value)),
                "{name}"
            );
            let Some(cmdlet) = find(name) else {
                assert!(
                    name.contains('\\') && name.to_lowercase().ends_with("\\appcmd.exe"),
                    "{name} is not known"
                );
                programs += 1;
                continue;
            };
            for parameter in command
                .parameters
                .iter()
                .filter_map(|parameter| parameter.name.as_deref())
            {
                assert_eq!(
                    parameter_refusal(name, parameter),
                    None,
                    "{name} -{parameter}"
                );
                let known = cmdlet.parameter(parameter).is_some()
                    || COMMON_PARAMETERS
                        .iter()
                        .any(|common| common.name.eq_ignore_ascii_case(parameter));
                assert!(known, "{name} -{parameter} is not in the catalogue");
            }
        }
    }
    assert!(programs > 0, "the recycle is a program");
}
