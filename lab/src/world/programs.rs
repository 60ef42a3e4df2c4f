//! [`Program`]: what a shell for programs (WinRS) can start on a server.
//!
//! A line of `cmd.exe` goes in, a program comes out: one that has ended, or one that goes on and is
//! driven by the server. What `cmd.exe` and Windows have beyond the programs here is refused.

mod code_page;
mod line;
mod ping;
#[cfg(test)]
mod tests;
mod variables;

use std::time::Duration;

use owaim_inventory::{HostName, Site};

use super::cmdlets::{native, network};
use super::{Caller, World, lock, signon};
use crate::state::State;
use line::Line;
use variables::{value, variables};

pub(crate) use code_page::CodePage;
pub(crate) use ping::Ping;

/// Where Windows keeps its programs.
const SYSTEM: &str = r"C:\Windows\System32";

/// Commands of `cmd.exe` and programs of Windows that are there and are not modelled. Anything else
/// is no program.
const NOT_MODELLED: &[&str] = &[
    "arp",
    "assoc",
    "attrib",
    "bcdedit",
    "call",
    "certutil",
    "chcp",
    "chkdsk",
    "cls",
    "copy",
    "cscript",
    "curl",
    "date",
    "del",
    "dir",
    "dism",
    "erase",
    "fc",
    "find",
    "findstr",
    "for",
    "fsutil",
    "ftype",
    "getmac",
    "gpresult",
    "gpupdate",
    "icacls",
    "if",
    "md",
    "mkdir",
    "move",
    "msiexec",
    "net",
    "netdom",
    "netsh",
    "netstat",
    "nltest",
    "nslookup",
    "path",
    "popd",
    "powershell",
    "prompt",
    "pushd",
    "rd",
    "reg",
    "rem",
    "ren",
    "rename",
    "rmdir",
    "robocopy",
    "route",
    "rundll32",
    "sc",
    "schtasks",
    "setlocal",
    "setx",
    "shutdown",
    "start",
    "systeminfo",
    "takeown",
    "taskkill",
    "tasklist",
    "time",
    "timeout",
    "title",
    "tracert",
    "tree",
    "tzutil",
    "ver",
    "vol",
    "waitfor",
    "wbadmin",
    "wevtutil",
    "where",
    "winrm",
    "wmic",
    "wscript",
    "xcopy",
];

/// Commands that `cmd.exe` has in itself.
const BUILT_IN: &[&str] = &["cd", "chdir", "echo", "exit", "set", "type"];

/// A program that was started.
#[derive(Debug)]
pub(crate) enum Program {
    /// One that needs nobody to come to its end.
    Ends(Ending),
    /// `more`: gives what it is given, as it comes.
    Copies,
    /// `sort`: gives the lines in order, once its input has ended.
    Sorts,
    /// `ping`: gives a line a second.
    Pings(Ping),
}

/// How a program ends.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
    /// Standard error.
    pub(crate) stderr: Vec<u8>,
    /// The exit code.
    pub(crate) code: i64,
    /// How long it worked.
    pub(crate) takes: Duration,
}

/// What a program finds around it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// Variables of the shell, in addition to those of the system.
    pub(crate) environment: Vec<(String, String)>,
    /// Folder that it starts in; `None`: the user's profile.
    pub(crate) directory: Option<String>,
    /// What its text is written in.
    pub(crate) code_page: CodePage,
}

/// What is to be started.
#[derive(Debug)]
pub(crate) struct ProgramLine<'a> {
    /// The program.
    pub(crate) command: &'a str,
    /// What follows it.
    pub(crate) arguments: &'a [String],
    /// Whether it is started without `cmd.exe`.
    pub(crate) skip_cmd: bool,
}

/// Why nothing was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The server would do it, the lab cannot.
    NotModelled(String),
    /// The folder to start in does not exist.
    NoFolder,
    /// There is no such program, and no `cmd.exe` to say so.
    NoProgram,
}

