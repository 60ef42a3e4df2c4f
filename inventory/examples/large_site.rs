//! Prints the site file of a large site, for trials against the simulated one:
//!
//! ```sh
//! cargo run -p owaim-inventory --example large_site -- 100 100 > large.toml
//! cargo run --release -- apply large.toml --lab --yes
//! ```
//!
//! The numbers are those of client access servers and of backends; the Front End comes on top.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

/// The site file for that many client access servers and backends.
pub fn site(cas: usize, backends: usize) -> String {
    let mut text = String::from(
        r#"[site]
name = "large"

[lync]
version = "2013"
pool = "fe-001.large.example.com"
site_id = "Large"

[lync.trusted_application]
pool = "owa.large.example.com"
id = "OutlookWebApp"
port = 5199

[exchange]
version = "2013"

[policies]
mailbox = ["Default"]

[credentials.default]
username = 'LARGE\owaim'
password = { env = "OWAIM_PASSWORD" }

[limits]
parallel = 32

[[hosts]]
name = "fe-001.large.example.com"
roles = ["lync-front-end"]
endpoints.lync-local.configuration = "owaim"
"#,
    );
    for (role, count) in [("cas", cas), ("backend", backends)] {
        for number in 1..=count {
            // Four groups of servers that share users, as four places would have.
            let group = number % 4;
            let _ = write!(
                text,
                "\n[[hosts]]\nname = \"{role}-{number:03}.large.example.com\"\nroles = [\"{role}\"]\ngroup = \"place-{group}\"\n"
            );
        }
    }
    text
}

/// `large_site CAS BACKENDS`
pub fn main() -> ExitCode {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let text = match numbers[..] {
        [cas, backends] if cas > 0 && backends > 0 => site(cas, backends),
        _ => {
            let _ = writeln!(
                std::io::stderr(),
                "expected two numbers of at least 1: client access servers and backends"
            );
            return ExitCode::from(3);
        }
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
