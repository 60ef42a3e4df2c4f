//! `preflight.host`: the server answers, and is what the site file says it is.
//!
//! Learns the version of Windows PowerShell, the generation and install root of Exchange and the
//! server's clock: every later step on the host goes by them. On a backend it also looks, before
//! anything is changed, whether the trusted application's port is free there ([`listeners`]).

use owaim_inventory::{ExchangeVersion, Host, HostName, PowerShellVersion, Role, WindowsPath};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};

use crate::{
    Assessment, Context, Dependency, Fact, Observations, Place, Problem, Query, Step, StepId,
    Target, Verdict, listeners, read,
};

pub(crate) const ID: StepId = "preflight.host";

/// Names of the queries.
const POWERSHELL: &str = "powershell";
const CLOCK: &str = "clock";
const SETUP: &str = "setup";
const OTHER_SETUP: &str = "other-setup";
const ROLES: &str = "roles";

/// Registry key below which each generation of Exchange has its own.
const EXCHANGE: &str = r"HKLM:\SOFTWARE\Microsoft\ExchangeServer";

/// The step, for one Exchange server.
#[derive(Debug)]
pub(crate) struct PreflightHost {
    pub(crate) host: HostName,
}

/// What the key `Setup` says.
struct Setup {
    version: Option<ExchangeVersion>,
    /// The numbers, for people.
    build: String,
    root: Option<WindowsPath>,
}

/// Says what is there instead, as far as it is known.
fn not_installed(action: String, declared: ExchangeVersion, seen: &Observations) -> Problem {
    let other = seen
        .get(OTHER_SETUP)
        .filter(|output| output.is_clean())
        .and_then(|output| output.objects().next());
    let (found, advice) = match other.map(setup).and_then(|other| other.version) {
        Some(version) => (
            version.to_string(),
            "correct the version of this host in the site file",
        ),
        None => (
            "no Exchange at all".into(),
            "correct the roles of this host in the site file, or see whether its name leads to another machine",
        ),
    };
    Problem::new(action, found, advice).expecting(declared.to_string())
}

/// `v14` for Exchange 2010, `v15` for all since.
fn generation(version: ExchangeVersion) -> &'static str {
    if version == ExchangeVersion::E2010 {
        "v14"
    } else {
        "v15"
    }
}

impl PreflightHost {
    fn host<'a>(&self, cx: Context<'a>) -> Result<&'a Host, Problem> {
        cx.site.host(&self.host).ok_or_else(|| {
            Problem::new(
                format!("look up {}", self.host),
                "no host of that name in the site file",
                "add it",
            )
        })
    }

    fn query(&self, name: &'static str, command: Command) -> Query {
        Query {
            name,
            place: Place::windows(&self.host),
            pipeline: Pipeline::new(command),
        }
    }

    fn setup_query(&self, name: &'static str, generation: &str) -> Query {
        let key = format!(r"{EXCHANGE}\{generation}\Setup");
        self.query(
            name,
            Command::new("Get-ItemProperty").with("LiteralPath", key),
        )
    }

    fn powershell(&self, seen: &Observations) -> Result<PowerShellVersion, Problem> {
        let action = format!("read the version of Windows PowerShell on {}", self.host);
        let table = read::single(seen, POWERSHELL, &action)?;
        let entries = table
            .as_object()
            .and_then(|object| object.entries())
            .unwrap_or_default();
        let entry = entries.iter().find(|(key, _)| {
            key.text()
                .is_some_and(|k| k.eq_ignore_ascii_case("PSVersion"))
        });
        entry
            .and_then(|(_, version)| powershell_version(version))
            .ok_or_else(|| {
                Problem::new(
                    action,
                    "a table without PSVersion",
                    "see whether this is a Windows PowerShell endpoint",
                )
            })
    }

    fn setup(&self, declared: ExchangeVersion, seen: &Observations) -> Result<Setup, Problem> {
        let action = format!("read the setup of Exchange on {}", self.host);
        let output = read::observed(seen, SETUP, &action)?;
        match output.errors().next() {
            Some(error) if read::is_not_found(error) => Err(not_installed(action, declared, seen)),
            Some(error) => Err(read::refused(&action, error)),
            None => match output.objects().next() {
                Some(key) => Ok(setup(key)),
                None => Err(not_installed(action, declared, seen)),
            },
        }
    }

    /// Warnings about roles that the registry does not show. Which keys stand for them is not
    /// documented, so that nothing more than a warning hangs on it.
    fn role_warnings(&self, host: &Host, seen: &Observations) -> Vec<String> {
        let Some(output) = seen.get(ROLES).filter(|output| output.is_clean()) else {
            return Vec::new();
        };
        let keys: Vec<String> = output
            .objects()
            .filter_map(|key| read::text(key, "PSChildName").or_else(|| read::text(key, "Name")))
            .map(|name| {
                name.rsplit('\\')
                    .next()
                    .unwrap_or_default()
                    .to_ascii_lowercase()
            })
            .filter(|name| name.ends_with("role"))
            .collect();
        let missing = |role: &Role| {
            let (name, wanted): (_, &[&str]) = match role {
                Role::Cas => ("client access", &["caferole", "clientaccessrole"]),
                Role::Backend => ("mailbox", &["mailboxrole"]),
                Role::LyncFrontEnd => return None,
            };
            let shown = keys.iter().any(|key| wanted.contains(&key.as_str()));
            (!keys.is_empty() && !shown).then(|| {
                format!(
                    "the site file gives {} the {name} role, its registry does not show it",
                    self.host
                )
            })
        };
        host.roles.iter().filter_map(missing).collect()
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let host = self.host(cx)?;
        let declared = cx.site.exchange_version(host);
        let powershell = self.powershell(seen)?;
        let action = format!("read the clock of {}", self.host);
        let clock = read::single(seen, CLOCK, &action)?;
        let clock = read::time(clock).ok_or_else(|| {
            Problem::new(action, format!("{:?}", clock.text()), read::REPORT).expecting("a time")
        })?;
        let setup = self.setup(declared, seen)?;
        let mut warnings = self.role_warnings(host, seen);
        match setup.version {
            Some(found) if found != declared => {
                return Err(Problem::new(
                    format!("compare the version of {} with the site file", self.host),
                    format!("{found} ({})", setup.build),
                    "correct the version in the site file: generations are configured in different ways",
                )
                .expecting(declared.to_string()));
            }
            Some(_) => {}
            None => warnings.push(format!(
                "the registry of {} does not tell a known version of Exchange ({}); going by the site file: {declared}",
                self.host, setup.build
            )),
        }
        let root = match (&host.install_root, setup.root) {
            (Some(ours), Some(theirs)) if !ours.as_str().eq_ignore_ascii_case(theirs.as_str()) => {
                warnings.push(format!(
                    "install root of {}: {ours} by the site file, which counts; {theirs} by the registry",
                    self.host
                ));
                ours.clone()
            }
            (Some(ours), _) => ours.clone(),
            (None, Some(theirs)) => theirs,
            (None, None) => {
                let action = format!("find the install root of Exchange on {}", self.host);
                let advice = "set install_root of this host in the site file";
                return Err(Problem::new(
                    action,
                    "no usable MsiInstallPath in the registry",
                    advice,
                ));
            }
        };
        if host.is(Role::Backend) {
            let port = cx.site.lync.trusted_application.port;
            warnings.extend(listeners::warning(seen, &self.host, port));
        }
        Ok(Assessment::of(Verdict::InPlace)
            .with_fact(Fact::PowerShell(powershell))
            .with_fact(Fact::Exchange(setup.version.unwrap_or(declared)))
            .with_fact(Fact::InstallRoot(root))
            .with_fact(Fact::ServerTime(clock))
            .with_warnings(warnings))
    }
}

