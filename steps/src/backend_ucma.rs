//! `backend.ucma`: the SIP library that OWA loads is registered, and is where it is registered.
//!
//! Exchange 2013 and later find it by a registry value, which names the file or, as other
//! documentation has it, its folder: both are taken. What is installed by the versions in the
//! registry tells a damaged registration from a runtime that was never there. Installing it may
//! need a restart of the server and is not this step's work: it only reports.

use owaim_inventory::{ExchangeVersion, HostName, WindowsPath};
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};

use crate::{
    Assessment, Context, Dependency, Observations, Place, Problem, Query, Step, StepId, Target,
    Verdict, read,
};

pub(crate) const ID: StepId = "backend.ucma";

/// Names of the queries.
const PROVIDER: &str = "provider";
const RUNTIME: &str = "runtime";
const INSTALLED: &str = "installed";
const FILE: &str = "file";

/// Where OWA looks for its messaging provider.
const PROVIDER_KEY: &str =
    r"HKLM:\SYSTEM\CurrentControlSet\Services\MSExchange OWA\InstantMessaging";
const PROVIDER_VALUE: &str = "ImplementationDLLPath";
/// The provider, where the value names a folder.
const PROVIDER_FILE: &str = "Microsoft.Rtc.Internal.Ucweb.dll";

/// Where the runtime notes its version, with the value that has it; the first is what the vendor's
/// own setup looks at, the second the runtime's entry in the list of programs.
const RUNTIME_KEY: (&str, &str) = (
    r"HKLM:\SOFTWARE\Microsoft\UCMA\{902F4F35-D5DC-4363-8671-D5EF0D26C21D}",
    "Version",
);
const INSTALLED_KEY: (&str, &str) = (
    r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\{41D635FE-4F9D-47F7-8230-9B29D6D42D31}",
    "DisplayVersion",
);

/// The build from which on the runtime's own development kit takes it for UCMA 4.0. Exchange
/// documents no minimum, so that an older one is worth a warning and no more.
const OLDEST: [u32; 4] = [5, 0, 8224, 0];

/// The step, for one backend.
#[derive(Debug)]
pub(crate) struct BackendUcma {
    pub(crate) host: HostName,
}

/// What the registry says of the provider.
enum Registration {
    NoKey,
    NoValue,
    /// The value names no file: as it is written.
    NoPath(String),
    /// The file it means.
    File(WindowsPath),
}

impl BackendUcma {
    fn action(&self) -> String {
        format!("find the messaging provider of OWA on {}", self.host)
    }

    fn registration(&self, seen: &Observations) -> Result<Registration, Problem> {
        let action = self.action();
        let output = read::observed(seen, PROVIDER, &action)?;
        if let Some(error) = output.errors().next() {
            return if read::is_not_found(error) {
                Ok(Registration::NoKey)
            } else {
                Err(read::refused(&action, error))
            };
        }
        let Some(text) = output
            .objects()
            .find_map(|key| read::text(key, PROVIDER_VALUE))
        else {
            return Ok(Registration::NoValue);
        };
        let Ok(path) = WindowsPath::new(text.trim().trim_matches('"')) else {
            return Ok(Registration::NoPath(text));
        };
        let is_file = path.as_str().to_ascii_lowercase().ends_with(".dll");
        Ok(Registration::File(if is_file {
            path
        } else {
            path.join(PROVIDER_FILE)
        }))
    }

