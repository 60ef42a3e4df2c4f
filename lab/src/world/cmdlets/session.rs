//! Cmdlets about the session: variables, time, host, commands, modules.

use jiff::tz::TimeZone;
use owaim_inventory::catalogue;
use owaim_inventory::{EndpointKind, PowerShellVersion};
use owaim_proto::clixml::{Base, Object, Value};

use super::super::binder::Bound;
use super::super::errors::{Category, Failure};
use super::super::values;
use super::super::visibility::{module as module_of, shows};
use super::Cx;

/// Versions of the wire, as `$PSVersionTable` shows them.
fn version_table(version: PowerShellVersion) -> Value {
    let (protocol, build) = match version.major {
        0..=2 => ("2.1", "6.1.7600.16385"),
        3 => ("2.2", "6.2.9200.16384"),
        4 => ("2.2", "6.3.9600.16384"),
        _ => ("2.3", "10.0.14393.0"),
    };
    let number = |text: String| Value::Version(text);
    let compatible = ["1.0", "2.0", "3.0", "4.0", "5.0"]
        .into_iter()
        .take(version.major as usize)
        .map(|v| number(v.into()))
        .collect();
    let entries = vec![
        ("PSVersion", number(version.to_string())),
        (
            "WSManStackVersion",
            number(if version.major < 3 { "2.0" } else { "3.0" }.into()),
        ),
        ("SerializationVersion", number("1.1.0.1".into())),
        (
            "CLRVersion",
            number(
                if version.major < 3 {
                    "2.0.50727.5485"
                } else {
                    "4.0.30319.42000"
                }
                .into(),
            ),
        ),
        ("BuildVersion", number(build.into())),
        ("PSCompatibleVersions", values::array(compatible).into()),
        ("PSRemotingProtocolVersion", number(protocol.into())),
    ];
    Object::hashtable(entries.into_iter().map(|(k, v)| (k.into(), v)).collect()).into()
}

pub(super) fn get_variable(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let computer = cx.caller.host.short().to_uppercase();
    for name in call.texts("Name") {
        let value = match name.to_ascii_lowercase().as_str() {
            "lastexitcode" => cx.session.last_exit_code.map(Value::Int32),
            "psversiontable" => Some(version_table(cx.host.powershell)),
            "pid" => Some(Value::Int32(5120)),
            "psculture" | "psuiculture" => Some("en-US".into()),
            "true" => Some(true.into()),
            "false" => Some(false.into()),
            "executioncontext" => Some(execution_context()),
            "pssenderinfo" => Some(cx.caller.user.as_str().into()),
            "env:computername" => Some(computer.as_str().into()),
            _ => None,
        };
        match value {
            Some(value) if call.switch("ValueOnly") => cx.output(value),
            Some(value) => {
                let variable = Object::new()
                    .with_types(["System.Management.Automation.PSVariable", "System.Object"])
                    .with_string("System.Management.Automation.PSVariable")
                    .with("Name", name)
                    .with("Description", "")
                    .with("Value", value)
                    .with("Visibility", "Public")
                    .with("Module", Value::Null)
                    .with("ModuleName", "")
                    .with("Options", "None")
                    .with("Attributes", values::array(Vec::new()));
                cx.output(variable);
            }
            None => cx.error(
                &Failure::new(
                    "VariableNotFound",
                    Category::ObjectNotFound,
                    "System.Management.Automation.ItemNotFoundException",
                    format!("Cannot find a variable with the name '{name}'."),
                )
                .about(name),
            ),
        }
    }
    Ok(())
}

/// `$ExecutionContext` of a session that has the whole language: whoever has not does not see `Get-Variable`.
fn execution_context() -> Value {
    let state = Object::new()
        .with_types(["System.Management.Automation.SessionState", "System.Object"])
        .with_string("System.Management.Automation.SessionState")
        .with("LanguageMode", "FullLanguage")
        .with("UseFullLanguageModeInDebugger", false);
    let context = Object::new()
        .with_types([
            "System.Management.Automation.EngineIntrinsics",
            "System.Object",
        ])
        .with_string("System.Management.Automation.EngineIntrinsics")
        .with("SessionState", state);
    context.into()
}

