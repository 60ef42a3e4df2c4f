//! What can be wrong with a site, defect by defect: found without a changing call, named in words
//! that an administrator knows, and repaired or left to people. The table is printed.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/litware.toml");

/// What becomes of a defect.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// `apply` repairs it: `verify` finds it no more.
    Repaired,
    /// It is left to people: `apply` ends with that code.
    Reported(i32),
    /// Nothing is wrong yet: it is said, and stands in nobody's way.
    Warned,
}
use End::{Repaired, Reported, Warned};

struct Case {
    defect: &'static str,
    /// How the simulated site begins.
    overlay: &'static str,
    /// The step that finds it.
    step: &'static str,
    /// What the report of `verify` says.
    said: &'static [&'static str],
    /// How `verify` ends.
    verify: i32,
    end: End,
}

const CASES: &[Case] = &[
    Case {
        defect: "the trusted pool waits for replicas",
        overlay: "[[lync.trusted_pools]]\nrequires_replication = true\n",
        step: "lync.trusted-pool",
        said: &["atl-owa-001.litwareinc.com: RequiresReplication: True -> False"],
        verify: 2,
        end: Repaired,
    },
    Case {
        defect: "the application has another port",
        overlay: "[[lync.trusted_pools]]\napplications = [{ id = \"OutlookWebApp\", port = 5999 }]\n",
        step: "lync.trusted-application",
        said: &["port of the application OutlookWebApp", "5999 -> 5199"],
        verify: 2,
        end: Repaired,
    },
    Case {
        defect: "the port belongs to another application",
        overlay: "[[lync.trusted_pools]]\napplications = [{ id = \"Other\", port = 5199 }]\n",
        step: "lync.trusted-application",
        said: &[
            "the application other of that pool has it",
            "choose another port",
        ],
        verify: 1,
        end: Reported(1),
    },
    Case {
        defect: "the trusted pool has another registrar",
        overlay: "[[lync.pools]]\nfqdn = \"atl-old-001.litwareinc.com\"\n\
                  [[lync.trusted_pools]]\nregistrar = \"atl-old-001.litwareinc.com\"\n",
        step: "lync.trusted-pool",
        said: &["atl-old-001.litwareinc.com", "orphans the pool's contacts"],
        verify: 1,
        end: Reported(1),
    },
    Case {
        defect: "the site is named by its display name",
        overlay: "[[lync.sites]]\nsite_id = \"NA\"\nidentity = \"Central\"\ndisplay_name = \"Redmond\"\n",
        step: "lync.site",
        said: &["a display name", "site_id = \"NA\""],
        verify: 1,
        end: Reported(1),
    },
    Case {
        defect: "a replica never becomes green",
        overlay: "[lync.replicas]\n\"atl-edge-001.litwareinc.com\" = \"never\"\n[[lync.trusted_pools]]\n",
        step: "lync.replication",
        said: &[
            "replica atl-edge-001.litwareinc.com",
            "not up to date -> up to date",
        ],
        verify: 2,
        end: Reported(1),
    },
    Case {
        defect: "Lync finds a server that is in the topology too",
        overlay: "[[defects]]\nhost = \"atl-mbx-001.litwareinc.com\"\ndefect = \"double-entry\"\n\
                  [[lync.trusted_pools]]\nfqdn = \"atl-mbx-001.litwareinc.com\"\n",
        step: "lync.trusted-pool",
        said: &[
            "trusted application pool atl-mbx-001",
            "Lync finds it by itself",
        ],
        verify: 2,
        end: Repaired,
    },
    Case {
        defect: "the certificate has a wildcard for a name",
        overlay: "[[defects]]\nhost = \"atl-mbx-002.litwareinc.com\"\ndefect = \"certificate-wildcard\"\n",
        step: "backend.certificate",
        said: &["the wildcard *.litwareinc.com, which Lync does not accept"],
        verify: 1,
        end: Reported(1),
    },
    Case {
        defect: "the certificate has another common name than the pool",
        overlay: "[[defects]]\nhost = \"atl-mbx-002.litwareinc.com\"\ndefect = \"certificate-wrong-subject\"\n",
        step: "backend.certificate",
        said: &["a valid certificate with the common name atl-owa-001.litwareinc.com"],
        verify: 1,
        end: Reported(1),
    },
    Case {
        defect: "the pool is not among the certificate's alternative names",
        overlay: "[[defects]]\nhost = \"atl-mbx-002.litwareinc.com\"\ndefect = \"certificate-missing-name\"\n",
        step: "backend.certificate",
        said: &["is not among its alternative names"],
        verify: 1,
        end: Reported(1),
    },
    Case {
        defect: "the certificate has expired",
        overlay: "[[defects]]\nhost = \"atl-mbx-002.litwareinc.com\"\ndefect = \"certificate-expired\"\n",
        step: "backend.certificate",
        said: &["it expired at"],
        verify: 1,
        end: Reported(1),
    },
    Case {
        defect: "the certificate is not valid yet",
        overlay: "[[defects]]\nhost = \"atl-mbx-002.litwareinc.com\"\ndefect = \"certificate-not-yet-valid\"\n",
        step: "backend.certificate",
        said: &["it is not valid before"],
        verify: 1,
        end: Reported(1),
    },
    Case {
        defect: "the certificate came without its private key",
        overlay: "[[defects]]\nhost = \"atl-mbx-002.litwareinc.com\"\ndefect = \"certificate-without-key\"\n",
        step: "backend.certificate",
        said: &["it has no private key"],
        verify: 1,
        end: Reported(1),
    },
    Case {
        defect: "the certificate expires soon",
        overlay: "[[defects]]\nhost = \"atl-mbx-002.litwareinc.com\"\ndefect = \"certificate-expires-soon\"\n",
        step: "backend.certificate",
        said: &["expires at", "renew it and run again"],
        verify: 0,
        end: Warned,
    },
    Case {
        defect: "Web.config still names the certificate from before its renewal",
        overlay: "[[defects]]\nhost = \"atl-mbx-002.litwareinc.com\"\ndefect = \"certificate-renewed\"\n\
                  [[defects]]\nhost = \"atl-mbx-002.litwareinc.com\"\ndefect = \"thumbprint-stale\"\n",
        step: "backend.web-config",
        said: &["IMCertificateThumbprint"],
        verify: 2,
        end: Repaired,
    },
    Case {
        defect: "the thumbprint was copied with an invisible mark",
        overlay: "[[defects]]\nhost = \"atl-mbx-002.litwareinc.com\"\ndefect = \"thumbprint-hidden-mark\"\n",
        step: "backend.web-config",
        said: &["IMCertificateThumbprint"],
        verify: 2,
        end: Repaired,
    },
    Case {
        defect: "the keys stand in the Web.config of the front end",
        overlay: "[[defects]]\nhost = \"atl-cas-001.litwareinc.com\"\ndefect = \"web-config-keys-misplaced\"\n",
        step: "cas.web-config-clean",
        said: &[
            r"FrontEnd\HttpProxy\owa\web.config",
            "backend.web-config sets them where they belong",
        ],
        verify: 2,
        end: Reported(2),
    },
    Case {
        defect: "messaging is on at a back-end directory",
        overlay: "[virtual_directories.'ATL-MBX-002\\owa (Exchange Back End)']\ntype = \"Ocs\"\n",
        step: "backend.virtual-directory-off",
        said: &[
            r"ATL-MBX-002\owa (Exchange Back End)",
            "Set-OwaVirtualDirectory -InstantMessagingType None",
        ],
        verify: 2,
        end: Reported(2),
    },
    Case {
        defect: "the messaging provider is not registered",
        overlay: "[[defects]]\nhost = \"atl-mbx-002.litwareinc.com\"\ndefect = \"provider-missing\"\n",
        step: "backend.ucma",
        said: &["ImplementationDLLPath"],
        verify: 1,
        end: Reported(1),
    },
];

