//! The engine against servers in memory: what is sent, how often, and what comes of it.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use owaim::bus::{Bus, Consumer};
use owaim::endpoints::EndpointBook;
use owaim::engine::{self, RunOptions};
use owaim::event::{Event, EventKind, Mode};
use owaim::graph::Plan;
use owaim::outcome::{ExitCode, FailureCause, Outcome};
use owaim::run::{Keeper, Run};
use owaim::selection::Selection;
use owaim::sessions::Sessions;
use owaim::stop::Stop;
use owaim_inventory::{HostName, Site};
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput, PipelineState, Record};
use owaim_steps::{
    Action, Assessment, Context, Dependency, Difference, Exclusive, Observations, Place, Problem,
    Query, Scope, Step, StepId, Strength, Target, Verdict,
};
use owaim_transport::{Connect, Endpoint, Session, TransportError};

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// The connection cannot be made.
    Refused,
    /// It is carried out, but the answer is lost.
    AnswerLost,
    /// It is answered, but without effect.
    Ignored,
    /// It never comes back.
    Hangs,
    /// It takes so long.
    Takes(Duration),
}

/// The servers: one flag each, and a list of what befalls the next calls.
#[derive(Default)]
struct Servers {
    on: Mutex<BTreeMap<String, bool>>,
    fates: Mutex<BTreeMap<(String, &'static str), VecDeque<Fate>>>,
    calls: Mutex<Vec<(String, String)>>,
    connects: AtomicUsize,
    /// A host whose logon takes longer than an attempt may.
    slow: Mutex<Option<String>>,
    /// Hosts that refuse the account.
    refusing: Mutex<Vec<String>>,
    changing: AtomicUsize,
    most_changing: AtomicUsize,
}

impl Servers {
    fn fate(&self, host: &str, call: &'static str, fates: &[Fate]) {
        self.fates
            .lock()
            .unwrap()
            .entry((host.into(), call))
            .or_default()
            .extend(fates);
    }