/// The session configurations of the host's WinRM service; those of Exchange and Lync live in IIS.
pub(super) fn get_configuration(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let version = cx.host.powershell;
    let mut names = vec![
        "microsoft.powershell".to_owned(),
        "microsoft.powershell32".into(),
    ];
    if (3..=5).contains(&version.major) {
        names.push("microsoft.powershell.workflow".into());
    }
    let host = cx.site.host(&cx.caller.host);
    let own = host.and_then(|host| host.endpoints.get(&EndpointKind::LyncLocal));
    if let Some(rule) = own {
        let default = EndpointKind::LyncLocal.default_configuration().to_owned();
        names.push(rule.configuration.clone().unwrap_or(default));
    }
    names.sort();
    let wanted = call.texts("Name");
    let mut found = false;
    for name in names {
        if !wanted.is_empty() && !wanted.iter().any(|one| values::wildcard(one, &name)) {
            continue;
        }
        found = true;
        let configuration = Object::new()
            .with_types([
                "Microsoft.PowerShell.Commands.PSSessionConfigurationCommands#PSSessionConfiguration",
                "System.Management.Automation.PSCustomObject",
                "System.Object",
            ])
            .with_string("")
            .with_note("Name", name)
            .with_note("PSVersion", format!("{}.{}", version.major, version.minor))
            .with_note("StartupScript", "")
            .with_note("RunAsUser", "")
            .with_note("Permission", "BUILTIN\\Administrators AccessAllowed");
        cx.output(configuration);
    }
    if let (false, Some(name)) = (found, wanted.first()) {
        cx.error(&Failure::new(
            "Microsoft.PowerShell.Commands.WriteErrorException",
            Category::NotSpecified,
            "Microsoft.PowerShell.Commands.WriteErrorException",
            format!("No session configuration matches criteria \"{name}\"."),
        ));
    }
    Ok(())
}

pub(super) fn get_date(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let time = match call.get("Date").and_then(super::super::convert::instant) {
        Some(time) => time,
        None => cx.now,
    };
    if call.has("UFormat") {
        return Err(Failure::not_modelled("Get-Date -UFormat"));
    }
    let zoned = time.to_zoned_datetime(TimeZone::UTC);
    if let Some(format) = call.text("Format") {
        let pattern = match format.as_str() {
            "o" | "O" => "%Y-%m-%dT%H:%M:%S.%7f+00:00",
            "s" => "%Y-%m-%dT%H:%M:%S",
            "u" => "%Y-%m-%d %H:%M:%SZ",
            _ => return Err(Failure::not_modelled("that format of a date")),
        };
        cx.output(zoned.strftime(pattern).to_string());
        return Ok(());
    }
    let shown = zoned.strftime("%A, %B %-d, %Y %-I:%M:%S %p").to_string();
    let hint = cx.nested.enumeration(
        "Microsoft.PowerShell.Commands.DisplayHintType",
        "DateTime",
        2,
    );
    let date = Object::new()
        .with_base(Base::Primitive(values::local(time)))
        .with_note("DisplayHint", hint)
        .with_note("DateTime", shown);
    cx.output(date);
    Ok(())
}

/// What a remote session's host is: it does not tell the version of Windows PowerShell.
pub(super) fn get_host(cx: &mut Cx<'_>, _: &Bound) -> Result<(), Failure> {
    let host = Object::new()
        .with_types([
            "System.Management.Automation.Internal.Host.InternalHost",
            "System.Management.Automation.Host.PSHost",
            "System.Object",
        ])
        .with_string("System.Management.Automation.Internal.Host.InternalHost")
        .with("Name", "ServerRemoteHost")
        .with("Version", Value::Version("1.0.0.0".into()))
        .with("InstanceId", Value::Guid(cx.caller.session))
        .with(
            "UI",
            "System.Management.Automation.Internal.Host.InternalHostUserInterface",
        )
        .with("CurrentCulture", "en-US")
        .with("CurrentUICulture", "en-US")
        .with("PrivateData", Value::Null)
        .with("IsRunspacePushed", Value::Null)
        .with("Runspace", Value::Null);
    cx.output(host);
    Ok(())
}

