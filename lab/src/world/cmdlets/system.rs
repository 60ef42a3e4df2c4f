//! Services, processes, and what WMI tells of them.

use std::time::Duration;

use jiff::Timestamp;
use owaim_inventory::WindowsVersion;
use owaim_proto::clixml::{Object, Value};

use super::super::binder::Bound;
use super::super::errors::{Category, Failure};
use super::super::lync;
use super::super::services::ServiceState;
use super::super::values::{self, wildcard};
use super::super::wql::{self, Condition};
use super::{Cx, network};

fn service(cx: &Cx<'_>, state: &ServiceState) -> Object {
    let (status, number) = if state.running {
        ("Running", 4)
    } else {
        ("Stopped", 1)
    };
    let mut object = Object::new()
        .with_types([
            "System.ServiceProcess.ServiceController",
            "System.ComponentModel.Component",
            "System.MarshalByRefObject",
            "System.Object",
        ])
        .with_string("System.ServiceProcess.ServiceController")
        .with("CanPauseAndContinue", false)
        .with("CanShutdown", state.running)
        .with("CanStop", state.running)
        .with("DisplayName", state.display_name.as_str())
        .with("DependentServices", values::array(Vec::new()))
        .with("MachineName", ".")
        .with("ServiceName", state.name.as_str())
        .with("ServicesDependedOn", values::array(Vec::new()))
        .with("ServiceHandle", Value::Null)
        .with(
            "Status",
            cx.nested.enumeration(
                "System.ServiceProcess.ServiceControllerStatus",
                status,
                number,
            ),
        )
        .with(
            "ServiceType",
            cx.nested
                .enumeration("System.ServiceProcess.ServiceType", "Win32OwnProcess", 16),
        );
    if cx.host.powershell.major >= 5 {
        object = object.with(
            "StartType",
            cx.nested
                .enumeration("System.ServiceProcess.ServiceStartMode", "Automatic", 2),
        );
    }
    object
        .with("Site", Value::Null)
        .with("Container", Value::Null)
        .with_note("Name", state.name.as_str())
        .with_note("RequiredServices", values::array(Vec::new()))
}

/// The names of services that a call means, and errors for those that are not there.
fn chosen(cx: &mut Cx<'_>, call: &Bound) -> Vec<String> {
    let mut names = call.texts("Name");
    names.extend(
        call.get("InputObject")
            .and_then(|o| o.get("Name"))
            .and_then(Value::text),
    );
    if names.is_empty() && !call.has("DisplayName") {
        names.push("*".into());
    }
    let mut found = Vec::new();
    for name in names {
        let before = found.len();
        found.extend(
            cx.host
                .services
                .values()
                .filter(|s| wildcard(&name, &s.name))
                .map(|s| s.name.to_lowercase()),
        );
        if found.len() == before && !name.contains(['*', '?']) {
            cx.error(
                &Failure::new(
                    "NoServiceFoundForGivenName",
                    Category::ObjectNotFound,
                    "Microsoft.PowerShell.Commands.ServiceCommandException",
                    format!("Cannot find any service with service name '{name}'."),
                )
                .about(name),
            );
        }
    }
    for name in call.texts("DisplayName") {
        found.extend(
            cx.host
                .services
                .values()
                .filter(|s| wildcard(&name, &s.display_name))
                .map(|s| s.name.to_lowercase()),
        );
    }
    found
}

pub(super) fn get_service(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    for name in chosen(cx, call) {
        if let Some(object) = cx.host.services.get(&name).map(|s| service(cx, s)) {
            cx.output(object);
        }
    }
    Ok(())
}

/// `Start-Service`, `Stop-Service`, `Restart-Service`.
pub(super) fn change_service(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    for name in chosen(cx, call) {
        if !cx.should_process(&name) {
            continue;
        }
        let running = cx.cmdlet.name != "Stop-Service";
        let restarts = cx.cmdlet.name == "Restart-Service";
        if let Some(state) = cx.host.services.get_mut(&name) {
            cx.effect |= restarts || state.running != running;
            state.running = running;
        }
        if name == lync::FRONT_END_SERVICE && running {
            front_end_started(cx);
        }
        // IIS goes down with its service, worker processes and all.
        if name == "w3svc" {
            cx.host.iis.started = running;
            cx.host.iis.worker = None;
        }
        cx.takes += Duration::from_millis(500);
        let object = cx
            .host
            .services
            .get(&name)
            .map(|s| service(cx, s))
            .filter(|_| call.switch("PassThru"));
        if let Some(object) = object {
            cx.output(object);
        }
    }
    Ok(())
}

/// The Front End reads topology and directory anew.
pub(super) fn front_end_started(cx: &mut Cx<'_>) {
    let name = cx.caller.host.clone();
    let (state, host) = (&mut *cx.state, &mut cx.host);
    if let Some(store) = state.lync.as_mut() {
        lync::service_started(store, &state.directory, &name, host, cx.clock);
    }
}

