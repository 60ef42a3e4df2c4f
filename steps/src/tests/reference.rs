//! `docs/steps.md` is made here: from the steps, and from a few words about each.
//!
//! What each step sends is taken from the step itself, asked on a bench where everything is
//! found as a freshly installed site has it. `UPDATE_DOCS=1 cargo test -p owaim-steps` writes the
//! file anew; without it the test compares.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use owaim_inventory::Thumbprint;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::PipelineOutput;

use super::bench::{Bench, at, date, gives, host, object, path, said};
use crate::{
    Action, BackendDecision, Certificate, DISABLE_STEP_IDS, Fact, PoolDecision, PoolNeed, Query,
    Step, Strength, UnifiedMessaging, WebConfigState, disable_steps, step_ids, steps_for,
};

/// What cannot be read off a step.
struct About {
    id: &'static str,
    /// The part of the procedure, see [`PROCEDURE`].
    part: &'static str,
    checks: &'static str,
    changes: &'static str,
    rights: &'static str,
}

/// The parts of the procedure that there are steps for, as far as they go.
const PROCEDURE: [(&str, &str); 14] = [
    ("S0", "take stock"),
    ("S1", "UCMA runtime on every backend"),
    ("S2", "certificate on every backend"),
    ("S3", "names of the Lync site and of its Front End pool"),
    ("S4", "trusted application pool"),
    ("S5", "trusted application"),
    ("S6", "put the topology into force"),
    ("S7", "SIP dial plans"),
    ("S8", "OWA virtual directories of the front ends"),
    ("S9", "Web.config of the backends"),
    ("S10", "recycle the application pool"),
    ("S11", "OWA mailbox policies"),
    ("S12", "what a user needs"),
    ("S13", "verify"),
];
const TURN_OFF: (&str, &str) = ("S14", "turn it off");

const ADMINISTRATOR: &str = "local administrator of the server";
const SERVERS: &str =
    "Server Management or Organization Management; View-Only Organization Management to look";
const RECIPIENTS: &str =
    "Recipient Management or Organization Management; View-Only Organization Management to look";
const VIEW: &str = "View-Only Organization Management";
const TOPOLOGY: &str = "CsAdministrator at the endpoint; CsViewOnlyAdministrator to look; Event Log Readers on the server";
const ENABLING: &str = "of the session configuration's own account: RTCUniversalServerAdmins with delegated setup, or domain administrator";
const REPORTS: &str = "nothing: it reports";

