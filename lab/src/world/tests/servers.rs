//! IIS, processes, events, sign-ons; what is kept.

use super::*;

#[test]
fn appcmd_recycles_and_leaves_its_exit_code() {
    let lab = Lab::new("[hosts.\"box-b.fabrikam.test\"]\napp_pool = \"stopped\"\n");
    let code = |host: &str| {
        let command = Command::new("Get-Variable")
            .with("Name", "LASTEXITCODE")
            .switch("ValueOnly")
            .with("Scope", "Global");
        lab.windows(host, command)
            .objects()
            .next()
            .and_then(Value::as_i64)
    };
    assert_eq!(code(BOX), None, "nothing has run yet");
    let worker = |host: &str| {
        let command = Command::new("Get-CimInstance")
            .with("ClassName", "Win32_Process")
            .with("Filter", "Name='w3wp.exe'");
        let output = lab.windows(host, command);
        output.objects().next().map(|p| {
            (
                property(p, "ProcessId"),
                property(p, "CreationDate"),
                property(p, "CommandLine"),
            )
        })
    };
    let before = worker(BOX).expect("a worker");
    assert!(before.2.contains("-ap \"MSExchangeOWAAppPool\""));
    lab.recycle(BOX);
    assert_eq!(code(BOX), Some(0));
    let after = worker(BOX).expect("a worker");
    assert!(after.0 != before.0 && after.1 > before.1);
    assert_eq!(after.1, "2026-11-23T10:00:00+00:00");
    let record = lab
        .tape
        .0
        .lock()
        .expect("no panic")
        .iter()
        .find(|r| r.cmdlet.contains("appcmd"))
        .cloned()
        .expect("a record");
    assert!(record.changes && record.effect);
    let stopped = lab.windows(
        "box-b.fabrikam.test",
        appcmd(&["recycle", "apppool", "/apppool.name:MSExchangeOWAAppPool"]),
    );
    assert!(texts(&stopped)[0].starts_with("ERROR"));
    assert_eq!(code("box-b.fabrikam.test"), Some(1062));
    assert_eq!(worker("box-b.fabrikam.test"), None);
    let listed = lab.windows(BOX, appcmd(&["list", "wp"]));
    assert_eq!(
        texts(&listed),
        [format!(
            "WP \"{}\" (applicationPool:MSExchangeOWAAppPool)",
            after.0
        )]
    );
    assert!(!lab.last().changes);
    let pool = lab.windows(
        "box-b.fabrikam.test",
        Command::new("Get-WebAppPoolState").with("Name", "MSExchangeOWAAppPool"),
    );
    assert_eq!(
        property(pool.objects().next().expect("a state"), "Value"),
        "Stopped"
    );
    let wmi = Command::new("Get-WmiObject")
        .with("Class", "Win32_Process")
        .with("Filter", "Name = 'w3wp.exe'");
    let output = lab.windows(BOX, wmi);
    assert_eq!(
        property(output.objects().next().expect("a process"), "CreationDate"),
        "20261123100000.000000+000"
    );
}

#[test]
fn the_first_sign_on_after_a_recycle_writes_112() {
    let lab = Lab::new("");
    lab.configure();
    lab.pass(60);
    assert_eq!(lab.events(BOX), [0; 0], "nobody signs on without a recycle");
    lab.recycle(BOX);
    let none = lab.windows(
        BOX,
        Command::new("Get-WinEvent")
            .with("LogName", "Application")
            .with("FilterXPath", "*"),
    );
    assert_eq!(first_error(&none).id(), "NoMatchingEventsFound");
    lab.pass(3);
    assert_eq!(lab.events(BOX), [112]);
    let folder = "D:\\Mail\\Logging\\OWA\\InstantMessaging";
    let there = lab.windows(BOX, Command::new("Test-Path").with("LiteralPath", folder));
    assert_eq!(there.objects().next().and_then(Value::as_bool), Some(true));
    lab.recycle("box-c.fabrikam.test");
    lab.pass(60);
    assert_eq!(
        lab.events("box-c.fabrikam.test"),
        [0; 0],
        "the last backend has no users of its own"
    );
}

