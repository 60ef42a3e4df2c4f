//! [`Machine`]: runs the commands of a pipeline one after the other, can stop at a prompt and go
//! on later.

use std::time::Duration;

use owaim_inventory::EndpointKind;
use owaim_inventory::catalogue::{self, Cmdlet, Product};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{
    Command, ErrorRecord, HostCall, Pipeline, PipelineOutput, PipelineState, Record,
};
use serde_json::{Map, Value as Json};

use super::binder::{Bound, Line, Platform};
use super::cmdlets::{self, Cx, native};
use super::errors::{Category, Failure, class};
use super::prompt::{agrees, confirmation};
use super::record::{CallRecord, shown};
use super::visibility::{granted, is_full, module, shows};
use super::{Caller, Execution, World, lock, signon};

/// A pipeline under way.
struct Machine {
    world: World,
    caller: Caller,
    statements: Vec<Vec<Command>>,
    /// Statement and command that are next.
    next: (usize, usize),
    /// What the command before gave; `None` at the beginning of a statement.
    objects: Option<Vec<Value>>,
    records: Vec<Record>,
    takes: Duration,
    /// The next command has been confirmed.
    confirmed: bool,
    prompts: i64,
}

/// What came of one command.
enum Stage {
    Done { objects: Vec<Value> },
    Failed(ErrorRecord),
    Ask(HostCall),
}

/// A cmdlet with what it is to do.
struct Work {
    cmdlet: &'static Cmdlet,
    class: String,
    /// Those of the command line.
    arguments: Bound,
    /// One for each object of the pipeline.
    calls: Vec<Bound>,
    /// What could not be bound.
    unbound: Vec<Failure>,
}

/// Starts `pipeline`.
pub(super) fn start(
    world: World,
    caller: Caller,
    pipeline: &Pipeline,
    input: &[Value],
) -> Execution {
    let machine = Machine {
        world,
        caller,
        statements: pipeline.statements.clone(),
        next: (0, 0),
        objects: pipeline.takes_input.then(|| input.to_vec()),
        records: Vec::new(),
        takes: Duration::ZERO,
        confirmed: false,
        prompts: 0,
    };
    machine.proceed()
}

impl Machine {
    fn proceed(mut self) -> Execution {
        loop {
            let (statement, index) = self.next;
            let Some(commands) = self.statements.get(statement) else {
                return self.finish(PipelineState::Completed);
            };
            let Some(command) = commands.get(index).cloned() else {
                let objects = self.objects.take().unwrap_or_default();
                self.records.extend(objects.into_iter().map(Record::Output));
                self.next = (statement + 1, 0);
                continue;
            };
            match self.stage(&command) {
                Stage::Done { objects } => {
                    self.objects = Some(objects);
                    self.next.1 += 1;
                }
                Stage::Failed(error) => {
                    self.objects = None;
                    if statement + 1 >= self.statements.len() {
                        return self.finish(PipelineState::Failed(error));
                    }
                    self.records.push(Record::Error(error));
                    self.next = (statement + 1, 0);
                }
                Stage::Ask(call) => {
                    let before = std::mem::take(&mut self.records);
                    return Execution::Prompt {
                        before,
                        call,
                        resume: Box::new(move |answer| self.answered(answer)),
                    };
                }
            }
            self.confirmed = false;
        }
    }

    fn finish(self, state: PipelineState) -> Execution {
        Execution::Finished {
            output: PipelineOutput {
                records: self.records,
                state,
            },
            takes: self.takes,
        }
    }

    fn answered(mut self, answer: Result<Value, String>) -> Execution {
        let (statement, index) = self.next;
        let command = self
            .statements
            .get(statement)
            .and_then(|s| s.get(index))
            .cloned();
        let activity = command.map(|c| c.name).unwrap_or_default();
        match answer {
            Ok(answer) if agrees(&answer) => {
                self.confirmed = true;
                self.proceed()
            }
            // No, no to all, suspend: the command does nothing.
            Ok(_) => {
                self.objects = Some(Vec::new());
                self.next.1 += 1;
                self.proceed()
            }
            Err(message) => {
                let failure = Failure::new(
                    "HostFunctionNotImplemented",
                    Category::NotImplemented,
                    "System.Management.Automation.Host.HostException",
                    format!(
                        "A command that prompts the user failed because the host program refused: {message}"
                    ),
                );
                let error = failure.record(&activity, &class_of(&activity));
                self.record(&activity, Json::Object(Map::new()), true, false, error.id());
                self.finish(PipelineState::Failed(error))
            }
        }
    }