    fn sent(&self, command: &str) -> usize {
        self.calls
            .lock()
            .unwrap()
            .iter()
            .filter(|(_, name)| name == command)
            .count()
    }
}

struct Door(Arc<Servers>);

#[async_trait]
impl Connect for Door {
    async fn connect(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>, TransportError> {
        self.0.connects.fetch_add(1, Ordering::SeqCst);
        let slow = self.0.slow.lock().unwrap().as_deref() == Some(&endpoint.host);
        tokio::time::sleep(if slow {
            Duration::from_mins(1)
        } else {
            Duration::from_millis(5)
        })
        .await;
        if self.0.refusing.lock().unwrap().contains(&endpoint.host) {
            return Err(TransportError::RefusedLogon {
                action: "open session",
                url: endpoint.url.clone(),
                username: endpoint.authentication.account().to_owned(),
                detail: "401".into(),
                taken: false,
            });
        }
        Ok(Box::new(InMemory {
            servers: Arc::clone(&self.0),
            host: endpoint.host.clone(),
            url: endpoint.url.clone(),
        }))
    }
}

struct InMemory {
    servers: Arc<Servers>,
    host: String,
    url: String,
}

#[async_trait]
impl Session for InMemory {
    async fn run(&mut self, pipeline: &Pipeline) -> Result<PipelineOutput, TransportError> {
        let name = pipeline.commands().next().unwrap().name.clone();
        self.servers
            .calls
            .lock()
            .unwrap()
            .push((self.host.clone(), name.clone()));
        let key = if name == "Set-Flag" {
            "Set-Flag"
        } else {
            "Get-Flag"
        };
        let fate = self
            .servers
            .fates
            .lock()
            .unwrap()
            .get_mut(&(self.host.clone(), key))
            .and_then(VecDeque::pop_front);
        let lost = |sent| TransportError::Closed {
            action: "Command",
            url: self.url.clone(),
            sent,
            detail: "reset".into(),
        };
        match fate {
            Some(Fate::Refused) => return Err(lost(false)),
            Some(Fate::Hangs) => std::future::pending::<()>().await,
            Some(Fate::Takes(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        if name == "Set-Flag" {
            let now = self.servers.changing.fetch_add(1, Ordering::SeqCst) + 1;
            self.servers.most_changing.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            self.servers.changing.fetch_sub(1, Ordering::SeqCst);
            if fate != Some(Fate::Ignored) {
                self.servers
                    .on
                    .lock()
                    .unwrap()
                    .insert(self.host.clone(), true);
            }
        }
        if fate == Some(Fate::AnswerLost) {
            return Err(lost(true));
        }
        let on = self
            .servers
            .on
            .lock()
            .unwrap()
            .get(&self.host)
            .copied()
            .unwrap_or(false);
        Ok(PipelineOutput {
            records: vec![Record::Output(on.into())],
            state: PipelineState::Completed,
        })
    }

    fn is_usable(&self) -> bool {
        true
    }

    async fn close(self: Box<Self>) {}
}

/// A flag of a host must be on.
#[derive(Debug, Clone)]
struct Flag {
    id: StepId,
    host: HostName,
    dependencies: Vec<Dependency>,
    exclusive: bool,
    repeatable: bool,
    /// Whether it goes by what was accepted, and not by what is read.
    trusting: bool,
    /// How long its change may take.
    patience: Duration,
}

fn flag(id: StepId, host: &str) -> Flag {
    Flag {
        id,
        host: HostName::new(host).unwrap(),
        dependencies: Vec::new(),
        exclusive: false,
        repeatable: true,
        trusting: false,
        patience: Duration::ZERO,
    }
}

impl Flag {
    fn depends(mut self, on: StepId, strength: Strength) -> Self {
        self.dependencies.push(Dependency {
            on,
            strength,
            scope: Scope::All,
        });
        self
    }
}

impl Step for Flag {
    fn id(&self) -> StepId {
        self.id
    }

    fn target(&self) -> Target {
        Target {
            host: self.host.clone(),
            object: None,
        }
    }

    fn title(&self) -> String {
        "the flag is on".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        self.dependencies.clone()
    }

    fn exclusive(&self, _site: &Site) -> Option<Exclusive> {
        self.exclusive.then(|| Exclusive {
            group: "one".into(),
            limit: 1,
        })
    }

    fn repeatable(&self, _action: &Action) -> bool {
        self.repeatable
    }

    fn takes_up_to(&self, _action: &Action) -> Duration {
        self.patience
    }

    fn probe(&self, _cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        let pipeline = Pipeline::new(Command::new("Get-Flag"));
        Ok(vec![Query {
            name: "flag",
            place: Place::windows(&self.host),
            pipeline,
        }])
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        if self.trusting && cx.accepted.contains(&"set") {
            return Assessment::of(Verdict::InPlace);
        }
        let on = seen.get("flag").and_then(|output| {
            output
                .objects()
                .next()
                .and_then(owaim_proto::clixml::Value::as_bool)
        });
        Assessment::of(match on {
            Some(true) => Verdict::InPlace,
            _ => Verdict::Drifted(vec![Difference {
                what: "flag".into(),
                actual: Some("off".into()),
                desired: Some("on".into()),
                diff: None,
            }]),
        })
    }

    fn remedy(&self, _cx: Context<'_>, _seen: &Observations) -> Result<Vec<Action>, Problem> {
        Ok(vec![Action {
            name: "set",
            place: Place::windows(&self.host),
            pipeline: Pipeline::new(Command::new("Set-Flag")),
            changes: true,
            summary: "set the flag".into(),
            saves: Vec::new(),
        }])
    }
}

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Event>>>);

impl Consumer for Recorder {
    fn consume(&mut self, event: &Event) -> io::Result<()> {
        self.0.lock().unwrap().push(event.clone());
        Ok(())
    }
}

/// A disk that is full.
struct Full;

impl Consumer for Full {
    fn consume(&mut self, _event: &Event) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::StorageFull, "disk full"))
    }
}

struct NoFiles;

impl Keeper for NoFiles {
    fn save(&self, _host: &HostName, _name: &str, _content: &[u8]) -> io::Result<String> {
        Err(io::Error::other("no step of this test saves anything"))
    }

    fn keep(&self, _host: &HostName, _name: &str, _content: &[u8]) -> io::Result<String> {
        Err(io::Error::other("no step of this test keeps anything"))
    }
}

const SITE: &str = r#"
[site]
name = "test"
[lync]
version = "2013"
pool = "pool.example.com"
site_id = "One"
[lync.trusted_application]
pool = "owa.example.com"
id = "OutlookWebApp"
port = 5199
[exchange]
version = "2013"
[policies]
mailbox = ["Default"]
[[hosts]]
name = "a.example.com"
roles = ["cas", "backend"]
[[hosts]]
name = "b.example.com"
roles = ["backend"]
[[hosts]]
name = "c.example.com"
roles = ["backend"]
[[hosts]]
name = "d.example.com"
roles = ["backend"]
[[hosts]]
name = "e.example.com"
roles = ["backend"]
[credentials.default]
username = "EXAMPLE\\admin"
password = { file = 'PASSWORD_FILE' }
[retry.default]
attempts = 3
base_delay = "2ms"
max_delay = "4ms"
attempt_timeout = "20s"
deadline = "10m"
"#;

struct Case {
    servers: Servers,
    steps: Vec<Flag>,
    mode: Mode,
    consumers: Vec<Box<dyn Consumer>>,
    stop: Stop,
}

impl Case {
    fn of(steps: Vec<Flag>) -> Self {
        Self {
            servers: Servers::default(),
            steps,
            mode: Mode::Apply,
            consumers: Vec::new(),
            stop: Stop::default(),
        }
    }