pub(super) fn get_culture(cx: &mut Cx<'_>, _: &Bound) -> Result<(), Failure> {
    let culture = Object::new()
        .with_types(["System.Globalization.CultureInfo", "System.Object"])
        .with_string("en-US")
        .with("LCID", 1033)
        .with("Name", "en-US")
        .with("DisplayName", "English (United States)")
        .with("EnglishName", "English (United States)");
    cx.output(culture);
    Ok(())
}

/// The cmdlets that the endpoint shows; a name without wildcards that is not there is an error.
pub(super) fn get_command(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let names = call.texts("Name");
    let shown = |c: &&catalogue::Cmdlet| shows(&cx.host, cx.caller.endpoint, c);
    let wanted = if names.is_empty() {
        vec!["*".to_owned()]
    } else {
        names
    };
    let mut missing = Vec::new();
    let mut found = Vec::new();
    for name in wanted {
        let before = found.len();
        found.extend(
            catalogue::all()
                .filter(shown)
                .filter(|c| values::wildcard(&name, c.name)),
        );
        if found.len() == before && !name.contains(['*', '?']) {
            missing.push(name);
        }
    }
    for cmdlet in found {
        let command = Object::new()
            .with_types([
                "System.Management.Automation.CmdletInfo",
                "System.Management.Automation.CommandInfo",
                "System.Object",
            ])
            .with_string(cmdlet.name)
            .with("Verb", cmdlet.name.split('-').next().unwrap_or_default())
            .with("Noun", cmdlet.name.split('-').nth(1).unwrap_or_default())
            .with("Name", cmdlet.name)
            .with(
                "CommandType",
                cx.nested
                    .enumeration("System.Management.Automation.CommandTypes", "Cmdlet", 8),
            )
            .with("ModuleName", module_of(&cx.host, cmdlet))
            .with("Visibility", "Public");
        cx.output(command);
    }
    for name in missing {
        cx.error(&Failure::no_command(&name));
    }
    Ok(())
}

fn module(name: &str) -> Object {
    Object::new()
        .with_types(["System.Management.Automation.PSModuleInfo", "System.Object"])
        .with_string(name)
        .with("Name", name)
        .with("Version", Value::Version("1.0.0.0".into()))
        .with("ModuleType", "Manifest")
}

/// Names of the modules that the host has.
fn installed(cx: &Cx<'_>) -> Vec<&'static str> {
    let here = |c: &&catalogue::Cmdlet| shows(&cx.host, cx.caller.endpoint, c);
    let mut names: Vec<&str> = catalogue::all()
        .filter(here)
        .map(|c| module_of(&cx.host, c))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

pub(super) fn get_module(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let names = call.texts("Name");
    let all: Vec<String> = if call.switch("ListAvailable") {
        installed(cx).into_iter().map(Into::into).collect()
    } else {
        cx.session.modules.iter().cloned().collect()
    };
    for name in all {
        if names.is_empty() || names.iter().any(|n| values::wildcard(n, &name)) {
            cx.output(module(&name));
        }
    }
    Ok(())
}

pub(super) fn import_module(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    for name in call.texts("Name") {
        match installed(cx).into_iter().find(|known| known.eq_ignore_ascii_case(&name)) {
            Some(known) => {
                cx.session.modules.insert(known.into());
                if call.switch("PassThru") {
                    cx.output(module(known));
                }
            }
            None => cx.error(
                &Failure::new(
                    "Modules_ModuleNotFound",
                    Category::ObjectNotFound,
                    "System.IO.FileNotFoundException",
                    format!(
                        "The specified module '{name}' was not loaded because no valid module file was found in any \
                         module directory."
                    ),
                )
                .about(name),
            ),
        }
    }
    Ok(())
}
