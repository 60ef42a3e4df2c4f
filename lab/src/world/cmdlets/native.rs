//! Native programs: `appcmd.exe`, the command line of IIS.

use std::time::Duration;

use jiff::Timestamp;
use owaim_inventory::HostName;

use super::super::iis::POOL;
use super::pools::RECYCLE;
use crate::state::HostState;

/// Win32: the service has not been started.
const NOT_ACTIVE: i32 = 1062;
/// Win32: the element was not found.
const NOT_FOUND: i32 = 1168;
/// Win32: a parameter is not correct.
const BAD_ARGUMENT: i32 = 87;

/// What became of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Outcome {
    pub(in super::super) lines: Vec<String>,
    pub(in super::super) exit_code: i32,
    /// Whether this use of it could change anything.
    pub(in super::super) changes: bool,
    /// Whether it did.
    pub(in super::super) effect: bool,
    pub(in super::super) takes: Duration,
}

/// Whether `name` names a program rather than a cmdlet.
pub(in super::super) fn is_program(name: &str) -> bool {
    let file = name.rsplit(['\\', '/']).next().unwrap_or(name);
    file.len() > 4 && file.to_ascii_lowercase().ends_with(".exe")
}

/// Runs the program; `None` if the host does not have it.
pub(in super::super) fn run(
    host: &mut HostState,
    name: &HostName,
    program: &str,
    arguments: &[String],
    now: Timestamp,
) -> Option<Outcome> {
    let known = host.exchange.is_some() && host.files.read(program).is_some();
    if !known || !program.to_ascii_lowercase().ends_with("\\appcmd.exe") {
        return None;
    }
    let words: Vec<String> = arguments.iter().map(|a| a.to_ascii_lowercase()).collect();
    let verb = words.first().map(String::as_str).unwrap_or_default();
    let object = words.get(1).map(String::as_str).unwrap_or_default();
    let changes = !matches!(verb, "list" | "");
    let end = |lines: Vec<String>, exit_code, effect| Outcome {
        lines,
        exit_code,
        changes,
        effect,
        takes: Duration::ZERO,
    };
    let stopped = || {
        let line = "ERROR ( hresult:80070426, message:Command execution failed.\r\nThe service has not been started.\r\n. )";
        end(vec![line.into()], NOT_ACTIVE, false)
    };
    Some(match (verb, object) {
        ("list", "wp" | "wps") => {
            let line = host
                .iis
                .worker
                .as_ref()
                .map(|w| format!("WP \"{}\" (applicationPool:{POOL})", w.id));
            end(line.into_iter().collect(), 0, false)
        }
        ("list", "apppool" | "apppools") => {
            let state = if host.iis.started {
                "Started"
            } else {
                "Stopped"
            };
            end(
                vec![format!(
                    "APPPOOL \"{POOL}\" (MgdVersion:v4.0,MgdMode:Integrated,state:{state})"
                )],
                0,
                false,
            )
        }
        ("recycle" | "start" | "stop", "apppool") => {
            let wanted = words
                .iter()
                .skip(2)
                .find_map(|w| w.strip_prefix("/apppool.name:").or(Some(w)))
                .unwrap_or_default();
            let wanted = wanted.trim_matches('"');
            if !wanted.eq_ignore_ascii_case(POOL) {
                let line = format!(
                    "ERROR ( message:Cannot find APPPOOL object with identifier \"{wanted}\". )"
                );
                return Some(end(vec![line], NOT_FOUND, false));
            }
            let done = |what: &str| vec![format!("\"{POOL}\" successfully {what}")];
            match verb {
                "recycle" if !host.iis.started || host.iis.worker.is_none() => stopped(),
                "recycle" => {
                    let settings = host.messaging_settings();
                    host.iis.start_worker(settings, now);
                    Outcome {
                        takes: RECYCLE,
                        ..end(done("recycled"), 0, true)
                    }
                }
                "start" => {
                    let effect = !host.iis.started;
                    host.iis.started = true;
                    end(done("started."), 0, effect)
                }
                _ if !host.iis.started => stopped(),
                _ => {
                    host.iis.started = false;
                    host.iis.worker = None;
                    end(done("stopped"), 0, true)
                }
            }
        }
        _ => {
            let line = format!(
                "Failed to process input: the command \"{}\" is not known on {name}.",
                arguments.join(" ")
            );
            end(vec![line], BAD_ARGUMENT, false)
        }
    })
}