    /// The version of the runtime; `None`: the registry knows of none.
    fn runtime(&self, seen: &Observations) -> Result<Option<String>, Problem> {
        let action = format!("read the version of the UCMA runtime on {}", self.host);
        for (query, (_, value)) in [(RUNTIME, RUNTIME_KEY), (INSTALLED, INSTALLED_KEY)] {
            let Some(output) = seen.get(query) else {
                continue;
            };
            if let Some(error) = output.errors().find(|error| !read::is_not_found(error)) {
                return Err(read::refused(&action, error));
            }
            if let Some(version) = version(output, value) {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    /// Something is missing; what to do about it depends on whether the runtime is there.
    fn broken(&self, cx: Context<'_>, found: &str, runtime: Option<&str>) -> Problem {
        let (found, advice) = if let Some(version) = runtime {
            (
                format!("{found}, although the UCMA runtime {version} is installed"),
                "repair the UCMA runtime, which writes its registration and its files anew; then run again".into(),
            )
        } else {
            let setup = if cx.exchange_version(&self.host) >= ExchangeVersion::E2019 {
                r"UCMARedist\Setup.exe of Exchange's media"
            } else {
                "UcmaRuntimeSetup.exe"
            };
            (
                format!("{found}, and no UCMA runtime is installed"),
                format!(
                    "install the feature Server-Media-Foundation and the UCMA 4.0 runtime ({setup}); an older UCMA \
                     has to be removed first, and the server may want a restart"
                ),
            )
        };
        Problem::new(self.action(), found, advice).expecting(format!(
            r"{PROVIDER_VALUE} in {PROVIDER_KEY} with the path of {PROVIDER_FILE}"
        ))
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let runtime = self.runtime(seen)?;
        let broken = |found: &str| Err(self.broken(cx, found, runtime.as_deref()));
        let file = match self.registration(seen)? {
            Registration::NoKey => return broken("the registry key is missing"),
            Registration::NoValue => return broken("the registry value is missing"),
            Registration::NoPath(text) => {
                return broken(&format!("the registry value is {text:?}, which is no path"));
            }
            Registration::File(file) => file,
        };
        let action = format!("look for {file} on {}", self.host);
        let answer = read::single(seen, FILE, &action)?;
        match read::flag(answer) {
            Some(true) => {}
            Some(false) => return broken(&format!("the file {file} is missing")),
            None => {
                let found = format!("{:?}", answer.text());
                return Err(Problem::new(action, found, read::REPORT).expecting("true or false"));
            }
        }
        Ok(Assessment::of(Verdict::InPlace).with_warnings(self.doubts(runtime.as_deref())))
    }

    fn doubts(&self, runtime: Option<&str>) -> Option<String> {
        let host = &self.host;
        let Some(version) = runtime else {
            return Some(format!(
                "the messaging provider of {host} is in place, but its registry knows of no UCMA runtime"
            ));
        };
        let [major, minor, build, revision] = OLDEST;
        numbers(version).is_some_and(|numbers| numbers < OLDEST).then(|| {
            format!("the UCMA runtime {version} of {host} is older than {major}.{minor}.{build}.{revision}, the first of UCMA 4.0")
        })
    }

    fn not_applicable(&self, cx: Context<'_>) -> Option<String> {
        let version = cx.exchange_version(&self.host);
        (version == ExchangeVersion::E2010)
            .then(|| format!("{version} has a messaging provider of another kind"))
    }

    fn query(&self, name: &'static str, command: Command) -> Query {
        Query {
            name,
            place: Place::windows(&self.host),
            pipeline: Pipeline::new(command),
        }
    }

    fn key(&self, name: &'static str, path: &str) -> Query {
        self.query(
            name,
            Command::new("Get-ItemProperty").with("LiteralPath", path),
        )
    }
}

fn version(output: &PipelineOutput, value: &str) -> Option<String> {
    output.objects().find_map(|key| read::text(key, value))
}

/// `5.0.8308.0`; parts that are missing are zero.
fn numbers(version: &str) -> Option<[u32; 4]> {
    let mut numbers = [0; 4];
    let mut parts = version.trim().split('.');
    for number in &mut numbers {
        match parts.next() {
            Some(part) => *number = part.parse().ok()?,
            None => break,
        }
    }
    Some(numbers)
}

impl Step for BackendUcma {
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
        "OWA finds the UCMA runtime".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![Dependency::requires(crate::preflight_host::ID)]
    }

    fn probe(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Query>, Problem> {
        if self.not_applicable(cx).is_some() {
            return Ok(Vec::new());
        }
        let mut queries = vec![
            self.key(PROVIDER, PROVIDER_KEY),
            self.key(RUNTIME, RUNTIME_KEY.0),
        ];
        let is_unknown = |output: &PipelineOutput| version(output, RUNTIME_KEY.1).is_none();
        if seen.get(RUNTIME).is_some_and(is_unknown) {
            queries.push(self.key(INSTALLED, INSTALLED_KEY.0));
        }
        if seen.get(PROVIDER).is_some()
            && let Ok(Registration::File(file)) = self.registration(seen)
        {
            let command = Command::new("Test-Path")
                .with("LiteralPath", file.as_str())
                .with("PathType", "Leaf");
            queries.push(self.query(FILE, command));
        }
        Ok(queries)
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        if let Some(reason) = self.not_applicable(cx) {
            return Assessment::of(Verdict::NotApplicable(reason));
        }
        self.verdict(cx, seen)
            .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
    }
}
