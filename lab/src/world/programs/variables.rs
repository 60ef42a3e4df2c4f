//! The variables of a program's environment.

use super::SYSTEM;
use crate::world::Caller;

/// The variables of a program: those of the system and the account, and over them the shell's.
pub(super) fn variables(caller: &Caller, own: &[(String, String)]) -> Vec<(String, String)> {
    let (domain, user) = caller.user.split_once('\\').unwrap_or(("", &caller.user));
    let profile = [r"C:\Users\", user].concat();
    let temporary = [profile.as_str(), r"\AppData\Local\Temp"].concat();
    let computer = caller.host.short().to_uppercase();
    let path = [SYSTEM, ";C:\\Windows"].concat();
    let mut all: Vec<(String, String)> = [
        ("COMPUTERNAME", computer.as_str()),
        ("ComSpec", r"C:\Windows\system32\cmd.exe"),
        ("OS", "Windows_NT"),
        ("Path", &path),
        ("PATHEXT", ".COM;.EXE;.BAT;.CMD"),
        ("PROCESSOR_ARCHITECTURE", "AMD64"),
        ("ProgramFiles", r"C:\Program Files"),
        ("SystemDrive", "C:"),
        ("SystemRoot", r"C:\Windows"),
        ("TEMP", &temporary),
        ("TMP", &temporary),
        ("USERDOMAIN", domain),
        ("USERNAME", user),
        ("USERPROFILE", &profile),
        ("windir", r"C:\Windows"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    for (name, value) in own {
        all.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        all.push((name.clone(), value.clone()));
    }
    all
}

/// What is in the variable `name`, whose case does not matter.
pub(super) fn value<'v>(variables: &'v [(String, String)], name: &str) -> Option<&'v str> {
    let found = variables
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}