/// `5.1.14393.0`, as a version or as text.
fn powershell_version(value: &Value) -> Option<PowerShellVersion> {
    let text = value.text()?;
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some(PowerShellVersion {
        major: parts.next()??,
        minor: parts.next().unwrap_or(Some(0))?,
    })
}

fn setup(key: &Value) -> Setup {
    let part = |name: &str| read::number(key, name).and_then(|n| u32::try_from(n).ok());
    let [major, minor, build] = ["MsiProductMajor", "MsiProductMinor", "MsiBuildMajor"].map(part);
    let version = match (major, minor, build) {
        (Some(major), Some(minor), Some(build)) => ExchangeVersion::from_build(major, minor, build),
        _ => None,
    };
    let shown = [major, minor, build]
        .map(|part| part.map_or("?".into(), |n: u32| n.to_string()))
        .join(".");
    let root = read::text(key, "MsiInstallPath").and_then(|path| WindowsPath::new(&path).ok());
    Setup {
        version,
        build: shown,
        root,
    }
}

fn is_missing(output: &PipelineOutput) -> bool {
    output.errors().any(read::is_not_found) || output.objects().next().is_none()
}

impl Step for PreflightHost {
    fn id(&self) -> StepId {
        ID
    }

    fn target(&self) -> Target {
        Target {
            host: self.host.clone(),
            object: None,
        }
    }

    fn title(&self) -> String {
        "the server answers and is what the site file says".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }

    fn probe(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Query>, Problem> {
        let host = self.host(cx)?;
        let declared = cx.site.exchange_version(host);
        let key = format!(r"{EXCHANGE}\{}", generation(declared));
        let mut queries = vec![
            self.query(
                POWERSHELL,
                Command::new("Get-Variable")
                    .with("Name", "PSVersionTable")
                    .switch("ValueOnly"),
            ),
            self.query(CLOCK, Command::new("Get-Date")),
            self.setup_query(SETUP, generation(declared)),
            self.query(
                ROLES,
                Command::new("Get-ChildItem").with("LiteralPath", key),
            ),
        ];
        if seen.get(SETUP).is_some_and(is_missing) {
            let other = if generation(declared) == "v14" {
                "v15"
            } else {
                "v14"
            };
            queries.push(self.setup_query(OTHER_SETUP, other));
        }
        if host.is(Role::Backend)
            && self
                .powershell(seen)
                .is_ok_and(|version| version.major >= listeners::POWERSHELL)
        {
            let port = cx.site.lync.trusted_application.port;
            queries.extend(listeners::queries(seen, &self.host, port));
        }
        Ok(queries)
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        self.verdict(cx, seen)
            .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
    }
}