/// A process of the host.
struct Process {
    id: u32,
    /// With `.exe`, but for the system itself.
    name: String,
    started: Timestamp,
    command_line: Option<String>,
}

fn processes(cx: &Cx<'_>) -> Vec<Process> {
    let booted = cx.host.booted;
    let service = |id, name: &str| Process {
        id,
        name: name.into(),
        started: booted,
        command_line: None,
    };
    let mut all = vec![
        service(4, "System"),
        service(612, "services.exe"),
        service(1044, "svchost.exe"),
    ];
    if let Some(worker) = &cx.host.iis.worker {
        let line = worker.command_line(cx.caller.host.as_str());
        all.push(Process {
            id: worker.id,
            name: "w3wp.exe".into(),
            started: worker.started,
            command_line: Some(line),
        });
    }
    let listeners = network::programs(&cx.host);
    all.extend(listeners.map(|(id, name)| service(id, &format!("{name}.exe"))));
    all
}

pub(super) fn get_process(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let (names, ids) = (call.texts("Name"), call.texts("Id"));
    let all = processes(cx);
    let stem = |p: &Process| p.name.trim_end_matches(".exe").to_owned();
    let wanted = |p: &Process| {
        (names.is_empty() && ids.is_empty())
            || names.iter().any(|n| wildcard(n, &stem(p)))
            || ids.iter().any(|id| *id == p.id.to_string())
    };
    for process in all.iter().filter(|p| wanted(p)) {
        let object = Object::new()
            .with_types([
                "System.Diagnostics.Process",
                "System.ComponentModel.Component",
                "System.MarshalByRefObject",
                "System.Object",
            ])
            .with_string(format!("System.Diagnostics.Process ({})", stem(process)))
            .with("Id", i32::try_from(process.id).unwrap_or(i32::MAX))
            .with("ProcessName", stem(process))
            .with("HasExited", false)
            .with("MachineName", ".")
            .with("StartTime", values::local(process.started))
            .with("SessionId", 0)
            .with_note("Name", stem(process));
        cx.output(object);
    }
    let missing: Vec<String> = names
        .iter()
        .filter(|n| !n.contains(['*', '?']) && !all.iter().any(|p| wildcard(n, &stem(p))))
        .chain(
            ids.iter()
                .filter(|id| !all.iter().any(|p| **id == p.id.to_string())),
        )
        .cloned()
        .collect();
    let by_id = !ids.is_empty();
    for name in missing {
        let id = if by_id {
            "NoProcessFoundForGivenId"
        } else {
            "NoProcessFoundForGivenName"
        };
        cx.error(
            &Failure::new(
                id,
                Category::ObjectNotFound,
                "Microsoft.PowerShell.Commands.ProcessCommandException",
                format!("Cannot find a process \"{name}\"."),
            )
            .about(name),
        );
    }
    Ok(())
}

/// `Get-CimInstance` and `Get-WmiObject`: they differ in types, and in how they write times.
pub(super) fn get_instance(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let cim = cx.cmdlet.name == "Get-CimInstance";
    let invalid = |what: &str| {
        let (id, exception) = if cim {
            (
                "HRESULT 0x80041017",
                "Microsoft.Management.Infrastructure.CimException",
            )
        } else {
            (
                "GetWMIManagementException",
                "System.Management.ManagementException",
            )
        };
        Failure::new(
            id,
            Category::InvalidArgument,
            exception,
            format!("Invalid query: {what}"),
        )
        .about(what)
    };
    let (class, condition) = if let Some(text) = call.text("Query") {
        wql::query(&text).ok_or_else(|| invalid(&text))?
    } else {
        let class = call
            .text("ClassName")
            .or_else(|| call.text("Class"))
            .unwrap_or_default();
        let condition = match call.text("Filter") {
            Some(text) => Some(Condition::parse(&text).ok_or_else(|| invalid(&text))?),
            None => None,
        };
        (class, condition)
    };
    let Some(instances) = instances(cx, &class, cim) else {
        let (id, exception) = if cim {
            (
                "HRESULT 0x80041010",
                "Microsoft.Management.Infrastructure.CimException",
            )
        } else {
            (
                "GetWMIManagementException",
                "System.Management.ManagementException",
            )
        };
        return Err(Failure::new(
            id,
            Category::ObjectNotFound,
            exception,
            format!("Invalid class \"{class}\""),
        )
        .about(class));
    };
    let names = call.texts("Property");
    for properties in instances {
        let value = |name: &str| {
            properties
                .iter()
                .find(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, v)| v.clone())
        };
        if condition.as_ref().is_some_and(|c| !c.accepts(&value)) {
            continue;
        }
        let kinds = if cim {
            let own = format!("Microsoft.Management.Infrastructure.CimInstance#root/cimv2/{class}");
            [
                own,
                "Microsoft.Management.Infrastructure.CimInstance".into(),
                "System.Object".into(),
            ]
        } else {
            let own = format!("System.Management.ManagementObject#root\\cimv2\\{class}");
            [
                own,
                "System.Management.ManagementObject".into(),
                "System.Object".into(),
            ]
        };
        let mut object = Object::new()
            .with_types(kinds.iter().map(String::as_str))
            .with_string(class.as_str());
        for (name, value) in properties {
            if names.is_empty() || names.iter().any(|n| n.eq_ignore_ascii_case(name)) {
                object = object.with(name, value);
            }
        }
        if !cim {
            object = object.with("__CLASS", class.as_str());
        }
        cx.output(object);
    }
    Ok(())
}

