//! [`Machine`]: runs the commands of a pipeline one after the other, can stop at a prompt and go
//! on later.

use std::time::Duration;

use jiff::SignedDuration;
use owaim_inventory::EndpointKind;
use owaim_inventory::catalogue::{self, Cmdlet, Product};
use owaim_proto::clixml::{Base, Object, Value};
use owaim_proto::psrp::{
    Command, ErrorRecord, HostCall, Pipeline, PipelineOutput, PipelineState, Record,
};
use serde_json::{Map, Value as Json};

use super::binder::{Line, Platform};
use super::cmdlets::{self, Cx, native};
use super::errors::{Category, Failure, class};
use super::record::{CallRecord, shown};
use super::{Caller, Execution, World, lock, signon};

/// Method number of `PromptForChoice` ([MS-PSRP] 2.2.3.17).
const PROMPT_FOR_CHOICE: i32 = 26;

/// What Exchange's endpoint shows besides Exchange's own cmdlets.
const RESTRICTED: &[&str] = &["Get-Command", "Measure-Object", "Select-Object"];

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
        let choice = answer.map(|value| value.as_i64());
        match choice {
            Ok(Some(0 | 1)) => {
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
        let full = self.caller.endpoint != EndpointKind::Exchange;
        if full && native::is_program(&command.name) {
            return self.program(command);
        }
        let Some((cmdlet, platform)) = self.visible(&command.name, full) else {
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
            None => cmdlet.prompts && !arguments.switch("Force"),
        };
        if asks && !what_if && !self.confirmed && !calls.is_empty() {
            self.prompts += 1;
            let target = arguments
                .text("Identity")
                .or_else(|| arguments.text("Name"))
                .unwrap_or_default();
            return Stage::Ask(confirmation(self.prompts, cmdlet.name, &target));
        }

        let shown_arguments: Map<String, Json> = arguments
            .iter()
            .map(|(p, value)| (p.name.to_owned(), shown(Some(p), value)))
            .collect();
        let action = arguments.text("ErrorAction").unwrap_or_default();
        let no_warnings = matches!(
            arguments.text("WarningAction").as_deref(),
            Some("SilentlyContinue" | "Ignore")
        );
        let fault = self.fault(cmdlet.name);

        let world = self.world.clone();
        let mut state = lock(&world.inner.state);
        let clock = (world.inner.clock)();
        let advanced = signon::advance(&mut state, clock);
        state.calls += 1;
        let Some(host) = state.hosts.remove(&self.caller.host) else {
            return self.refuse(command, &Failure::no_command(&command.name), "");
        };
        let session = lock(&world.inner.sessions)
            .get(&self.caller.session)
            .cloned()
            .unwrap_or_default();
        let now = clock
            .checked_add(SignedDuration::from_secs(host.clock_skew_s))
            .unwrap_or(clock);
        let mut cx = Cx {
            site: &world.inner.site,
            nested: world.inner.overlay.nested,
            caller: &self.caller,
            state: &mut state,
            host,
            session,
            cmdlet,
            now,
            clock,
            what_if,
            torn: false,
            records: Vec::new(),
            effect: false,
            takes: Duration::ZERO,
        };
        let mut good = Vec::new();
        let mut failed = None;
        for call in calls {
            match call {
                Ok(bound) => good.push(bound),
                Err(failure) => cx.error(&failure),
            }
        }
        match fault.as_deref() {
            Some("access-denied") => {
                failed = Some(Failure::access_denied("AccessDenied", cmdlet.name))
            }
            Some("torn-write") => cx.torn = true,
            Some(kind) => match kind.strip_prefix("delay:").and_then(|ms| ms.parse().ok()) {
                Some(ms) => cx.takes += Duration::from_millis(ms),
                None => failed = Some(injected(kind)),
            },
            None => {}
        }
        if failed.is_none() {
            failed = cmdlets::run(&mut cx, &good).err();
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
        if effect || advanced {
            if let Err(error) = world.save(&state) {
                failed.get_or_insert(unsaved(&error));
            }
        }
        self.takes += takes;
        let mut terminating = failed.map(|failure| failure.record(cmdlet.name, &class));
        let mut first_error = terminating.as_ref().map(|e| e.id().to_owned());
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
        let result = first_error.as_deref().unwrap_or("ok");
        self.record(
            cmdlet.name,
            Json::Object(shown_arguments),
            cmdlet.changes,
            effect,
            result,
        );
        drop(state);
        match terminating {
            Some(error) => {
                if !objects.is_empty() && index_is_last(&self.statements, self.next) {
                    self.records.extend(objects.into_iter().map(Record::Output));
                }
                Stage::Failed(error)
            }
            None => Stage::Done { objects },
        }
    }

    /// The cmdlet of that name, if this endpoint of this host has it.
    fn visible(&self, name: &str, full: bool) -> Option<(&'static Cmdlet, Platform)> {
        let state = lock(&self.world.inner.state);
        let host = state.hosts.get(&self.caller.host)?;
        let platform = Platform {
            powershell: host.powershell,
            exchange: host.exchange,
        };
        let cmdlet = catalogue::find(name)?;
        let here = match (cmdlet.product, full) {
            (Product::Windows | Product::Iis, true) => {
                let installed = cmdlet.product != Product::Iis || host.exchange.is_some();
                let released = cmdlet.windows.is_none_or(|since| since <= host.windows);
                installed && released && cmdlet.powershell <= host.powershell
            }
            (Product::Exchange, false) => {
                let range = cmdlet.exchange.zip(host.exchange);
                range.is_some_and(|((first, last), version)| (first..=last).contains(&version))
                    && cmdlet.name.eq_ignore_ascii_case(name)
            }
            (Product::Windows, false) => RESTRICTED.contains(&cmdlet.name),
            _ => false,
        };
        here.then_some((cmdlet, platform))
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
        let fault = self.fault(&file);
        let world = self.world.clone();
        let mut state = lock(&world.inner.state);
        let clock = (world.inner.clock)();
        let advanced = signon::advance(&mut state, clock);
        state.calls += 1;
        let outcome = state.hosts.get_mut(&self.caller.host).and_then(|host| {
            let now = clock
                .checked_add(SignedDuration::from_secs(host.clock_skew_s))
                .unwrap_or(clock);
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

    /// The fault that the overlay has for this call of `cmdlet`, if any.
    fn fault(&self, cmdlet: &str) -> Option<String> {
        let mut counts = lock(&self.world.inner.faults);
        let mut hit = None;
        for (fault, count) in self
            .world
            .inner
            .overlay
            .faults
            .iter()
            .zip(counts.iter_mut())
        {
            let named = fault
                .cmdlet
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case(cmdlet));
            let here = fault
                .host
                .as_ref()
                .is_none_or(|host| *host == self.caller.host)
                && fault
                    .endpoint
                    .as_deref()
                    .is_none_or(|kind| kind == self.caller.endpoint.name());
            if named && here {
                *count += 1;
                if fault.nth.is_none_or(|nth| nth == *count) && hit.is_none() {
                    hit = Some(fault.kind.clone());
                }
            }
        }
        hit
    }

    fn record(&self, cmdlet: &str, parameters: Json, changes: bool, effect: bool, result: &str) {
        self.world.inner.recorder.call(&CallRecord {
            time: (self.world.inner.clock)(),
            host: self.caller.host.to_string(),
            endpoint: self.caller.endpoint.name(),
            user: self.caller.user.clone(),
            session: self.caller.session,
            cmdlet: cmdlet.into(),
            parameters,
            changes,
            effect,
            result: result.into(),
        });
    }
}

fn index_is_last(statements: &[Vec<Command>], (statement, index): (usize, usize)) -> bool {
    statements
        .get(statement)
        .is_some_and(|commands| index + 1 == commands.len())
}

fn class_of(name: &str) -> String {
    catalogue::find(name).map(class).unwrap_or_default()
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
    if endpoint == EndpointKind::Windows || endpoint == EndpointKind::LyncLocal {
        return Failure::not_modelled("script text");
    }
    Failure::new(
        "ScriptsNotAllowed",
        Category::ParserError,
        "System.Management.Automation.ParseException",
        "The syntax is not supported by this runspace. This can occur if the runspace is in no-language mode.",
    )
}

/// "Are you sure?": Yes, Yes to All, No, No to All, Suspend; No is the default here.
fn confirmation(call_id: i64, cmdlet: &str, target: &str) -> HostCall {
    let choice = |label: &str, help: &str| -> Value {
        Object::new()
            .with_types([
                "System.Management.Automation.Host.ChoiceDescription",
                "System.Object",
            ])
            .with("Label", label)
            .with("HelpMessage", help)
            .into()
    };
    let choices = vec![
        choice("&Yes", "Continue with only the next step of the operation."),
        choice(
            "Yes to &All",
            "Continue with all the steps of the operation.",
        ),
        choice(
            "&No",
            "Skip this operation and proceed with the next operation.",
        ),
        choice(
            "No to A&ll",
            "Skip this operation and all subsequent operations.",
        ),
        choice(
            "&Suspend",
            "Pause the current pipeline and return to the command prompt.",
        ),
    ];
    let choices = Object::new()
        .with_types([
            "System.Collections.ObjectModel.Collection`1[[System.Management.Automation.Host.ChoiceDescription]]",
            "System.Object",
        ])
        .with_base(Base::List(choices));
    HostCall {
        call_id,
        method: PROMPT_FOR_CHOICE,
        method_name: "PromptForChoice".into(),
        arguments: vec![
            "Confirm".into(),
            format!("Are you sure you want to perform this action?\nPerforming the operation \"{cmdlet}\" on target \"{target}\".")
                .into(),
            choices.into(),
            2.into(),
        ],
    }
}
