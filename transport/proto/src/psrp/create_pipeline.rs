//! [`CreatePipeline`]: the CREATE_PIPELINE message ([MS-PSRP] 2.2.2.10, 2.2.3.11 to 2.2.3.13).

use super::{
    Command, HostInfo, Merge, MergeTo, MessageType, Parameter, Pipeline, ProtocolVersion, PsrpError,
};
use crate::clixml::{Base, Object, Value};

const KIND: MessageType = MessageType::CreatePipeline;

/// What a client asks a server to run, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatePipeline {
    /// The statements.
    pub pipeline: Pipeline,
    /// The client's host for this pipeline.
    pub host: HostInfo,
    /// Whether the pipeline goes into the session's history.
    pub add_to_history: bool,
    /// Whether errors, warnings, verbose and debug records say what was invoked, which costs 2 KB
    /// each.
    pub invocation_info: bool,
    /// Whether it runs within the pipeline that runs already, in the same runspace.
    pub is_nested: bool,
}

impl CreatePipeline {
    /// A pipeline without a host, history or invocation information.
    pub fn new(pipeline: Pipeline) -> Self {
        Self {
            pipeline,
            host: HostInfo::NONE,
            add_to_history: false,
            invocation_info: false,
            is_nested: false,
        }
    }

    /// The data of the message for a server that speaks `version`.
    pub(super) fn to_value(&self, version: ProtocolVersion) -> Result<Value, PsrpError> {
        let statements = &self.pipeline.statements;
        let first = statements.first().ok_or(PsrpError::EmptyPipeline)?;
        if statements.iter().any(Vec::is_empty) {
            return Err(PsrpError::EmptyPipeline);
        }
        let several = statements.len() > 1;
        if several && version < ProtocolVersion::V2_2 {
            let feature = "a pipeline of several statements";
            return Err(PsrpError::NotSupported {
                feature,
                needs: ProtocolVersion::V2_2,
                speaks: version,
            });
        }
        let commands = |statement: &Vec<Command>| {
            list(statement.iter().map(|c| command(c, version)).collect())
        };
        // With ExtraCmds the server runs those alone, the first statement included.
        let extra = statements
            .iter()
            .map(|s| Object::new().with_note("Cmds", commands(s)).into())
            .collect();
        let extra = if several {
            list(extra).into()
        } else {
            Value::Null
        };
        let power_shell = Object::new()
            .with_note("IsNested", self.is_nested)
            .with_note("ExtraCmds", extra)
            .with_note("Cmds", commands(first))
            .with_note("History", Value::Null)
            .with_note("RedirectShellErrorOutputPipe", false);
        Ok(Object::new()
            .with_note("NoInput", !self.pipeline.takes_input)
            .with_note(
                "ApartmentState",
                Object::enumeration("System.Threading.ApartmentState", "Unknown", 2),
            )
            .with_note(
                "RemoteStreamOptions",
                remote_stream_options(self.invocation_info),
            )
            .with_note("AddToHistory", self.add_to_history)
            .with_note("HostInfo", self.host.to_value())
            .with_note("PowerShell", power_shell)
            .with_note("IsNested", self.is_nested)
            .into())
    }

    pub(super) fn from_value(value: &Value) -> Result<Self, PsrpError> {
        let property = |property, expected| PsrpError::Property {
            kind: KIND,
            property,
            expected,
        };
        let power_shell = value
            .get("PowerShell")
            .ok_or(property("PowerShell", "an object"))?;
        let commands = |holder: &Value| -> Result<Vec<Command>, PsrpError> {
            let items = holder
                .get("Cmds")
                .and_then(Value::items)
                .ok_or(property("Cmds", "a list"))?;
            items.iter().map(command_from).collect()
        };
        let statements = match power_shell.get("ExtraCmds").and_then(Value::items) {
            Some(extra) if !extra.is_empty() => {
                extra.iter().map(commands).collect::<Result<Vec<_>, _>>()?
            }
            _ => vec![commands(power_shell)?],
        };
        if statements.iter().any(Vec::is_empty) {
            return Err(PsrpError::EmptyPipeline);
        }
        let flag = |name| value.get(name).and_then(Value::as_bool);
        Ok(Self {
            pipeline: Pipeline {
                statements,
                takes_input: !flag("NoInput").ok_or(property("NoInput", "a boolean"))?,
            },
            host: HostInfo::from_value(value.get("HostInfo")),
            add_to_history: flag("AddToHistory").unwrap_or(false),
            invocation_info: value
                .get("RemoteStreamOptions")
                .and_then(Value::as_i64)
                .is_some_and(|options| options != 0),
            is_nested: flag("IsNested").unwrap_or(false),
        })
    }
}

/// Which records tell what was invoked: all, or none.
fn remote_stream_options(invocation_info: bool) -> Object {
    let (name, number) = if invocation_info {
        ("AddInvocationInfo", 15)
    } else {
        ("0", 0)
    };
    Object::enumeration(
        "System.Management.Automation.RemoteStreamOptions",
        name,
        number,
    )
}