    async fn run(mut self) -> Ran {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, "secret\n").unwrap();
        let site = owaim_inventory::parse(
            "test.toml",
            &SITE.replace("PASSWORD_FILE", password.to_str().unwrap()),
        )
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let steps = self
            .steps
            .into_iter()
            .map(|step| Arc::new(step) as Arc<dyn Step>)
            .collect();
        let plan = Plan::new(steps, &Selection::default(), self.mode).unwrap();
        let recorder = Recorder::default();
        self.consumers.push(Box::new(recorder.clone()));
        let bus = Bus::new(self.consumers);
        let servers = Arc::new(self.servers);
        let book = EndpointBook::from_site(&site).unwrap();
        let sessions = Sessions::new(Arc::new(Door(Arc::clone(&servers))), book, bus.clone());
        let run = Run::new(
            site,
            plan,
            self.mode,
            sessions,
            bus,
            Box::new(NoFiles),
            self.stop,
        );
        let options = RunOptions {
            run: "r".into(),
            strict: false,
            shows_drift: false,
        };
        let (outcomes, exit) = engine::execute(&Arc::new(run), &options).await;
        let events = recorder.0.lock().unwrap().clone();
        Ran {
            servers,
            outcomes,
            exit,
            events,
        }
    }
}

struct Ran {
    servers: Arc<Servers>,
    outcomes: Vec<Outcome>,
    exit: ExitCode,
    events: Vec<Event>,
}

impl Ran {
    fn words(&self) -> Vec<&'static str> {
        self.outcomes.iter().map(Outcome::word).collect()
    }
}

#[tokio::test]
async fn a_drift_is_repaired_once_and_then_in_place() {
    let ran = Case::of(vec![flag("s.one", "a.example.com")]).run().await;
    assert_eq!(
        (ran.words(), ran.exit),
        (vec!["changed"], ExitCode::Success)
    );
    assert_eq!(ran.servers.sent("Set-Flag"), 1);

    let case = Case::of(vec![flag("s.one", "a.example.com")]);
    case.servers
        .on
        .lock()
        .unwrap()
        .insert("a.example.com".into(), true);
    let ran = case.run().await;
    assert_eq!(
        (ran.words(), ran.exit),
        (vec!["in-place"], ExitCode::Success)
    );
    assert_eq!(ran.servers.sent("Set-Flag"), 0);
}

