//! The topology from its change to its effect: published, enabled, replicated, known to the
//! Front Ends, and felt by the user who signs on.

use owaim_inventory::EndpointKind::{Lync, LyncLocal};

use super::*;

const POOL: &str = "im.fabrikam.test";

fn ask(name: &str) -> Command {
    Command::new(name)
}

fn new_pool(site: &str, registrar: &str) -> Command {
    ask("New-CsTrustedApplicationPool")
        .with("Identity", POOL)
        .with("Registrar", registrar)
        .with("Site", site)
        .with("RequiresReplication", false)
        .with("Confirm", false)
}

fn new_application(id: &str, port: i32) -> Command {
    ask("New-CsTrustedApplication")
        .with("ApplicationId", id)
        .with("TrustedApplicationPoolFqdn", POOL)
        .with("Port", port)
}

impl Lab {
    fn lync_events(&self, host: &str) -> Vec<(i64, String)> {
        let command = ask("Get-WinEvent")
            .with("LogName", "Lync Server")
            .switch("Oldest");
        self.windows(host, command)
            .objects()
            .map(|e| {
                let id = e.get("Id").and_then(Value::as_i64).expect("an id");
                (id, property(e, "Message"))
            })
            .collect()
    }

    /// What the next user who signs on at [`BOX`] meets.
    fn sign_on(&self) -> Vec<i64> {
        let before = self.events(BOX).len();
        self.recycle(BOX);
        self.pass(10);
        self.events(BOX).split_off(before)
    }

    fn enable(&self) {
        assert!(self.lync(LyncLocal, ask("Enable-CsTopology")).is_clean());
    }

    fn up_to_date(&self) -> Vec<(String, String)> {
        self.lync(Lync, ask("Get-CsManagementStoreReplicationStatus"))
            .objects()
            .map(|r| (property(r, "ReplicaFqdn"), property(r, "UpToDate")))
            .collect()
    }

    fn code(&self, command: Command) -> String {
        let output = self.lync(Lync, command);
        match &output.state {
            PipelineState::Failed(error) => error.error_id.clone(),
            _ => output
                .errors()
                .next()
                .map_or_else(|| "ok".into(), |e| e.error_id.clone()),
        }
    }
}

#[test]
fn a_topology_takes_effect_when_it_is_enabled_and_has_arrived() {
    let lab = Lab::with_lync("[lync]\nreplication_delay_s = 30");
    lab.configure();
    assert_eq!(lab.sign_on(), [88], "nobody knows the server");
    let output = lab.lync(Lync, new_pool("HQ", "fe.fabrikam.test"));
    let warned = |o: &PipelineOutput| {
        o.records
            .iter()
            .any(|r| matches!(r, Record::Warning(text) if text.contains("Enable-CsTopology")))
    };
    assert!(output.is_clean() && warned(&output) && lab.last().effect);
    let pool = output.objects().next().expect("the pool");
    for (name, expected) in [
        ("Identity", "TrustedApplicationPool:im.fabrikam.test"),
        ("PoolFqdn", POOL),
        ("Registrar", "Registrar:fe.fabrikam.test"),
        ("SiteId", "Site:HQ-Central"),
        ("RequiresReplication", "False"),
        ("ThrottleAsServer", "True"),
        ("TreatAsAuthenticated", "True"),
        ("Version", "6"),
        ("ServiceId", "HQ-ExternalServer-1"),
    ] {
        assert_eq!(property(pool, name), expected);
    }
    let output = lab.lync(Lync, new_application("Mail", 5201));
    let application = output.objects().next().expect("the application");
    assert_eq!(
        property(application, "Identity"),
        "im.fabrikam.test/urn:application:mail"
    );
    let computers = lab.lync(Lync, ask("Get-CsTrustedApplicationComputer"));
    assert_eq!(
        property(computers.objects().next().expect("one"), "Fqdn"),
        POOL
    );
    assert_eq!(lab.sign_on(), [88], "published is not enabled");
    assert!(lab.up_to_date().iter().all(|(_, done)| done == "True"));

    lab.enable();
    assert!(lab.last().effect && lab.last().endpoint == "lync-local");
    assert!(lab.up_to_date().iter().all(|(_, done)| done == "False"));
    assert_eq!(lab.sign_on(), [88], "enabled is not arrived");
    lab.pass(30);
    assert!(lab.up_to_date().iter().all(|(_, done)| done == "True"));
    for host in [FE, "fe2.fabrikam.test"] {
        let added: Vec<_> = lab
            .lync_events(host)
            .into_iter()
            .filter(|(id, _)| *id == 14_493)
            .collect();
        assert!(
            matches!(added.as_slice(), [(_, text)] if text.contains(POOL)),
            "{added:?}"
        );
    }
    assert_eq!(lab.sign_on(), [112]);

    lab.enable();
    assert!(!lab.last().effect, "nothing is different");
    let remove = ask("Remove-CsTrustedApplicationPool").with("Identity", POOL);
    assert!(warned(&lab.lync(Lync, remove)));
    assert_eq!(lab.sign_on(), [112]);
    lab.enable();
    lab.pass(30);
    assert_eq!(lab.sign_on(), [88]);
    assert!(
        lab.lync_events(FE)
            .iter()
            .any(|(id, text)| *id == 14_495 && text.contains(POOL))
    );
    assert_eq!(
        lab.lync(Lync, ask("Get-CsTrustedApplication"))
            .objects()
            .count(),
        0
    );
}