#[test]
fn a_worker_that_is_older_than_the_change_does_not_know_it() {
    let lab = Lab::new("[[sign_ons]]\nhost = \"box-a.fabrikam.test\"\nafter_recycle_s = 0\n");
    lab.recycle(BOX);
    lab.configure();
    lab.pass(60);
    assert_eq!(
        lab.events(BOX),
        [0; 0],
        "messaging was of no type when somebody signed on"
    );
    lab.write_settings("fe.fabrikam.test", "");
    lab.recycle(BOX);
    lab.write_settings("fe.fabrikam.test", &lab.thumbprint(BOX));
    assert_eq!(lab.events(BOX), [101]);
    lab.recycle(BOX);
    assert_eq!(lab.events(BOX), [101, 112]);
}

#[test]
fn every_defect_gets_its_event() {
    let site = |defect: &str| {
        format!(
            "[[defects]]\nhost = \"{BOX}\"\ndefect = \"{defect}\"\n[[sign_ons]]\nhost = \"{BOX}\"\nafter_recycle_s = 0\n"
        )
    };
    for (defect, expected) in [
        ("certificate-renewed", &[112][..]),
        ("certificate-missing-name", &[112]),
        ("certificate-expires-soon", &[106, 112]),
        ("certificate-expired", &[102]),
        ("certificate-not-yet-valid", &[104]),
        ("certificate-without-key", &[105]),
        ("provider-missing", &[83]),
        ("provider-key-missing", &[83]),
        ("runtime-missing", &[83]),
        ("provider-by-folder", &[112]),
        ("provider-file-missing", &[84]),
        ("refused-by-lync", &[88]),
    ] {
        let lab = Lab::new(&site(defect));
        lab.configure();
        lab.recycle(BOX);
        assert_eq!(lab.events(BOX), expected, "{defect}");
    }
    for (server, thumbprint, expected) in [
        ("", "", 100),
        ("not a name", "", 100),
        ("fe.fabrikam.test", "\u{200e}EA5A", 101),
        (
            "fe.fabrikam.test",
            "0123456789012345678901234567890123456789",
            103,
        ),
        ("edge.fabrikam.test", "good", 88),
    ] {
        let lab = Lab::new(&site("certificate-renewed"));
        lab.configure();
        let good = lab.thumbprint(BOX);
        lab.write_settings(
            server,
            if thumbprint == "good" {
                &good
            } else {
                thumbprint
            },
        );
        lab.recycle(BOX);
        assert_eq!(lab.events(BOX), [expected], "{server} {thumbprint}");
    }
}

#[test]
fn a_timetable_may_name_a_time_or_a_call() {
    let lab = Lab::new(&format!(
        "[[sign_ons]]\nhost = \"{BOX}\"\nat = \"2026-11-23T11:00:00Z\"\n[[sign_ons]]\nhost = \"box-b.fabrikam.test\"\nat_call = 12\n\
         [hosts.\"{BOX}\"]\nclock_skew_s = 3600\nworker = \"none\"\n"
    ));
    lab.configure();
    lab.pass(7200);
    let filter = "*[System[EventID=112 and TimeCreated[@SystemTime>='2026-11-23T12:00:00Z']]]";
    let command = Command::new("Get-WinEvent")
        .with("LogName", "Application")
        .with("FilterXPath", filter);
    let output = lab.windows(BOX, command);
    let event = output
        .objects()
        .next()
        .expect("the sign-on, by the server's clock");
    assert_eq!(property(event, "TimeCreated"), "2026-11-23T12:00:00+00:00");
    let date = lab.windows(BOX, Command::new("Get-Date"));
    assert_eq!(texts(&date)[0], "2026-11-23T13:00:10+00:00");
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids = lab.events("box-b.fabrikam.test");
    }
    assert_eq!(ids, [100], "its file has no server name");
}

#[test]
fn a_list_in_a_hash_table_matches_nothing() {
    let lab = Lab::new(&format!(
        "[[sign_ons]]\nhost = \"{BOX}\"\nafter_recycle_s = 0\n"
    ));
    lab.configure();
    lab.recycle(BOX);
    let table = |id: Value| {
        let entries = vec![("LogName".into(), "Application".into()), ("Id".into(), id)];
        Command::new("Get-WinEvent").with("FilterHashtable", Object::hashtable(entries))
    };
    assert_eq!(lab.windows(BOX, table(112.into())).objects().count(), 1);
    let list = lab.windows(BOX, table(vec![Value::from(112), 88.into()].into()));
    assert_eq!(list.objects().count(), 0);
    let old = lab.windows(
        BOX,
        Command::new("Get-EventLog")
            .arg("Application")
            .with("Source", "MSExchange OWA"),
    );
    assert_eq!(
        old.objects()
            .next()
            .and_then(|e| e.get("EventID")?.as_i64()),
        Some(112)
    );
}

