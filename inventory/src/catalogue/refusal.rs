//! Commands and parameters through which script text would get back in: named once, for
//! `invoke` and for the test that holds the steps to typed commands.

use super::{Kind, find};

/// What runs text as code, and under which names it is known.
const REFUSED: &[(&[&str], &str)] = &[
    (&["Invoke-Expression", "iex"], "runs text as a script"),
    (&["Invoke-Command", "icm"], "runs a script block"),
    (
        &["ForEach-Object", "foreach", "%"],
        "runs a script block for every object",
    ),
    (
        &[
            "Start-Job",
            "sajb",
            "New-Module",
            "nmo",
            "Register-EngineEvent",
            "Trace-Command",
        ],
        "runs a script block",
    ),
    (&["Add-Type"], "compiles source text"),
    (
        &["Start-Process", "saps", "start"],
        "runs a program whose arguments are one untyped text",
    ),
    (
        &["powershell", "powershell_ise", "pwsh"],
        "runs its arguments as a script",
    ),
    (
        &[
            "cmd", "command", "wscript", "cscript", "mshta", "bash", "wsl",
        ],
        "is a shell of its own",
    ),
];

/// Why `name` (a cmdlet, an alias, or a program with or without its path) must not be sent;
/// `None` if it may.
pub fn refusal(name: &str) -> Option<&'static str> {
    let bare = name.trim().rsplit(['\\', '/']).next().unwrap_or(name);
    let bare = match bare
        .len()
        .checked_sub(4)
        .and_then(|cut| bare.split_at_checked(cut))
    {
        Some((stem, end)) if [".exe", ".com"].iter().any(|e| e.eq_ignore_ascii_case(end)) => stem,
        _ => bare,
    };
    let script_file = [".ps1", ".bat", ".cmd", ".vbs", ".js"]
        .iter()
        .any(|end| bare.len() > end.len() && bare.to_ascii_lowercase().ends_with(end));
    if script_file {
        return Some("is a script file");
    }
    REFUSED
        .iter()
        .find(|(names, _)| names.iter().any(|n| n.eq_ignore_ascii_case(bare)))
        .map(|(_, reason)| *reason)
}

/// Why `parameter` of `cmdlet` must not be sent; `None` if it may. A prefix counts as the
/// parameters it may stand for.
pub fn parameter_refusal(cmdlet: &str, parameter: &str) -> Option<&'static str> {
    let cmdlet = find(cmdlet)?;
    let exact = cmdlet.parameter(parameter);
    let prefix = parameter.to_ascii_lowercase();
    let script = |p: &super::Parameter| p.kind == Kind::ScriptBlock;
    let refused = match exact {
        Some(p) => script(p),
        None => cmdlet
            .all_parameters()
            .any(|p| script(p) && p.name.to_ascii_lowercase().starts_with(&prefix)),
    };
    refused.then_some("takes a script block")
}
