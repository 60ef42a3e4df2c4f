//! Parameter binding: names and their beginnings, positions, parameter sets, pipeline input.
//!
//! Key type: [`Bound`], the arguments of one call. Rules as in about_Parameters and
//! about_Parameter_Sets.

use owaim_inventory::catalogue::{Cmdlet, Kind, Parameter, PipelineInput};
use owaim_inventory::{ExchangeVersion, PowerShellVersion};
use owaim_proto::clixml::Value;
use owaim_proto::psrp;

use super::convert::{convert, fits};
use super::errors::{Category, Failure};

/// The only parameter set of a cmdlet that names none.
const SINGLE: &[&str] = &["__AllParameterSets"];

/// What the host knows: newer parameters are refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Platform {
    pub(super) powershell: PowerShellVersion,
    pub(super) exchange: Option<ExchangeVersion>,
}

/// The arguments of one call, converted, by canonical name.
#[derive(Debug, Clone, Default)]
pub(super) struct Bound {
    values: Vec<(&'static Parameter, Value)>,
    /// The pipeline object that the call is for.
    pub(super) input: Option<Value>,
}

/// A command line, bound as far as it goes without pipeline input.
#[derive(Debug, Clone)]
pub(super) struct Line {
    cmdlet: &'static Cmdlet,
    platform: Platform,
    bound: Bound,
    sets: Vec<&'static str>,
}

impl Bound {
    /// The argument of the parameter `name`.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.values
            .iter()
            .find(|(p, _)| p.name == name)
            .map(|(_, value)| value)
    }

    /// Whether the parameter `name` was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.text()
    }

    /// A list of texts; empty if not given.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            None => Vec::new(),
            Some(value) => match value.items() {
                Some(items) => items.iter().filter_map(Value::text).collect(),
                None => value.text().into_iter().collect(),
            },
        }
    }

    /// A switch: on, or off.
    pub(super) fn switch(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A boolean, if given.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name)?.as_bool()
    }

    /// A number, if given.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_i64()
    }

    /// Sets the path of a command that was given none: where the session is.
    pub(super) fn set_path(&mut self, path: &str) {
        static HERE: Parameter = Parameter::new("Path", Kind::String);
        self.values.push((&HERE, path.into()));
    }

    /// Every argument.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static Parameter, &Value)> {
        self.values.iter().map(|(p, v)| (*p, v))
    }
}

impl Line {
    /// Binds the arguments of `command` to the parameters of `cmdlet`.
    pub(super) fn bind(
        cmdlet: &'static Cmdlet,
        platform: Platform,
        command: &psrp::Command,
    ) -> Result<Self, Failure> {
        let sets = if cmdlet.sets.is_empty() {
            SINGLE
        } else {
            cmdlet.sets
        };
        let mut line = Self {
            cmdlet,
            platform,
            bound: Bound::default(),
            sets: sets.to_vec(),
        };
        let mut positional = Vec::new();
        let mut arguments = command.parameters.iter().peekable();
        while let Some(argument) = arguments.next() {
            let Some(given) = &argument.name else {
                positional.push(&argument.value);
                continue;
            };
            let bare = given.trim_start_matches('-').trim_end_matches(':');
            let parameter = line.named(bare)?;
            let mut value = &argument.value;
            if *value == Value::Null && parameter.kind != Kind::Switch && !given.ends_with(':') {
                // A name without a value takes the argument that follows.
                match arguments.peek() {
                    Some(next) if next.name.is_none() => {
                        value = &next.value;
                        arguments.next();
                    }
                    _ => {
                        return Err(Failure::binding(
                            "MissingArgument",
                            parameter.name,
                            format!("Missing an argument for parameter '{}'.", parameter.name),
                        ));
                    }
                }
            }
            line.put(parameter, value)?;
        }
        for value in positional {
            let Some(parameter) = line.next_position() else {
                return Err(Failure::binding(
                    "PositionalParameterNotFound",
                    &value.text().unwrap_or_default(),
                    format!(
                        "A positional parameter cannot be found that accepts argument '{}'.",
                        value.text().unwrap_or_default(),
                    ),
                ));
            };
            line.put(parameter, value)?;
        }
        Ok(line)
    }