const ABOUT: [About; 22] = [
    About {
        id: "preflight.host",
        part: "S0",
        checks: "The server answers, runs the generation of Exchange that the site file gives it, and has an install \
                 root. Learns the version of PowerShell and the server's clock, which the steps after it go by. On a \
                 backend, a program that listens at the trusted application's port is a warning (Get-NetTCPConnection, \
                 and Get-Process for its name; from Windows Server 2012 on).",
        changes: REPORTS,
        rights: ADMINISTRATOR,
    },
    About {
        id: "um.dial-plans",
        part: "S7",
        checks: "The Unified Messaging services that the server has are in every SIP URI dial plan of the organization. \
                 Their startup mode is reported where it does not do. Exchange 2013 and 2016 only. Decides with others \
                 whether Lync finds the server by itself.",
        changes: "adds the plans that are missing, and leaves those that are there; with \
                  `unified_messaging.startup_mode` also that mode, after which the service is restarted, which ends the \
                  calls in progress",
        rights: "Organization Management, or UM Management with Server Management; to restart, local administrator of the \
                 server",
    },
    About {
        id: "lync.certificate",
        part: "S2",
        checks: "The Front End has a certificate with the pool's name as its common name, the pool's and its own among \
                 its alternative names, valid by its clock, for server authentication, with its private key and with \
                 issuers up to a root that it trusts itself. Of several the one that expires last is taken: which one \
                 Lync uses cannot be read. What it shows and trusts is learnt for `backend.certificate`.",
        changes: REPORTS,
        rights: ADMINISTRATOR,
    },
    About {
        id: "lync.site",
        part: "S3",
        checks: "The site file names the Lync site by its SiteId, not by its display name or identity, and a pool that \
                 has a Registrar of the generation of the site file or a later one: no single server, no Edge, no \
                 trusted pool. Where the Front End has the endpoint lync-local, that it can read the topology there.",
        changes: REPORTS,
        rights: TOPOLOGY,
    },
    About {
        id: "lync.trusted-pool",
        part: "S4",
        checks: "A backend with both services of Unified Messaging and a SIP URI dial plan is found by Lync itself and \
                 must not be in the topology; every other one needs the trusted pool, with the registrar that the site \
                 file gives and RequiresReplication false. A backend that Lync finds although the services are not both \
                 on it is a conflict.",
        changes: "makes the pool with its computers, adds computers, sets RequiresReplication, ThrottleAsServer and \
                  TreatAsAuthenticated to what Outlook Web App needs, or takes apart in order (applications, computers, \
                  pool) what must not exist; a pool that was made with a single computer of its own name is made anew for \
                  several; never the registrar, and no pool that other applications use",
        rights: TOPOLOGY,
    },
    About {
        id: "lync.trusted-application",
        part: "S5",
        checks: "The trusted pool, where it has to exist, has the application of the site file at its port. A port that \
                 another application of the pool has is an error; that the pool's name has no address (A) in DNS, as \
                 the Front End sees it, is a warning.",
        changes: "makes the application, or sets its port",
        rights: TOPOLOGY,
    },
    About {
        id: "lync.topology",
        part: "S6",
        checks: "The topology was not found to need a change in this run, and the events of the Front End (14492, 14493, \
                 14495) show that what it says of OWA is in force. What they do not tell is unknown, and enabled once \
                 more by apply. Fails without the endpoint lync-local, before anything of the Lync side is changed.",
        changes: "Enable-CsTopology, once in a run",
        rights: ENABLING,
    },
    About {
        id: "lync.replication",
        part: "S6",
        checks: "Every replica of the configuration store is up to date. Computers of trusted pools are no replicas.",
        changes: "invokes replication once, then waits for it as long as its `deadline` below `[retry]`",
        rights: ENABLING,
    },
    About {
        id: "cas.owa-virtual-directory",
        part: "S8",
        checks: "InstantMessagingEnabled is true and InstantMessagingType is Ocs in every front-end directory of the \
                 server.",
        changes: "those two properties, directory by directory, at the domain controller that was read",
        rights: SERVERS,
    },
    About {
        id: "cas.web-config-clean",
        part: "S9",
        checks: "The two keys of the backends' Web.config do not stand in the front end's file of the same name, where \
                 nothing reads them. A drift is not repaired: take them out by hand.",
        changes: REPORTS,
        rights: ADMINISTRATOR,
    },
    About {
        id: "mailbox.policy",
        part: "S11",
        checks: "InstantMessagingEnabled is true and InstantMessagingType is Ocs in the policies in scope: a policy \
                 overrides the virtual directory. Which policies are in use is asked with Get-CASMailbox, for one \
                 mailbox of each policy; those that nobody has are named.",
        changes: "those two properties, policy by policy, at the domain controller that was read",
        rights: RECIPIENTS,
    },
    About {
        id: "backend.ucma",
        part: "S1",
        checks: "The messaging provider is registered, by its file or its folder, and the file is there. What is \
                 missing beside an installed runtime wants a repair, without one an installation. Not for Exchange \
                 2010.",
        changes: REPORTS,
        rights: ADMINISTRATOR,
    },
    About {
        id: "backend.certificate",
        part: "S2",
        checks: "There is a certificate with the common name and alternative name that the site file gives (or that \
                 very one), valid by the server's clock, for server authentication, with its private key. A server \
                 that Lync finds by itself needs its own name in place of the trusted pool's. Its issuers are there, \
                 may issue, are valid and lead to a root that every Front End trusts; and this server trusts the \
                 certificates of the Front Ends. Of several the one that expires last is taken, and newer ones that \
                 will not do are named. One that ends soon, what lies in Root without being a root, and what could not \
                 be looked at are warnings. Where none \
                 will do and the site file has `[certificate.import]`, its certificate is imported with its key; where \
                 it has `request` instead, one request is made, its text kept below `received/` of the run \
                 directory, and the step fails until the certificate that answers it has been imported by hand. \
                 Without either it only reports.",
        changes: "with `import`: the store of the server, by `Import-ExchangeCertificate` with `FileData`, `Password` \
                  (a secure string) and `Server`; with `request`: a key and its request in the store `REQUEST`",
        rights: "local administrator of the server; to import or request, Server Management or Organization Management",
    },
    About {
        id: "backend.virtual-directory-off",
        part: "S8",
        checks: "The back end's OWA directory has no InstantMessagingType but None; that messaging is enabled there is \
                 the default and means nothing. A drift is not repaired: the type is taken out by hand. Not for \
                 Exchange 2010.",
        changes: REPORTS,
        rights: VIEW,
    },
    About {
        id: "backend.web-config",
        part: "S9",
        checks: "appSettings of the back end's Web.config gives IMCertificateThumbprint and IMServerName, once each, \
                 the values that the certificate found and the Lync pool ask for. Exchange 2013 only.",
        changes: "those two keys and no other byte; the file is copied first, and written only if it still is what was \
                  read",
        rights: ADMINISTRATOR,
    },
    About {
        id: "backend.recycle",
        part: "S10",
        checks: "The worker process of OWA's application pool started after the last write of Web.config.",
        changes: "recycles the pool, one server of a group at a time; never sent twice",
        rights: ADMINISTRATOR,
    },
    About {
        id: "mailbox.users",
        part: "S12",
        checks: "For each user of `[users] sample`: the mailbox is on one of the backends and of its generation, OWA is \
                 on, the policy in force is in scope, there is a SIP address.",
        changes: REPORTS,
        rights: VIEW,
    },
    About {
        id: "mailbox.lync-users",
        part: "S12",
        checks: "For each user of `[users] sample`, where the site file has a Front End: Lync knows the user, who is \
                 enabled there, under a SIP address that is one of the mailbox's, and homed on a pool that has a \
                 Registrar. Asks another server than `mailbox.users`, and hides nothing of what that one says.",
        changes: REPORTS,
        rights: "CsViewOnlyAdministrator",
    },
    About {
        id: "verify.event-112",
        part: "S13",
        checks: "Since the worker process started, OWA's newest event about messaging is 112. None yet means that \
                 nobody has signed on; any other says what to look at.",
        changes: REPORTS,
        rights: ADMINISTRATOR,
    },
    About {
        id: "verify.log-folder",
        part: "S13",
        checks: "The folder of the messaging log is there once somebody has signed on. Not for Exchange 2010.",
        changes: REPORTS,
        rights: ADMINISTRATOR,
    },
    About {
        id: "verify.lync-events",
        part: "S13",
        checks: "The events of each Front End leave the trusted pool among the servers that it knows, and a backend that \
                 Lync finds by itself there once. On failure it says where tracing starts; what the log does not tell \
                 is unknown.",
        changes: REPORTS,
        rights: "Event Log Readers on the Front End",
    },
    About {
        id: "cas.owa-virtual-directory-off",
        part: "S14",
        checks: "InstantMessagingEnabled is false in every front-end directory of the server.",
        changes: "that property, directory by directory, at the domain controller that was read; the type stays",
        rights: SERVERS,
    },
];