    fn stage(&mut self, command: &Command) -> Stage {
        if command.is_script {
            return self.refuse(command, &script_refused(self.caller.endpoint), "");
        }
        if is_full(self.caller.endpoint) && native::is_program(&command.name) {
            return self.program(command);
        }
        let Some((cmdlet, platform)) = self.visible(&command.name) else {
            return self.refuse(command, &Failure::no_command(&command.name), "");
        };
        let class = class(cmdlet);
        let line = match Line::bind(cmdlet, platform, command) {
            Ok(line) => line,
            Err(failure) => return self.refuse(command, &failure, &class),
        };
        let calls = match line.calls(self.objects.as_deref()) {
            Ok(calls) => calls,
            Err(failure) => return self.refuse(command, &failure, &class),
        };
        let arguments = line.arguments().clone();
        let what_if = arguments.switch("WhatIf");
        let asks = match arguments.flag("Confirm") {
            Some(asked) => asked,
            None => (cmdlet.prompts || self.asks(cmdlet, &arguments)) && !arguments.switch("Force"),
        };
        if asks && !what_if && !self.confirmed && !calls.is_empty() {
            self.prompts += 1;
            let target = arguments
                .text("Identity")
                .or_else(|| arguments.text("Name"))
                .unwrap_or_default();
            return Stage::Ask(confirmation(self.prompts, cmdlet.name, &target));
        }

        let (good, bad): (Vec<_>, Vec<_>) = calls.into_iter().partition(Result::is_ok);
        let work = Work {
            cmdlet,
            class,
            arguments,
            calls: good.into_iter().filter_map(Result::ok).collect(),
            unbound: bad.into_iter().filter_map(Result::err).collect(),
        };
        self.carry_out(&work)
    }

    /// Runs the cmdlet on the model.
    fn carry_out(&mut self, work: &Work) -> Stage {
        let fault = self.world.fault(&self.caller, work.cmdlet.name);
        let world = self.world.clone();
        let mut state = lock(&world.inner.state);
        let clock = (world.inner.clock)();
        let advanced = signon::advance(&mut state, clock);
        state.calls += 1;
        let Some(host) = state.hosts.remove(&self.caller.host) else {
            drop(state);
            return Stage::Failed(
                Failure::no_command(work.cmdlet.name).record(work.cmdlet.name, ""),
            );
        };
        let session = lock(&world.inner.sessions)
            .get(&self.caller.session)
            .cloned()
            .unwrap_or_default();
        let now = host.time(clock);
        let mut cx = Cx {
            site: &world.inner.site,
            nested: world.inner.overlay.nested,
            caller: &self.caller,
            state: &mut state,
            host,
            session,
            cmdlet: work.cmdlet,
            now,
            clock,
            what_if: work.arguments.switch("WhatIf"),
            torn: false,
            records: Vec::new(),
            effect: false,
            takes: Duration::ZERO,
        };
        for failure in &work.unbound {
            cx.error(failure);
        }
        let mut outcome = match fault.as_deref() {
            Some("access-denied") => Err(Failure::access_denied("AccessDenied", work.cmdlet.name)),
            Some("torn-write") => {
                cx.torn = true;
                Ok(())
            }
            Some(kind) => delay(kind)
                .map(|extra| cx.takes += extra)
                .ok_or_else(|| injected(kind)),
            None => Ok(()),
        };
        if outcome.is_ok() {
            outcome = cmdlets::run(&mut cx, &work.calls);
        }
        let Cx {
            host,
            session,
            records,
            effect,
            takes,
            ..
        } = cx;
        state.hosts.insert(self.caller.host.clone(), host);
        lock(&world.inner.sessions).insert(self.caller.session, session);
        if (effect || advanced) && outcome.is_ok() {
            outcome = world.save(&state).map_err(|error| unsaved(&error));
        }
        self.takes += takes;
        // The record is written while the model is locked: its order is the order of arrival.
        self.deliver(work, records, outcome, effect)
    }

