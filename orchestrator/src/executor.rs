//! The executor: the attempts of one node, from its first probe to its outcome.
//!
//! Every attempt enters at the probe. A remedy that was accepted once is never sent again: what
//! follows only looks. Nor is an action whose answer was lost and that must not happen
//! twice ([`Step::repeatable`](owaim_steps::Step::repeatable)), nor one whose time was up: it is not stopped half way,
//! so that it may still be under way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use owaim_proto::psrp::{Pipeline, PipelineOutput};
use owaim_steps::{
    Action, Assessment, Context, Difference, Fact, Observations, Place, Problem, Verdict,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::event::{AssessedState, EventKind, Mode, NodeId, PipelineRef, PlannedAction, Treatment};
use crate::failure::Failure;
use crate::graph::Node;
use crate::outcome::Outcome;
use crate::render;
use crate::run::Run;
use crate::sessions::SessionError;
use crate::stop::Level;

/// Rounds of queries after which a probe is taken to go in circles.
const MAX_ROUNDS: usize = 16;

/// Waits between looks at a change that was sent and does not show yet: a new worker process
/// takes a moment, and so does a write to the directory.
const SETTLING: [Duration; 6] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// The wait after those, for a step that says that its change may take longer.
const LONG_SETTLING: Duration = Duration::from_secs(10);

/// One node at work.
pub(crate) struct Executor<'a> {
    run: &'a Run,
    id: NodeId,
    node: &'a Node,
    priority: usize,
    attempt: u32,
    /// Time of its pipelines and between attempts, without waiting for a place.
    worked: Duration,
    /// How long one look may take, and one action.
    limit: Duration,
    /// Whether a change was begun: from then on a wish to stop waits until it is finished.
    changing: Arc<AtomicBool>,
    /// What this step learnt at its own assessments, oldest first.
    earlier: Vec<Fact>,
    /// What differed when a change was first sent.
    before: Option<Vec<Difference>>,
    /// Whether a remedy was carried out to its end.
    settled: bool,
    /// Changing actions that were accepted.
    accepted: Vec<&'static str>,
    /// The changing action that is on its way.
    in_flight: Option<InFlight>,
}

/// A changing action that was sent and has not been answered.
struct InFlight {
    name: &'static str,
    repeatable: bool,
}

/// What a pipeline is for, and how long its answer is waited for.
enum Sent {
    Read(Duration),
    Change(Duration),
}

/// How an attempt ended.
enum Ended {
    Outcome(Outcome),
    /// It may not change anything before there is a place in its group.
    Wait(Arc<Semaphore>),
}

impl<'a> Executor<'a> {
    pub(crate) fn new(run: &'a Run, id: NodeId, priority: usize) -> Self {
        Self {
            run,
            id,
            node: run.plan.node(id),
            priority,
            attempt: 0,
            worked: Duration::ZERO,
            limit: run
                .site
                .retry
                .for_step(run.plan.node(id).step.id())
                .attempt_timeout,
            changing: Arc::default(),
            earlier: Vec::new(),
            before: None,
            settled: false,
            accepted: Vec::new(),
            in_flight: None,
        }
    }

    /// Works until the node has an outcome.
    pub(crate) async fn execute(mut self) -> Outcome {
        let policy = self.run.site.retry.for_step(self.node.step.id()).clone();
        let mut delays = Backoff::new(&policy, fastrand::u64(..));
        loop {
            self.attempt += 1;
            let failure = match self.attempt().await {
                Ok(outcome) => return outcome,
                Err(failure) => failure,
            };
            let failed = Outcome::Failed {
                problem: failure.problem.clone(),
                cause: failure.cause,
            };
            let Some(wait) = delays.next().filter(|_| failure.problem.retry) else {
                return failed;
            };
            self.worked += wait;
            if self.worked >= policy.deadline || self.run.stop.level() > Level::Run {
                return failed;
            }
            self.record(EventKind::RetryScheduled {
                node: self.id,
                attempt: self.attempt + 1,
                wait_ms: millis(wait),
                reason: failure.problem.to_string(),
            });
            tokio::select! {
                () = sleep(wait) => {}
                () = self.run.stop.reached(Level::Drain) => return failed,
            }
        }
    }

