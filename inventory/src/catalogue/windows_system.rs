//! Cmdlets for services, processes, events, certificates and the network of a server.

use super::parameter::PipelineInput::{Both, Property, Value};
use super::parameter::{
    any, date, flags, int, long, named, one_of, secret, switch, table, text, texts,
};
use super::{Cmdlet, POWERSHELL_3, POWERSHELL_4, POWERSHELL_5, POWERSHELL_5_1, WINDOWS};
use crate::WindowsVersion;

/// In alphabetical order, one parameter a line.
#[rustfmt::skip]
pub(super) static CMDLETS: &[Cmdlet] = &[
    Cmdlet {
        name: "Enable-WSManCredSSP", module: "Microsoft.WSMan.Management", changes: true,
        parameters: &[
            texts("DelegateComputer").at(0),
            switch("Force"),
            one_of("Role", &["Client", "Server"]).at(1).mandatory(),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Export-Certificate", module: "pki", changes: true, should_process: true, powershell: POWERSHELL_3, windows: Some(WindowsVersion::W2012),
        parameters: &[
            any("Cert").mandatory().piped(Value),
            text("FilePath").alias(&["FullName"]).mandatory(),
            switch("Force"),
            switch("NoClobber"),
            named("Type", &["SST", "CERT", "P7B"]),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-CimInstance", aliases: &["gcim"], module: "CimCmdlets", powershell: POWERSHELL_3,
        sets: &["ClassNameComputerSet", "ResourceUriSessionSet", "QuerySessionSet", "ClassNameSessionSet", "CimInstanceSessionSet", "CimInstanceComputerSet", "ResourceUriComputerSet", "QueryComputerSet"],
        parameters: &[
            any("CimSession").mandatory().sets(&["ResourceUriSessionSet", "QuerySessionSet", "ClassNameSessionSet", "CimInstanceSessionSet"]).piped(Value),
            text("ClassName").at(0).mandatory().sets(&["ClassNameComputerSet", "ClassNameSessionSet"]).piped(Property),
            texts("ComputerName").alias(&["CN", "ServerName"]).sets(&["ClassNameComputerSet", "CimInstanceComputerSet", "ResourceUriComputerSet", "QueryComputerSet"]).piped(Property),
            text("Filter").sets(&["ClassNameComputerSet", "ResourceUriSessionSet", "ClassNameSessionSet", "ResourceUriComputerSet"]).piped(Property),
            any("InputObject").alias(&["CimInstance"]).at(0).mandatory().sets(&["CimInstanceSessionSet", "CimInstanceComputerSet"]).piped(Value),
            switch("KeyOnly").sets(&["ClassNameComputerSet", "ResourceUriSessionSet", "ClassNameSessionSet", "ResourceUriComputerSet"]),
            text("Namespace").sets(&["ClassNameComputerSet", "ResourceUriSessionSet", "QuerySessionSet", "ClassNameSessionSet", "ResourceUriComputerSet", "QueryComputerSet"]).piped(Property),
            int("OperationTimeoutSec").alias(&["OT"]),
            texts("Property").alias(&["SelectProperties"]).sets(&["ClassNameComputerSet", "ResourceUriSessionSet", "ClassNameSessionSet", "ResourceUriComputerSet"]).piped(Property),
            text("Query").mandatory().sets(&["QuerySessionSet", "QueryComputerSet"]).piped(Property),
            text("QueryDialect").sets(&["ClassNameComputerSet", "QuerySessionSet", "ClassNameSessionSet", "QueryComputerSet"]).piped(Property),
            text("ResourceUri").mandatory_in(&["ResourceUriSessionSet", "ResourceUriComputerSet"]).sets(&["ResourceUriSessionSet", "QuerySessionSet", "CimInstanceSessionSet", "CimInstanceComputerSet", "ResourceUriComputerSet", "QueryComputerSet"]).piped(Property),
            switch("Shallow").sets(&["ClassNameComputerSet", "ResourceUriSessionSet", "QuerySessionSet", "ClassNameSessionSet", "ResourceUriComputerSet", "QueryComputerSet"]),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-ComputerInfo", powershell: POWERSHELL_5_1,
        parameters: &[
            texts("Property").at(0).piped(Both),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-DnsClientServerAddress", module: "DnsClient", powershell: POWERSHELL_3, windows: Some(WindowsVersion::W2012),
        parameters: &[
            flags("AddressFamily", &["IPv4", "IPv6"]).alias(&["Family"]),
            switch("AsJob"),
            any("CimSession").alias(&["Session"]),
            texts("InterfaceAlias").at(0),
            any("InterfaceIndex").piped(Both),
            int("ThrottleLimit"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-EventLog",
        sets: &["LogName", "List"],
        parameters: &[
            date("After").sets(&["LogName"]),
            switch("AsBaseObject").alias(&["ABO"]).sets(&["LogName"]),
            switch("AsString").sets(&["List"]),
            date("Before").sets(&["LogName"]),
            texts("ComputerName").alias(&["Cn"]),
            flags("EntryType", &["Error", "Information", "FailureAudit", "SuccessAudit", "Warning"]).alias(&["ET"]).sets(&["LogName"]),
            any("Index").sets(&["LogName"]),
            any("InstanceId").at(1).sets(&["LogName"]),
            switch("List").sets(&["List"]),
            text("LogName").alias(&["LN"]).at(0).mandatory().sets(&["LogName"]),
            text("Message").alias(&["MSG"]).sets(&["LogName"]),
            int("Newest").sets(&["LogName"]),
            texts("Source").sets(&["LogName"]),
            texts("UserName").sets(&["LogName"]),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-HotFix",
        sets: &["Default", "DESCRIPTION"],
        parameters: &[
            texts("ComputerName").alias(&["CN", "__Server", "IPAddress"]).piped(Property),
            secret("Credential"),
            texts("Description").sets(&["DESCRIPTION"]),
            texts("Id").alias(&["HFID"]).at(0).sets(&["Default"]),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-NetTCPConnection", module: "NetTCPIP", powershell: POWERSHELL_3, windows: Some(WindowsVersion::W2012),
        parameters: &[
            flags("AppliedSetting", &["Internet", "Datacenter", "Compat", "DatacenterCustom", "InternetCustom"]),
            switch("AsJob"),
            any("CimSession").alias(&["Session"]),
            any("CreationTime"),
            texts("LocalAddress").alias(&["IPAddress"]).at(0).piped(Property),
            any("LocalPort").at(1),
            flags("OffloadState", &["InHost", "Offloading", "Offloaded", "Uploading"]),
            any("OwningProcess"),
            texts("RemoteAddress"),
            any("RemotePort"),
            flags("State", &["Closed", "Listen", "SynSent", "SynReceived", "Established", "FinWait1", "FinWait2", "CloseWait", "Closing", "LastAck", "TimeWait", "DeleteTCB", "Bound"]),
            int("ThrottleLimit"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-PSSessionConfiguration", module: "Microsoft.PowerShell.Core",
        parameters: &[
            switch("Force"),
            texts("Name").at(0),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-Process", aliases: &["gps", "ps"],
        sets: &["Name", "NameWithUserName", "IdWithUserName", "Id", "InputObjectWithUserName", "InputObject"],
        parameters: &[
            texts("ComputerName").alias(&["Cn"]).sets(&["Name", "Id", "InputObject"]).piped(Property),
            switch("FileVersionInfo").alias(&["FV", "FVI"]).sets(&["Name", "Id", "InputObject"]),
            any("Id").alias(&["PID"]).mandatory().sets(&["IdWithUserName", "Id"]).piped(Property),
            switch("IncludeUserName").sets(&["NameWithUserName", "IdWithUserName", "InputObjectWithUserName"]).since(POWERSHELL_4),
            any("InputObject").mandatory().sets(&["InputObjectWithUserName", "InputObject"]).piped(Value),
            switch("Module").sets(&["Name", "Id", "InputObject"]),
            texts("Name").alias(&["ProcessName"]).at(0).sets(&["Name", "NameWithUserName"]).piped(Property),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-ScheduledTask", module: "ScheduledTasks", powershell: POWERSHELL_3, windows: Some(WindowsVersion::W2012),
        parameters: &[
            switch("AsJob"),
            any("CimSession").alias(&["Session"]),
            texts("TaskName").at(0).piped(Property),
            texts("TaskPath").at(1).piped(Property),
            int("ThrottleLimit"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-Service", aliases: &["gsv"],
        sets: &["Default", "InputObject", "DisplayName"],
        parameters: &[
            texts("ComputerName").alias(&["Cn"]).piped(Property),
            switch("DependentServices").alias(&["DS"]),
            texts("DisplayName").mandatory().sets(&["DisplayName"]),
            texts("Exclude"),
            texts("Include"),
            any("InputObject").sets(&["InputObject"]).piped(Value),
            texts("Name").alias(&["ServiceName"]).at(0).sets(&["Default"]).piped(Both),
            switch("RequiredServices").alias(&["SDO", "ServicesDependedOn"]),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-TlsCipherSuite", module: "TLS", powershell: POWERSHELL_5, windows: Some(WindowsVersion::W2016),
        parameters: &[
            text("Name").at(0).piped(Both),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-WinEvent", module: "Microsoft.PowerShell.Diagnostics",
        sets: &["GetLogSet", "ListLogSet", "ListProviderSet", "GetProviderSet", "FileSet", "HashQuerySet", "XmlQuerySet"],
        parameters: &[
            text("ComputerName").alias(&["Cn"]).sets(&["GetLogSet", "ListLogSet", "ListProviderSet", "GetProviderSet", "HashQuerySet", "XmlQuerySet"]),
            secret("Credential"),
            any("FilterHashtable").at(0).mandatory().sets(&["HashQuerySet"]),
            any("FilterXml").at(0).mandatory().sets(&["XmlQuerySet"]),
            text("FilterXPath").sets(&["GetLogSet", "GetProviderSet", "FileSet"]),
            switch("Force").sets(&["GetLogSet", "ListLogSet", "GetProviderSet", "HashQuerySet"]),
            texts("ListLog").at(0).mandatory().sets(&["ListLogSet"]),
            texts("ListProvider").at(0).mandatory().sets(&["ListProviderSet"]),
            texts("LogName").at(0).sets(&["GetLogSet"]).piped(Both),
            long("MaxEvents").sets(&["GetLogSet", "GetProviderSet", "FileSet", "HashQuerySet", "XmlQuerySet"]),
            switch("Oldest").sets(&["GetLogSet", "GetProviderSet", "FileSet", "HashQuerySet", "XmlQuerySet"]),
            texts("Path").alias(&["PSPath"]).at(0).mandatory().sets(&["FileSet"]).piped(Property),
            texts("ProviderName").at(0).mandatory().sets(&["GetProviderSet"]).piped(Property),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-WindowsFeature", module: "ServerManager", windows: Some(WindowsVersion::W2008R2),
        parameters: &[
            text("ComputerName").alias(&["Cn"]),
            secret("Credential"),
            text("LogPath"),
            texts("Name").at(0).piped(Value),
            text("Vhd"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-WmiObject", aliases: &["gwmi"],
        sets: &["query", "list", "class", "path", "WQLQuery"],
        parameters: &[
            switch("Amended"),
            switch("AsJob"),
            named("Authentication", &["Default", "None", "Connect", "Call", "Packet", "PacketIntegrity", "PacketPrivacy", "Unchanged"]),
            text("Authority"),
            text("Class").alias(&["ClassName"]).at(0).mandatory_in(&["query"]).sets(&["query", "list"]),
            texts("ComputerName").alias(&["Cn"]),
            secret("Credential"),
            switch("DirectRead").sets(&["query", "WQLQuery"]),
            switch("EnableAllPrivileges"),
            text("Filter").sets(&["query"]),
            named("Impersonation", &["Default", "Anonymous", "Identify", "Impersonate", "Delegate"]),
            switch("List").sets(&["list"]),
            text("Locale"),
            text("Namespace").alias(&["NS"]),
            texts("Property").at(1).sets(&["query"]),
            text("Query").mandatory().sets(&["WQLQuery"]),
            switch("Recurse").sets(&["list"]),
            int("ThrottleLimit"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Import-Certificate", module: "pki", changes: true, should_process: true, powershell: POWERSHELL_3, windows: Some(WindowsVersion::W2012),
        parameters: &[
            text("CertStoreLocation"),
            text("FilePath").alias(&["FullName"]).at(0).mandatory().piped(Property),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Import-PfxCertificate", module: "pki", changes: true, should_process: true, powershell: POWERSHELL_3, windows: Some(WindowsVersion::W2012),
        parameters: &[
            text("CertStoreLocation").at(0),
            switch("Exportable"),
            text("FilePath").alias(&["FullName"]).at(1).mandatory().piped(Property),
            secret("Password"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Install-WindowsFeature", module: "ServerManager", changes: true, should_process: true, windows: Some(WindowsVersion::W2012),
        sets: &["ComponentNamesAndRunningComputer", "ComponentNamesAndVhdPath", "ConfigurationFile"],
        parameters: &[
            text("ComputerName").alias(&["Cn"]),
            text("ConfigurationFilePath").mandatory().sets(&["ConfigurationFile"]),
            secret("Credential"),
            switch("IncludeAllSubFeature").sets(&["ComponentNamesAndRunningComputer", "ComponentNamesAndVhdPath"]),
            switch("IncludeManagementTools").sets(&["ComponentNamesAndRunningComputer", "ComponentNamesAndVhdPath"]),
            text("LogPath"),
            any("Name").at(0).mandatory().sets(&["ComponentNamesAndRunningComputer", "ComponentNamesAndVhdPath"]).piped(Value),
            switch("Restart").sets(&["ComponentNamesAndRunningComputer", "ConfigurationFile"]),
            texts("Source"),
            text("Vhd").mandatory_in(&["ComponentNamesAndVhdPath"]).sets(&["ComponentNamesAndVhdPath", "ConfigurationFile"]),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "New-PSRoleCapabilityFile", module: "Microsoft.PowerShell.Core", changes: true, powershell: POWERSHELL_5,
        parameters: &[
            any("AliasDefinitions"),
            texts("AssembliesToLoad"),
            text("Author"),
            text("CompanyName"),
            text("Copyright"),
            text("Description"),
            table("EnvironmentVariables"),
            texts("FormatsToProcess"),
            any("FunctionDefinitions"),
            text("Guid"),
            any("ModulesToImport"),
            text("Path").at(0).mandatory(),
            texts("ScriptsToProcess"),
            texts("TypesToProcess"),
            any("VariableDefinitions"),
            texts("VisibleAliases"),
            any("VisibleCmdlets"),
            texts("VisibleExternalCommands"),
            any("VisibleFunctions"),
            texts("VisibleProviders"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "New-PSSessionConfigurationFile", module: "Microsoft.PowerShell.Core", changes: true, powershell: POWERSHELL_3,
        parameters: &[
            any("AliasDefinitions"),
            texts("AssembliesToLoad"),
            text("Author"),
            text("CompanyName"),
            text("Copyright"),
            text("Description"),
            table("EnvironmentVariables"),
            named("ExecutionPolicy", &["Unrestricted", "RemoteSigned", "AllSigned", "Restricted", "Default", "Bypass", "Undefined"]),
            texts("FormatsToProcess"),
            switch("Full"),
            any("FunctionDefinitions"),
            text("GroupManagedServiceAccount"),
            text("Guid"),
            named("LanguageMode", &["FullLanguage", "RestrictedLanguage", "NoLanguage", "ConstrainedLanguage"]),
            any("ModulesToImport"),
            switch("MountUserDrive"),
            text("Path").at(0).mandatory(),
            text("PowerShellVersion"),
            table("RequiredGroups"),
            table("RoleDefinitions"),
            switch("RunAsVirtualAccount"),
            texts("RunAsVirtualAccountGroups"),
            text("SchemaVersion"),
            texts("ScriptsToProcess"),
            named("SessionType", &["Empty", "RestrictedRemoteServer", "Default"]),
            text("TranscriptDirectory"),
            texts("TypesToProcess"),
            long("UserDriveMaximumSize"),
            any("VariableDefinitions"),
            texts("VisibleAliases"),
            any("VisibleCmdlets"),
            texts("VisibleExternalCommands"),
            any("VisibleFunctions"),
            texts("VisibleProviders"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Register-PSSessionConfiguration", module: "Microsoft.PowerShell.Core", changes: true, should_process: true,
        sets: &["NameParameterSet", "AssemblyNameParameterSet", "SessionConfigurationFile"],
        parameters: &[
            named("AccessMode", &["Disabled", "Local", "Remote"]),
            text("ApplicationBase").sets(&["NameParameterSet", "AssemblyNameParameterSet"]),
            text("AssemblyName").at(1).mandatory().sets(&["AssemblyNameParameterSet"]),
            text("ConfigurationTypeName").at(2).mandatory().sets(&["AssemblyNameParameterSet"]),
            switch("Force"),
            any("MaximumReceivedDataSizePerCommandMB"),
            any("MaximumReceivedObjectSizeMB"),
            any("ModulesToImport").sets(&["NameParameterSet", "AssemblyNameParameterSet"]),
            text("Name").at(0).mandatory().piped(Property),
            switch("NoServiceRestart"),
            text("Path").mandatory().sets(&["SessionConfigurationFile"]),
            one_of("ProcessorArchitecture", &["x86", "amd64"]).alias(&["PA"]),
            text("PSVersion").alias(&["PowerShellVersion"]).sets(&["NameParameterSet", "AssemblyNameParameterSet"]),
            secret("RunAsCredential"),
            text("SecurityDescriptorSddl"),
            named("SessionType", &["DefaultRemoteShell", "Workflow"]).sets(&["NameParameterSet"]),
            any("SessionTypeOption").sets(&["NameParameterSet", "AssemblyNameParameterSet"]),
            switch("ShowSecurityDescriptorUI"),
            text("StartupScript"),
            named("ThreadApartmentState", &["STA", "MTA", "Unknown"]),
            named("ThreadOptions", &["Default", "UseNewThread", "ReuseThread", "UseCurrentThread"]),
            any("TransportOption"),
            switch("UseSharedProcess"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Register-ScheduledTask", module: "ScheduledTasks", changes: true, powershell: POWERSHELL_3, windows: Some(WindowsVersion::W2012),
        sets: &["User", "Xml", "Principal", "Object"],
        parameters: &[
            any("Action").at(4).mandatory().sets(&["User", "Principal"]),
            switch("AsJob"),
            any("CimSession").alias(&["Session"]),
            text("Description").at(5).sets(&["User", "Principal"]),
            switch("Force"),
            any("InputObject").at(0).mandatory().sets(&["Object"]).piped(Value),
            text("Password").at(1).sets(&["User", "Xml", "Object"]),
            any("Principal").at(2).sets(&["Principal"]),
            named("RunLevel", &["Limited", "Highest"]).at(8).sets(&["User"]),
            any("Settings").at(6).sets(&["User", "Principal"]),
            text("TaskName").at(3).mandatory_in(&["User", "Xml", "Principal"]),
            text("TaskPath").at(4),
            int("ThrottleLimit"),
            any("Trigger").at(7).sets(&["User", "Principal"]),
            text("User").at(2).sets(&["User", "Xml", "Object"]),
            text("Xml").at(4).mandatory().sets(&["Xml"]).piped(Value),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Resolve-DnsName", module: "DnsClient", powershell: POWERSHELL_3, windows: Some(WindowsVersion::W2012),
        parameters: &[
            switch("CacheOnly"),
            switch("DnsOnly"),
            switch("DnssecCd"),
            switch("DnssecOk"),
            switch("LlmnrFallback"),
            switch("LlmnrNetbiosOnly"),
            switch("LlmnrOnly"),
            text("Name").at(0).mandatory().piped(Both),
            switch("NetbiosFallback"),
            switch("NoHostsFile"),
            switch("NoIdn"),
            switch("NoRecursion"),
            switch("QuickTimeout"),
            texts("Server"),
            switch("TcpOnly"),
            named("Type", &["UNKNOWN", "A_AAAA", "A", "NS", "MD", "MF", "CNAME", "SOA", "MB", "MG", "MR", "NULL", "WKS", "PTR", "HINFO", "MINFO", "MX", "TXT", "RP", "AFSDB", "X25", "ISDN", "RT", "AAAA", "SRV", "DNAME", "OPT", "DS", "RRSIG", "NSEC", "DNSKEY", "DHCID", "NSEC3", "NSEC3PARAM", "ANY", "ALL", "WINS"]).at(1).piped(Property),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Restart-Computer", changes: true, should_process: true,
        sets: &["DefaultSet", "AsJobSet"],
        parameters: &[
            switch("AsJob").sets(&["AsJobSet"]),
            texts("ComputerName").alias(&["CN", "__SERVER", "Server", "IPAddress"]).at(0).piped(Both),
            secret("Credential").at(1),
            named("DcomAuthentication", &["Default", "None", "Connect", "Call", "Packet", "PacketIntegrity", "PacketPrivacy", "Unchanged"]).alias(&["Authentication"]),
            int("Delay").sets(&["DefaultSet"]),
            named("For", &["Wmi", "WinRM", "PowerShell"]).sets(&["DefaultSet"]),
            switch("Force").alias(&["f"]),
            named("Impersonation", &["Default", "Anonymous", "Identify", "Impersonate", "Delegate"]),
            one_of("Protocol", &["DCOM", "WSMan"]).sets(&["DefaultSet"]),
            int("ThrottleLimit").sets(&["AsJobSet"]),
            int("Timeout").alias(&["TimeoutSec"]).sets(&["DefaultSet"]),
            switch("Wait").sets(&["DefaultSet"]),
            one_of("WsmanAuthentication", &["Basic", "CredSSP", "Default", "Digest", "Kerberos", "Negotiate"]).sets(&["DefaultSet"]),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Restart-Service", changes: true, should_process: true,
        sets: &["InputObject", "Default", "DisplayName"],
        parameters: &[
            texts("DisplayName").mandatory().sets(&["DisplayName"]),
            texts("Exclude"),
            switch("Force"),
            texts("Include"),
            any("InputObject").at(0).mandatory().sets(&["InputObject"]).piped(Value),
            texts("Name").alias(&["ServiceName"]).at(0).mandatory().sets(&["Default"]).piped(Both),
            switch("PassThru"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Set-PSSessionConfiguration", module: "Microsoft.PowerShell.Core", changes: true, should_process: true,
        sets: &["NameParameterSet", "AssemblyNameParameterSet", "SessionConfigurationFile"],
        parameters: &[
            named("AccessMode", &["Disabled", "Local", "Remote"]),
            text("ApplicationBase").sets(&["NameParameterSet", "AssemblyNameParameterSet"]),
            text("AssemblyName").at(1).mandatory().sets(&["AssemblyNameParameterSet"]),
            text("ConfigurationTypeName").at(2).mandatory().sets(&["AssemblyNameParameterSet"]),
            switch("Force"),
            any("MaximumReceivedDataSizePerCommandMB"),
            any("MaximumReceivedObjectSizeMB"),
            any("ModulesToImport").sets(&["NameParameterSet", "AssemblyNameParameterSet"]),
            text("Name").at(0).mandatory().piped(Property),
            switch("NoServiceRestart"),
            text("Path").mandatory().sets(&["SessionConfigurationFile"]),
            text("PSVersion").alias(&["PowerShellVersion"]).sets(&["NameParameterSet", "AssemblyNameParameterSet"]),
            secret("RunAsCredential"),
            text("SecurityDescriptorSddl"),
            any("SessionTypeOption").sets(&["NameParameterSet", "AssemblyNameParameterSet"]),
            switch("ShowSecurityDescriptorUI"),
            text("StartupScript"),
            named("ThreadApartmentState", &["STA", "MTA", "Unknown"]),
            named("ThreadOptions", &["Default", "UseNewThread", "ReuseThread", "UseCurrentThread"]),
            any("TransportOption"),
            switch("UseSharedProcess"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Start-Process", aliases: &["saps", "start"], changes: true,
        sets: &["Default", "UseShellExecute"],
        parameters: &[
            texts("ArgumentList").alias(&["Args"]).at(1),
            secret("Credential").alias(&["RunAs"]).sets(&["Default"]),
            text("FilePath").alias(&["PSPath"]).at(0).mandatory(),
            switch("LoadUserProfile").alias(&["Lup"]).sets(&["Default"]),
            switch("NoNewWindow").alias(&["nnw"]).sets(&["Default"]),
            switch("PassThru"),
            text("RedirectStandardError").alias(&["RSE"]).sets(&["Default"]),
            text("RedirectStandardInput").alias(&["RSI"]).sets(&["Default"]),
            text("RedirectStandardOutput").alias(&["RSO"]).sets(&["Default"]),
            switch("UseNewEnvironment").sets(&["Default"]),
            text("Verb").sets(&["UseShellExecute"]),
            switch("Wait"),
            named("WindowStyle", &["Normal", "Hidden", "Minimized", "Maximized"]),
            text("WorkingDirectory"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Start-ScheduledTask", module: "ScheduledTasks", changes: true, powershell: POWERSHELL_3, windows: Some(WindowsVersion::W2012),
        sets: &["Path", "Object"],
        parameters: &[
            switch("AsJob"),
            any("CimSession").alias(&["Session"]),
            any("InputObject").at(0).mandatory().sets(&["Object"]).piped(Value),
            text("TaskName").at(1).mandatory().sets(&["Path"]),
            text("TaskPath").at(0).sets(&["Path"]),
            int("ThrottleLimit"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Start-Service", aliases: &["sasv"], changes: true, should_process: true,
        sets: &["InputObject", "Default", "DisplayName"],
        parameters: &[
            texts("DisplayName").mandatory().sets(&["DisplayName"]),
            texts("Exclude"),
            texts("Include"),
            any("InputObject").at(0).mandatory().sets(&["InputObject"]).piped(Value),
            texts("Name").alias(&["ServiceName"]).at(0).mandatory().sets(&["Default"]).piped(Both),
            switch("PassThru"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Stop-Process", aliases: &["spps", "kill"], changes: true, should_process: true,
        sets: &["Id", "Name", "InputObject"],
        parameters: &[
            switch("Force"),
            any("Id").at(0).mandatory().sets(&["Id"]).piped(Property),
            any("InputObject").at(0).mandatory().sets(&["InputObject"]).piped(Value),
            texts("Name").alias(&["ProcessName"]).mandatory().sets(&["Name"]).piped(Property),
            switch("PassThru"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Stop-Service", aliases: &["spsv"], changes: true, should_process: true,
        sets: &["InputObject", "Default", "DisplayName"],
        parameters: &[
            texts("DisplayName").mandatory().sets(&["DisplayName"]),
            texts("Exclude"),
            switch("Force"),
            texts("Include"),
            any("InputObject").at(0).mandatory().sets(&["InputObject"]).piped(Value),
            texts("Name").alias(&["ServiceName"]).at(0).mandatory().sets(&["Default"]).piped(Both),
            switch("NoWait"),
            switch("PassThru"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Test-Certificate", module: "pki", powershell: POWERSHELL_3, windows: Some(WindowsVersion::W2012),
        parameters: &[
            switch("AllowUntrustedRoot"),
            any("Cert").alias(&["PsPath"]).at(0).mandatory().piped(Property),
            text("DNSName"),
            texts("EKU"),
            named("Policy", &["BASE", "SSL", "AUTHENTICODE", "NTAUTH"]),
            switch("User"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Test-Connection",
        sets: &["Default", "Source", "Quiet"],
        parameters: &[
            switch("AsJob").sets(&["Default", "Source"]),
            int("BufferSize").alias(&["Size", "Bytes", "BS"]),
            texts("ComputerName").alias(&["CN", "IPAddress", "__SERVER", "Server", "Destination"]).at(0).mandatory().piped(Property),
            int("Count"),
            secret("Credential").sets(&["Source"]),
            named("DcomAuthentication", &["Default", "None", "Connect", "Call", "Packet", "PacketIntegrity", "PacketPrivacy", "Unchanged"]).alias(&["Authentication"]),
            int("Delay"),
            named("Impersonation", &["Default", "Anonymous", "Identify", "Impersonate", "Delegate"]),
            one_of("Protocol", &["DCOM", "WSMan"]),
            switch("Quiet").sets(&["Quiet"]),
            texts("Source").alias(&["FCN", "SRC"]).at(1).mandatory().sets(&["Source"]),
            int("ThrottleLimit").sets(&["Default", "Source"]),
            int("TimeToLive").alias(&["TTL"]),
            one_of("WsmanAuthentication", &["Default", "Basic", "Negotiate", "CredSSP", "Digest", "Kerberos"]),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Test-NetConnection", module: "NetTCPIP", powershell: POWERSHELL_4, windows: Some(WindowsVersion::W2012R2),
        sets: &["ICMP", "NetRouteDiagnostics", "CommonTCPPort", "RemotePort"],
        parameters: &[
            one_of("CommonTCPPort", &["HTTP", "RDP", "SMB", "WINRM"]).at(1).mandatory().sets(&["CommonTCPPort"]),
            text("ComputerName").alias(&["RemoteAddress", "cn"]).at(0).piped(Both),
            int("ConstrainInterface").sets(&["NetRouteDiagnostics"]),
            text("ConstrainSourceAddress").sets(&["NetRouteDiagnostics"]),
            switch("DiagnoseRouting").sets(&["NetRouteDiagnostics"]),
            int("Hops").sets(&["ICMP"]),
            one_of("InformationLevel", &["Quiet", "Detailed"]),
            int("Port").alias(&["RemotePort"]).mandatory().sets(&["RemotePort"]).piped(Property),
            switch("TraceRoute").sets(&["ICMP"]),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Test-WSMan", module: "Microsoft.WSMan.Management",
        parameters: &[
            text("ApplicationName"),
            named("Authentication", &["None", "Default", "Digest", "Negotiate", "Basic", "Kerberos", "ClientCertificate", "Credssp"]).alias(&["auth", "am"]),
            text("CertificateThumbprint"),
            text("ComputerName").alias(&["cn"]).at(0).piped(Value),
            secret("Credential").alias(&["cred", "c"]).piped(Property),
            int("Port"),
            switch("UseSSL"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Unregister-PSSessionConfiguration", module: "Microsoft.PowerShell.Core", changes: true, should_process: true,
        parameters: &[
            switch("Force"),
            text("Name").at(0).mandatory().piped(Property),
            switch("NoServiceRestart"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Write-Warning", module: "Microsoft.PowerShell.Utility",
        parameters: &[
            text("Message").alias(&["Msg"]).at(0).mandatory().piped(Value),
        ],
        ..WINDOWS
    },
];
