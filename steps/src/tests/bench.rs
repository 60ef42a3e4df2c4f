//! [`Bench`]: a site, what is known about it, and an engine in miniature that asks a step what
//! it wants to know. Every pipeline that passes is checked against the catalogue of commands.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use owaim_inventory::{
    ApplicationId, CertificateRule, Credential, CredentialRules, EndpointKind, EndpointRule,
    Exchange, ExchangeVersion, Host, HostName, Limits, Lync, LyncVersion, PolicyScope,
    PowerShellVersion, RetryRules, Role, SecretSource, Site, TrustedApplication,
    UnifiedMessagingRule, WindowsPath, catalogue,
};
use owaim_proto::clixml::{Base, Object, Value};
use owaim_proto::psrp::{
    Command, ErrorCategory, ErrorRecord, Parameter, Pipeline, PipelineOutput, PipelineState, Record,
};

use crate::{
    Action, Assessment, BackendDecision, Context, Fact, Facts, Observations, Pfx, PoolDecision,
    PoolNeed, Problem, Query, Step, Verdict,
};

pub(super) fn host(short: &str) -> HostName {
    HostName::new(&format!("{short}.litwareinc.com")).unwrap()
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn path(text: &str) -> WindowsPath {
    WindowsPath::new(text).unwrap()
}

/// Two client access servers, two backends, two policies, one user; Exchange 2013.
pub(super) fn site() -> Site {
    let server = |short: &str, role: Role| Host {
        name: host(short),
        roles: BTreeSet::from([role]),
        exchange_version: None,
        group: "atlanta".into(),
        install_root: None,
        endpoints: BTreeMap::new(),
    };
    let mut front_end = server("atl-cs-001", Role::LyncFrontEnd);
    front_end
        .endpoints
        .insert(EndpointKind::LyncLocal, EndpointRule::default());
    Site {
        name: "litware".into(),
        lync: Lync {
            version: LyncVersion::L2013,
            pool: host("atl-cs-001"),
            site_id: "Redmond".into(),
            trusted_application: TrustedApplication {
                pool: host("atl-owa-001"),
                id: ApplicationId::new("OutlookWebApp").unwrap(),
                port: 5199,
                computers: Vec::new(),
            },
        },
        exchange: Exchange {
            version: ExchangeVersion::E2013,
            admin_host: host("atl-cas-001"),
            domain_controller: None,
        },
        certificate: CertificateRule {
            subject: host("atl-owa-001"),
            thumbprint: None,
            warn_days: 30,
            import: None,
            request: false,
        },
        hosts: vec![
            front_end,
            server("atl-cas-001", Role::Cas),
            server("atl-cas-002", Role::Cas),
            server("atl-mbx-001", Role::Backend),
            server("atl-mbx-002", Role::Backend),
        ],
        policies: PolicyScope::Named(vec!["Default".into(), "Executives".into()]),
        sample_users: vec!["kenmyer@litwareinc.com".into()],
        unified_messaging: UnifiedMessagingRule::default(),
        lab_overlay: None,
        connections: owaim_inventory::ConnectionRules::default(),
        kerberos: owaim_inventory::KerberosRule::default(),
        credentials: CredentialRules {
            default: Credential::Account {
                username: "LITWARE\\admin".into(),
                password: SecretSource::Prompt,
            },
            by_kind: BTreeMap::new(),
            by_host: BTreeMap::new(),
        },
        retry: RetryRules::default(),
        limits: Limits::default(),
        warnings: Vec::new(),
    }
}

/// What was decided about the trusted pool at the Front End.
pub(super) fn decided(needed_by: &[&str], discovered: &[&str]) -> Bench {
    let rows = |names: &[&str], need| -> Vec<BackendDecision> {
        let row = |name: &&str| BackendDecision {
            backend: host(name),
            need,
            why: "so it is".into(),
        };
        names.iter().map(row).collect()
    };
    let backends = [
        rows(needed_by, PoolNeed::Required),
        rows(discovered, PoolNeed::MustNotExist),
    ];
    Bench::new().knows(
        "atl-cs-001",
        Fact::TrustedPool(PoolDecision {
            backends: backends.concat(),
        }),
    )
}

pub(super) struct Bench {
    pub(super) site: Site,
    pub(super) facts: Facts,
    pub(super) earlier: Vec<Fact>,
    pub(super) remedied: bool,
    pub(super) accepted: Vec<&'static str>,
    pub(super) pfx: Option<Pfx>,
}

impl Bench {
    /// A bench where preflight has been at every host: PowerShell 4, Exchange on drive D.
    pub(super) fn new() -> Self {
        let mut bench = Self {
            site: site(),
            facts: Facts::default(),
            earlier: Vec::new(),
            remedied: false,
            accepted: Vec::new(),
            pfx: None,
        };
        for server in bench.site.hosts.clone() {
            for fact in [
                Fact::PowerShell(PowerShellVersion { major: 4, minor: 0 }),
                Fact::Exchange(ExchangeVersion::E2013),
                Fact::InstallRoot(path(r"D:\Exchange")),
                Fact::ServerTime(at("2026-11-23T10:00:00Z")),
            ] {
                bench.facts.learn(&server.name, fact);
            }
        }
        bench
    }

    pub(super) fn knows(mut self, short: &str, fact: Fact) -> Self {
        self.facts.learn(&host(short), fact);
        self
    }

    pub(super) fn powershell(self, short: &str, major: u32) -> Self {
        self.knows(
            short,
            Fact::PowerShell(PowerShellVersion { major, minor: 0 }),
        )
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            site: &self.site,
            facts: &self.facts,
            earlier: &self.earlier,
            remedied: self.remedied,
            accepted: &self.accepted,
            pfx: self.pfx.as_ref(),
        }
    }

    /// Asks until the step asks for no more.
    pub(super) fn probe(
        &self,
        step: &dyn Step,
        answer: impl Fn(&Query) -> PipelineOutput,
    ) -> Result<Observations, Problem> {
        let mut seen = Observations::default();
        for _ in 0..8 {
            let queries = step.probe(self.context(), &seen)?;
            let new: Vec<_> = queries
                .into_iter()
                .filter(|query| seen.of(query).is_none())
                .collect();
            if new.is_empty() {
                return Ok(seen);
            }
            for query in new {
                assert_typed(&query.pipeline, self.powershell_of(&query.place.host));
                assert!(
                    query.pipeline.commands().all(|command| !changes(command)),
                    "{}",
                    said(&query.pipeline)
                );
                let output = answer(&query);
                seen.insert(query, output);
            }
        }
        panic!("{} goes in circles", step.id());
    }

    /// One look: what a probe gives, and what it means. Learns as the engine does.
    pub(super) fn look(
        &mut self,
        step: &dyn Step,
        answer: impl Fn(&Query) -> PipelineOutput,
    ) -> (Observations, Assessment) {
        let seen = self.probe(step, answer).unwrap();
        let assessment = step.assess(self.context(), &seen);
        for fact in &assessment.facts {
            self.facts.learn(&step.target().host, fact.clone());
            self.earlier.push(fact.clone());
        }
        (seen, assessment)
    }

    /// The remedy, each action checked.
    pub(super) fn remedy(&self, step: &dyn Step, seen: &Observations) -> Vec<Action> {
        let actions = step.remedy(self.context(), seen).unwrap();
        for action in &actions {
            assert_typed(&action.pipeline, self.powershell_of(&action.place.host));
            let program = action
                .pipeline
                .commands()
                .any(|command| command.name.contains('\\'));
            assert_eq!(
                action.changes,
                program || action.pipeline.commands().any(changes),
                "{}",
                said(&action.pipeline)
            );
        }
        actions
    }

    fn powershell_of(&self, host: &HostName) -> PowerShellVersion {
        self.facts
            .powershell(host)
            .copied()
            .unwrap_or(PowerShellVersion { major: 2, minor: 0 })
    }
}

