//! [`Parameter`]: one parameter of a cmdlet, what it converts to and how it takes input.

use crate::{ExchangeVersion, PowerShellVersion};

/// One parameter of a cmdlet.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Canonical name.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// Type it converts to.
    pub kind: Kind,
    /// Position among positional arguments, 0 first; gaps mean nothing.
    pub position: Option<u32>,
    /// Whether a call without it is refused, in every parameter set that holds it.
    pub mandatory: bool,
    /// Parameter sets in which alone it is mandatory, where that differs.
    pub mandatory_in: &'static [&'static str],
    /// Whether only some drives add it (`ConnectionURI` of `WSMan:`); it is mandatory on those.
    pub dynamic: bool,
    /// Parameter sets that hold it; empty for all.
    pub sets: &'static [&'static str],
    /// How it takes pipeline input.
    pub pipeline: PipelineInput,
    /// First version of Windows PowerShell that has it, if later than the cmdlet.
    pub powershell: Option<PowerShellVersion>,
    /// First and last generation of Exchange that have it, if not those of the cmdlet.
    pub exchange: Option<(ExchangeVersion, ExchangeVersion)>,
}

/// What a parameter's argument converts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    String,
    /// A list of texts; a single one is a list of one.
    Strings,
    /// 32-bit integer.
    Int,
    /// 64-bit integer.
    Long,
    /// `$true` or `$false`.
    Bool,
    /// Present or absent.
    Switch,
    /// A point in time.
    DateTime,
    /// Bytes.
    Bytes,
    /// A dictionary.
    Hashtable,
    /// Anything.
    Object,
    /// Script text: never sent by this program.
    ScriptBlock,
    /// A secure string or a credential: never written to a record.
    Secret,
    /// One of these names of an enumeration, matched without regard to case.
    Enum(&'static [&'static str]),
    /// One or more of these names of a flags enumeration.
    Flags(&'static [&'static str]),
    /// Text that must be one of these, without regard to case.
    OneOf(&'static [&'static str]),
}

impl Kind {
    /// The names it accepts, if they are listed.
    pub fn values(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Enum(values) | Self::Flags(values) | Self::OneOf(values) => Some(values),
            _ => None,
        }
    }
}

/// How a parameter takes pipeline input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipelineInput {
    /// Not at all.
    No,
    /// The object itself.
    Value,
    /// The property of the parameter's name or alias.
    Property,
    /// Either.
    Both,
}

impl Parameter {
    /// An optional, named parameter without aliases.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            aliases: &[],
            kind,
            position: None,
            mandatory: false,
            mandatory_in: &[],
            dynamic: false,
            sets: &[],
            pipeline: PipelineInput::No,
            powershell: None,
            exchange: None,
        }
    }

    /// Whether `name` is its name or one of its aliases, without regard to case.
    pub fn answers_to(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
            || self
                .aliases
                .iter()
                .any(|alias| alias.eq_ignore_ascii_case(name))
    }

    /// Whether it belongs to the parameter set `set`.
    pub fn is_in(&self, set: &str) -> bool {
        self.sets.is_empty() || self.sets.contains(&set)
    }

    /// Whether a call with the parameter set `set` is refused without it, whatever the drive.
    pub fn is_mandatory_in(&self, set: &str) -> bool {
        !self.dynamic && self.is_in(set) && (self.mandatory || self.mandatory_in.contains(&set))
    }

    pub(super) const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    pub(super) const fn at(mut self, position: u32) -> Self {
        self.position = Some(position);
        self
    }

    pub(super) const fn mandatory(mut self) -> Self {
        self.mandatory = true;
        self
    }

    pub(super) const fn mandatory_in(mut self, sets: &'static [&'static str]) -> Self {
        self.mandatory_in = sets;
        self
    }

    pub(super) const fn dynamic(mut self) -> Self {
        self.dynamic = true;
        self
    }

    pub(super) const fn sets(mut self, sets: &'static [&'static str]) -> Self {
        self.sets = sets;
        self
    }

    pub(super) const fn piped(mut self, pipeline: PipelineInput) -> Self {
        self.pipeline = pipeline;
        self
    }

    pub(super) const fn since(mut self, version: PowerShellVersion) -> Self {
        self.powershell = Some(version);
        self
    }

    pub(super) const fn only(mut self, first: ExchangeVersion, last: ExchangeVersion) -> Self {
        self.exchange = Some((first, last));
        self
    }
}

macro_rules! shorthand {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        $(
            $(#[$doc])*
            pub(super) const fn $name(name: &'static str) -> Parameter {
                Parameter::new(name, Kind::$kind)
            }
        )*
    };
}

shorthand! {
    /// Text.
    text => String;
    /// A list of texts.
    texts => Strings;
    /// A 32-bit integer.
    int => Int;
    /// A 64-bit integer.
    long => Long;
    /// True or false.
    boolean => Bool;
    /// A switch.
    switch => Switch;
    /// A point in time.
    date => DateTime;
    /// Bytes.
    bytes => Bytes;
    /// A dictionary.
    table => Hashtable;
    /// Anything.
    any => Object;
    /// Script text.
    script => ScriptBlock;
    /// A secret.
    secret => Secret;
}

/// One name of an enumeration.
pub(super) const fn named(name: &'static str, values: &'static [&'static str]) -> Parameter {
    Parameter::new(name, Kind::Enum(values))
}

/// Names of a flags enumeration.
pub(super) const fn flags(name: &'static str, values: &'static [&'static str]) -> Parameter {
    Parameter::new(name, Kind::Flags(values))
}

/// Text out of a set.
pub(super) const fn one_of(name: &'static str, values: &'static [&'static str]) -> Parameter {
    Parameter::new(name, Kind::OneOf(values))
}