    /// The calls to make: one for each object of `input`, or one if there is no pipeline before
    /// (`None`). What cannot be bound is an error of its own; the other objects go on.
    pub(super) fn calls(
        &self,
        input: Option<&[Value]>,
    ) -> Result<Vec<Result<Bound, Failure>>, Failure> {
        let Some(objects) = input else {
            let missing = self.missing(&self.bound, &self.sets);
            return match missing {
                None => Ok(vec![Ok(self.bound.clone())]),
                Some(names) => Err(self.missing_error(&names)),
            };
        };
        if let Some(names) = self.missing_for_input() {
            return Err(self.missing_error(&names));
        }
        Ok(objects
            .iter()
            .map(|object| self.with_input(object))
            .collect())
    }

    /// The arguments of the command line itself.
    pub(super) fn arguments(&self) -> &Bound {
        &self.bound
    }

    fn missing_error(&self, names: &[&str]) -> Failure {
        Failure::binding(
            "MissingMandatoryParameter",
            self.cmdlet.name,
            format!(
                "Cannot process command because of one or more missing mandatory parameters: {}.",
                names.join(" "),
            ),
        )
    }

    fn available(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        let platform = self.platform;
        self.cmdlet.all_parameters().filter(move |p| {
            let old_enough = p
                .powershell
                .is_none_or(|since| since <= platform.powershell);
            let range = p.exchange.zip(platform.exchange);
            old_enough && range.is_none_or(|((first, last), here)| (first..=last).contains(&here))
        })
    }

    fn named(&self, name: &str) -> Result<&'static Parameter, Failure> {
        if let Some(exact) = self.available().find(|p| p.answers_to(name)) {
            return Ok(exact);
        }
        let begins = |full: &str| {
            full.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        let matching: Vec<_> = self
            .available()
            .filter(|p| {
                !name.is_empty() && (begins(p.name) || p.aliases.iter().any(|alias| begins(alias)))
            })
            .collect();
        match matching.as_slice() {
            [only] => Ok(only),
            [] => Err(Failure::binding(
                "NamedParameterNotFound",
                name,
                format!("A parameter cannot be found that matches parameter name '{name}'."),
            )),
            several => Err(Failure::binding(
                "AmbiguousParameter",
                name,
                format!(
                    "Parameter cannot be processed because the parameter name '{name}' is ambiguous. Possible matches \
                     include:{}.",
                    several
                        .iter()
                        .fold(String::new(), |text, p| text + " -" + p.name),
                ),
            )),
        }
    }

    fn put(&mut self, parameter: &'static Parameter, value: &Value) -> Result<(), Failure> {
        if self.bound.has(parameter.name) {
            return Err(Failure::binding(
                "ParameterAlreadyBound",
                parameter.name,
                format!(
                    "Cannot bind parameter because parameter '{}' is specified more than once.",
                    parameter.name,
                ),
            ));
        }
        let converted = convert(parameter, value)?;
        self.bound.values.push((parameter, converted));
        self.sets.retain(|set| parameter.is_in(set));
        if self.sets.is_empty() {
            return Err(Failure::binding(
                "AmbiguousParameterSet",
                self.cmdlet.name,
                "Parameter set cannot be resolved using the specified named parameters.",
            ));
        }
        Ok(())
    }