fn changes(command: &Command) -> bool {
    catalogue::find(&command.name).is_some_and(|cmdlet| cmdlet.changes)
}

/// No script text, nothing refused, nothing that the host's PowerShell does not have.
fn assert_typed(pipeline: &Pipeline, powershell: PowerShellVersion) {
    for command in pipeline.commands() {
        let shown = said(pipeline);
        assert!(!command.is_script, "{shown}");
        assert_eq!(catalogue::refusal(&command.name), None, "{shown}");
        for parameter in &command.parameters {
            assert!(!matches!(parameter.value, Value::ScriptBlock(_)), "{shown}");
        }
        if command.name.contains('\\') {
            continue;
        }
        let cmdlet = catalogue::find(&command.name)
            .unwrap_or_else(|| panic!("not in the catalogue: {shown}"));
        assert_eq!(cmdlet.name, command.name, "{shown}");
        assert!(
            cmdlet.powershell <= powershell,
            "{shown}: needs PowerShell {}",
            cmdlet.powershell
        );
        assert!(!cmdlet.prompts, "{shown}: may prompt");
        for parameter in &command.parameters {
            let name = parameter
                .name
                .as_deref()
                .unwrap_or_else(|| panic!("positional: {shown}"));
            let known = cmdlet
                .parameter(name)
                .unwrap_or_else(|| panic!("no parameter {name}: {shown}"));
            assert_eq!(known.name, name, "{shown}");
            assert!(
                known.powershell.is_none_or(|since| since <= powershell),
                "{name} is too new: {shown}"
            );
            assert_eq!(
                catalogue::parameter_refusal(&command.name, name),
                None,
                "{shown}"
            );
        }
    }
}