#[test]
fn mistakes_are_refused() {
    let lab = Lab::with_lync("");
    assert_eq!(lab.code(new_pool("HQ", "fe.fabrikam.test")), "ok");
    assert_eq!(lab.code(new_application("Mail", 5201)), "ok");
    let pool = |name: &str| {
        ask("New-CsTrustedApplicationPool")
            .with("Identity", name)
            .with("Confirm", false)
    };
    let computer = |name: &str| {
        ask("New-CsTrustedApplicationComputer")
            .with("Identity", name)
            .with("Pool", POOL)
            .with("Confirm", false)
    };
    let get = |name: &str| ask("Get-CsTrustedApplication").with("Identity", name);
    let port = |port: i32| {
        ask("Set-CsTrustedApplication")
            .with("Identity", "im.fabrikam.test/mail")
            .with("Port", port)
    };
    for (command, expected) in [
        (new_pool("HQ", "fe.fabrikam.test"), "ObjectAlreadyExists"),
        (
            pool("a.fabrikam.test").with("Site", "HQ HQ"),
            "ObjectNotFound",
        ),
        (
            pool("a.fabrikam.test").with("Site", "Site:HQ-Central"),
            "ObjectNotFound",
        ),
        (
            pool("a.fabrikam.test").with("Registrar", "no.fabrikam.test"),
            "ObjectNotFound",
        ),
        (pool("fe.fabrikam.test"), "ObjectAlreadyExists"),
        (pool("fe2.fabrikam.test"), "ObjectAlreadyExists"),
        (pool("short"), "InvalidValue"),
        (computer("a.fabrikam.test"), "InvalidOperation"),
        (new_application("mail", 5300), "ObjectAlreadyExists"),
        (new_application("Other", 5201), "ObjectAlreadyExists"),
        (new_application("Two Words", 5300), "InvalidValue"),
        (new_application("Other", 0), "InvalidValue"),
        (get("im.fabrikam.test/nothing"), "ObjectNotFound"),
        (get("im.fabrikam.test/MAIL"), "ok"),
        (get("im.fabrikam.test/urn:application:mail"), "ok"),
        (port(70_000), "InvalidValue"),
        (port(5202), "ok"),
        (
            ask("Get-CsTrustedApplicationPool").with("Identity", "no.fabrikam.test"),
            "ObjectNotFound",
        ),
        (
            ask("Set-CsTrustedApplicationPool")
                .with("Identity", POOL)
                .with("Registrar", "Registrar:fe.fabrikam.test")
                .with("RequiresReplication", true),
            "ok",
        ),
        (
            ask("Remove-CsTrustedApplicationPool").with("Identity", "no.fabrikam.test"),
            "ObjectNotFound",
        ),
        (
            ask("Remove-CsTrustedApplication").with("Identity", "im.fabrikam.test/mail"),
            "ok",
        ),
    ] {
        let found = lab.code(command.clone());
        assert!(
            found
                .split(',')
                .next()
                .is_some_and(|id| id.ends_with(expected)),
            "{command:?}: {found}"
        );
    }
    let unhomed = pool("b.fabrikam.test").with("ComputerFqdn", "c.fabrikam.test");
    assert_eq!(lab.code(unhomed), "ok");
    let remove = ask("Remove-CsTrustedApplicationPool").with("Identity", "b.fabrikam.test");
    assert!(
        lab.code(remove).contains("InvalidOperation"),
        "no registrar"
    );
}