#[test]
fn the_state_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let thumbprint = {
        let lab = Lab::kept(
            &format!("[[sign_ons]]\nhost = \"{BOX}\"\nafter_recycle_s = 0\n"),
            Some(folder.path()),
        );
        lab.configure();
        lab.recycle(BOX);
        assert_eq!(lab.events(BOX), [112]);
        lab.thumbprint(BOX)
    };
    // The overlay shapes the first state only.
    let lab = Lab::kept("[policies.Other]\ntype = \"Ocs\"\n", Some(folder.path()));
    assert_eq!(
        (lab.events(BOX), lab.thumbprint(BOX)),
        (vec![112], thumbprint)
    );
    assert_eq!(
        lab.exchange(Command::new("Get-OwaMailboxPolicy"))
            .objects()
            .count(),
        2
    );
    let renamed = SITE.replace("box-b", "box-x");
    let site = owaim_inventory::parse("site.toml", &renamed).expect("the site is valid");
    let tape: Arc<dyn Recorder> = Arc::new(Tape::default());
    let error = World::open(&site, &Overlay::default(), Some(folder.path()), tape);
    let error = error.map(|_| ()).expect_err("another site").to_string();
    assert!(
        error.contains("has no server box-x.fabrikam.test"),
        "{error}"
    );
    std::fs::write(folder.path().join("state.json"), "{}").expect("written");
    let site = owaim_inventory::parse("site.toml", SITE).expect("the site is valid");
    let tape: Arc<dyn Recorder> = Arc::new(Tape::default());
    let error = World::open(&site, &Overlay::default(), Some(folder.path()), tape)
        .map(|_| ())
        .expect_err("no state");
    assert!(error.to_string().contains("not a saved state"), "{error}");
}

#[test]
fn an_overlay_that_names_what_is_not_there_is_refused() {
    let site = owaim_inventory::parse("site.toml", SITE).expect("the site is valid");
    for (text, expected) in [
        (
            "[hosts.\"other.fabrikam.test\"]\ndown = true\n",
            "other.fabrikam.test",
        ),
        (
            "[virtual_directories.'X\\owa']\nenabled = true\n",
            "X\\\\owa",
        ),
        (
            "[hosts.\"box-a.fabrikam.test\".files]\n'C:\\x' = 'nowhere'\n",
            "cannot read nowhere",
        ),
    ] {
        let overlay = Overlay::parse("lab.toml", text).expect("an overlay");
        let tape: Arc<dyn Recorder> = Arc::new(Tape::default());
        let error = World::open(&site, &overlay, None, tape)
            .map(|_| ())
            .expect_err(text)
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn records_hold_no_secrets() {
    let lab = Lab::new("");
    let secret = Value::from(owaim_proto::Secret::new("canary".into()));
    let credential = Object::new()
        .with_types(["System.Management.Automation.PSCredential", "System.Object"])
        .with("Password", secret.clone());
    for command in [
        Command::new("Get-Content")
            .with("Path", WEB_CONFIG)
            .with("Credential", credential),
        Command::new("Get-Content")
            .with("Path", WEB_CONFIG)
            .with("Passwrd", "canary"),
        Command::new("Write-Output").with("InputObject", secret),
    ] {
        lab.windows(BOX, command);
        let line = serde_json::to_string(&lab.last()).expect("JSON");
        assert!(!line.contains("canary"), "{line}");
    }
}

#[test]
fn a_session_tells_its_language_and_its_configurations() {
    let lab = Lab::new("");
    let context = Command::new("Get-Variable")
        .with("Name", "ExecutionContext")
        .switch("ValueOnly");
    let pipeline = Pipeline::new(context)
        .pipe(Command::new("Select-Object").with("ExpandProperty", "SessionState"))
        .pipe(Command::new("Select-Object").with("Property", Value::from("LanguageMode")));
    let output = lab.windows(BOX, pipeline);
    let state = output.objects().next().expect("a state");
    assert_eq!(property(state, "LanguageMode"), "FullLanguage");
    let names = |command: Command| -> Vec<String> {
        let output = lab.windows(BOX, command);
        output.objects().map(|one| property(one, "Name")).collect()
    };
    let all = names(Command::new("Get-PSSessionConfiguration"));
    assert!(all.contains(&"microsoft.powershell".to_owned()), "{all:?}");
    let none = lab.windows(
        BOX,
        Command::new("Get-PSSessionConfiguration").with("Name", "nobody"),
    );
    assert_eq!(none.errors().count(), 1);
}
