//! The commands that the tool may send: names, parameters, versions, and what each does to a
//! server.
//!
//! One list for both users: the steps are checked against it, the simulated site binds
//! arguments against it. A test compares it with the vendor's reference where that is at hand.
//! Key type: [`Cmdlet`]. It deliberately holds no output types and runs nothing.

mod exchange;
mod exchange_change;
mod iis;
mod lync;
mod lync_change;
mod parameter;
mod refusal;
mod windows;
mod windows_items;
mod windows_system;

pub use parameter::{Kind, Parameter, PipelineInput};
pub use refusal::{parameter_refusal, refusal};

use crate::{ExchangeVersion, LyncVersion, PowerShellVersion, WindowsVersion};

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
    /// Whether it knows `-WhatIf` and `-Confirm` ([`SHOULD_PROCESS_PARAMETERS`]).
    pub should_process: bool,
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
    /// First and last generation of Lync that have it; of no meaning for other products.
    pub lync: (LyncVersion, LyncVersion),
    /// Names of its parameter sets, the default one first; empty if there is only one.
    pub sets: &'static [&'static str],
    /// Its parameters, without the common ones ([`COMMON_PARAMETERS`]).
    pub parameters: &'static [Parameter],
}

/// Who ships a cmdlet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// Windows PowerShell and Windows' own modules.
    Windows,
    /// The modules WebAdministration and IISAdministration.
    Iis,
    /// Exchange.
    Exchange,
    /// Lync Server and Skype for Business Server.
    Lync,
}

/// Windows PowerShell 2.0: what every host has.
const POWERSHELL_2: PowerShellVersion = PowerShellVersion { major: 2, minor: 0 };
const POWERSHELL_3: PowerShellVersion = PowerShellVersion { major: 3, minor: 0 };
const POWERSHELL_4: PowerShellVersion = PowerShellVersion { major: 4, minor: 0 };
const POWERSHELL_5: PowerShellVersion = PowerShellVersion { major: 5, minor: 0 };
const POWERSHELL_5_1: PowerShellVersion = PowerShellVersion { major: 5, minor: 1 };

/// What most entries of a table share.
const WINDOWS: Cmdlet = Cmdlet {
    name: "",
    aliases: &[],
    product: Product::Windows,
    module: "Microsoft.PowerShell.Management",
    changes: false,
    should_process: false,
    prompts: false,
    delegation: false,
    powershell: POWERSHELL_2,
    windows: None,
    exchange: None,
    lync: (LyncVersion::L2010, LyncVersion::Se),
    sets: &[],
    parameters: &[],
};
const IIS: Cmdlet = Cmdlet {
    product: Product::Iis,
    module: "WebAdministration",
    ..WINDOWS
};
const EXCHANGE: Cmdlet = Cmdlet {
    product: Product::Exchange,
    module: "ExchangePowerShell",
    exchange: Some((ExchangeVersion::E2013, ExchangeVersion::Se)),
    ..WINDOWS
};
/// Name of Lync's module up to Lync Server 2013; the catalogue has the later one.
pub const LYNC_MODULE: &str = "Lync";

/// Lync's cmdlets reach the configuration database and the directory from where they run.
const LYNC: Cmdlet = Cmdlet {
    product: Product::Lync,
    module: "SkypeForBusiness",
    delegation: true,
    ..WINDOWS
};

const ACTIONS: &[&str] = &[
    "SilentlyContinue",
    "Stop",
    "Continue",
    "Inquire",
    "Ignore",
    "Suspend",
];

/// The parameters that every cmdlet has (about_CommonParameters).
pub static COMMON_PARAMETERS: &[Parameter] = &[
    Parameter::new("Verbose", Kind::Switch).alias(&["vb"]),
    Parameter::new("Debug", Kind::Switch).alias(&["db"]),
    Parameter::new("ErrorAction", Kind::Enum(ACTIONS)).alias(&["ea"]),
    Parameter::new("WarningAction", Kind::Enum(ACTIONS)).alias(&["wa"]),
    Parameter::new("InformationAction", Kind::Enum(ACTIONS))
        .alias(&["infa"])
        .since(POWERSHELL_5),
    Parameter::new("ErrorVariable", Kind::String).alias(&["ev"]),
    Parameter::new("WarningVariable", Kind::String).alias(&["wv"]),
    Parameter::new("InformationVariable", Kind::String)
        .alias(&["iv"])
        .since(POWERSHELL_5),
    Parameter::new("OutVariable", Kind::String).alias(&["ov"]),
    Parameter::new("OutBuffer", Kind::Int).alias(&["ob"]),
    Parameter::new("PipelineVariable", Kind::String)
        .alias(&["pv"])
        .since(POWERSHELL_4),
];

/// The parameters of cmdlets that change something and can say so before they do.
pub static SHOULD_PROCESS_PARAMETERS: &[Parameter] = &[
    Parameter::new("WhatIf", Kind::Switch).alias(&["wi"]),
    Parameter::new("Confirm", Kind::Switch).alias(&["cf"]),
];

/// Every cmdlet of the catalogue.
pub fn all() -> impl Iterator<Item = &'static Cmdlet> {
    [
        windows::CMDLETS,
        windows_items::CMDLETS,
        windows_system::CMDLETS,
        iis::CMDLETS,
        exchange::CMDLETS,
        exchange_change::CMDLETS,
        lync::CMDLETS,
        lync_change::CMDLETS,
    ]
    .into_iter()
    .flatten()
}

/// The cmdlet of that name or alias, without regard to case; a module prefix
/// (`Microsoft.PowerShell.Utility\Write-Output`) is allowed.
pub fn find(name: &str) -> Option<&'static Cmdlet> {
    let (module, bare) = match name.rsplit_once('\\') {
        Some((module, bare)) => (Some(module), bare),
        None => (None, name),
    };
    let named = |c: &&Cmdlet| c.name.eq_ignore_ascii_case(bare);
    let aliased = |c: &&Cmdlet| {
        c.aliases
            .iter()
            .any(|alias| alias.eq_ignore_ascii_case(bare))
    };
    all()
        .find(named)
        .or_else(|| all().find(aliased))
        .filter(|c| {
            module.is_none_or(|module| {
                c.module.eq_ignore_ascii_case(module)
                    || (c.product == Product::Lync && LYNC_MODULE.eq_ignore_ascii_case(module))
            })
        })
}

impl Cmdlet {
    /// Its parameters, the common ones last.
    pub fn all_parameters(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        let extra: &'static [Parameter] = if self.should_process {
            SHOULD_PROCESS_PARAMETERS
        } else {
            &[]
        };
        self.parameters.iter().chain(extra).chain(COMMON_PARAMETERS)
    }

    /// The parameter of exactly that name or alias, without regard to case.
    pub fn parameter(&self, name: &str) -> Option<&'static Parameter> {
        self.all_parameters().find(|p| p.answers_to(name))
    }
}

#[cfg(test)]
mod tests;