#[test]
fn names_without_account_are_asked_about() {
    let lab = Lab::with_lync("[lync]\ncomputer_accounts = [\"known.fabrikam.test\"]");
    let pool = |name: &str| ask("New-CsTrustedApplicationPool").with("Identity", name);
    let asks = |command: Command| {
        let pipeline = Pipeline::new(command);
        matches!(lab.execute(FE, Lync, &pipeline), Execution::Prompt { .. })
    };
    for (command, expected) in [
        (pool("known.fabrikam.test"), false),
        (pool("a.fabrikam.test"), true),
        (pool("b.fabrikam.test").switch("Force"), false),
        (pool("c.fabrikam.test").with("Confirm", false), false),
        (pool("d.fabrikam.test").with("ComputerFqdn", BOX), false),
    ] {
        assert_eq!(asks(command.clone()), expected, "{command:?}");
    }
    let output = finished(lab.execute(
        FE,
        EndpointKind::Windows,
        &Pipeline::new(pool("e.fabrikam.test")),
    ));
    assert!(
        first_error(&output).error_id.contains("SqlConnection")
            || matches!(&output.state, PipelineState::Failed(e) if e.error_id.contains("SqlConnection"))
    );
}

#[test]
fn replicas_behave_as_the_overlay_says() {
    let lab = Lab::with_lync(
        "[lync.replicas]\n\"edge.fabrikam.test\" = \"never\"\n\"fe2.fabrikam.test\" = \"when-invoked\"\n\
         [[lync.trusted_pools]]\nrequires_replication = true",
    );
    let expect = |states: [(&str, &str); 4]| {
        let states = states.map(|(n, d)| (n.to_owned(), d.to_owned()));
        assert_eq!(lab.up_to_date(), states);
    };
    expect([
        ("edge.fabrikam.test", "False"),
        (FE, "True"),
        ("fe2.fabrikam.test", "True"),
        (POOL, "False"),
    ]);
    let set = ask("Set-CsTrustedApplication")
        .with("Identity", "im.fabrikam.test/Mail")
        .with("Port", 5300);
    assert_eq!(lab.code(set), "ok");
    lab.enable();
    lab.pass(3600);
    expect([
        ("edge.fabrikam.test", "False"),
        (FE, "True"),
        ("fe2.fabrikam.test", "False"),
        (POOL, "False"),
    ]);
    assert_eq!(lab.code(ask("Invoke-CsManagementStoreReplication")), "ok");
    assert!(lab.last().effect);
    lab.pass(1);
    assert_eq!(lab.up_to_date()[2].1, "True");
    let fix = ask("Set-CsTrustedApplicationPool")
        .with("Identity", POOL)
        .with("RequiresReplication", false);
    assert_eq!(lab.code(fix), "ok");
    lab.enable();
    lab.pass(10);
    assert_eq!(
        lab.up_to_date().len(),
        3,
        "the pool has no replica any more"
    );
}

