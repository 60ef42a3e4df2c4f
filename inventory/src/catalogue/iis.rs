//! The cmdlets of the IIS modules.

use super::parameter::PipelineInput::{Both, Property};
use super::parameter::{any, int, switch, table, text, texts};
use super::{Cmdlet, IIS, POWERSHELL_5};
use crate::WindowsVersion;

/// In alphabetical order, one parameter a line.
#[rustfmt::skip]
pub(super) static CMDLETS: &[Cmdlet] = &[
    Cmdlet {
        name: "Add-WebConfigurationProperty", changes: true, should_process: true,
        parameters: &[
            table("AtElement").piped(Both),
            int("AtIndex").piped(Both),
            text("AtName").piped(Both),
            text("Clr"),
            texts("Filter").at(0).mandatory().piped(Property),
            switch("Force"),
            texts("Location").piped(Property),
            text("Name").mandatory(),
            texts("PSPath").at(1).piped(Property),
            text("Type"),
            any("Value"),
        ],
        ..IIS
    },
    Cmdlet {
        name: "Get-IISAppPool", module: "IISAdministration", powershell: POWERSHELL_5, windows: Some(WindowsVersion::W2016),
        parameters: &[
            texts("Name").at(0).piped(Both),
        ],
        ..IIS
    },
    Cmdlet {
        name: "Get-WebAppPoolState",
        parameters: &[
            text("Name").at(0).piped(Property),
        ],
        ..IIS
    },
    Cmdlet {
        name: "Get-WebApplication",
        parameters: &[
            text("Name").at(0).piped(Property),
            text("Site").piped(Property),
        ],
        ..IIS
    },
    Cmdlet {
        name: "Get-WebBinding",
        parameters: &[
            text("HostHeader").piped(Property),
            text("IPAddress").piped(Property),
            text("Name").at(0).piped(Property),
            text("Port").piped(Property),
            text("Protocol").piped(Property),
        ],
        ..IIS
    },
    Cmdlet {
        name: "Get-WebConfigFile",
        parameters: &[
            texts("PSPath").at(0).piped(Property),
        ],
        ..IIS
    },
    Cmdlet {
        name: "Get-WebConfigurationProperty",
        parameters: &[
            text("Clr"),
            texts("Filter").at(0).mandatory().piped(Property),
            texts("Location").piped(Property),
            texts("Name").mandatory(),
            texts("PSPath").at(1).piped(Property),
            switch("Recurse"),
        ],
        ..IIS
    },
    Cmdlet {
        name: "Get-Website",
        parameters: &[
            text("Name").at(0).piped(Property),
        ],
        ..IIS
    },
    Cmdlet {
        name: "Restart-WebAppPool", changes: true,
        parameters: &[
            text("Name").at(0).piped(Property),
        ],
        ..IIS
    },
    Cmdlet {
        name: "Set-WebConfigurationProperty", changes: true, should_process: true,
        sets: &["InputPSObject", "InputObject"],
        parameters: &[
            table("AtElement").piped(Both),
            int("AtIndex").piped(Both),
            text("AtName").piped(Both),
            text("Clr"),
            texts("Filter").at(0).mandatory().piped(Property),
            switch("Force"),
            any("InputObject").mandatory().sets(&["InputObject"]).piped(Both),
            texts("Location").piped(Property),
            text("Name").mandatory(),
            texts("PSPath").at(1).piped(Property),
            any("Value").alias(&["v", "val"]).mandatory().sets(&["InputPSObject"]),
        ],
        ..IIS
    },
    Cmdlet {
        name: "Start-WebAppPool", changes: true,
        parameters: &[
            text("Name").at(0).piped(Property),
            switch("Passthru"),
        ],
        ..IIS
    },
    Cmdlet {
        name: "Stop-WebAppPool", changes: true,
        parameters: &[
            text("Name").at(0).piped(Property),
            switch("Passthru"),
        ],
        ..IIS
    },
];