const BACKEND: &str = "atl-mbx-001";

/// A bench on which the steps before have been, with that version of PowerShell.
fn bench(powershell: u32) -> Bench {
    let file = WebConfigState {
        path: path(r"D:\Exchange\ClientAccess\Owa\web.config"),
        found: "A".into(),
        wanted: "A".into(),
        backup: path(r"D:\Exchange\ClientAccess\Owa\web.config.bak"),
        written: Some(at("2026-11-23T09:30:00Z")),
    };
    let decision = PoolDecision {
        backends: vec![BackendDecision {
            backend: host(BACKEND),
            need: PoolNeed::Required,
            why: String::new(),
        }],
    };
    let split = UnifiedMessaging {
        service: true,
        call_router: false,
        sip_dial_plan: true,
        joins: false,
    };
    let mut bench = Bench::new();
    bench.site.certificate.request = true;
    bench
        .knows(BACKEND, Fact::UnifiedMessaging(split))
        .knows("atl-cs-001", Fact::TrustedPool(decision))
        .powershell(BACKEND, powershell)
        .powershell("atl-cas-001", powershell)
        .knows(
            BACKEND,
            Fact::Certificate(Certificate {
                thumbprint: Thumbprint::new(&"A1".repeat(20)).unwrap(),
                subject: "atl-owa-001.litwareinc.com".into(),
                not_after: at("2028-01-01T00:00:00Z"),
            }),
        )
        .knows(BACKEND, Fact::WebConfig(file))
        .knows(
            BACKEND,
            Fact::WorkerStarted(Some(at("2026-11-23T09:00:00Z"))),
        )
}