    /// Sends the records of a command where they belong and takes down what became of it.
    fn deliver(
        &mut self,
        work: &Work,
        records: Vec<Record>,
        outcome: Result<(), Failure>,
        effect: bool,
    ) -> Stage {
        let name = work.cmdlet.name;
        let action = work.arguments.text("ErrorAction").unwrap_or_default();
        let quiet = |action: Option<String>| {
            matches!(action.as_deref(), Some("SilentlyContinue" | "Ignore"))
        };
        let no_warnings = quiet(work.arguments.text("WarningAction"));
        let mut terminating = outcome
            .err()
            .map(|failure| failure.record(name, &work.class));
        let mut first_error = None;
        let mut objects = Vec::new();
        for record in records {
            match record {
                Record::Output(value) => objects.push(value),
                Record::Error(error) => {
                    first_error.get_or_insert_with(|| error.id().to_owned());
                    match action.as_str() {
                        "SilentlyContinue" | "Ignore" => {}
                        "Stop" => {
                            terminating.get_or_insert(error);
                        }
                        _ => self.records.push(Record::Error(error)),
                    }
                }
                Record::Warning(_) if no_warnings => {}
                other => self.records.push(other),
            }
        }
        let first_error = first_error.or_else(|| terminating.as_ref().map(|e| e.id().to_owned()));
        // What came through the pipeline is shown too where there was one call.
        let bound = match work.calls.as_slice() {
            [single] => single,
            _ => &work.arguments,
        };
        let parameters: Map<String, Json> = bound
            .iter()
            .map(|(p, value)| (p.name.to_owned(), shown(Some(p), value)))
            .collect();
        let result = first_error.as_deref().unwrap_or("ok");
        self.record(
            name,
            Json::Object(parameters),
            work.cmdlet.changes,
            effect,
            result,
        );
        match terminating {
            Some(error) => {
                if self.is_last() {
                    self.records.extend(objects.into_iter().map(Record::Output));
                }
                Stage::Failed(error)
            }
            None => Stage::Done { objects },
        }
    }

    /// Whether the command under way ends its statement.
    fn is_last(&self) -> bool {
        let (statement, index) = self.next;
        self.statements
            .get(statement)
            .is_some_and(|commands| index + 1 == commands.len())
    }

    /// The cmdlet of that name, if this endpoint of this host has it.
    fn visible(&self, name: &str) -> Option<(&'static Cmdlet, Platform)> {
        let state = lock(&self.world.inner.state);
        let host = state.hosts.get(&self.caller.host)?;
        let platform = Platform {
            powershell: host.powershell,
            exchange: host.exchange,
        };
        let cmdlet = catalogue::find(name)?;
        // Restricted endpoints have no aliases.
        let full = is_full(self.caller.endpoint);
        let named = full || cmdlet.name.eq_ignore_ascii_case(name);
        // Modules of products load by themselves from PowerShell 3.0 on.
        let loaded = cmdlet.product != Product::Lync
            || !full
            || host.powershell.major >= 3
            || lock(&self.world.inner.sessions)
                .get(&self.caller.session)
                .is_some_and(|session| session.modules.contains(module(host, cmdlet)));
        let rights = self.world.inner.overlay.rights(&self.caller.user);
        let visible = granted(rights, self.caller.endpoint, cmdlet)
            && shows(host, self.caller.endpoint, cmdlet);
        (named && loaded && visible).then_some((cmdlet, platform))
    }

    /// Whether the cmdlet asks for confirmation of what it was given: a computer that the
    /// directory does not know, an application over plain TCP.
    fn asks(&self, cmdlet: &Cmdlet, arguments: &Bound) -> bool {
        let name = match cmdlet.name {
            "New-CsTrustedApplication" => return arguments.switch("EnableTcp"),
            "New-CsTrustedApplicationPool" => arguments
                .text("ComputerFqdn")
                .or_else(|| arguments.text("Identity")),
            "New-CsTrustedApplicationComputer" => arguments.text("Identity"),
            _ => None,
        };
        // Without credentials for other machines it fails before it can ask.
        let reaches = self.caller.endpoint != EndpointKind::Windows;
        name.filter(|_| reaches).is_some_and(|name| {
            lock(&self.world.inner.state)
                .lync
                .as_ref()
                .is_some_and(|lync| !lync.has_account(&name))
        })
    }

    /// Refuses a command before it does anything.
    fn refuse(&mut self, command: &Command, failure: &Failure, class: &str) -> Stage {
        let name = if command.is_script {
            "(script)"
        } else {
            command.name.as_str()
        };
        let error = failure.record(name, class);
        let known = catalogue::find(&command.name);
        let given = |p: &owaim_proto::psrp::Parameter| {
            let name = p.name.clone().unwrap_or_else(|| "(positional)".into());
            let bare = name.trim_start_matches('-').trim_end_matches(':');
            let parameter = known.and_then(|c| c.parameter(bare));
            // What is no parameter of anything may still be meant as a secret.
            let value = if parameter.is_some() {
                shown(parameter, &p.value)
            } else {
                "***".into()
            };
            (name, value)
        };
        let parameters = command.parameters.iter().map(given).collect::<Map<_, _>>();
        let changes = !command.is_script && known.is_some_and(|c| c.changes);
        self.record(name, Json::Object(parameters), changes, false, error.id());
        Stage::Failed(error)
    }