#[test]
fn defects_of_the_topology_are_felt_or_not() {
    let pool = |text: &str| format!("[[lync.trusted_pools]]\n{text}\n");
    for (overlay, expected) in [
        (String::new(), 88),
        (pool(""), 112),
        (pool("pending = true"), 88),
        (pool("requires_replication = true"), 112),
        (pool("applications = [{ id = \"Mail\", port = 6000 }]"), 112),
        (pool("applications = []"), 88),
        (pool("fqdn = \"other.fabrikam.test\""), 88),
        (
            pool("fqdn = \"other.fabrikam.test\"\ncomputers = [\"im.fabrikam.test\"]"),
            112,
        ),
        (
            pool("registrar = \"old.fabrikam.test\"")
                + "[[lync.pools]]\nfqdn = \"old.fabrikam.test\"",
            88,
        ),
        (
            pool("") + "[lync]\ndiscovered = [\"box-b.fabrikam.test\"]",
            112,
        ),
        (
            pool("") + "[lync]\ndiscovered = [\"box-a.fabrikam.test\"]",
            88,
        ),
        (
            pool("") + "[lync.replicas]\n\"edge.fabrikam.test\" = \"never\"",
            112,
        ),
        (
            pool("") + "[[defects]]\nhost = \"box-a.fabrikam.test\"\ndefect = \"refused-by-lync\"",
            88,
        ),
        (
            pool("") + "[[defects]]\nhost = \"box-a.fabrikam.test\"\ndefect = \"root-missing\"",
            88,
        ),
        (
            pool("")
                + "[[defects]]\nhost = \"fe1.fabrikam.test\"\ndefect = \"root-missing\"\n\
                   [[defects]]\nhost = \"fe2.fabrikam.test\"\ndefect = \"root-missing\"",
            88,
        ),
    ] {
        let lab = Lab::with_lync(&overlay);
        lab.configure();
        assert_eq!(lab.sign_on(), [expected], "{overlay}");
    }
}

#[test]
fn a_user_whom_lync_does_not_serve_meets_an_error() {
    let user = |lync: &str| {
        format!(
            "[[lync.trusted_pools]]\n[[users]]\nname = \"Ken\"\nprincipal = \"ken@fabrikam.test\"\n\
             server = \"{BOX}\"\npolicy = \"Default\"\nsip_address = \"sip:ken@fabrikam.test\"\n{lync}\n\
             [[sign_ons]]\nhost = \"{BOX}\"\nuser = \"ken@fabrikam.test\"\nafter_recycle_s = 1"
        )
    };
    for (lync, expected) in [
        ("", &[112][..]),
        ("lync.enabled = false", &[112, 88]),
        ("lync.known = false", &[112, 88]),
        ("lync.sip_address = \"sip:k@fabrikam.test\"", &[112, 88]),
        ("lync.registrar = \"gone.fabrikam.test\"", &[112, 88]),
    ] {
        let lab = Lab::with_lync(&user(lync));
        lab.configure();
        assert_eq!(lab.sign_on(), expected, "{lync}");
    }
}

#[test]
fn endpoints_of_an_application_come_and_go() {
    let lab = Lab::with_lync("[[lync.trusted_pools]]");
    let new = ask("New-CsTrustedApplicationEndpoint")
        .with("ApplicationId", "Mail")
        .with("TrustedApplicationPoolFqdn", POOL)
        .with("SipAddress", "sip:mail@fabrikam.test")
        .with("DisplayName", "Mail");
    assert_eq!(lab.code(new.clone()), "ok");
    assert!(lab.code(new).contains("ObjectAlreadyExists"));
    let count = || {
        lab.lync(Lync, ask("Get-CsTrustedApplicationEndpoint"))
            .objects()
            .count()
    };
    assert_eq!(count(), 1);
    lab.enable();
    assert!(!lab.last().effect, "it is no part of the topology");
    let remove =
        ask("Remove-CsTrustedApplicationEndpoint").with("Identity", "sip:mail@fabrikam.test");
    assert_eq!((lab.code(remove), count()), ("ok".into(), 0));
}
