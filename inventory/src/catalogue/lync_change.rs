//! Lync Server and Skype for Business Server cmdlets that change the topology, users or logging.

use super::parameter::PipelineInput::{Both, Property, Value};
use super::parameter::{any, boolean, bytes, int, named, switch, text, texts};
use super::{Cmdlet, LYNC};
use crate::LyncVersion::{L2013, Se};

/// In alphabetical order, one parameter a line.
#[rustfmt::skip]
pub(super) static CMDLETS: &[Cmdlet] = &[
    Cmdlet {
        name: "Enable-CsTopology", changes: true, should_process: true,
        parameters: &[
            switch("Force"),
            text("GlobalCatalog"),
            text("GlobalSettingsDomainController"),
            text("Report"),
            boolean("SkipPrepareCheck"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Export-CsConfiguration", changes: true,
        sets: &["AsBytes", "FileName"],
        parameters: &[
            switch("AsBytes").sets(&["AsBytes"]),
            text("FileName").at(0).mandatory().sets(&["FileName"]),
            switch("Force"),
            switch("LocalStore"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Grant-CsSetupPermission", changes: true, should_process: true,
        parameters: &[
            text("ComputerOU").mandatory(),
            text("Domain"),
            text("DomainController"),
            switch("Force"),
            text("GlobalCatalog"),
            text("Report"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Import-CsConfiguration", changes: true,
        sets: &["ByteInput", "FileName"],
        parameters: &[
            bytes("ByteInput").at(0).mandatory().sets(&["ByteInput"]).piped(Value),
            text("FileName").at(0).mandatory().sets(&["FileName"]),
            switch("Force"),
            switch("LocalStore"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Invoke-CsManagementStoreReplication", changes: true,
        parameters: &[
            switch("Force"),
            text("ReplicaFqdn").at(0).piped(Property),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "New-CsClsProvider", lync: (L2013, Se), changes: true,
        parameters: &[
            text("Flags").mandatory(),
            text("Guid"),
            named("Level", &["Fatal", "Error", "Warning", "Info", "Verbose", "Debug"]).mandatory(),
            text("Name").mandatory(),
            text("Role"),
            text("Type").mandatory(),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "New-CsClsScenario", lync: (L2013, Se), changes: true, should_process: true,
        sets: &["Identity", "ParentAndRelativeKey"],
        parameters: &[
            switch("Force"),
            text("Identity").at(0).mandatory().sets(&["Identity"]),
            switch("InMemory"),
            text("Name").mandatory().sets(&["ParentAndRelativeKey"]),
            text("Parent").mandatory().sets(&["ParentAndRelativeKey"]),
            any("Provider"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "New-CsPartnerApplication", lync: (L2013, Se), changes: true, should_process: true,
        sets: &["UseOAuthServer", "CertificateFileData", "CertificateRawData", "MetadataUrl"],
        parameters: &[
            boolean("AcceptSecurityIdentifierInformation"),
            text("ApplicationIdentifier").mandatory().sets(&["UseOAuthServer", "CertificateFileData", "CertificateRawData"]),
            any("ApplicationTrustLevel").mandatory(),
            text("CertificateFileData").mandatory().sets(&["CertificateFileData"]),
            text("CertificateRawData").mandatory().sets(&["CertificateRawData"]),
            boolean("Enabled"),
            switch("Force"),
            text("Identity").at(0),
            switch("InMemory"),
            text("MetadataUrl").mandatory().sets(&["MetadataUrl"]),
            text("Realm").mandatory_in(&["CertificateFileData", "CertificateRawData"]).sets(&["UseOAuthServer", "CertificateFileData", "CertificateRawData"]),
            text("Tenant"),
            switch("UseOAuthServer").sets(&["UseOAuthServer"]),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "New-CsTrustedApplication", changes: true, should_process: true,
        sets: &["Identity", "AppIdAndPoolFqdn"],
        parameters: &[
            text("ApplicationId").mandatory().sets(&["AppIdAndPoolFqdn"]),
            switch("EnableTcp"),
            switch("Force"),
            text("Identity").at(0).sets(&["Identity"]),
            text("LegacyApplicationName"),
            int("Port").mandatory(),
            text("TrustedApplicationPoolFqdn").mandatory().sets(&["AppIdAndPoolFqdn"]),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "New-CsTrustedApplicationComputer", changes: true, should_process: true,
        parameters: &[
            switch("Force"),
            text("Identity").at(0).mandatory(),
            text("Pool").mandatory(),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "New-CsTrustedApplicationEndpoint", changes: true, should_process: true,
        parameters: &[
            text("ApplicationId").mandatory(),
            text("DisplayName"),
            text("DisplayNumber"),
            text("LineURI"),
            switch("PassThru"),
            text("PrimaryLanguage"),
            any("SecondaryLanguages"),
            text("SipAddress"),
            text("Tenant"),
            text("TrustedApplicationPoolFqdn").mandatory(),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "New-CsTrustedApplicationPool", changes: true, should_process: true,
        parameters: &[
            int("AppSharingPortCount"),
            int("AppSharingPortStart"),
            int("AudioPortCount"),
            int("AudioPortStart"),
            text("ComputerFqdn"),
            switch("Force"),
            text("Identity").at(0).mandatory(),
            boolean("OutboundOnly"),
            text("Registrar"),
            boolean("RequiresReplication"),
            text("Site"),
            boolean("ThrottleAsServer"),
            boolean("TreatAsAuthenticated"),
            int("VideoPortCount"),
            int("VideoPortStart"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Publish-CsTopology", changes: true, should_process: true,
        sets: &["Finalize", "Filename", "Document"],
        parameters: &[
            text("BackupFileName"),
            any("Document").mandatory().sets(&["Document"]),
            text("FileName").at(0).mandatory().sets(&["Filename"]),
            switch("FinalizeUninstall").sets(&["Finalize"]),
            switch("Force"),
            text("GlobalCatalog"),
            text("GlobalSettingsDomainController"),
            text("Report"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Remove-CsClsScenario", lync: (L2013, Se), changes: true, should_process: true,
        parameters: &[
            switch("Force"),
            text("Identity").at(0).mandatory().piped(Property),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Remove-CsPartnerApplication", lync: (L2013, Se), changes: true, should_process: true,
        parameters: &[
            switch("Force"),
            text("Identity").at(0).mandatory().piped(Property),
            text("Tenant"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Remove-CsTrustedApplication", changes: true, should_process: true,
        parameters: &[
            switch("Force"),
            text("Identity").at(0).mandatory().piped(Property),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Remove-CsTrustedApplicationComputer", changes: true, should_process: true,
        parameters: &[
            switch("Force"),
            text("Identity").at(0).mandatory().piped(Property),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Remove-CsTrustedApplicationEndpoint", changes: true, should_process: true,
        parameters: &[
            text("Identity").at(0).mandatory().piped(Both),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Remove-CsTrustedApplicationPool", changes: true, should_process: true,
        parameters: &[
            switch("Force"),
            text("Identity").at(0).mandatory().piped(Property),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Set-CsClsScenario", lync: (L2013, Se), changes: true, should_process: true,
        sets: &["Identity", "Instance"],
        parameters: &[
            switch("Force"),
            text("Identity").at(0).sets(&["Identity"]),
            any("Instance").sets(&["Instance"]).piped(Value),
            any("Provider"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Set-CsOAuthConfiguration", lync: (L2013, Se), changes: true, should_process: true,
        sets: &["Identity", "Instance"],
        parameters: &[
            text("ClientAuthorizationOAuthServerIdentity").sets(&["Identity"]),
            text("ExchangeAutodiscoverAllowedDomains").sets(&["Identity"]),
            text("ExchangeAutodiscoverUrl").sets(&["Identity"]),
            switch("Force"),
            text("Identity").at(0).sets(&["Identity"]),
            any("Instance").sets(&["Instance"]).piped(Value),
            text("Realm").sets(&["Identity"]),
            text("ServiceName").sets(&["Identity"]),
            text("Tenant"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Set-CsPartnerApplication", lync: (L2013, Se), changes: true, should_process: true,
        sets: &["Instance", "CertificateFileData", "CertificateRawData", "Identity", "UseOAuthServer", "MetadataUrl"],
        parameters: &[
            boolean("AcceptSecurityIdentifierInformation").sets(&["CertificateFileData", "CertificateRawData", "Identity", "UseOAuthServer", "MetadataUrl"]),
            any("ApplicationTrustLevel").sets(&["CertificateFileData", "CertificateRawData", "Identity", "UseOAuthServer", "MetadataUrl"]),
            text("CertificateFileData").mandatory().sets(&["CertificateFileData"]),
            text("CertificateRawData").mandatory().sets(&["CertificateRawData"]),
            boolean("Enabled").sets(&["CertificateFileData", "CertificateRawData", "Identity", "UseOAuthServer", "MetadataUrl"]),
            switch("Force"),
            text("Identity").at(0).mandatory().sets(&["CertificateFileData", "CertificateRawData", "Identity", "UseOAuthServer", "MetadataUrl"]),
            any("Instance").sets(&["Instance"]).piped(Value),
            text("MetadataUrl").mandatory().sets(&["MetadataUrl"]),
            text("Tenant").sets(&["CertificateFileData", "CertificateRawData", "Identity", "UseOAuthServer", "MetadataUrl"]),
            switch("UseOAuthServer").sets(&["UseOAuthServer"]),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Set-CsTrustedApplication", changes: true, should_process: true,
        parameters: &[
            switch("Force"),
            text("Identity").at(0),
            int("Port"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Set-CsTrustedApplicationPool", changes: true, should_process: true,
        parameters: &[
            int("AppSharingPortCount"),
            int("AppSharingPortStart"),
            int("AudioPortCount"),
            int("AudioPortStart"),
            switch("Force"),
            text("Identity").at(0),
            boolean("OutboundOnly"),
            text("Registrar"),
            boolean("RequiresReplication"),
            boolean("ThrottleAsServer"),
            boolean("TreatAsAuthenticated"),
            int("VideoPortCount"),
            int("VideoPortStart"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Start-CsClsLogging", lync: (L2013, Se), changes: true,
        parameters: &[
            switch("AsXml"),
            texts("Computers"),
            text("Duration"),
            texts("Pools"),
            text("Scenario").mandatory(),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Start-CsWindowsService", delegation: false, changes: true, should_process: true,
        sets: &["Name", "InputObject"],
        parameters: &[
            text("ComputerName").sets(&["Name"]),
            switch("Force"),
            any("InputObject").sets(&["InputObject"]).piped(Value),
            text("Name").at(0).sets(&["Name"]),
            switch("NoWait"),
            text("Report"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Stop-CsClsLogging", lync: (L2013, Se), changes: true,
        parameters: &[
            switch("AsXml"),
            texts("Computers"),
            texts("Pools"),
            text("Scenario").mandatory(),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Stop-CsWindowsService", delegation: false, changes: true, should_process: true,
        sets: &["Name", "InputObject"],
        parameters: &[
            text("ComputerName").sets(&["Name"]),
            switch("Force"),
            switch("Graceful"),
            any("InputObject").sets(&["InputObject"]).piped(Value),
            switch("LeaveClsAgentRunning"),
            switch("LeaveWebServerRunning"),
            text("Name").at(0).sets(&["Name"]),
            switch("NoWait"),
            text("Report"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Sync-CsClsLogging", lync: (L2013, Se), changes: true,
        parameters: &[
            switch("AsXml"),
            texts("Computers"),
            texts("Pools"),
        ],
        ..LYNC
    },
];