type Instance = Vec<(&'static str, Value)>;

fn instances(cx: &Cx<'_>, class: &str, cim: bool) -> Option<Vec<Instance>> {
    // WMI has microseconds.
    let whole = |t: Timestamp| Timestamp::from_microsecond(t.as_microsecond()).unwrap_or(t);
    let time = |t: Timestamp| {
        let t = whole(t);
        if cim {
            values::local(t)
        } else {
            values::dmtf(t).into()
        }
    };
    let computer = cx.caller.host.short().to_uppercase();
    Some(match class.to_ascii_lowercase().as_str() {
        "win32_process" => processes(cx)
            .into_iter()
            .map(|p| {
                vec![
                    ("Caption", p.name.as_str().into()),
                    ("Name", p.name.as_str().into()),
                    ("ProcessName", p.name.as_str().into()),
                    ("ProcessId", Value::UInt32(p.id)),
                    ("Handle", p.id.to_string().into()),
                    ("CreationDate", time(p.started)),
                    (
                        "CommandLine",
                        p.command_line.map_or(Value::Null, Value::from),
                    ),
                    ("SessionId", Value::UInt32(0)),
                    ("CSName", computer.as_str().into()),
                ]
            })
            .collect(),
        "win32_operatingsystem" => {
            let (version, caption) = release(cx.host.windows);
            vec![vec![
                ("Caption", format!("Microsoft {caption}").into()),
                ("Version", version.into()),
                (
                    "BuildNumber",
                    version.rsplit('.').next().unwrap_or_default().into(),
                ),
                ("CSName", computer.as_str().into()),
                ("LastBootUpTime", time(cx.host.booted)),
                ("LocalDateTime", time(cx.now)),
                ("CurrentTimeZone", Value::Int16(0)),
                ("OSLanguage", Value::UInt32(1033)),
                ("ProductType", Value::UInt32(3)),
            ]]
        }
        "win32_computersystem" => vec![vec![
            ("Name", computer.as_str().into()),
            ("DNSHostName", cx.caller.host.short().into()),
            ("Domain", cx.state.directory.domain.as_str().into()),
            ("PartOfDomain", true.into()),
        ]],
        "win32_service" => cx
            .host
            .services
            .values()
            .map(|s| {
                vec![
                    ("Name", s.name.as_str().into()),
                    ("DisplayName", s.display_name.as_str().into()),
                    (
                        "State",
                        if s.running { "Running" } else { "Stopped" }.into(),
                    ),
                    ("StartMode", "Auto".into()),
                    ("StartName", "LocalSystem".into()),
                ]
            })
            .collect(),
        "win32_logicaldisk" => {
            let drives = ["C:", "D:", "E:", "F:"]
                .into_iter()
                .filter(|d| cx.host.files.has_drive(d));
            let disk = |d| {
                vec![
                    ("DeviceID", Value::from(d)),
                    ("DriveType", Value::UInt32(3)),
                    ("FreeSpace", Value::UInt64(64 << 30)),
                ]
            };
            drives.map(disk).collect()
        }
        _ => return None,
    })
}

fn release(windows: WindowsVersion) -> (&'static str, &'static str) {
    match windows {
        WindowsVersion::W2008R2 => ("6.1.7601", "Windows Server 2008 R2 Standard"),
        WindowsVersion::W2012 => ("6.2.9200", "Windows Server 2012 Standard"),
        WindowsVersion::W2012R2 => ("6.3.9600", "Windows Server 2012 R2 Standard"),
        WindowsVersion::W2016 => ("10.0.14393", "Windows Server 2016 Standard"),
        WindowsVersion::W2019 => ("10.0.17763", "Windows Server 2019 Standard"),
        WindowsVersion::W2022 => ("10.0.20348", "Windows Server 2022 Standard"),
        WindowsVersion::W2025 => ("10.0.26100", "Windows Server 2025 Standard"),
    }
}