#[tokio::test]
async fn read_only_runs_send_no_change() {
    for mode in [Mode::Plan, Mode::Verify, Mode::Drift] {
        let mut case = Case::of(vec![flag("s.one", "a.example.com")]);
        case.mode = mode;
        let ran = case.run().await;
        assert_eq!((ran.words(), ran.exit), (vec!["drifted"], ExitCode::Drift));
        assert_eq!(ran.servers.sent("Set-Flag"), 0);
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_for_before_anything_is_repeated() {
    let case = Case::of(vec![flag("s.one", "a.example.com")]);
    case.servers
        .fate("a.example.com", "Set-Flag", &[Fate::AnswerLost]);
    let ran = case.run().await;
    assert_eq!(
        (ran.words(), ran.exit),
        (vec!["changed"], ExitCode::Success)
    );
    assert_eq!(ran.servers.sent("Set-Flag"), 1);
    assert!(
        ran.events
            .iter()
            .any(|event| matches!(event.kind, EventKind::RetryScheduled { attempt: 2, .. }))
    );
}

#[tokio::test(start_paused = true)]
async fn what_must_not_happen_twice_is_not_sent_twice() {
    let case = Case::of(vec![Flag {
        repeatable: false,
        ..flag("s.one", "a.example.com")
    }]);
    // Carried out, but it never shows, and nobody knows.
    case.servers
        .fate("a.example.com", "Set-Flag", &[Fate::Hangs]);
    let ran = case.run().await;
    assert_eq!(
        (ran.words(), ran.exit),
        (vec!["failed"], ExitCode::StepFailed)
    );
    assert_eq!(ran.servers.sent("Set-Flag"), 1);
    assert_eq!(ran.servers.sent("Get-Flag"), 8, "what follows only looks");
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_time_is_up_is_not_sent_again() {
    let case = Case::of(vec![flag("s.one", "a.example.com")]);
    case.servers
        .fate("a.example.com", "Set-Flag", &[Fate::Hangs]);
    let ran = case.run().await;
    assert_eq!(ran.words(), ["failed"]);
    assert_eq!(ran.servers.sent("Set-Flag"), 1);
    let under_way = |event: &&Event| matches!(&event.kind, EventKind::PipelineLost { changes: true, may_have_run: true, error, .. } if error.contains("may still be under way"));
    assert_eq!(ran.events.iter().filter(under_way).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_has_the_whole_time_of_its_step() {
    for patience in [1, 40] {
        let case = Case::of(vec![Flag {
            patience: Duration::from_secs(patience),
            ..flag("s.one", "a.example.com")
        }]);
        // An attempt may take 20 s, the look before takes most of them.
        let (read, change) = (
            Duration::from_secs(15),
            Duration::from_secs(patience.max(16) - 1),
        );
        case.servers
            .fate("a.example.com", "Get-Flag", &[Fate::Takes(read)]);
        case.servers
            .fate("a.example.com", "Set-Flag", &[Fate::Takes(change)]);
        let ran = case.run().await;
        assert_eq!(ran.words(), ["changed"], "{patience}");
        assert_eq!(ran.servers.sent("Set-Flag"), 1);
        assert_eq!(ran.servers.connects.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_accepted_but_does_not_show_is_not_repeated() {
    let case = Case::of(vec![flag("s.one", "a.example.com")]);
    case.servers
        .fate("a.example.com", "Set-Flag", &[Fate::Ignored]);
    let ran = case.run().await;
    assert_eq!(
        (ran.words(), ran.exit),
        (vec!["failed"], ExitCode::StepFailed)
    );
    assert_eq!(ran.servers.sent("Set-Flag"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_step_knows_what_was_accepted_and_only_that() {
    for (fate, words, sent) in [
        (Fate::Ignored, "changed", 1),
        // Its answer is lost: nothing says that it was carried out, and it is not sent again.
        (Fate::Hangs, "failed", 1),
    ] {
        let case = Case::of(vec![Flag {
            trusting: true,
            repeatable: false,
            ..flag("s.one", "a.example.com")
        }]);
        case.servers.fate("a.example.com", "Set-Flag", &[fate]);
        let ran = case.run().await;
        assert_eq!(ran.words(), [words]);
        assert_eq!(ran.servers.sent("Set-Flag"), sent);
    }
}

#[tokio::test]
async fn a_change_that_certainly_did_not_run_is_sent_again() {
    let case = Case::of(vec![Flag {
        repeatable: false,
        ..flag("s.one", "a.example.com")
    }]);
    case.servers
        .fate("a.example.com", "Set-Flag", &[Fate::Refused]);
    let ran = case.run().await;
    assert_eq!(ran.words(), ["changed"]);
    assert_eq!(ran.servers.sent("Set-Flag"), 2);
}

#[tokio::test]
async fn a_failed_step_blocks_only_what_requires_it() {
    let case = Case::of(vec![
        flag("s.one", "a.example.com"),
        flag("s.two", "b.example.com").depends("s.one", Strength::Requires),
        flag("s.three", "b.example.com").depends("s.one", Strength::After),
        flag("s.four", "b.example.com").depends("s.two", Strength::Requires),
        flag("s.five", "b.example.com").depends("s.two", Strength::Consults),
    ]);
    case.servers
        .fate("a.example.com", "Get-Flag", &[Fate::Refused; 3]);
    let ran = case.run().await;
    let by_step: BTreeMap<String, &Outcome> = match &ran.events[0].kind {
        EventKind::RunStarted { nodes, .. } => nodes
            .iter()
            .map(|n| (n.step.clone(), &ran.outcomes[n.node]))
            .collect(),
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        by_step["s.one"],
        Outcome::Failed {
            cause: FailureCause::Unreachable,
            ..
        }
    ));
    for blocked in ["s.two", "s.four"] {
        let expected = Outcome::Blocked {
            by: "s.one a.example.com".into(),
            unreachable: true,
        };
        assert_eq!(by_step[blocked], &expected);
    }
    for free in ["s.three", "s.five"] {
        assert!(matches!(by_step[free], Outcome::Changed { .. }), "{free}");
    }
    assert_eq!(ran.exit, ExitCode::Unreachable);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_in_the_whole_run() {
    let case = Case::of(vec![
        flag("s.one", "a.example.com"),
        flag("s.two", "b.example.com"),
    ]);
    *case.servers.refusing.lock().unwrap() = vec!["a.example.com".into(), "b.example.com".into()];
    let ran = case.run().await;
    assert_eq!(
        (ran.words(), ran.exit),
        (vec!["failed", "failed"], ExitCode::Unreachable)
    );
    assert_eq!(ran.servers.connects.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_account_that_was_let_in_and_is_then_refused_twice_is_not_used_any_more() {
    let hosts = ["a", "b", "c", "d", "e"].map(|name| format!("{name}.example.com"));
    let steps: Vec<_> = hosts
        .iter()
        .zip(["s.one", "s.two", "s.three", "s.four", "s.five"])
        .map(|(host, id)| flag(id, host))
        .collect();
    let chained: Vec<_> = steps
        .iter()
        .enumerate()
        .map(|(index, step)| match index.checked_sub(1) {
            Some(before) => step.clone().depends(steps[before].id, Strength::After),
            None => step.clone(),
        })
        .collect();
    let case = Case::of(chained);
    *case.servers.refusing.lock().unwrap() = hosts[1..].to_vec();
    let ran = case.run().await;
    assert_eq!(
        ran.words(),
        ["changed", "failed", "failed", "failed", "failed"]
    );
    assert_eq!(
        ran.servers.connects.load(Ordering::SeqCst),
        3,
        "one yes, two refusals, then never again"
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_first_logon_is_not_an_attempt() {
    let case = Case::of(vec![
        flag("s.one", "a.example.com"),
        flag("s.two", "b.example.com"),
    ]);
    *case.servers.slow.lock().unwrap() = Some("a.example.com".into());
    let ran = case.run().await;
    assert_eq!(ran.words(), ["changed", "changed"]);
    let retried = ran
        .events
        .iter()
        .any(|event| matches!(event.kind, EventKind::RetryScheduled { .. }));
    assert!(!retried, "the other host lost an attempt to waiting");
}

#[tokio::test]
async fn steps_of_one_group_never_change_at_once() {
    let steps = ["a.example.com", "b.example.com"].map(|host| Flag {
        exclusive: true,
        ..flag("s.one", host)
    });
    let ran = Case::of(steps.to_vec()).run().await;
    assert_eq!(ran.words(), ["changed", "changed"]);
    assert_eq!(ran.servers.most_changing.load(Ordering::SeqCst), 1);
    let free = ["a.example.com", "b.example.com"].map(|host| flag("s.one", host));
    let ran = Case::of(free.to_vec()).run().await;
    assert_eq!(
        ran.servers.most_changing.load(Ordering::SeqCst),
        2,
        "without a group they do"
    );
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let mut case = Case::of(vec![flag("s.one", "a.example.com")]);
    case.consumers.push(Box::new(Full));
    let ran = case.run().await;
    assert_eq!(
        (ran.words(), ran.exit),
        (vec!["failed"], ExitCode::StepFailed)
    );
    assert_eq!(ran.servers.sent("Set-Flag"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_at_its_time_limit() {
    let case = Case::of(vec![flag("s.one", "a.example.com")]);
    case.servers
        .fate("a.example.com", "Get-Flag", &[Fate::Hangs]);
    let ran = case.run().await;
    assert_eq!(ran.words(), ["changed"]);
    assert_eq!(
        ran.servers.connects.load(Ordering::SeqCst),
        2,
        "the session that hung is not used again"
    );
}

#[tokio::test]
async fn a_wish_to_stop_cuts_a_read_short() {
    let case = Case::of(vec![flag("s.one", "a.example.com")]);
    case.servers
        .fate("a.example.com", "Get-Flag", &[Fate::Hangs]);
    let stop = case.stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.press();
    });
    let ran = case.run().await;
    assert_eq!(
        (ran.words(), ran.exit),
        (vec!["unknown"], ExitCode::Interrupted)
    );
}

#[tokio::test]
async fn the_first_wish_to_stop_starts_nothing_new() {
    let case = Case::of(vec![
        flag("s.one", "a.example.com"),
        flag("s.two", "a.example.com").depends("s.one", Strength::After),
    ]);
    case.stop.press();
    let ran = case.run().await;
    assert_eq!(
        (ran.words(), ran.exit),
        (vec!["unknown", "unknown"], ExitCode::Interrupted)
    );
    assert_eq!(ran.servers.calls.lock().unwrap().len(), 0);
}