    fn program(&mut self, command: &Command) -> Stage {
        let arguments: Vec<String> = command
            .parameters
            .iter()
            .flat_map(|p| {
                let name = p
                    .name
                    .as_ref()
                    .map(|n| format!("-{}", n.trim_start_matches('-')));
                name.into_iter().chain(p.value.text())
            })
            .collect();
        let file = command
            .name
            .rsplit(['\\', '/'])
            .next()
            .unwrap_or(&command.name)
            .to_owned();
        let fault = self.world.fault(&self.caller, &file);
        let world = self.world.clone();
        let mut state = lock(&world.inner.state);
        let clock = (world.inner.clock)();
        let advanced = signon::advance(&mut state, clock);
        state.calls += 1;
        let outcome = state.hosts.get_mut(&self.caller.host).and_then(|host| {
            let now = host.time(clock);
            native::run(host, &self.caller.host, &command.name, &arguments, now)
        });
        let Some(mut outcome) = outcome else {
            drop(state);
            return self.refuse(command, &Failure::no_command(&command.name), "");
        };
        match fault.as_deref().map(|kind| {
            (
                kind,
                kind.strip_prefix("delay:").and_then(|ms| ms.parse().ok()),
            )
        }) {
            Some((_, Some(ms))) => outcome.takes += Duration::from_millis(ms),
            Some((kind, None)) => {
                drop(state);
                return self.refuse(command, &injected(kind), "");
            }
            None => {}
        }
        lock(&world.inner.sessions)
            .entry(self.caller.session)
            .or_default()
            .last_exit_code = Some(outcome.exit_code);
        let saved = if outcome.effect || advanced {
            world.save(&state)
        } else {
            Ok(())
        };
        self.takes += outcome.takes;
        let parameters = serde_json::json!({ "arguments": arguments });
        let result = if outcome.exit_code == 0 {
            "ok".into()
        } else {
            format!("exit code {}", outcome.exit_code)
        };
        self.record(
            &command.name,
            parameters,
            outcome.changes,
            outcome.effect,
            &result,
        );
        drop(state);
        match saved {
            Ok(()) => Stage::Done {
                objects: outcome.lines.into_iter().map(Value::String).collect(),
            },
            Err(error) => Stage::Failed(unsaved(&error).record(&command.name, "")),
        }
    }

    fn record(&self, cmdlet: &str, parameters: Json, changes: bool, effect: bool, result: &str) {
        let what = (changes, effect);
        self.world
            .record(&self.caller, cmdlet, parameters, what, result);
    }
}

impl World {
    /// The fault that the overlay has for this call of `cmdlet`, if any.
    pub(super) fn fault(&self, caller: &Caller, cmdlet: &str) -> Option<String> {
        let mut counts = lock(&self.inner.faults);
        let mut hit = None;
        for (fault, count) in self.inner.overlay.faults.iter().zip(counts.iter_mut()) {
            let named = fault
                .cmdlet
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case(cmdlet));
            let here = fault.host.as_ref().is_none_or(|host| *host == caller.host)
                && fault
                    .endpoint
                    .as_deref()
                    .is_none_or(|kind| kind == caller.endpoint.name());
            if named && here {
                *count += 1;
                if fault.nth.is_none_or(|nth| nth == *count) && hit.is_none() {
                    hit = Some(fault.kind.clone());
                }
            }
        }
        hit
    }

    /// Takes down what `caller` ran.
    pub(super) fn record(
        &self,
        caller: &Caller,
        cmdlet: &str,
        parameters: Json,
        (changes, effect): (bool, bool),
        result: &str,
    ) {
        self.inner.recorder.call(&CallRecord {
            time: (self.inner.clock)(),
            host: caller.host.to_string(),
            endpoint: caller.endpoint.name(),
            user: caller.user.clone(),
            session: caller.session,
            cmdlet: cmdlet.into(),
            parameters,
            changes,
            effect,
            result: result.into(),
        });
    }
}

fn class_of(name: &str) -> String {
    catalogue::find(name).map(class).unwrap_or_default()
}

/// How long a fault of the kind `delay:MILLISECONDS` holds a command back.
fn delay(kind: &str) -> Option<Duration> {
    kind.strip_prefix("delay:")?
        .parse()
        .ok()
        .map(Duration::from_millis)
}

fn injected(kind: &str) -> Failure {
    Failure::new(
        kind,
        Category::NotSpecified,
        "System.InvalidOperationException",
        format!("Injected fault: {kind}."),
    )
}

fn unsaved(error: &crate::state::StateError) -> Failure {
    Failure::new(
        "LabStateNotSaved",
        Category::WriteError,
        "System.IO.IOException",
        format!("{error}."),
    )
}

fn script_refused(endpoint: EndpointKind) -> Failure {
    if is_full(endpoint) {
        return Failure::not_modelled("script text");
    }
    Failure::new(
        "ScriptsNotAllowed",
        Category::ParserError,
        "System.Management.Automation.ParseException",
        "The syntax is not supported by this runspace. This can occur if the runspace is in no-language mode.",
    )
}