/// What a freshly installed site answers, as far as further questions hang on it. `on`: what the
/// step would leave behind must be found otherwise.
fn answer(query: &Query, on: bool) -> PipelineOutput {
    const FILE: &[u8] = b"<configuration>\r\n  <appSettings/>\r\n</configuration>\r\n";
    let settings = |name: &str, identity: &str| {
        object([
            ("Name", name.into()),
            ("Identity", identity.into()),
            ("InstantMessagingEnabled", on.into()),
            ("InstantMessagingType", "None".into()),
            ("OriginatingServer", "atl-dc-001.litwareinc.com".into()),
        ])
    };
    match query.name {
        "directories" => {
            let name = "owa (Default Web Site)";
            gives([settings(name, &format!(r"ATL-CAS-001\{name}"))])
        }
        "services" => {
            gives(["MSExchangeUM", "MSExchangeUMCR"].map(|name| object([("Name", name.into())])))
        }
        "dial-plans" => gives([object([
            ("Name", "Atlanta".into()),
            ("URIType", "SipName".into()),
        ])]),
        "stores" | "pools" | "computers" | "applications" | "known-servers"
        | "discovered-servers" | "cs-pools" | "registrars" | "address" | "pending" => gives([]),
        "status" => gives([object([
            ("ReplicaFqdn", "atl-cs-001.litwareinc.com".into()),
            ("UpToDate", false.into()),
        ])]),
        "policies" => gives([settings("Default", "Default")]),
        "content" => gives([Value::Bytes(FILE.to_vec())]),
        "item" => gives([object([
            ("Length", i64::try_from(FILE.len()).unwrap().into()),
            ("LastWriteTimeUtc", date("2026-11-23T09:30:00Z")),
        ])]),
        "provider" => {
            let file =
                r"C:\Program Files\Microsoft UCMA 4.0\Runtime\SSP\Microsoft.Rtc.Internal.Ucweb.dll";
            gives([object([("ImplementationDLLPath", file.into())])])
        }
        "workers" => gives([object([
            (
                "CommandLine",
                "w3wp.exe -ap \"MSExchangeOWAAppPool\" -v \"v4.0\"".into(),
            ),
            ("CreationDate", date("2026-11-23T09:00:00Z")),
        ])]),
        "windows" => gives([object([("SystemRoot", r"C:\Windows".into())])]),
        _ => gives([object([("MsiProductMajor", 15.into())])]),
    }
}

/// What a step sends, in order and once each.
#[derive(Default)]
struct Sent {
    endpoints: BTreeSet<&'static str>,
    reads: Vec<String>,
    actions: Vec<String>,
}

fn add(list: &mut Vec<String>, line: String) {
    if !list.contains(&line) {
        list.push(line);
    }
}

fn sent(step: &dyn Step, powershell: u32) -> Sent {
    let mut bench = bench(powershell);
    let on = DISABLE_STEP_IDS.contains(&step.id());
    let asked = std::cell::RefCell::new(Sent::default());
    let (seen, _) = bench.look(step, |query| {
        let mut asked = asked.borrow_mut();
        asked.endpoints.insert(query.place.kind.name());
        add(&mut asked.reads, said(&query.pipeline));
        answer(query, on)
    });
    let mut sent = asked.into_inner();
    let actions: Vec<Action> = step.remedy(bench.context(), &seen).unwrap_or_default();
    for action in actions {
        sent.endpoints.insert(action.place.kind.name());
        add(&mut sent.actions, said(&action.pipeline));
    }
    sent
}

