//! The commands that the tool may send: names, parameters, versions, and what each does to a
//! server.
//!
//! One list for both users: the steps are checked against it, the simulated site binds
//! arguments against it. A test compares it with the vendor's reference where that is at hand.

use crate::{ExchangeVersion, PowerShellVersion, WindowsVersion};

/// One cmdlet.
#[derive(Debug)]
pub struct Cmdlet {
    /// Canonical name.
    pub name: &'static str,
    /// Other names it answers to (`gci`); cmdlet aliases exist only on full endpoints.
    pub aliases: &'static [&'static str],
    /// Who ships it.
    pub product: Product,
    /// Module it comes from; full endpoints load it by name.
    pub module: &'static str,
    /// Whether it can change the server or the directory.
    pub changes: bool,
    /// Whether it asks for confirmation unless told `Confirm = false` or `Force`.
    pub prompts: bool,
    /// Whether it reaches a third machine and so needs delegated credentials on a plain
    /// endpoint.
    pub delegation: bool,
    /// First version of Windows PowerShell that has it.
    pub powershell: PowerShellVersion,
    /// First Windows release that has it.
    pub windows: Option<WindowsVersion>,
    /// First and last generation of Exchange that have it.
    pub exchange: Option<(ExchangeVersion, ExchangeVersion)>,
    /// Its parameters, without the common ones ([`COMMON_PARAMETERS`]).
    pub parameters: &'static [Parameter],
}

/// Who ships a cmdlet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// Windows PowerShell and Windows' own modules.
    Windows,
    /// The module WebAdministration.
    Iis,
    /// Exchange.
    Exchange,
    /// Lync Server and Skype for Business Server.
    Lync,
}

/// One parameter of a cmdlet.
#[derive(Debug)]
pub struct Parameter {
    /// Canonical name.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// Type it converts to.
    pub kind: Kind,
    /// Position among positional arguments, 0 first.
    pub position: Option<u32>,
    /// Whether a call without it is refused (in every parameter set).
    pub mandatory: bool,
    /// How it takes pipeline input.
    pub pipeline: PipelineInput,
    /// First version of Windows PowerShell that has it, if later than the cmdlet.
    pub powershell: Option<PowerShellVersion>,
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
    /// One of these names, matched without regard to case.
    Enum(&'static [&'static str]),
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