struct Bench {
    site: PathBuf,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(overlay: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site.toml");
        let text = std::fs::read_to_string(SITE).unwrap();
        // Nobody waits long for what never comes.
        let patience = "[retry.\"lync.replication\"]\nattempt_timeout = \"6s\"\nmax_delay = \"2s\"\ndeadline = \"6s\"\n";
        std::fs::write(&site, format!("{text}\n{patience}")).unwrap();
        std::fs::write(folder.path().join("lab.toml"), overlay).unwrap();
        Self { site, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Exit code and report.
    fn run(&self, command: &str, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_owaim"))
            .arg(command)
            .arg(&self.site)
            .args(["--lab", "--no-progress", "--lab-state"])
            .arg(self.path("state"))
            .arg("--lab-with")
            .arg(self.path("lab.toml"))
            .arg("--run-dir")
            .arg(self.path("runs"))
            .args(arguments)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap(), text)
    }

    fn changing_calls(&self) -> usize {
        let text = std::fs::read_to_string(self.path("state").join("calls.ndjson")).unwrap();
        let changes = |line: &&str| line.contains("\"changes\":true");
        text.lines().filter(changes).count()
    }
}

/// What is wrong with `case`, if it does not go as the table says.
fn trouble(case: &Case) -> Option<String> {
    let bench = Bench::new(case.overlay);
    let only = ["--only", case.step];
    let (code, found) = bench.run("verify", &only);
    let missing: Vec<&&str> = case
        .said
        .iter()
        .filter(|text| !found.contains(**text))
        .collect();
    if !missing.is_empty() {
        return Some(format!("{missing:?} is not said:\n{found}"));
    }
    if code != case.verify {
        return Some(format!("verify ended with {code}:\n{found}"));
    }
    let changes = bench.changing_calls();
    if changes > 0 {
        return Some(format!("verify made {changes} changing calls"));
    }
    let (code, applied) = bench.run("apply", &["--yes"]);
    match case.end {
        Reported(expected) if code != expected => Some(format!(
            "apply ended with {code}, not {expected}:\n{applied}"
        )),
        Repaired | Warned if code != 0 => Some(format!("apply ended with {code}:\n{applied}")),
        Repaired => {
            let (code, left) = bench.run("verify", &only);
            (code != 0).then(|| format!("verify ends with {code} after the repair:\n{left}"))
        }
        Reported(_) | Warned => None,
    }
}

#[test]
fn every_defect_is_found_and_named() {
    assert!(Path::new(SITE).exists());
    let next = std::sync::Mutex::new(CASES.iter());
    let rows = std::sync::Mutex::new(Vec::new());
    let failed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(case) = next.lock().unwrap().next() else {
                        break;
                    };
                    let trouble = trouble(case);
                    let end = match (&trouble, case.end) {
                        (Some(_), _) => "NOT AS EXPECTED".to_owned(),
                        (None, Repaired) => "repaired".into(),
                        (None, Warned) => "warned of".into(),
                        (None, Reported(code)) => format!("left to people, exit code {code}"),
                    };
                    let row = format!("  {:<62} {:<29} {end}", case.defect, case.step);
                    rows.lock().unwrap().push(row);
                    let told = |trouble| format!("{}: {trouble}", case.defect);
                    failed.lock().unwrap().extend(trouble.map(told));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort();
    // Not by a macro: the test harness would keep it to itself.
    writeln!(std::io::stdout(), "\n{}", rows.join("\n")).unwrap();
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