    /// The parameter that the next positional argument goes to: the lowest free position, in
    /// the default set if it still can be.
    fn next_position(&self) -> Option<&'static Parameter> {
        let free = |p: &&'static Parameter| p.position.is_some() && !self.bound.has(p.name);
        let in_set = |set: &str| {
            self.available()
                .filter(free)
                .filter(|p| p.is_in(set))
                .min_by_key(|p| p.position)
        };
        self.sets.iter().find_map(|set| in_set(set))
    }

    /// Mandatory parameters that `bound` lacks in every one of `sets`; those of the first set.
    fn missing(&self, bound: &Bound, sets: &[&'static str]) -> Option<Vec<&'static str>> {
        let lacking = |set: &&'static str| -> Vec<&'static str> {
            self.available()
                .filter(|p| p.is_mandatory_in(set) && !bound.has(p.name))
                .map(|p| p.name)
                .collect()
        };
        if sets.iter().any(|set| lacking(set).is_empty()) {
            None
        } else {
            sets.first().map(lacking)
        }
    }

    /// Mandatory parameters that neither the line nor any input can give.
    fn missing_for_input(&self) -> Option<Vec<&'static str>> {
        let lacking = |set: &&'static str| -> Vec<&'static str> {
            let needed = |p: &&'static Parameter| {
                p.is_mandatory_in(set) && !self.bound.has(p.name) && p.pipeline == PipelineInput::No
            };
            self.available().filter(needed).map(|p| p.name).collect()
        };
        if self.sets.iter().any(|set| lacking(set).is_empty()) {
            None
        } else {
            self.sets.first().map(lacking)
        }
    }

    fn with_input(&self, object: &Value) -> Result<Bound, Failure> {
        let mut line = self.clone();
        let before = line.bound.values.len();
        let takes_value =
            |p: &Parameter| matches!(p.pipeline, PipelineInput::Value | PipelineInput::Both);
        let takes_property =
            |p: &Parameter| matches!(p.pipeline, PipelineInput::Property | PipelineInput::Both);
        let property = |p: &Parameter| {
            let names = std::iter::once(&p.name).chain(p.aliases);
            names
                .into_iter()
                .find_map(|name| object.get(name))
                .filter(|v| **v != Value::Null)
        };
        for p in self.available() {
            if takes_value(p) && line.open(p) && fits(p.kind, object) {
                line.put(p, object)?;
            }
        }
        for p in self.available() {
            if takes_property(p)
                && line.open(p)
                && let Some(value) = property(p)
            {
                // A property that does not convert leaves the parameter unbound.
                let _ = line.put(p, value);
            }
        }
        if line.bound.values.len() == before {
            for p in self.available() {
                if takes_value(p) && line.open(p) && convert(p, object).is_ok() {
                    line.put(p, object)?;
                }
            }
        }
        if line.bound.values.len() == before {
            return Err(Failure::new(
                "InputObjectNotBound",
                Category::InvalidArgument,
                "System.Management.Automation.ParameterBindingException",
                "The input object cannot be bound to any parameters for the command either because the command does \
                 not take pipeline input or the input and its properties do not match any of the parameters that take \
                 pipeline input.",
            )
            .about(object.text().unwrap_or_default()));
        }
        if let Some(names) = line.missing(&line.bound, &line.sets) {
            return Err(line.missing_error(&names));
        }
        line.bound.input = Some(object.clone());
        Ok(line.bound)
    }

    /// Whether `parameter` can still be bound.
    fn open(&self, parameter: &Parameter) -> bool {
        !self.bound.has(parameter.name) && self.sets.iter().any(|set| parameter.is_in(set))
    }
}

#[cfg(test)]
mod tests {
    use owaim_inventory::catalogue;
    use owaim_proto::psrp::Command;

    use super::*;

    fn line(command: &Command) -> Result<Line, Failure> {
        let cmdlet = catalogue::find(&command.name).expect("in the catalogue");
        let powershell = PowerShellVersion { major: 4, minor: 0 };
        Line::bind(
            cmdlet,
            Platform {
                powershell,
                exchange: Some(ExchangeVersion::E2013),
            },
            command,
        )
    }

