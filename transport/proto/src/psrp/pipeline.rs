//! [`Pipeline`]: what a client asks a server to run ([MS-PSRP] 2.2.2.10 CREATE_PIPELINE).

use crate::clixml::Value;

/// One or more statements; each a chain of commands whose output feeds the next.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pipeline {
    /// The statements, in order. More than one needs protocol 2.2 (PowerShell 3).
    pub statements: Vec<Vec<Command>>,
    /// Whether input objects follow (PIPELINE_INPUT); without, the server is told that there
    /// are none.
    pub takes_input: bool,
}

impl Pipeline {
    /// A single statement of a single command.
    pub fn new(command: Command) -> Self {
        Self {
            statements: vec![vec![command]],
            takes_input: false,
        }
    }

    /// Appends `command` to the last statement: it receives what came before.
    #[must_use]
    pub fn pipe(mut self, command: Command) -> Self {
        match self.statements.last_mut() {
            Some(statement) => statement.push(command),
            None => self.statements.push(vec![command]),
        }
        self
    }

    /// Appends a further statement that starts with `command`.
    #[must_use]
    pub fn then(mut self, command: Command) -> Self {
        self.statements.push(vec![command]);
        self
    }

    /// Every command of every statement.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.statements.iter().flatten()
    }
}

/// A cmdlet, a native program or, for users of the transport alone, a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Name of the cmdlet, full path of the program, or the text of the script.
    pub name: String,
    /// The script flag of the wire format. The steps never set it.
    pub is_script: bool,
    /// Arguments in order.
    pub parameters: Vec<Parameter>,
    /// Whether it runs in a scope of its own; `None`: as the server sees fit.
    pub use_local_scope: Option<bool>,
    /// Where its streams go.
    pub merge: Merge,
}

/// Where the streams of a command go besides its output ([MS-PSRP] 2.2.3.12). All but the errors
/// need protocol 2.2, the information stream 2.3; where a server speaks less, they are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Merge {
    /// Errors; a server cannot drop them.
    pub error: MergeTo,
    /// Warnings.
    pub warning: MergeTo,
    /// Verbose messages.
    pub verbose: MergeTo,
    /// Debug messages.
    pub debug: MergeTo,
    /// Information records.
    pub information: MergeTo,
    /// Whether the command takes what the commands before it left unmerged, errors included.
    pub previous: bool,
}

/// Where a stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MergeTo {
    /// It stays what it is.
    #[default]
    Own,
    /// Into the output.
    Output,
    /// Nowhere.
    Nowhere,
}

impl Merge {
    /// Every stream into the output.
    pub const ALL_TO_OUTPUT: Self = Self {
        error: MergeTo::Output,
        warning: MergeTo::Output,
        verbose: MergeTo::Output,
        debug: MergeTo::Output,
        information: MergeTo::Output,
        previous: false,
    };
}

/// An argument: named or positional.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name without the dash; `None` for a positional argument.
    pub name: Option<String>,
    /// Its value; a switch is `Bool(true)`.
    pub value: Value,
}

impl Command {
    /// A cmdlet or native program without arguments.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            is_script: false,
            parameters: Vec::new(),
            use_local_scope: None,
            merge: Merge::default(),
        }
    }

    /// Sets where its streams go.
    #[must_use]
    pub fn merged(self, merge: Merge) -> Self {
        Self { merge, ..self }
    }

    /// A script, for users of the transport; no step makes one.
    pub fn script(text: impl Into<String>) -> Self {
        Self {
            is_script: true,
            ..Self::new(text)
        }
    }

    /// Appends a named argument.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.parameters.push(Parameter {
            name: Some(name.into()),
            value: value.into(),
        });
        self
    }

    /// Appends a switch that is on.
    #[must_use]
    pub fn switch(self, name: &str) -> Self {
        self.with(name, true)
    }

    /// Appends a positional argument.
    #[must_use]
    pub fn arg(mut self, value: impl Into<Value>) -> Self {
        self.parameters.push(Parameter {
            name: None,
            value: value.into(),
        });
        self
    }
}