    /// One attempt. What it takes is counted in pipelines: neither waiting for a place nor the
    /// first logon of another step is its work.
    async fn attempt(&mut self) -> Result<Outcome, Failure> {
        let mut place: Option<OwnedSemaphorePermit> = None;
        loop {
            let pass = self
                .run
                .gate
                .enter(&self.node.target.host, self.priority)
                .await;
            if self.run.stop.level() > Level::Run {
                return Ok(interrupted());
            }
            if place.is_none() {
                self.record(EventKind::AttemptStarted {
                    node: self.id,
                    attempt: self.attempt,
                });
            }
            let drained = drained_while_reading(self.run, Arc::clone(&self.changing));
            let ended = tokio::select! {
                biased;
                ended = self.look_and_act(&mut place) => ended,
                () = drained => return Ok(interrupted()),
            };
            drop(pass);
            match ended? {
                Ended::Outcome(outcome) => return Ok(outcome),
                // Whoever has the place may change what was seen: with it, look again.
                Ended::Wait(group) => tokio::select! {
                    permit = group.acquire_owned() => place = permit.ok(),
                    () = self.run.stop.reached(Level::Drain) => return Ok(interrupted()),
                },
            }
        }
    }

    /// Probe, assess and, where that is wanted, remedy, probe, assess.
    async fn look_and_act(
        &mut self,
        place: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Ended, Failure> {
        let seen = self.probe().await?;
        let assessment = self.assess(&seen)?;
        let differences = match self.verdict(&assessment)? {
            Ok(outcome) => return Ok(Ended::Outcome(outcome)),
            Err(differences) => differences,
        };
        if !self.may_change() {
            return Ok(Ended::Outcome(Outcome::Drifted { differences }));
        }
        let lost = self.in_flight.as_ref().is_some_and(|lost| !lost.repeatable);
        if self.settled || lost {
            return self.watch(differences).await.map(Ended::Outcome);
        }
        let remedy = self.remedy(&seen)?;
        if remedy.is_empty() {
            return Ok(Ended::Outcome(Outcome::Drifted { differences }));
        }
        if let (None, Some(exclusive)) = (&place, self.node.step.exclusive(&self.run.site)) {
            let group = self.run.group(&exclusive);
            match Arc::clone(&group).try_acquire_owned() {
                Ok(permit) => *place = Some(permit),
                Err(_) => return Ok(Ended::Wait(group)),
            }
        }
        self.before.get_or_insert(differences);
        self.changing.store(true, Ordering::Relaxed);
        let all = remedy.len();
        for (done, action) in remedy.into_iter().enumerate() {
            if action.changes && self.run.stop.level() > Level::Run {
                let reason =
                    format!("interrupted after {done} of {all} actions; the rest was not begun");
                return Ok(Ended::Outcome(Outcome::Unknown { reason }));
            }
            self.act(action).await?;
        }
        self.settled = true;
        let seen = self.probe().await?;
        let assessment = self.assess(&seen)?;
        match self.verdict(&assessment)? {
            Ok(outcome) => Ok(Ended::Outcome(outcome)),
            Err(differences) => self.watch(differences).await.map(Ended::Outcome),
        }
    }

    /// Looks again and again whether a change that was sent shows, and sends nothing.
    async fn watch(&mut self, mut differences: Vec<Difference>) -> Result<Outcome, Failure> {
        let patience = self.node.step.settles_within(&self.run.site);
        let mut waits = SETTLING.into_iter();
        let mut waited = Duration::ZERO;
        loop {
            let wait = match waits.next() {
                Some(wait) => wait,
                None if waited < patience => LONG_SETTLING.min(patience.saturating_sub(waited)),
                None => break,
            };
            // What takes long is not waited for by somebody who wants to stop.
            if patience > SETTLING.iter().sum::<Duration>() {
                tokio::select! {
                    () = sleep(wait) => {}
                    () = self.run.stop.reached(Level::Drain) => return Ok(Outcome::Unknown {
                        reason: "interrupted before a change that was made showed".into(),
                    }),
                }
            } else {
                sleep(wait).await;
            }
            waited += wait;
            let seen = self.probe().await?;
            let assessment = self.assess(&seen)?;
            match self.verdict(&assessment)? {
                Ok(outcome) => return Ok(outcome),
                Err(still) => differences = still,
            }
        }
        Err(match &self.in_flight {
            Some(lost) => Failure::not_repeated(&self.subject(), lost.name, &differences),
            None => Failure::not_visible(&self.subject(), &differences),
        })
    }

    /// The outcome that a verdict means, or the differences of a drift.
    fn verdict(
        &mut self,
        assessment: &Assessment,
    ) -> Result<Result<Outcome, Vec<Difference>>, Failure> {
        Ok(Ok(match &assessment.verdict {
            Verdict::InPlace => match self.before.take() {
                Some(differences) => Outcome::Changed { differences },
                None => Outcome::InPlace,
            },
            Verdict::NotApplicable(reason) => Outcome::NotApplicable {
                reason: reason.clone(),
            },
            Verdict::Doubtful { .. } if self.settled => match self.before.take() {
                Some(differences) => Outcome::Changed { differences },
                None => Outcome::InPlace,
            },
            Verdict::Doubtful { differences, .. } if self.may_change() => {
                return Ok(Err(differences.clone()));
            }
            Verdict::Unknown(reason) | Verdict::Doubtful { reason, .. } => Outcome::Unknown {
                reason: reason.clone(),
            },
            Verdict::Broken(problem) => {
                return Err(Failure::of_step(self.located(problem.clone())));
            }
            Verdict::Drifted(differences) => return Ok(Err(differences.clone())),
        }))
    }

    /// Whether this run may change what this node is about.
    fn may_change(&self) -> bool {
        self.node.treatment == Treatment::Change && self.run.mode == Mode::Apply
    }

    /// Runs queries until the step asks for no more.
    async fn probe(&mut self) -> Result<Observations, Failure> {
        let mut seen = Observations::default();
        let until = self.worked + self.limit;
        for _ in 0..MAX_ROUNDS {
            let queries = self
                .with_context(|node, cx| node.step.probe(cx, &seen))
                .map_err(|problem| Failure::of_step(self.located(problem)))?;
            let mut new = queries
                .into_iter()
                .filter(|query| seen.of(query).is_none())
                .peekable();
            if new.peek().is_none() {
                return Ok(seen);
            }
            for query in new.collect::<Vec<_>>() {
                let left = until.saturating_sub(self.worked);
                let output = self
                    .send(query.name, &query.place, &query.pipeline, Sent::Read(left))
                    .await?;
                seen.insert(query, output);
            }
        }
        Err(Failure::of_step(Problem {
            action: format!("probe {}", self.node.label()),
            expected: None,
            found: format!("still asking after {MAX_ROUNDS} rounds"),
            advice: "this is a defect of the program: please report it with the transcript".into(),
            retry: false,
        }))
    }

    fn assess(&mut self, seen: &Observations) -> Result<Assessment, Failure> {
        let assessment = self.with_context(|node, cx| node.step.assess(cx, seen));
        self.run.learn(&self.node.target.host, &assessment.facts);
        self.earlier.extend(assessment.facts.iter().cloned());
        let (state, remedy) = match &assessment.verdict {
            Verdict::InPlace => (AssessedState::InPlace, Vec::new()),
            Verdict::NotApplicable(reason) => {
                (AssessedState::NotApplicable(reason.clone()), Vec::new())
            }
            Verdict::Unknown(reason) => (AssessedState::Unknown(reason.clone()), Vec::new()),
            Verdict::Broken(problem) => (AssessedState::Broken(problem.clone()), Vec::new()),
            Verdict::Drifted(differences) => (
                AssessedState::Drifted(differences.clone()),
                self.remedy(seen)?.iter().map(planned).collect(),
            ),
            Verdict::Doubtful { reason, .. } => (
                AssessedState::Unknown(reason.clone()),
                self.remedy(seen)?.iter().map(planned).collect(),
            ),
        };
        self.record(EventKind::Assessed {
            node: self.id,
            attempt: self.attempt,
            state,
            facts: assessment.facts.clone(),
            warnings: assessment.warnings.clone(),
            remedy,
        });
        Ok(assessment)
    }

    fn remedy(&self, seen: &Observations) -> Result<Vec<Action>, Failure> {
        self.with_context(|node, cx| node.step.remedy(cx, seen))
            .map_err(|problem| Failure::of_step(self.located(problem)))
    }

    /// Saves what was there, announces the change, makes it, and records how it went.
    async fn act(&mut self, action: Action) -> Result<(), Failure> {
        if action.changes {
            let saved = self.save(&action)?;
            self.must_record(
                &action,
                EventKind::ChangeStarting {
                    node: self.id,
                    attempt: self.attempt,
                    action: action.name.into(),
                    summary: action.summary.clone(),
                    saved,
                },
            )?;
            self.in_flight = Some(InFlight {
                name: action.name,
                repeatable: self.node.step.repeatable(&action),
            });
        }
        // What was read before it takes nothing from the time of a change.
        let sent = if action.changes {
            Sent::Change(self.limit.max(self.node.step.takes_up_to(&action)))
        } else {
            Sent::Read(self.limit)
        };
        let output = self
            .send(action.name, &action.place, &action.pipeline, sent)
            .await?;
        if action.changes {
            self.in_flight = None;
        }
        let accepted = self.with_context(|node, cx| node.step.accept(cx, &action, &output));
        if action.changes && accepted.is_ok() {
            self.accepted.push(action.name);
        }
        if action.changes {
            let received = match &accepted {
                Ok(()) => self.keep(&action, &output),
                Err(_) => Ok(None),
            };
            self.record(EventKind::ChangeDone {
                node: self.id,
                attempt: self.attempt,
                action: action.name.into(),
                error: accepted.as_ref().err().map(ToString::to_string),
                received: received.as_ref().ok().cloned().flatten(),
            });
            received?;
        }
        accepted.map_err(|problem| Failure::of_step(self.located(problem)))
    }

    fn save(&self, action: &Action) -> Result<BTreeMap<String, String>, Failure> {
        action
            .saves
            .iter()
            .map(|saved| {
                let file = self
                    .run
                    .keeper
                    .save(&self.node.target.host, &saved.name, &saved.content)
                    .map_err(|error| self.cannot_record(action, &error))?;
                Ok((saved.origin.clone(), file))
            })
            .collect()
    }

    /// Keeps what `action` gave and nobody can ask for again.
    fn keep(&self, action: &Action, output: &PipelineOutput) -> Result<Option<String>, Failure> {
        let Some(kept) = self.node.step.received(action, output) else {
            return Ok(None);
        };
        let host = &self.node.target.host;
        let file = self.run.keeper.keep(host, &kept.name, &kept.content);
        file.map(Some).map_err(|error| {
            Failure::of_step(Problem {
                action: format!("keep the {}", kept.origin),
                expected: None,
                found: format!("the run directory cannot be written: {error}"),
                advice: "the change was made; what it gave is lost".into(),
                retry: false,
            })
        })
    }

    /// Sends a pipeline and records it; a failed way is a failure of the attempt.
    async fn send(
        &mut self,
        name: &'static str,
        place: &Place,
        pipeline: &Pipeline,
        sent: Sent,
    ) -> Result<PipelineOutput, Failure> {
        let changes = matches!(sent, Sent::Change(_));
        let reference = PipelineRef {
            node: self.id,
            attempt: self.attempt,
            host: place.host.clone(),
            endpoint: place.kind,
            name: name.into(),
        };
        let recorded = self.run.bus.emit(EventKind::PipelineSent {
            pipeline: reference.clone(),
            changes,
            statements: render::sent(pipeline),
        });
        if let (true, Err(error)) = (changes, recorded) {
            self.in_flight = None;
            return Err(Failure::unrecorded(name, &error));
        }
        let started = Instant::now();
        let returned = match self.run.sessions.lease(place).await {
            Ok(lease) => {
                let begun = Instant::now();
                let ran = match sent {
                    Sent::Read(limit) => timeout(limit, lease.run(pipeline)).await.ok(),
                    Sent::Change(limit) => lease.run_unstopped(pipeline, limit).await,
                };
                self.worked += begun.elapsed();
                ran
            }
            Err(error) => Some(Err(error)),
        };
        let Some(returned) = returned else {
            if let Some(change) = &mut self.in_flight {
                change.repeatable = false;
            }
            let failure = Failure::timed_out(self.node.step.id(), name, place, changes);
            self.record(EventKind::PipelineLost {
                pipeline: reference,
                changes,
                error: failure.problem.found.clone(),
                may_have_run: true,
            });
            return Err(failure);
        };
        match returned {
            Ok(output) => {
                self.record(EventKind::PipelineReturned {
                    pipeline: reference,
                    changes,
                    took_ms: millis(started.elapsed()),
                    records: render::received(&output),
                    state: render::state_word(&output.state).into(),
                });
                Ok(output)
            }
            Err(error) => {
                let may_have_run =
                    matches!(&error, SessionError::Transport(error) if error.may_have_run());
                if !may_have_run {
                    self.in_flight = None;
                }
                self.record(EventKind::PipelineLost {
                    pipeline: reference,
                    changes,
                    error: error.to_string(),
                    may_have_run,
                });
                Err(Failure::lost(
                    self.node.step.id(),
                    name,
                    place,
                    &error,
                    changes && may_have_run,
                ))
            }
        }
    }

    /// The step and its server, for messages.
    fn subject(&self) -> String {
        format!("{} on {}", self.node.step.id(), self.node.target.host)
    }

    fn located(&self, mut problem: Problem) -> Problem {
        let host = self.node.target.host.as_str();
        if !problem.action.contains(host) {
            problem.action = format!("{} on {host}", problem.action);
        }
        problem
    }

    fn cannot_record(&self, action: &Action, error: &std::io::Error) -> Failure {
        Failure::unrecorded(
            &format!(
                "{} {} on {}",
                self.node.step.id(),
                action.name,
                self.node.target.host
            ),
            error,
        )
    }

    /// Records what must be on disk before `action` may go on.
    fn must_record(&self, action: &Action, event: EventKind) -> Result<(), Failure> {
        self.run
            .bus
            .emit(event)
            .map_err(|error| self.cannot_record(action, &error))
    }

    /// Records what has happened already: a failure to do so stops the next change, not this.
    fn record(&self, event: EventKind) {
        let _ = self.run.bus.emit(event);
    }

    fn with_context<T>(&self, look: impl FnOnce(&Node, Context<'_>) -> T) -> T {
        let facts = self.run.facts();
        look(
            self.node,
            Context {
                site: &self.run.site,
                facts: &facts,
                earlier: &self.earlier,
                remedied: self.settled,
                accepted: &self.accepted,
                pfx: self.run.pfx.as_ref(),
            },
        )
    }
}

fn planned(action: &Action) -> PlannedAction {
    PlannedAction {
        name: action.name.into(),
        summary: action.summary.clone(),
        changes: action.changes,
        host: action.place.host.clone(),
        endpoint: action.place.kind,
        powershell: render::powershell(&action.pipeline),
    }
}

/// Returns once the user wishes to stop, unless a change was begun by then.
async fn drained_while_reading(run: &Run, changing: Arc<AtomicBool>) {
    run.stop.reached(Level::Drain).await;
    if changing.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

fn interrupted() -> Outcome {
    Outcome::Unknown {
        reason: "interrupted before it was looked at or changed".into(),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