fn block(text: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = write!(text, "\n{title}:\n\n```text\n{}\n```\n", lines.join("\n"));
    }
}

fn section(step: &dyn Step) -> String {
    let about = ABOUT
        .iter()
        .find(|about| about.id == step.id())
        .unwrap_or_else(|| panic!("nothing is said about {}", step.id()));
    let newer = sent(step, 4);
    let older = sent(step, 2);
    let endpoints: Vec<&str> = newer.endpoints.iter().copied().collect();
    let before = |strength| -> String {
        let ids: Vec<String> = step
            .dependencies()
            .iter()
            .filter(|dependency| dependency.strength == strength)
            .map(|dependency| format!("`{}`", dependency.on))
            .collect();
        if ids.is_empty() {
            "nothing".into()
        } else {
            ids.join(", ")
        }
    };
    let mut text = format!(
        "\n## `{}`\n\n{}\n\n| | |\n|---|---|\n",
        about.id, about.checks
    );
    for (name, value) in [
        ("wanted", step.title()),
        ("procedure", about.part.into()),
        ("changes", about.changes.into()),
        ("endpoint", endpoints.join(", ")),
        ("rights", about.rights.into()),
        ("requires", before(Strength::Requires)),
        ("consults", before(Strength::Consults)),
        ("comes after", before(Strength::After)),
    ] {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    block(&mut text, "Reads", &newer.reads);
    block(&mut text, "Repairs a drift", &newer.actions);
    let only_older = |older: &[String], newer: &[String]| -> Vec<String> {
        older
            .iter()
            .filter(|line| !newer.contains(line))
            .cloned()
            .collect()
    };
    let mut differs = only_older(&older.reads, &newer.reads);
    differs.extend(only_older(&older.actions, &newer.actions));
    block(
        &mut text,
        "With Windows PowerShell 2.0 in their place",
        &differs,
    );
    text
}

fn reference() -> String {
    let mut text = String::from(
        "# The steps\n\n<!-- Made by a test: UPDATE_DOCS=1 cargo test -p owaim-steps -->\n\n\
         What each step checks, sends, changes and needs. The commands are those for one server of a site of Exchange \
         2013; arguments differ with names and versions, and switches stand for their being on. Bytes are shown by \
         their number. Every command is sent typed, never as text.\n\n\
         The parts of the procedure that there are steps for:\n\n",
    );
    for (part, title) in PROCEDURE {
        let _ = writeln!(text, "- {part}: {title}");
    }
    let first = |steps: Vec<Box<dyn Step>>, id: &str| {
        steps
            .into_iter()
            .find(|step| step.id() == id && step.target().host != host("atl-cas-002"))
            .unwrap_or_else(|| panic!("no step {id}"))
    };
    let site = Bench::new().site;
    for id in step_ids() {
        text += &section(first(steps_for(&site), id).as_ref());
    }
    let (part, title) = TURN_OFF;
    let _ = write!(
        text,
        "\n# The step of `disable`\n\nNot a part of the procedure but its end: {part}, {title}. It requires no other \
         step, so that it works while the rest is broken.\n"
    );
    for id in DISABLE_STEP_IDS {
        text += &section(first(disable_steps(&site), id).as_ref());
    }
    text
}

#[test]
fn the_reference_is_what_the_steps_do() {
    let known: BTreeSet<&str> = step_ids()
        .iter()
        .chain(&DISABLE_STEP_IDS)
        .copied()
        .collect();
    assert_eq!(ABOUT.len(), known.len());
    for about in &ABOUT {
        assert!(known.contains(about.id), "{} is no step", about.id);
        let parts = PROCEDURE.iter().chain([&TURN_OFF]);
        assert!(parts.into_iter().any(|(part, _)| *part == about.part));
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/steps.md");
    let fresh = reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(file, &fresh).unwrap();
    }
    let written = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        written == fresh,
        "docs/steps.md is not what the steps do: UPDATE_DOCS=1 cargo test -p owaim-steps writes it anew"
    );
}
