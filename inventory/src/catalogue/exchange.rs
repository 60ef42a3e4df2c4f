//! Exchange cmdlets that read.

use super::parameter::PipelineInput::Both;
use super::parameter::{any, boolean, flags, int, secret, switch, text, texts};
use super::{Cmdlet, EXCHANGE};
use crate::ExchangeVersion::{E2010, E2013, E2016, Se};

/// In alphabetical order, one parameter a line.
#[rustfmt::skip]
pub(super) static CMDLETS: &[Cmdlet] = &[
    Cmdlet {
        name: "Get-ADServerSettings", exchange: Some((E2010, Se)),
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-AuthConfig",
        parameters: &[
            text("DomainController"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-CASMailbox", exchange: Some((E2010, Se)),
        sets: &["AnrSet", "Identity"],
        parameters: &[
            text("Identity").at(0).sets(&["Identity"]).piped(Both),
            switch("ActiveSyncDebugLogging"),
            switch("ActiveSyncSuppressReadReceipt").only(E2016, Se),
            text("Anr").sets(&["AnrSet"]),
            secret("Credential"),
            text("DomainController"),
            text("Filter"),
            switch("IgnoreDefaultScope"),
            switch("Monitoring").only(E2013, Se),
            text("OrganizationalUnit"),
            switch("ProtocolSettings"),
            switch("ReadFromDomainController"),
            switch("ReadIsOptimizedForAccessibility").only(E2016, Se),
            switch("RecalculateHasActiveSyncDevicePartnership").only(E2013, Se),
            text("ResultSize"),
            text("SortBy"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-ClientAccessServer", exchange: Some((E2010, Se)),
        parameters: &[
            text("Identity").at(0).piped(Both),
            text("DomainController"),
            switch("IncludeAlternateServiceAccountCredentialPassword"),
            switch("IncludeAlternateServiceAccountCredentialStatus"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-ClientAccessService", exchange: Some((E2016, Se)),
        parameters: &[
            text("Identity").at(0).piped(Both),
            text("DomainController"),
            switch("IncludeAlternateServiceAccountCredentialPassword"),
            switch("IncludeAlternateServiceAccountCredentialStatus"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-ExchangeCertificate", exchange: Some((E2010, Se)),
        sets: &["Identity", "Instance", "Thumbprint"],
        parameters: &[
            text("Thumbprint").at(0).sets(&["Thumbprint"]).piped(Both),
            text("Identity").at(0).sets(&["Identity"]).only(E2013, Se),
            text("DomainController"),
            any("DomainName"),
            any("Instance").sets(&["Instance"]).piped(Both),
            text("Server").sets(&["Instance", "Thumbprint"]),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-ExchangeDiagnosticInfo", exchange: Some((E2010, Se)),
        parameters: &[
            text("Argument"),
            text("Component"),
            text("Process"),
            text("Server"),
            switch("Unlimited").only(E2013, Se),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-ExchangeServer", exchange: Some((E2010, Se)),
        sets: &["Identity", "Domain"],
        parameters: &[
            text("Identity").at(0).sets(&["Identity"]).piped(Both),
            text("Domain").mandatory().sets(&["Domain"]),
            text("DomainController"),
            switch("Status"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-HealthReport",
        parameters: &[
            text("Identity").at(0).mandatory().piped(Both),
            int("GroupSize"),
            switch("HaImpactingOnly"),
            text("HealthSet"),
            int("MinimumOnlinePercent"),
            switch("RollupGroup"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-Mailbox", exchange: Some((E2010, Se)),
        sets: &["AnrSet", "DatabaseSet", "Identity", "ServerSet", "MailboxPlanSet"],
        parameters: &[
            text("Identity").at(0).sets(&["Identity"]).piped(Both),
            text("Anr").sets(&["AnrSet"]),
            switch("Arbitration").sets(&["AnrSet", "DatabaseSet", "Identity", "ServerSet"]),
            switch("Archive"),
            switch("AuditLog").sets(&["AnrSet", "DatabaseSet", "Identity", "ServerSet"]).only(E2016, Se),
            switch("AuxAuditLog").sets(&["AnrSet", "DatabaseSet", "Identity", "ServerSet"]).only(E2016, Se),
            secret("Credential").sets(&["AnrSet", "DatabaseSet", "Identity", "ServerSet"]),
            text("Database").sets(&["DatabaseSet"]).piped(Both),
            text("DomainController").sets(&["AnrSet", "DatabaseSet", "Identity", "ServerSet"]),
            text("Filter"),
            switch("GroupMailbox").only(E2016, Se),
            switch("IgnoreDefaultScope").sets(&["AnrSet", "DatabaseSet", "Identity", "ServerSet"]),
            switch("Migration").only(E2016, Se),
            switch("Monitoring").sets(&["AnrSet", "DatabaseSet", "Identity", "ServerSet"]).only(E2013, Se),
            text("OrganizationalUnit"),
            switch("PublicFolder").only(E2013, Se),
            switch("ReadFromDomainController").sets(&["AnrSet", "DatabaseSet", "Identity", "ServerSet"]),
            flags("RecipientTypeDetails", &["DiscoveryMailbox", "EquipmentMailbox", "GroupMailbox", "LegacyMailbox", "LinkedMailbox", "LinkedRoomMailbox", "RoomMailbox", "SchedulingMailbox", "SharedMailbox", "TeamMailbox", "UserMailbox"]),
            switch("RemoteArchive").sets(&["AnrSet", "DatabaseSet", "Identity", "ServerSet"]),
            text("ResultSize"),
            text("Server").sets(&["ServerSet"]).piped(Both),
            text("SortBy"),
            switch("SupervisoryReviewPolicy").sets(&["AnrSet", "DatabaseSet", "Identity", "ServerSet"]).only(E2016, Se),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-MailboxServer", exchange: Some((E2010, Se)),
        parameters: &[
            text("Identity").at(0).piped(Both),
            text("DomainController"),
            switch("Status"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-ManagementRoleAssignment", exchange: Some((E2010, Se)),
        sets: &["Identity", "RoleAssignee"],
        parameters: &[
            text("Identity").at(0).sets(&["Identity"]).piped(Both),
            any("AssignmentMethod").sets(&["RoleAssignee"]),
            any("ConfigWriteScope"),
            text("CustomConfigWriteScope"),
            text("CustomRecipientWriteScope"),
            boolean("Delegating"),
            text("DomainController"),
            boolean("Enabled"),
            boolean("Exclusive"),
            text("ExclusiveConfigWriteScope"),
            text("ExclusiveRecipientWriteScope"),
            switch("GetEffectiveUsers"),
            text("RecipientAdministrativeUnitScope").only(E2016, Se),
            text("RecipientOrganizationalUnitScope"),
            any("RecipientWriteScope"),
            text("Role").sets(&["RoleAssignee"]).piped(Both),
            text("RoleAssignee").sets(&["RoleAssignee"]),
            any("RoleAssigneeType"),
            text("WritableDatabase"),
            text("WritableRecipient"),
            text("WritableServer"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-ManagementRoleEntry", exchange: Some((E2010, Se)),
        parameters: &[
            text("Identity").at(0).mandatory().piped(Both),
            text("DomainController"),
            texts("Parameters"),
            text("PSSnapinName"),
            any("Type"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-OrganizationConfig", exchange: Some((E2010, Se)),
        parameters: &[
            text("DomainController"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-OwaMailboxPolicy", exchange: Some((E2010, Se)),
        parameters: &[
            text("Identity").at(0).piped(Both),
            text("DomainController"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-OwaVirtualDirectory", exchange: Some((E2010, Se)),
        sets: &["Identity", "Server"],
        parameters: &[
            text("Identity").at(0).sets(&["Identity"]).piped(Both),
            text("Server").mandatory().sets(&["Server"]).piped(Both),
            switch("ADPropertiesOnly"),
            text("DomainController"),
            switch("ShowMailboxVirtualDirectories").only(E2013, Se),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-PartnerApplication",
        parameters: &[
            text("Identity").at(0).piped(Both),
            text("DomainController"),
            text("Organization"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-PowerShellVirtualDirectory", exchange: Some((E2010, Se)),
        sets: &["Identity", "Server"],
        parameters: &[
            text("Identity").at(0).sets(&["Identity"]).piped(Both),
            text("Server").mandatory().sets(&["Server"]).piped(Both),
            switch("ADPropertiesOnly"),
            text("DomainController"),
            switch("ShowMailboxVirtualDirectories").only(E2013, Se),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-Recipient", exchange: Some((E2010, Se)),
        sets: &["AnrSet", "Identity", "DatabaseSet", "RecipientPreviewFilterSet"],
        parameters: &[
            text("Identity").at(0).sets(&["Identity"]).piped(Both),
            text("Anr").sets(&["AnrSet"]),
            text("BookmarkDisplayName").sets(&["Identity"]),
            secret("Credential"),
            text("Database").sets(&["AnrSet", "DatabaseSet"]).piped(Both).only(E2013, Se),
            text("DomainController"),
            text("Filter"),
            switch("IgnoreDefaultScope"),
            boolean("IncludeBookmarkObject").sets(&["Identity"]),
            switch("IncludeSoftDeletedRecipients").only(E2016, Se),
            text("OrganizationalUnit"),
            texts("Properties").only(E2013, Se),
            any("PropertySet"),
            switch("ReadFromDomainController"),
            text("RecipientPreviewFilter").sets(&["RecipientPreviewFilterSet"]),
            flags("RecipientType", &["DynamicDistributionGroup", "MailContact", "MailNonUniversalGroup", "MailUniversalDistributionGroup", "MailUniversalSecurityGroup", "MailUser", "PublicFolder", "UserMailbox"]),
            flags("RecipientTypeDetails", &["DiscoveryMailbox", "DynamicDistributionGroup", "EquipmentMailbox", "GroupMailbox", "GuestMailUser", "LegacyMailbox", "LinkedMailbox", "LinkedRoomMailbox", "MailContact", "MailForestContact", "MailNonUniversalGroup", "MailUniversalDistributionGroup", "MailUniversalSecurityGroup", "MailUser", "PublicFolder", "PublicFolderMailbox", "RemoteEquipmentMailbox", "RemoteRoomMailbox", "RemoteSharedMailbox", "RemoteTeamMailbox", "RemoteUserMailbox", "RoomList", "RoomMailbox", "SchedulingMailbox", "SharedMailbox", "SharedWithMailUser", "TeamMailbox", "UserMailbox"]),
            text("ResultSize"),
            text("SortBy"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-RoleGroupMember", exchange: Some((E2010, Se)),
        parameters: &[
            text("Identity").at(0).mandatory().piped(Both),
            text("DomainController"),
            switch("ReadFromDomainController"),
            text("ResultSize"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-ServerComponentState",
        parameters: &[
            text("Identity").at(0).mandatory().piped(Both),
            text("Component"),
            text("DomainController"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-ServerHealth",
        parameters: &[
            text("Identity").at(0).mandatory().piped(Both),
            switch("HaImpactingOnly"),
            text("HealthSet"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-SettingOverride",
        parameters: &[
            text("Identity").at(0).piped(Both),
            text("DomainController"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-ThrottlingPolicy", exchange: Some((E2010, Se)),
        parameters: &[
            text("Identity").at(0).piped(Both),
            text("DomainController"),
            switch("Diagnostics").only(E2013, Se),
            switch("Explicit").only(E2013, Se),
            any("ThrottlingPolicyScope").only(E2013, Se),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-UMCallRouterSettings", exchange: Some((E2013, E2016)),
        parameters: &[
            text("Server").at(0).piped(Both),
            text("DomainController"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-UMDialPlan", exchange: Some((E2010, E2016)),
        parameters: &[
            text("Identity").at(0).piped(Both),
            text("DomainController"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-UMIPGateway", exchange: Some((E2010, E2016)),
        parameters: &[
            text("Identity").at(0).piped(Both),
            text("DomainController"),
            switch("IncludeSimulator"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-UMMailbox", exchange: Some((E2010, E2016)),
        sets: &["AnrSet", "Identity"],
        parameters: &[
            text("Identity").at(0).sets(&["Identity"]).piped(Both),
            text("Anr").sets(&["AnrSet"]),
            secret("Credential"),
            text("DomainController"),
            text("Filter"),
            switch("IgnoreDefaultScope"),
            text("OrganizationalUnit"),
            switch("ReadFromDomainController"),
            text("ResultSize"),
            text("SortBy"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-UMServer", exchange: Some((E2010, E2010)),
        parameters: &[
            text("Identity").at(0).piped(Both),
            text("DomainController"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-UMService", exchange: Some((E2013, E2016)),
        parameters: &[
            text("Identity").at(0).piped(Both),
            text("DomainController"),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Get-User", exchange: Some((E2010, Se)),
        sets: &["AnrSet", "Identity"],
        parameters: &[
            text("Identity").at(0).sets(&["Identity"]).piped(Both),
            text("Anr").sets(&["AnrSet"]),
            switch("Arbitration"),
            switch("AuditLog").only(E2016, Se),
            switch("AuxAuditLog").only(E2016, Se),
            secret("Credential"),
            text("DomainController"),
            text("Filter"),
            switch("IgnoreDefaultScope"),
            text("OrganizationalUnit"),
            switch("PublicFolder").only(E2013, Se),
            switch("ReadFromDomainController"),
            flags("RecipientTypeDetails", &["DisabledUser", "DiscoveryMailbox", "EquipmentMailbox", "GuestMailUser", "GroupMailbox", "LegacyMailbox", "LinkedMailbox", "LinkedRoomMailbox", "LinkedUser", "MailUser", "PublicFolderMailbox", "RemoteEquipmentMailbox", "RemoteRoomMailbox", "RemoteSharedMailbox", "RemoteTeamMailbox", "RemoteUserMailbox", "RoomMailbox", "SchedulingMailbox", "SharedMailbox", "SharedWithMailUser", "TeamMailbox", "User", "UserMailbox"]),
            text("ResultSize"),
            text("Sortby"),
            switch("SupervisoryReviewPolicy").only(E2016, Se),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Set-ADServerSettings", should_process: true, exchange: Some((E2010, Se)),
        sets: &["FullParams", "SingleDC", "Instance"],
        parameters: &[
            text("PreferredServer").at(0).sets(&["SingleDC"]),
            any("RunspaceServerSettings").mandatory().sets(&["Instance"]).piped(Both),
            text("ConfigurationDomainController").sets(&["FullParams"]),
            text("PreferredGlobalCatalog").sets(&["FullParams"]),
            text("RecipientViewRoot").sets(&["FullParams", "SingleDC"]),
            any("SetPreferredDomainControllers").sets(&["FullParams"]),
            boolean("ViewEntireForest").sets(&["FullParams", "SingleDC"]),
        ],
        ..EXCHANGE
    },
    Cmdlet {
        name: "Test-ServiceHealth", should_process: true, exchange: Some((E2010, Se)),
        parameters: &[
            text("Server").at(0).piped(Both),
            int("ActiveDirectoryTimeout"),
            text("DomainController"),
            boolean("MonitoringContext"),
        ],
        ..EXCHANGE
    },
];
