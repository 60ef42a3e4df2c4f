//! Lync Server and Skype for Business Server cmdlets that read.

use super::parameter::PipelineInput::{Both, Property, Value};
use super::parameter::{any, boolean, date, int, named, secret, switch, text, texts};
use super::{Cmdlet, LYNC};
use crate::LyncVersion::{L2013, S2015, Se};

/// In alphabetical order, one parameter a line.
#[rustfmt::skip]
pub(super) static CMDLETS: &[Cmdlet] = &[
    Cmdlet {
        name: "Get-CsAdUser",
        parameters: &[
            secret("Credential"),
            text("DomainController"),
            text("Filter"),
            text("Identity").at(0).piped(Both),
            text("LDAPFilter"),
            text("OU"),
            any("ResultSize"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsAdminRole",
        sets: &["Identity", "Filter", "SID"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]).piped(Value),
            switch("LocalStore"),
            text("Sid").at(0).sets(&["SID"]),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsAdminRoleAssignment",
        parameters: &[
            switch("Force"),
            text("Identity").at(0).mandatory().piped(Value),
            switch("LocalStore"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsCertificate",
        parameters: &[
            text("Identity").at(0),
            text("NetportId"),
            text("Report"),
            any("Type"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsClsConfiguration", lync: (L2013, Se),
        sets: &["Filter", "Identity"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            switch("LocalStore"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsClsScenario", lync: (L2013, Se),
        sets: &["Filter", "Identity"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            switch("LocalStore"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsComputer",
        sets: &["Identity", "Filter"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            switch("Local"),
            text("Pool"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsDialPlan",
        sets: &["Identity", "Filter"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            switch("LocalStore"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsExUmContact",
        parameters: &[
            secret("Credential"),
            text("DomainController"),
            text("Filter"),
            text("Identity").at(0).piped(Both),
            text("LdapFilter"),
            text("OU"),
            any("ResultSize"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsHealthMonitoringConfiguration",
        sets: &["Identity", "Filter"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            switch("LocalStore"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsImConfiguration", lync: (S2015, Se),
        sets: &["Identity", "Filter"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            switch("LocalStore"),
            text("Tenant"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsManagementConnection",
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsManagementStoreReplicationStatus",
        parameters: &[
            switch("CentralManagementStoreStatus").piped(Property),
            text("ReplicaFqdn").at(0).piped(Property),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsMediaConfiguration",
        sets: &["Identity", "Filter"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            switch("LocalStore"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsOAuthConfiguration", lync: (L2013, Se),
        sets: &["Identity", "Filter"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            switch("LocalStore"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsOAuthServer", lync: (L2013, Se),
        sets: &["Filter", "Identity"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            switch("LocalStore"),
            text("Tenant"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsPartnerApplication", lync: (L2013, Se),
        sets: &["Filter", "Identity"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            switch("LocalStore"),
            text("Tenant"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsPool",
        sets: &["Identity", "Filter"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            text("Site"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsServerVersion", delegation: false,
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsService",
        sets: &["Identity", "Filter", "ApplicationDatabase", "ApplicationServer", "ArchivingDatabase", "ArchivingServer", "CentralManagement", "CentralManagementDatabase", "ConferenceServer", "Director", "EdgeServer", "FileStore", "ManagementServer", "MediationServer", "MonitoringServer", "MonitoringDatabase", "ProvisionServer", "ProvisionDatabase", "PstnGateway", "Registrar", "TrustedApplicationPool", "UserDatabase", "UserServer", "WebServer", "BackupServer", "LegalInterceptServer", "PersistentChatComplianceDatabase", "PersistentChatDatabase", "PersistentChatServer", "WacServer", "VideoGateway", "VideoInteropServer"],
        parameters: &[
            switch("ApplicationDatabase").sets(&["ApplicationDatabase"]),
            switch("ApplicationServer").sets(&["ApplicationServer"]),
            switch("ArchivingDatabase").sets(&["ArchivingDatabase"]),
            switch("ArchivingServer").sets(&["ArchivingServer"]),
            switch("BackupServer").sets(&["BackupServer"]),
            switch("CentralManagement").sets(&["CentralManagement"]),
            switch("CentralManagementDatabase").sets(&["CentralManagementDatabase"]),
            switch("ConferencingServer").alias(&["ConferenceServer"]).sets(&["ConferenceServer"]),
            switch("Director").sets(&["Director"]),
            switch("EdgeServer").sets(&["EdgeServer"]),
            switch("FileStore").sets(&["FileStore"]),
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            switch("LegalInterceptServer").sets(&["LegalInterceptServer"]),
            switch("ManagementServer").sets(&["ManagementServer"]),
            switch("MediationServer").sets(&["MediationServer"]),
            switch("MonitoringDatabase").sets(&["MonitoringDatabase"]),
            switch("MonitoringServer").sets(&["MonitoringServer"]),
            switch("PersistentChatComplianceDatabase").sets(&["PersistentChatComplianceDatabase"]),
            switch("PersistentChatDatabase").sets(&["PersistentChatDatabase"]),
            switch("PersistentChatServer").sets(&["PersistentChatServer"]),
            text("PoolFqdn"),
            switch("ProvisionDatabase").sets(&["ProvisionDatabase"]),
            switch("ProvisionServer").sets(&["ProvisionServer"]),
            switch("PstnGateway").sets(&["PstnGateway"]),
            switch("Registrar").sets(&["Registrar"]),
            switch("TrustedApplicationPool").alias(&["ExternalServer"]).sets(&["TrustedApplicationPool"]),
            switch("UserDatabase").sets(&["UserDatabase"]),
            switch("UserServer").sets(&["UserServer"]),
            switch("VideoGateway").sets(&["VideoGateway"]),
            switch("VideoInteropServer").sets(&["VideoInteropServer"]),
            switch("WacServer").sets(&["WacServer"]),
            switch("WebServer").sets(&["WebServer"]),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsSipDomain",
        sets: &["Identity", "Filter"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsSite",
        sets: &["Identity", "Filter"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsStaticRoutingConfiguration",
        sets: &["Identity", "Filter"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            switch("LocalStore"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsTopology",
        parameters: &[
            switch("AsXml"),
            switch("LocalStore"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsTrustedApplication",
        sets: &["Identity", "Filter", "ParentAndRelativeKey"],
        parameters: &[
            text("ApplicationId").sets(&["ParentAndRelativeKey"]),
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            text("TrustedApplicationPoolFqdn").sets(&["ParentAndRelativeKey"]),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsTrustedApplicationComputer",
        sets: &["Identity", "Filter"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            switch("Local"),
            text("Pool"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsTrustedApplicationEndpoint",
        parameters: &[
            text("ApplicationId"),
            secret("Credential"),
            text("DomainController"),
            text("Filter"),
            text("Identity").at(0).piped(Both),
            text("OU"),
            any("ResultSize"),
            text("TrustedApplicationPoolFqdn"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsTrustedApplicationPool",
        sets: &["Identity", "Filter"],
        parameters: &[
            text("Filter").sets(&["Filter"]),
            text("Identity").at(0).sets(&["Identity"]),
            text("PoolFqdn"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsUser",
        parameters: &[
            secret("Credential"),
            text("DomainController"),
            text("Filter"),
            text("Identity").at(0).piped(Both),
            text("LdapFilter"),
            switch("OnLyncServer"),
            switch("OnModernServer"),
            switch("OnOfficeCommunicationServer"),
            text("OU"),
            any("ResultSize"),
            switch("UnAssignedUser"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Get-CsWindowsService", delegation: false,
        parameters: &[
            text("ComputerName"),
            switch("ExcludeActivityLevel"),
            text("Name").at(0),
            text("Report"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Search-CsClsLogging", lync: (L2013, Se),
        parameters: &[
            switch("AsXml"),
            text("CallId"),
            texts("Components"),
            texts("Computers"),
            text("ConferenceId"),
            texts("CorrelationIds"),
            date("EndTime"),
            any("IP"),
            text("LogLevel"),
            switch("MatchAll"),
            switch("MatchAny"),
            text("OutputFilePath"),
            text("Phone"),
            texts("Pools"),
            text("SipContents"),
            switch("SkipNetworkLogs"),
            date("StartTime"),
            text("Uri"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Show-CsClsLogging", lync: (L2013, Se),
        parameters: &[
            switch("AsXml"),
            texts("Computers"),
            texts("Pools"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Test-CsExUMConnectivity", lync: (L2013, Se),
        sets: &["ServerPlatform", "ClientPlatform"],
        parameters: &[
            any("Authentication").alias(&["Ath"]),
            switch("Force"),
            text("OutLoggerVariable").alias(&["olv"]),
            text("OutVerboseVariable").alias(&["ovv"]),
            int("RegistrarPort").alias(&["rp"]),
            text("TargetFqdn").alias(&["t"]).at(0).mandatory_in(&["ServerPlatform"]),
            secret("UserCredential").alias(&["uc"]).mandatory().sets(&["ClientPlatform"]),
            text("UserSipAddress").alias(&["ua"]).mandatory_in(&["ClientPlatform"]),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Test-CsIM",
        sets: &["ClientPlatform", "ServerPlatform"],
        parameters: &[
            any("Authentication").alias(&["Ath"]),
            text("EmailHost"),
            switch("Force"),
            boolean("IsSsl"),
            text("OutLoggerVariable").alias(&["olv"]),
            text("OutVerboseVariable").alias(&["ovv"]),
            text("Password"),
            int("Port"),
            secret("ReceiverCredential").alias(&["rc"]).mandatory().sets(&["ClientPlatform"]),
            text("ReceiverSipAddress").alias(&["ra"]).mandatory_in(&["ClientPlatform"]),
            int("RegistrarPort").alias(&["rp"]),
            secret("SenderCredential").alias(&["sc"]).mandatory().sets(&["ClientPlatform"]),
            text("SenderSipAddress").alias(&["sa"]).mandatory_in(&["ClientPlatform"]),
            text("TargetFqdn").alias(&["t"]).at(0).mandatory_in(&["ServerPlatform"]),
            switch("TestLegalIntercept"),
            text("Username"),
            int("WaitSeconds"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Test-CsPresence",
        sets: &["TargetUri", "ServerPlatform", "ClientPlatform"],
        parameters: &[
            named("Authentication", &["TrustedServer", "Negotiate", "ClientCertificate", "LiveID"]).alias(&["Ath"]),
            switch("Force"),
            text("OutLoggerVariable").alias(&["olv"]),
            text("OutVerboseVariable").alias(&["ovv"]),
            secret("PublisherCredential").alias(&["pc"]).mandatory().sets(&["ClientPlatform"]),
            text("PublisherSipAddress").alias(&["pa"]).mandatory_in(&["ClientPlatform"]).sets(&["ServerPlatform", "ClientPlatform"]),
            int("RegistrarPort").alias(&["rp"]).sets(&["ServerPlatform", "ClientPlatform"]),
            secret("SubscriberCredential").alias(&["sc"]).mandatory().sets(&["ClientPlatform"]),
            text("SubscriberSipAddress").alias(&["sa"]).mandatory_in(&["ClientPlatform"]),
            text("TargetFqdn").alias(&["t"]).at(0).mandatory_in(&["ServerPlatform"]).sets(&["ServerPlatform", "ClientPlatform"]),
            int("TimeoutInSeconds").sets(&["ServerPlatform", "ClientPlatform"]),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Test-CsRegistration",
        sets: &["ServerPlatform", "ClientPlatform"],
        parameters: &[
            any("Authentication").alias(&["Ath"]),
            switch("Force"),
            text("OutLoggerVariable").alias(&["olv"]),
            text("OutVerboseVariable").alias(&["ovv"]),
            int("RegistrarPort").alias(&["rp"]),
            text("TargetFqdn").alias(&["t"]).at(0).mandatory_in(&["ServerPlatform"]),
            secret("UserCredential").alias(&["uc"]).mandatory().sets(&["ClientPlatform"]),
            text("UserSipAddress").alias(&["ua"]).mandatory_in(&["ClientPlatform"]),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Test-CsSetupPermission",
        parameters: &[
            text("ComputerOU").mandatory(),
            text("Domain"),
            text("DomainController"),
            text("GlobalCatalog"),
            text("Report"),
        ],
        ..LYNC
    },
    Cmdlet {
        name: "Test-CsTopology",
        parameters: &[
            text("GlobalCatalog"),
            text("GlobalSettingsDomainController"),
            text("Report"),
            text("Service"),
        ],
        ..LYNC
    },
];