/// An argument as one would type it.
fn argued(value: &Value) -> String {
    if let Some(items) = value.items() {
        return items.iter().map(argued).collect::<Vec<_>>().join(", ");
    }
    let entries = value.as_object().and_then(Object::entries);
    if let Some(entries) = entries {
        let entry = |(key, value): &(Value, Value)| format!("{} = {}", argued(key), argued(value));
        let entries: Vec<String> = entries.iter().map(entry).collect();
        return format!("@{{{}}}", entries.join("; "));
    }
    value.text().unwrap_or_else(|| format!("{value:?}"))
}

/// A pipeline as one would type it.
pub(super) fn said(pipeline: &Pipeline) -> String {
    let argument = |parameter: &Parameter| {
        let name = parameter.name.as_ref().map(|name| format!("-{name}"));
        let value = match &parameter.value {
            Value::Bool(true) => None,
            Value::Bytes(bytes) => Some(format!("<{} bytes>", bytes.len())),
            value => Some(argued(value)),
        };
        [name, value]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let command = |command: &Command| {
        let words = command.parameters.iter().map(argument);
        [command.name.clone()]
            .into_iter()
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let statement =
        |commands: &Vec<Command>| commands.iter().map(command).collect::<Vec<_>>().join(" | ");
    pipeline
        .statements
        .iter()
        .map(statement)
        .collect::<Vec<_>>()
        .join("; ")
}

pub(super) fn gives(objects: impl IntoIterator<Item = Value>) -> PipelineOutput {
    let records = objects.into_iter().map(Record::Output).collect();
    PipelineOutput {
        records,
        state: PipelineState::Completed,
    }
}

pub(super) fn fails(error_id: &str, category: i32) -> PipelineOutput {
    let error = ErrorRecord {
        message: "Meldung in der Sprache des Servers".into(),
        error_id: error_id.into(),
        category: ErrorCategory::new(category),
        exception_type: "System.Exception".into(),
        target: None,
        raw: Value::Null,
    };
    PipelineOutput {
        records: vec![Record::Error(error)],
        state: PipelineState::Completed,
    }
}

pub(super) fn not_found() -> PipelineOutput {
    fails(
        "PathNotFound,Microsoft.PowerShell.Commands.GetItemCommand",
        13,
    )
}

pub(super) fn no_such_command() -> PipelineOutput {
    fails("CommandNotFoundException", 13)
}

/// An object with these properties.
pub(super) fn object<const N: usize>(properties: [(&str, Value); N]) -> Value {
    properties
        .into_iter()
        .fold(Object::new(), |object, (name, value)| {
            object.with(name, value)
        })
        .into()
}

pub(super) fn date(text: &str) -> Value {
    Value::DateTime(text.into())
}

/// A value within an object with notes, as providers give them.
pub(super) fn noted(value: Value) -> Value {
    Object::new()
        .with_base(Base::Primitive(value))
        .with_note("PSPath", "x")
        .into()
}

/// The word for a verdict, and what it says.
pub(super) fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::InPlace => "in place".into(),
        Verdict::Drifted(differences) => {
            let one = |d: &crate::Difference| {
                let text =
                    |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
                format!("{}: {} -> {}", d.what, text(&d.actual), text(&d.desired))
            };
            format!(
                "drifted: {}",
                differences.iter().map(one).collect::<Vec<_>>().join("; ")
            )
        }
        Verdict::NotApplicable(reason) => format!("not applicable: {reason}"),
        Verdict::Unknown(reason) => format!("unknown: {reason}"),
        Verdict::Doubtful { reason, .. } => format!("doubtful: {reason}"),
        Verdict::Broken(problem) => format!("broken: {}", problem.found),
    }
}

/// Checks that a verdict begins as `expected` says.
pub(super) fn check(name: &str, assessment: &Assessment, expected: &str) {
    let told = told(&assessment.verdict);
    assert!(
        told.starts_with(expected),
        "{name}:\n  expected {expected}\n  but was  {told}"
    );
}