    #[test]
    #[allow(clippy::too_many_lines)] // one table
    fn arguments_bind_as_in_powershell() {
        let command = |name: &str| Command::new(name);
        let enabled = |value: Value| {
            command("Set-OwaVirtualDirectory")
                .with("Identity", "x")
                .with("InstantMessagingEnabled", value)
        };
        for (command, expected) in [
            (
                command("Get-Content").with("literalpath", "x"),
                Ok("LiteralPath"),
            ),
            (
                command("Get-Content").with("PSPath", "x"),
                Ok("LiteralPath"),
            ),
            (command("Get-Content").with("Lit", "x"), Ok("LiteralPath")),
            (command("Get-Content").with("-Path:", "x"), Ok("Path")),
            (command("Get-Content").arg("x"), Ok("Path")),
            (
                command("Get-Content").with("Path", Value::Null).arg("x"),
                Ok("Path"),
            ),
            (command("Get-Content"), Err("MissingMandatoryParameter")),
            (
                command("Get-Content").with("Path", Value::Null),
                Err("MissingArgument"),
            ),
            (
                command("Get-Content")
                    .with("Path", "x")
                    .with("LiteralPath", "x"),
                Err("AmbiguousParameterSet"),
            ),
            (
                command("Get-Content").with("Path", "x").with("PATH", "x"),
                Err("ParameterAlreadyBound"),
            ),
            (
                command("Get-Content").with("Path", "x").with("R", true),
                Err("AmbiguousParameter"),
            ),
            (
                command("Get-Content").with("Nothing", "x"),
                Err("NamedParameterNotFound"),
            ),
            (
                command("Get-Content").arg("x").arg("y"),
                Err("PositionalParameterNotFound"),
            ),
            (
                command("Get-Content")
                    .with("Path", "x")
                    .with("Encoding", "utf"),
                Err("CannotConvertArgumentNoMessage"),
            ),
            (
                command("Get-Content")
                    .with("Path", "x")
                    .with("Encoding", "byt"),
                Ok("Encoding"),
            ),
            (
                command("Get-Content")
                    .with("Path", "x")
                    .with("ReadCount", "many"),
                Err("CannotConvertArgumentNoMessage"),
            ),
            (
                command("Set-Content")
                    .with("Path", "x")
                    .with("Value", "y")
                    .switch("NoNewline"),
                Err("NamedParameterNotFound"),
            ),
            (
                command("Get-FileHash").arg("x").with("Algorithm", "CRC"),
                Err("ParameterArgumentValidationError"),
            ),
            (
                command("Get-Item").with("LiteralPath", ""),
                Err("ParameterArgumentValidationErrorEmptyStringNotAllowed"),
            ),
            (enabled(true.into()), Ok("InstantMessagingEnabled")),
            (enabled(1.into()), Ok("InstantMessagingEnabled")),
            (
                enabled("yes".into()),
                Err("ParameterArgumentTransformationError"),
            ),
            (
                command("Where-Object")
                    .with("Property", "Hash")
                    .switch("EQ")
                    .with("Value", "x"),
                Ok("EQ"),
            ),
        ] {
            let outcome = line(&command).and_then(|l| {
                let input = (command.name == "Where-Object").then(|| vec![Value::from("x")]);
                l.calls(input.as_deref())
                    .map(|calls| calls.into_iter().next())
            });
            match (outcome, expected) {
                (Ok(Some(Ok(bound))), Ok(name)) => {
                    assert!(bound.has(name), "{command:?}: {bound:?}");
                }
                (Err(error) | Ok(Some(Err(error))), Err(id)) => {
                    assert_eq!(error.id(), id, "{command:?}");
                }
                (other, _) => panic!("{command:?}: expected {expected:?}, got {other:?}"),
            }
        }
    }

    #[test]
    fn pipeline_input_binds_by_value_then_by_property() {
        use owaim_proto::clixml::Object;
        let hash = Object::new().with("Path", "D:\\x").with("Hash", "AB");
        let set = line(&Command::new("Set-Content").with("Value", "new")).expect("a line");
        let calls = set.calls(Some(&[hash.into()])).expect("calls");
        assert_eq!(calls[0].as_ref().expect("bound").texts("Path"), ["D:\\x"]);
        assert!(set.calls(Some(&[])).expect("no calls").is_empty());
        let file = Object::new()
            .with("Name", "x")
            .with_note("PSPath", "FileSystem::D:\\x");
        let get = line(&Command::new("Get-Content")).expect("a line");
        let calls = get.calls(Some(&[file.into(), 3.into()])).expect("calls");
        assert_eq!(
            calls[0].as_ref().expect("bound").texts("LiteralPath"),
            ["FileSystem::D:\\x"]
        );
        assert_eq!(
            calls[1].as_ref().expect_err("not bound").id(),
            "InputObjectNotBound"
        );
    }
}