/// A program being looked for and started.
struct Start<'a> {
    site: &'a Site,
    state: &'a mut State,
    caller: &'a Caller,
    variables: Vec<(String, String)>,
    directory: String,
    code_page: CodePage,
    /// Whether the program could have changed the site, and whether it did.
    changes: (bool, bool),
}

impl World {
    /// Starts what `line` says as `caller`.
    pub(crate) fn start_program(
        &self,
        caller: &Caller,
        around: &Surroundings,
        line: &ProgramLine<'_>,
    ) -> Result<Program, Refused> {
        let whole = line
            .arguments
            .iter()
            .fold(line.command.to_owned(), |whole, argument| {
                [&whole, " ", argument].concat()
            });
        let mut state = lock(&self.inner.state);
        let directory = around.directory.as_deref();
        let exists = |path| {
            let node = state.hosts.get(&caller.host)?.files.get(path)?;
            node.content.is_none().then_some(())
        };
        if directory.is_some_and(|path| exists(path).is_none()) {
            return Err(Refused::NoFolder);
        }
        let variables = variables(caller, &around.environment);
        let profile = || value(&variables, "USERPROFILE").unwrap_or_default().into();
        state.calls += 1;
        let mut start = Start {
            site: &self.inner.site,
            directory: directory.map_or_else(profile, Into::into),
            variables,
            state: &mut state,
            caller,
            code_page: around.code_page,
            changes: (false, false),
        };
        let line = if line.skip_cmd {
            Line::without_cmd(line.command, line.arguments)
        } else {
            Line::of_cmd(&whole, &start.variables)?
        };
        let name = file_name(&line.program);
        let fault = self.fault(caller, &name);
        let started = match fault
            .as_deref()
            .map(|kind| (kind, kind.strip_prefix("delay:")))
        {
            Some((kind, None)) => Ok(fails(&format!("Injected fault: {kind}.\r\n"))),
            Some((_, Some(ms))) => self
                .look_up(&mut start, &line)
                .map(|started| match started {
                    Program::Ends(mut ending) => {
                        ending.takes += Duration::from_millis(ms.parse().unwrap_or_default());
                        Program::Ends(ending)
                    }
                    other => other,
                }),
            None => self.look_up(&mut start, &line),
        };
        let result = match &started {
            Ok(Program::Ends(ending)) if ending.code != 0 => format!("exit code {}", ending.code),
            Ok(_) => "ok".into(),
            Err(_) => "not started".into(),
        };
        let parameters = serde_json::json!({ "arguments": line.words() });
        let changes = start.changes;
        self.record(caller, &line.program, parameters, changes, &result);
        started
    }

    fn look_up(&self, start: &mut Start<'_>, line: &Line) -> Result<Program, Refused> {
        if is_path(&line.program) && !is_of_system(&line.program) {
            return self.native(start, line);
        }
        start.program(line)
    }

    /// A program that changes the site.
    fn native(&self, start: &mut Start<'_>, line: &Line) -> Result<Program, Refused> {
        let clock = (self.inner.clock)();
        let advanced = signon::advance(start.state, clock);
        let outcome = start
            .state
            .hosts
            .get_mut(&start.caller.host)
            .and_then(|host| {
                let now = host.time(clock);
                let words = line.words();
                native::run(host, &start.caller.host, &line.program, &words, now)
            });
        let Some(outcome) = outcome else {
            return start.unknown(line);
        };
        start.changes = (outcome.changes, outcome.effect);
        if (outcome.effect || advanced)
            && let Err(error) = self.save(start.state)
        {
            return Ok(fails(&format!("{error}.\r\n")));
        }
        let text: String = outcome
            .lines
            .iter()
            .flat_map(|line| [line, "\r\n"])
            .collect();
        Ok(Program::Ends(Ending {
            stdout: start.code_page.encode(&text),
            code: outcome.exit_code.into(),
            takes: outcome.takes,
            ..Ending::default()
        }))
    }
}