/// A place where a stream goes ([MS-PSRP] 2.2.3.31). The numbers are those of Windows' enumeration,
/// which are not the flags that the specification has.
fn result_type(name: &str) -> Object {
    let number = match name {
        "Output" => 1,
        "Error" => 2,
        "Output, Error" => 3,
        "Null" => 8,
        _ => 0,
    };
    Object::enumeration(
        "System.Management.Automation.Runspaces.PipelineResultTypes",
        name,
        number,
    )
}

impl MergeTo {
    fn name(self) -> &'static str {
        match self {
            Self::Own => "None",
            Self::Output => "Output",
            Self::Nowhere => "Null",
        }
    }

    fn from_value(value: Option<&Value>) -> Self {
        match value.and_then(Value::as_i64) {
            Some(1) => Self::Output,
            Some(8) => Self::Nowhere,
            _ => Self::Own,
        }
    }
}

fn list(items: Vec<Value>) -> Object {
    let name = "System.Collections.Generic.List`1[[System.Management.Automation.PSObject, \
                System.Management.Automation, Version=3.0.0.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35]]";
    Object::new()
        .with_types([name, "System.Object"])
        .with_base(Base::List(items))
}

fn command(command: &Command, version: ProtocolVersion) -> Value {
    let merge = &command.merge;
    let arguments = command.parameters.iter().map(|parameter| {
        let name = parameter.name.as_deref().map_or(Value::Null, Value::from);
        Object::new()
            .with_note("N", name)
            .with_note("V", parameter.value.clone())
            .into()
    });
    // What protocol 2.1 has: errors, and nowhere to go but into the output.
    let (mine, to) = match merge.error {
        MergeTo::Own => ("None", "None"),
        MergeTo::Output | MergeTo::Nowhere => ("Error", merge.error.name()),
    };
    let previous = if merge.previous {
        "Output, Error"
    } else {
        "None"
    };
    // Nearly all are this one.
    let none = result_type("None");
    let place = |name: &str| {
        if name == "None" {
            none.clone()
        } else {
            result_type(name)
        }
    };
    let scope = command.use_local_scope.map_or(Value::Null, Value::Bool);
    let mut object = Object::new()
        .with_note("Cmd", command.name.as_str())
        .with_note("IsScript", command.is_script)
        .with_note("UseLocalScope", scope)
        .with_note("MergeMyResult", place(mine))
        .with_note("MergeToResult", place(to))
        .with_note("MergePreviousResults", place(previous))
        .with_note("Args", list(arguments.collect()));
    if version >= ProtocolVersion::V2_2 {
        for (name, to) in [
            ("MergeError", merge.error),
            ("MergeWarning", merge.warning),
            ("MergeVerbose", merge.verbose),
            ("MergeDebug", merge.debug),
        ] {
            object = object.with_note(name, place(to.name()));
        }
    }
    if version >= ProtocolVersion::V2_3 {
        object = object.with_note("MergeInformation", place(merge.information.name()));
    }
    object.into()
}

fn merge_from(value: &Value) -> Merge {
    let number = |name| value.get(name).and_then(Value::as_i64);
    let of = |name| MergeTo::from_value(value.get(name));
    // Of a client that speaks protocol 2.1.
    let mine = number("MergeMyResult") == Some(2);
    Merge {
        error: match of("MergeError") {
            MergeTo::Own if mine => of("MergeToResult"),
            error => error,
        },
        warning: of("MergeWarning"),
        verbose: of("MergeVerbose"),
        debug: of("MergeDebug"),
        information: of("MergeInformation"),
        previous: number("MergePreviousResults").is_some_and(|n| n != 0),
    }
}

fn command_from(value: &Value) -> Result<Command, PsrpError> {
    let property = |property, expected| PsrpError::Property {
        kind: KIND,
        property,
        expected,
    };
    let arguments = value.get("Args").and_then(Value::items).unwrap_or_default();
    Ok(Command {
        name: value
            .get("Cmd")
            .and_then(Value::text)
            .ok_or(property("Cmd", "a string"))?,
        is_script: value
            .get("IsScript")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        parameters: arguments
            .iter()
            .map(|argument| Parameter {
                // As typed: some clients keep the dash, PowerShell's own parser the colon.
                name: argument
                    .get("N")
                    .and_then(Value::text)
                    .map(|name| {
                        name.trim_start_matches('-')
                            .trim_end_matches(':')
                            .to_owned()
                    })
                    .filter(|name| !name.is_empty()),
                value: argument.get("V").cloned().unwrap_or(Value::Null),
            })
            .collect(),
        use_local_scope: value.get("UseLocalScope").and_then(Value::as_bool),
        merge: merge_from(value),
    })
}
