//! The cmdlets of Windows PowerShell itself: objects, session, modules.

use super::parameter::PipelineInput::{Both, Property, Value};
use super::parameter::{any, date, flags, int, named, one_of, script, secret, switch, text, texts};
use super::{Cmdlet, POWERSHELL_3, POWERSHELL_4, POWERSHELL_5, WINDOWS};

/// In alphabetical order, one parameter a line.
#[rustfmt::skip]
pub(super) static CMDLETS: &[Cmdlet] = &[
    Cmdlet {
        name: "Add-PSSnapin", aliases: &["asnp"], module: "Microsoft.PowerShell.Core",
        parameters: &[
            texts("Name").at(0).mandatory().piped(Property),
            switch("PassThru"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "ConvertTo-Json", module: "Microsoft.PowerShell.Utility", powershell: POWERSHELL_3,
        parameters: &[
            switch("Compress"),
            int("Depth"),
            any("InputObject").at(0).mandatory().piped(Value),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "ForEach-Object", aliases: &["foreach", "%"], module: "Microsoft.PowerShell.Core", should_process: true,
        sets: &["ScriptBlockSet", "PropertyAndMethodSet"],
        parameters: &[
            any("ArgumentList").alias(&["Args"]).sets(&["PropertyAndMethodSet"]),
            script("Begin").sets(&["ScriptBlockSet"]),
            script("End").sets(&["ScriptBlockSet"]),
            any("InputObject").piped(Value),
            text("MemberName").at(0).mandatory().sets(&["PropertyAndMethodSet"]),
            script("Process").at(0).mandatory().sets(&["ScriptBlockSet"]),
            script("RemainingScripts").sets(&["ScriptBlockSet"]),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-Command", aliases: &["gcm"], module: "Microsoft.PowerShell.Core",
        sets: &["CmdletSet", "AllCommandSet"],
        parameters: &[
            switch("All").piped(Property),
            any("ArgumentList").alias(&["Args"]).at(1),
            flags("CommandType", &["Alias", "Function", "Filter", "Cmdlet", "ExternalScript", "Application", "Script", "Workflow", "Configuration", "All"]).alias(&["Type"]).sets(&["AllCommandSet"]).piped(Property),
            any("FullyQualifiedModule").piped(Property).since(POWERSHELL_5),
            switch("ListImported").piped(Property).since(POWERSHELL_3),
            texts("Module").alias(&["PSSnapin"]).piped(Property),
            texts("Name").at(0).sets(&["AllCommandSet"]).piped(Both),
            texts("Noun").sets(&["CmdletSet"]).piped(Property),
            texts("ParameterName").since(POWERSHELL_3),
            texts("ParameterType").since(POWERSHELL_3),
            switch("ShowCommandInfo").since(POWERSHELL_5),
            switch("Syntax").piped(Property),
            int("TotalCount").piped(Property),
            texts("Verb").sets(&["CmdletSet"]).piped(Property),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-Culture", module: "Microsoft.PowerShell.Utility",
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-Date", module: "Microsoft.PowerShell.Utility",
        sets: &["net", "UFormat"],
        parameters: &[
            date("Date").alias(&["LastWriteTime"]).at(0).piped(Both),
            int("Day"),
            named("DisplayHint", &["Date", "Time", "DateTime"]),
            text("Format").sets(&["net"]),
            int("Hour"),
            int("Millisecond"),
            int("Minute"),
            int("Month"),
            int("Second"),
            text("UFormat").sets(&["UFormat"]),
            int("Year"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-Host", module: "Microsoft.PowerShell.Utility",
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-Member", aliases: &["gm"], module: "Microsoft.PowerShell.Utility",
        parameters: &[
            switch("Force"),
            any("InputObject").piped(Value),
            flags("MemberType", &["AliasProperty", "CodeProperty", "Property", "NoteProperty", "ScriptProperty", "Properties", "PropertySet", "Method", "CodeMethod", "ScriptMethod", "Methods", "ParameterizedProperty", "MemberSet", "Event", "Dynamic", "All"]).alias(&["Type"]),
            texts("Name").at(0),
            switch("Static"),
            flags("View", &["Extended", "Adapted", "Base", "All"]),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-Module", aliases: &["gmo"], module: "Microsoft.PowerShell.Core",
        sets: &["Loaded", "Available", "PsSession", "CimSession"],
        parameters: &[
            switch("All").sets(&["Loaded", "Available"]),
            text("CimNamespace").sets(&["CimSession"]),
            text("CimResourceUri").sets(&["CimSession"]),
            any("CimSession").mandatory().sets(&["CimSession"]),
            any("FullyQualifiedName").piped(Property).since(POWERSHELL_5),
            switch("ListAvailable").sets(&["Available", "PsSession", "CimSession"]),
            texts("Name").at(0).piped(Value),
            one_of("PSEdition", &["Desktop", "Core"]).sets(&["Available", "PsSession"]),
            any("PSSession").mandatory().sets(&["PsSession"]),
            switch("Refresh").sets(&["Available", "PsSession", "CimSession"]),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Get-Variable", aliases: &["gv"], module: "Microsoft.PowerShell.Utility",
        parameters: &[
            texts("Exclude"),
            texts("Include"),
            texts("Name").at(0).piped(Both),
            one_of("Scope", &["Global", "Local", "Script"]),
            switch("ValueOnly"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Group-Object", aliases: &["group"], module: "Microsoft.PowerShell.Utility",
        parameters: &[
            switch("AsHashTable").alias(&["AHT"]),
            switch("AsString"),
            switch("CaseSensitive"),
            text("Culture"),
            any("InputObject").piped(Value),
            switch("NoElement"),
            any("Property").at(0),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Import-Module", aliases: &["ipmo"], module: "Microsoft.PowerShell.Core",
        sets: &["Name", "PSSession", "CimSession", "FullyQualifiedName", "FullyQualifiedNameAndPSSession", "Assembly", "ModuleInfo"],
        parameters: &[
            texts("Alias"),
            any("ArgumentList").alias(&["Args"]),
            switch("AsCustomObject"),
            any("Assembly").at(0).mandatory().sets(&["Assembly"]).piped(Value),
            text("CimNamespace").sets(&["CimSession"]),
            text("CimResourceUri").sets(&["CimSession"]),
            any("CimSession").mandatory().sets(&["CimSession"]),
            texts("Cmdlet"),
            switch("DisableNameChecking"),
            switch("Force"),
            any("FullyQualifiedName").at(0).mandatory().sets(&["FullyQualifiedName", "FullyQualifiedNameAndPSSession"]).piped(Value).since(POWERSHELL_5),
            texts("Function"),
            switch("Global"),
            text("MaximumVersion").sets(&["Name", "PSSession", "CimSession"]),
            text("MinimumVersion").alias(&["Version"]).sets(&["Name", "PSSession", "CimSession"]),
            any("ModuleInfo").at(0).mandatory().sets(&["ModuleInfo"]).piped(Value),
            texts("Name").at(0).mandatory().sets(&["Name", "PSSession", "CimSession"]).piped(Value),
            switch("NoClobber").alias(&["NoOverwrite"]),
            switch("PassThru"),
            text("Prefix"),
            any("PSSession").mandatory().sets(&["PSSession", "FullyQualifiedNameAndPSSession"]),
            text("RequiredVersion").sets(&["Name", "PSSession", "CimSession"]),
            one_of("Scope", &["Local", "Global"]),
            texts("Variable"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Invoke-Command", aliases: &["icm"], module: "Microsoft.PowerShell.Core", changes: true,
        sets: &["InProcess", "Session", "FilePathRunspace", "FilePathComputerName", "ComputerName", "Uri", "FilePathUri", "VMId", "VMName", "FilePathVMId", "FilePathVMName", "ContainerId", "FilePathContainerId"],
        parameters: &[
            switch("AllowRedirection").sets(&["Uri", "FilePathUri"]),
            text("ApplicationName").sets(&["FilePathComputerName", "ComputerName"]).piped(Property),
            any("ArgumentList").alias(&["Args"]),
            switch("AsJob").sets(&["Session", "FilePathRunspace", "FilePathComputerName", "ComputerName", "Uri", "FilePathUri", "VMId", "VMName", "FilePathVMId", "FilePathVMName", "ContainerId", "FilePathContainerId"]),
            named("Authentication", &["Default", "Basic", "Negotiate", "NegotiateWithImplicitCredential", "Credssp", "Digest", "Kerberos"]).sets(&["FilePathComputerName", "ComputerName", "Uri", "FilePathUri"]),
            text("CertificateThumbprint").sets(&["ComputerName", "Uri"]),
            texts("ComputerName").alias(&["Cn"]).at(0).sets(&["FilePathComputerName", "ComputerName"]),
            text("ConfigurationName").sets(&["FilePathComputerName", "ComputerName", "Uri", "FilePathUri", "VMId", "VMName", "FilePathVMId", "FilePathVMName", "ContainerId", "FilePathContainerId"]).piped(Property),
            texts("ConnectionUri").alias(&["URI", "CU"]).at(0).sets(&["Uri", "FilePathUri"]),
            texts("ContainerId").mandatory().sets(&["ContainerId", "FilePathContainerId"]).piped(Property),
            secret("Credential").mandatory_in(&["VMId", "VMName", "FilePathVMId", "FilePathVMName"]).sets(&["FilePathComputerName", "ComputerName", "Uri", "FilePathUri", "VMId", "VMName", "FilePathVMId", "FilePathVMName"]).piped(Property),
            switch("EnableNetworkAccess").sets(&["FilePathComputerName", "ComputerName", "Uri", "FilePathUri"]),
            text("FilePath").alias(&["PSPath"]).at(1).mandatory().sets(&["FilePathRunspace", "FilePathComputerName", "FilePathUri", "FilePathVMId", "FilePathVMName", "FilePathContainerId"]),
            switch("HideComputerName").alias(&["HCN"]).sets(&["Session", "FilePathRunspace", "FilePathComputerName", "ComputerName", "Uri", "FilePathUri", "VMId", "VMName", "FilePathVMId", "FilePathVMName", "ContainerId", "FilePathContainerId"]),
            switch("InDisconnectedSession").alias(&["Disconnected"]).sets(&["FilePathComputerName", "ComputerName", "Uri", "FilePathUri"]),
            any("InputObject").piped(Value),
            text("JobName").sets(&["Session", "FilePathRunspace", "FilePathComputerName", "ComputerName", "Uri", "FilePathUri", "ContainerId", "FilePathContainerId"]),
            switch("NoNewScope").sets(&["InProcess"]),
            int("Port").sets(&["FilePathComputerName", "ComputerName"]),
            switch("RunAsAdministrator").sets(&["ContainerId", "FilePathContainerId"]),
            script("ScriptBlock").alias(&["Command"]).at(1).mandatory().sets(&["InProcess", "Session", "ComputerName", "Uri", "VMId", "VMName", "ContainerId"]),
            any("Session").at(0).sets(&["Session", "FilePathRunspace"]),
            texts("SessionName").sets(&["FilePathComputerName", "ComputerName"]),
            any("SessionOption").sets(&["FilePathComputerName", "ComputerName", "Uri", "FilePathUri"]),
            int("ThrottleLimit").sets(&["Session", "FilePathRunspace", "FilePathComputerName", "ComputerName", "Uri", "FilePathUri", "VMId", "VMName", "FilePathVMId", "FilePathVMName", "ContainerId", "FilePathContainerId"]),
            switch("UseSSL").sets(&["FilePathComputerName", "ComputerName"]),
            texts("VMId").alias(&["VMGuid"]).at(1).mandatory().sets(&["VMId", "FilePathVMId"]).piped(Property),
            texts("VMName").mandatory().sets(&["VMName", "FilePathVMName"]).piped(Property),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Measure-Object", aliases: &["measure"], module: "Microsoft.PowerShell.Utility",
        sets: &["GenericMeasure", "TextMeasure"],
        parameters: &[
            switch("Average").sets(&["GenericMeasure"]),
            switch("Character").sets(&["TextMeasure"]),
            switch("IgnoreWhiteSpace").sets(&["TextMeasure"]),
            any("InputObject").piped(Value),
            switch("Line").sets(&["TextMeasure"]),
            switch("Maximum").sets(&["GenericMeasure"]),
            switch("Minimum").sets(&["GenericMeasure"]),
            texts("Property").at(0),
            switch("Sum").sets(&["GenericMeasure"]),
            switch("Word").sets(&["TextMeasure"]),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "New-PSSession", aliases: &["nsn"], module: "Microsoft.PowerShell.Core",
        sets: &["ComputerName", "Session", "Uri", "VMId", "VMName", "ContainerId"],
        parameters: &[
            switch("AllowRedirection").sets(&["Uri"]),
            text("ApplicationName").sets(&["ComputerName"]).piped(Property),
            named("Authentication", &["Default", "Basic", "Negotiate", "NegotiateWithImplicitCredential", "Credssp", "Digest", "Kerberos"]).sets(&["ComputerName", "Uri"]),
            text("CertificateThumbprint").sets(&["ComputerName", "Uri"]),
            texts("ComputerName").alias(&["Cn"]).at(0).sets(&["ComputerName"]).piped(Both),
            text("ConfigurationName").sets(&["ComputerName", "Uri", "VMId", "VMName", "ContainerId"]).piped(Property),
            texts("ConnectionUri").alias(&["URI", "CU"]).at(0).mandatory().sets(&["Uri"]).piped(Property),
            texts("ContainerId").mandatory().sets(&["ContainerId"]).piped(Property),
            secret("Credential").mandatory_in(&["VMId", "VMName"]).sets(&["ComputerName", "Uri", "VMId", "VMName"]).piped(Property),
            switch("EnableNetworkAccess").sets(&["ComputerName", "Uri", "Session"]),
            texts("Name"),
            int("Port").sets(&["ComputerName"]),
            switch("RunAsAdministrator").sets(&["ContainerId"]),
            any("Session").at(0).sets(&["Session"]).piped(Both),
            any("SessionOption").sets(&["ComputerName", "Uri"]),
            int("ThrottleLimit"),
            switch("UseSSL").sets(&["ComputerName"]),
            texts("VMId").alias(&["VMGuid"]).at(0).mandatory().sets(&["VMId"]).piped(Property),
            texts("VMName").mandatory().sets(&["VMName"]).piped(Property),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Out-String", module: "Microsoft.PowerShell.Utility",
        parameters: &[
            any("InputObject").piped(Value),
            switch("Stream"),
            int("Width"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Remove-Module", aliases: &["rmo"], module: "Microsoft.PowerShell.Core", should_process: true,
        sets: &["name", "FullyQualifiedName", "ModuleInfo"],
        parameters: &[
            switch("Force"),
            any("FullyQualifiedName").at(0).mandatory().sets(&["FullyQualifiedName"]).piped(Value),
            any("ModuleInfo").at(0).mandatory().sets(&["ModuleInfo"]).piped(Value),
            texts("Name").at(0).mandatory().sets(&["name"]).piped(Value),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Remove-PSSession", aliases: &["rsn"], module: "Microsoft.PowerShell.Core", should_process: true,
        sets: &["Id", "Session", "ContainerId", "VMId", "VMName", "InstanceId", "Name", "ComputerName"],
        parameters: &[
            texts("ComputerName").alias(&["Cn"]).at(0).mandatory().sets(&["ComputerName"]).piped(Property),
            texts("ContainerId").mandatory().sets(&["ContainerId"]).piped(Property),
            any("Id").at(0).mandatory().sets(&["Id"]).piped(Property),
            texts("InstanceId").mandatory().sets(&["InstanceId"]).piped(Property),
            texts("Name").mandatory().sets(&["Name"]).piped(Property),
            any("Session").at(0).mandatory().sets(&["Session"]).piped(Both),
            texts("VMId").alias(&["VMGuid"]).mandatory().sets(&["VMId"]).piped(Property),
            texts("VMName").mandatory().sets(&["VMName"]).piped(Property),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Select-Object", aliases: &["select"], module: "Microsoft.PowerShell.Utility",
        sets: &["DefaultParameter", "SkipLastParameter", "IndexParameter"],
        parameters: &[
            texts("ExcludeProperty").sets(&["DefaultParameter", "SkipLastParameter"]),
            text("ExpandProperty").sets(&["DefaultParameter", "SkipLastParameter"]),
            int("First").sets(&["DefaultParameter"]),
            any("Index").sets(&["IndexParameter"]),
            any("InputObject").piped(Value),
            int("Last").sets(&["DefaultParameter"]),
            any("Property").at(0).sets(&["DefaultParameter", "SkipLastParameter"]),
            int("Skip").sets(&["DefaultParameter"]),
            int("SkipLast").sets(&["SkipLastParameter"]).since(POWERSHELL_5),
            switch("Unique"),
            switch("Wait").sets(&["DefaultParameter", "IndexParameter"]),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Sort-Object", aliases: &["sort"], module: "Microsoft.PowerShell.Utility",
        parameters: &[
            switch("CaseSensitive"),
            text("Culture"),
            switch("Descending"),
            any("InputObject").piped(Value),
            any("Property").at(0),
            switch("Unique"),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Where-Object", aliases: &["where", "?"], module: "Microsoft.PowerShell.Core",
        sets: &["EqualSet", "ScriptBlockSet", "MatchSet", "CaseSensitiveEqualSet", "NotEqualSet", "CaseSensitiveNotEqualSet", "GreaterThanSet", "CaseSensitiveGreaterThanSet", "LessThanSet", "CaseSensitiveLessThanSet", "GreaterOrEqualSet", "CaseSensitiveGreaterOrEqualSet", "LessOrEqualSet", "CaseSensitiveLessOrEqualSet", "LikeSet", "CaseSensitiveLikeSet", "NotLikeSet", "CaseSensitiveNotLikeSet", "CaseSensitiveMatchSet", "NotMatchSet", "CaseSensitiveNotMatchSet", "ContainsSet", "CaseSensitiveContainsSet", "NotContainsSet", "CaseSensitiveNotContainsSet", "InSet", "CaseSensitiveInSet", "NotInSet", "CaseSensitiveNotInSet", "IsSet", "IsNotSet"],
        parameters: &[
            switch("CContains").mandatory().sets(&["CaseSensitiveContainsSet"]).since(POWERSHELL_3),
            switch("CEQ").mandatory().sets(&["CaseSensitiveEqualSet"]).since(POWERSHELL_3),
            switch("CGE").mandatory().sets(&["CaseSensitiveGreaterOrEqualSet"]).since(POWERSHELL_3),
            switch("CGT").mandatory().sets(&["CaseSensitiveGreaterThanSet"]).since(POWERSHELL_3),
            switch("CIn").mandatory().sets(&["CaseSensitiveInSet"]).since(POWERSHELL_3),
            switch("CLE").mandatory().sets(&["CaseSensitiveLessOrEqualSet"]).since(POWERSHELL_3),
            switch("CLike").mandatory().sets(&["CaseSensitiveLikeSet"]).since(POWERSHELL_3),
            switch("CLT").mandatory().sets(&["CaseSensitiveLessThanSet"]).since(POWERSHELL_3),
            switch("CMatch").mandatory().sets(&["CaseSensitiveMatchSet"]).since(POWERSHELL_3),
            switch("CNE").mandatory().sets(&["CaseSensitiveNotEqualSet"]).since(POWERSHELL_3),
            switch("CNotContains").mandatory().sets(&["CaseSensitiveNotContainsSet"]).since(POWERSHELL_3),
            switch("CNotIn").mandatory().sets(&["CaseSensitiveNotInSet"]).since(POWERSHELL_3),
            switch("CNotLike").mandatory().sets(&["CaseSensitiveNotLikeSet"]).since(POWERSHELL_3),
            switch("CNotMatch").mandatory().sets(&["CaseSensitiveNotMatchSet"]).since(POWERSHELL_3),
            switch("Contains").alias(&["IContains"]).mandatory().sets(&["ContainsSet"]).since(POWERSHELL_3),
            switch("EQ").alias(&["IEQ"]).sets(&["EqualSet"]).since(POWERSHELL_3),
            script("FilterScript").at(0).mandatory().sets(&["ScriptBlockSet"]),
            switch("GE").alias(&["IGE"]).mandatory().sets(&["GreaterOrEqualSet"]).since(POWERSHELL_3),
            switch("GT").alias(&["IGT"]).mandatory().sets(&["GreaterThanSet"]).since(POWERSHELL_3),
            switch("In").alias(&["IIn"]).mandatory().sets(&["InSet"]).since(POWERSHELL_3),
            any("InputObject").piped(Value),
            switch("Is").mandatory().sets(&["IsSet"]).since(POWERSHELL_3),
            switch("IsNot").mandatory().sets(&["IsNotSet"]).since(POWERSHELL_3),
            switch("LE").alias(&["ILE"]).mandatory().sets(&["LessOrEqualSet"]).since(POWERSHELL_3),
            switch("Like").alias(&["ILike"]).mandatory().sets(&["LikeSet"]).since(POWERSHELL_3),
            switch("LT").alias(&["ILT"]).mandatory().sets(&["LessThanSet"]).since(POWERSHELL_3),
            switch("Match").alias(&["IMatch"]).mandatory().sets(&["MatchSet"]).since(POWERSHELL_3),
            switch("NE").alias(&["INE"]).mandatory().sets(&["NotEqualSet"]).since(POWERSHELL_3),
            switch("NotContains").alias(&["INotContains"]).mandatory().sets(&["NotContainsSet"]).since(POWERSHELL_3),
            switch("NotIn").alias(&["INotIn"]).mandatory().sets(&["NotInSet"]).since(POWERSHELL_3),
            switch("NotLike").alias(&["INotLike"]).mandatory().sets(&["NotLikeSet"]).since(POWERSHELL_3),
            switch("NotMatch").alias(&["INotMatch"]).mandatory().sets(&["NotMatchSet"]).since(POWERSHELL_3),
            text("Property").at(0).mandatory().sets(&["EqualSet", "MatchSet", "CaseSensitiveEqualSet", "NotEqualSet", "CaseSensitiveNotEqualSet", "GreaterThanSet", "CaseSensitiveGreaterThanSet", "LessThanSet", "CaseSensitiveLessThanSet", "GreaterOrEqualSet", "CaseSensitiveGreaterOrEqualSet", "LessOrEqualSet", "CaseSensitiveLessOrEqualSet", "LikeSet", "CaseSensitiveLikeSet", "NotLikeSet", "CaseSensitiveNotLikeSet", "CaseSensitiveMatchSet", "NotMatchSet", "CaseSensitiveNotMatchSet", "ContainsSet", "CaseSensitiveContainsSet", "NotContainsSet", "CaseSensitiveNotContainsSet", "InSet", "CaseSensitiveInSet", "NotInSet", "CaseSensitiveNotInSet", "IsSet", "IsNotSet"]).since(POWERSHELL_3),
            any("Value").at(1).sets(&["EqualSet", "MatchSet", "CaseSensitiveEqualSet", "NotEqualSet", "CaseSensitiveNotEqualSet", "GreaterThanSet", "CaseSensitiveGreaterThanSet", "LessThanSet", "CaseSensitiveLessThanSet", "GreaterOrEqualSet", "CaseSensitiveGreaterOrEqualSet", "LessOrEqualSet", "CaseSensitiveLessOrEqualSet", "LikeSet", "CaseSensitiveLikeSet", "NotLikeSet", "CaseSensitiveNotLikeSet", "CaseSensitiveMatchSet", "NotMatchSet", "CaseSensitiveNotMatchSet", "ContainsSet", "CaseSensitiveContainsSet", "NotContainsSet", "CaseSensitiveNotContainsSet", "InSet", "CaseSensitiveInSet", "NotInSet", "CaseSensitiveNotInSet", "IsSet", "IsNotSet"]).since(POWERSHELL_3),
        ],
        ..WINDOWS
    },
    Cmdlet {
        name: "Write-Output", aliases: &["echo", "write"], module: "Microsoft.PowerShell.Utility",
        parameters: &[
            any("InputObject").at(0).mandatory().piped(Value),
            switch("NoEnumerate").since(POWERSHELL_4),
        ],
        ..WINDOWS
    },
];