impl Start<'_> {
    fn program(&self, line: &Line) -> Result<Program, Refused> {
        let file = file_name(&line.program);
        let name = file
            .strip_suffix(".exe")
            .or_else(|| file.strip_suffix(".com"))
            .unwrap_or(&file);
        if !line.by_cmd && BUILT_IN.contains(&name) {
            return Err(Refused::NoProgram);
        }
        let words = line.words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match (name, words.as_slice()) {
            ("cd" | "chdir", []) => Ok(self.prints(&format!("{}\r\n", self.directory))),
            ("cd" | "chdir", [path]) => Ok(match self.file(path) {
                Some(node) if node.content.is_none() => self.prints(""),
                _ => self.complains("The system cannot find the path specified.\r\n"),
            }),
            ("cmd", [switch, ..]) if switch.eq_ignore_ascii_case("/c") => {
                let rest = line.rest.trim_start().get(2..).unwrap_or_default().trim();
                let rest = rest
                    .strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'))
                    .unwrap_or(rest);
                self.program(&Line::of_cmd(rest, &self.variables)?)
            }
            ("echo", []) => Ok(self.prints("ECHO is on.\r\n")),
            ("echo", _) => {
                let text = line.rest.get(1..).unwrap_or_default();
                Ok(self.prints(&[text, "\r\n"].concat()))
            }
            ("exit", []) => Ok(exits(0)),
            ("exit", [code] | ["/b" | "/B", code]) => Ok(exits(code.parse().unwrap_or(0))),
            ("hostname", []) => {
                let name = self.caller.host.short().to_uppercase();
                Ok(self.prints(&[&name, "\r\n"].concat()))
            }
            ("ipconfig", []) => Ok(self.prints(&self.ipconfig(false))),
            ("ipconfig", [all]) if all.eq_ignore_ascii_case("/all") => {
                Ok(self.prints(&self.ipconfig(true)))
            }
            ("more", []) => Ok(Program::Copies),
            ("ping", words) => self.ping(words),
            ("set", []) => Ok(self.prints(&self.listed(""))),
            ("set", [name]) if name.contains('=') => Ok(exits(0)),
            ("set", [name]) => Ok(match self.listed(name) {
                none if none.is_empty() => {
                    self.complains(&format!("Environment variable {name} not defined\r\n"))
                }
                listed => self.prints(&listed),
            }),
            ("sort", []) => Ok(Program::Sorts),
            ("type", []) => Ok(self.complains("The syntax of the command is incorrect.\r\n")),
            ("type", [path]) => Ok(match self.file(path).map(|node| &node.content) {
                Some(Some(content)) => Program::Ends(Ending {
                    stdout: content.0.clone(),
                    ..Ending::default()
                }),
                Some(None) => self.complains("Access is denied.\r\n"),
                None => self.complains("The system cannot find the file specified.\r\n"),
            }),
            ("whoami", []) => {
                Ok(self.prints(&[self.user().to_lowercase().as_str(), "\r\n"].concat()))
            }
            (
                "cd" | "chdir" | "cmd" | "exit" | "hostname" | "ipconfig" | "more" | "set" | "sort"
                | "type" | "whoami",
                _,
            ) => Err(not_modelled(line)),
            (name, _) if NOT_MODELLED.contains(&name) => Err(not_modelled(line)),
            _ => self.unknown(line),
        }
    }

    /// Who runs it. A local account is its host's.
    fn user(&self) -> String {
        let name = self.caller.user.trim_start_matches(".\\");
        if name.contains(['\\', '@']) {
            name.into()
        } else {
            [self.caller.host.short(), name].join("\\")
        }
    }

    /// What happens where there is no such program.
    fn unknown(&self, line: &Line) -> Result<Program, Refused> {
        if !line.by_cmd {
            return Err(Refused::NoProgram);
        }
        let text = format!(
            "'{}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n",
            line.program
        );
        Ok(self.complains(&text))
    }

    fn prints(&self, text: &str) -> Program {
        Program::Ends(Ending {
            stdout: self.code_page.encode(text),
            ..Ending::default()
        })
    }

    fn complains(&self, text: &str) -> Program {
        Program::Ends(Ending {
            stderr: self.code_page.encode(text),
            code: 1,
            ..Ending::default()
        })
    }

    /// What is at a path as seen from the folder of the shell.
    fn file(&self, path: &str) -> Option<&super::filesystem::Node> {
        let files = &self.state.hosts.get(&self.caller.host)?.files;
        if path.contains(':') {
            files.get(path)
        } else if path.starts_with('\\') {
            files.get(&["C:", path].concat())
        } else {
            files.get(&[&self.directory, "\\", path].concat())
        }
    }

    /// The variables whose names begin so, as `set` lists them.
    fn listed(&self, prefix: &str) -> String {
        let prefix = prefix.to_uppercase();
        let mut found: Vec<_> = self
            .variables
            .iter()
            .filter(|(name, _)| name.to_uppercase().starts_with(&prefix))
            .collect();
        found.sort_by_key(|(name, _)| name.to_uppercase());
        let line = |(name, value): &(String, String)| [name, "=", value, "\r\n"].concat();
        found.into_iter().map(line).collect()
    }

    fn ipconfig(&self, all: bool) -> String {
        let host = &self.caller.host;
        let suffix = host
            .as_str()
            .split_once('.')
            .map_or("", |(_, suffix)| suffix);
        let mut lines = vec![
            String::new(),
            "Windows IP Configuration".into(),
            String::new(),
        ];
        if all {
            lines.extend([
                format!(
                    "   Host Name . . . . . . . . . . . . : {}",
                    host.short().to_uppercase()
                ),
                format!("   Primary Dns Suffix  . . . . . . . : {suffix}"),
            ]);
        }
        lines.extend([
            String::new(),
            "Ethernet adapter Ethernet:".into(),
            String::new(),
            format!("   Connection-specific DNS Suffix  . : {suffix}"),
        ]);
        for address in network::addresses(self.state, self.site, host) {
            let label = if address.is_ipv4() {
                "IPv4 Address. . ."
            } else {
                "IPv6 Address. . ."
            };
            lines.push(format!("   {label} . . . . . . . . : {address}"));
        }
        lines.into_iter().map(|line| line + "\r\n").collect()
    }

    fn ping(&self, words: &[&str]) -> Result<Program, Refused> {
        let (count, name) = match words {
            [name] if !name.starts_with(['-', '/']) => (Some(4), name),
            ["-t", name] | [name, "-t"] => (None, name),
            ["-n", count, name] => match count.parse() {
                Ok(count) => (Some(count), name),
                Err(_) => return Ok(self.complains("Bad value for option -n.\r\n")),
            },
            _ => return Err(Refused::NotModelled(format!("ping {}", words.join(" ")))),
        };
        let addresses = HostName::new(name).map_or_else(
            |_| Vec::new(),
            |name| network::addresses(self.state, self.site, &name),
        );
        Ok(match addresses.first() {
            Some(address) => Program::Pings(Ping::new(name, *address, count)),
            None => Program::Ends(Ending {
                stdout: self.code_page.encode(&format!(
                    "Ping request could not find host {name}. Please check the name and try again.\r\n"
                )),
                code: 1,
                ..Ending::default()
            }),
        })
    }
}

fn not_modelled(line: &Line) -> Refused {
    Refused::NotModelled([&line.program, &line.rest].map(String::as_str).concat())
}

fn exits(code: i64) -> Program {
    Program::Ends(Ending {
        code,
        ..Ending::default()
    })
}

/// What the lab itself has to complain of, in ASCII.
fn fails(text: &str) -> Program {
    Program::Ends(Ending {
        stderr: text.into(),
        code: 1,
        ..Ending::default()
    })
}

/// Whether a path names a program of Windows itself.
fn is_of_system(path: &str) -> bool {
    let (folder, _) = super::filesystem::split(path);
    folder.eq_ignore_ascii_case(SYSTEM)
}

fn is_path(program: &str) -> bool {
    program.contains(['\\', '/'])
}

/// The last part of a path, in lower case.
fn file_name(program: &str) -> String {
    let file = program.rsplit(['\\', '/']).next().unwrap_or(program);
    file.to_ascii_lowercase()
}
