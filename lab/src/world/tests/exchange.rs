//! The Exchange endpoint: directories, policies, servers, prompts.

use super::*;

fn get() -> Command {
    Command::new("Get-OwaVirtualDirectory").switch("ADPropertiesOnly")
}

#[test]
fn directories_are_shown_as_exchange_does() {
    let lab = Lab::new("");
    let output = lab.exchange(get());
    let names: Vec<String> = output.objects().map(|v| property(v, "Identity")).collect();
    assert_eq!(names, ["FRONT\\owa (Default Web Site)"], "front ends only");
    let first = output.objects().next().expect("one");
    assert_eq!(property(first, "InstantMessagingType"), "None");
    assert_eq!(
        first
            .get("InstantMessagingEnabled")
            .and_then(Value::as_bool),
        Some(true)
    );
    assert!(
        first.get("SerializationData").is_some()
            && first.get("WebSite").and_then(Value::text).as_deref() == Some("")
    );
    let all = lab.exchange(get().switch("ShowMailboxVirtualDirectories"));
    assert_eq!(all.objects().count(), 4);
    let by_server = lab.exchange(
        get()
            .with("Server", "BOX-A")
            .switch("ShowMailboxVirtualDirectories"),
    );
    assert_eq!(
        property(by_server.objects().next().expect("one"), "Identity"),
        "BOX-A\\owa (Exchange Back End)"
    );
    let full = Lab::new("nested = \"full\"").exchange(get());
    let kind = full
        .objects()
        .next()
        .and_then(|v| v.get("InstantMessagingType").cloned())
        .expect("a type");
    assert_eq!(
        (kind.text().as_deref(), kind.as_i64()),
        (Some("None"), Some(0))
    );
}

#[test]
fn a_write_is_seen_on_its_controller_first() {
    let lab = Lab::new("replication_delay_s = 30");
    let identity = "front\\OWA (default web site)";
    let set = Command::new("Set-OwaVirtualDirectory")
        .with("Identity", identity)
        .with("InstantMessagingType", "OCS");
    let dc = |name: &str| format!("{name}.fabrikam.test");
    assert!(
        lab.exchange(set.clone().with("DomainController", dc("dc02")))
            .is_clean()
    );
    assert!(lab.last().effect);
    let seen = |name: &str| {
        let output = lab.exchange(
            get()
                .with("Identity", identity)
                .with("DomainController", dc(name)),
        );
        let object = output.objects().next().cloned().expect("one");
        assert_eq!(property(&object, "OriginatingServer"), dc(name));
        property(&object, "InstantMessagingType")
    };
    assert_eq!((seen("dc02"), seen("dc01")), ("Ocs".into(), "None".into()));
    lab.pass(30);
    assert_eq!(seen("dc01"), "Ocs");
    let again = lab.exchange(set);
    assert!(again.is_clean() && !lab.last().effect && lab.last().changes);
    assert!(
        again
            .records
            .iter()
            .any(|r| matches!(r, Record::Warning(text) if text.contains("no settings")))
    );
}

#[test]
fn policies_are_read_and_set() {
    let lab = Lab::new("[policies.Assistants]\nenabled = false\n");
    let names = |lab: &Lab| {
        let output = lab.exchange(Command::new("Get-OwaMailboxPolicy"));
        output
            .objects()
            .map(|p| (property(p, "Name"), property(p, "InstantMessagingType")))
            .collect::<Vec<_>>()
    };
    let pair = |n: &str, t: &str| (n.to_owned(), t.to_owned());
    assert_eq!(
        names(&lab),
        [
            pair("Default", "None"),
            pair("Clerks", "None"),
            pair("Assistants", "None")
        ]
    );
    let set = Command::new("Set-OwaMailboxPolicy")
        .with("Identity", "clerks")
        .with("InstantMessagingType", 1);
    assert!(lab.exchange(set).is_clean());
    assert_eq!(names(&lab)[1], pair("Clerks", "Ocs"));
}

#[test]
fn mistakes_get_the_errors_of_exchange() {
    let lab = Lab::new("");
    let set = |value: Value| {
        Command::new("Set-OwaVirtualDirectory")
            .with("Identity", "x")
            .with("InstantMessagingType", value)
    };
    for (command, expected, code) in [
        (set("Ocs".into()), "ManagementObjectNotFoundException", 0),
        (set("Jabber".into()), "CannotConvertArgumentNoMessage", 5),
        (
            Command::new("Set-OwaVirtualDirectory"),
            "MissingMandatoryParameter",
            5,
        ),
        (
            get().with("Identity", "nothing"),
            "ManagementObjectNotFoundException",
            0,
        ),
        (
            get().with("Server", "nothing"),
            "ManagementObjectNotFoundException",
            0,
        ),
        (
            get().with("DomainController", "nothing.fabrikam.test"),
            "SuitabilityDirectoryException",
            6,
        ),
        (get().with("Nothing", 1), "NamedParameterNotFound", 5),
        (
            Command::new("Get-Content").arg("x"),
            "CommandNotFoundException",
            13,
        ),
        (
            Command::new("Get-ClientAccessService"),
            "CommandNotFoundException",
            13,
        ),
        (
            Command::script("Get-OwaVirtualDirectory"),
            "ScriptsNotAllowed",
            17,
        ),
        (
            Command::new("C:\\Windows\\System32\\inetsrv\\appcmd.exe"),
            "CommandNotFoundException",
            13,
        ),
    ] {
        let output = lab.exchange(command.clone());
        let error = first_error(&output);
        assert!(
            error.error_id.contains(expected),
            "{command:?}: {}",
            error.error_id
        );
        assert_eq!(error.category.code, code, "{command:?}");
        assert!(error.raw.get("FullyQualifiedErrorId").is_some());
        assert!(!lab.last().effect && lab.last().result != "ok");
    }
}

#[test]
fn servers_certificates_and_mailboxes_are_shown() {
    let lab = Lab::new("[hosts.\"box-b.fabrikam.test\"]\nmaintenance = true\n");
    let server = lab.exchange(Command::new("Get-ExchangeServer").with("Identity", BOX));
    let server = server.objects().next().expect("a server");
    assert_eq!(
        property(server, "AdminDisplayVersion"),
        "Version 15.0 (Build 1497.2)"
    );
    assert_eq!(
        (property(server, "Fqdn"), property(server, "Name")),
        (BOX.into(), "BOX-A".into())
    );
    assert_eq!(
        (
            property(server, "ServerRole"),
            property(server, "IsClientAccessServer")
        ),
        ("Mailbox".into(), "False".into())
    );
    let certificates =
        lab.exchange(Command::new("Get-ExchangeCertificate").with("Server", "box-a"));
    let readable: Vec<&str> = certificates
        .objects()
        .flat_map(|c| {
            c.as_object()
                .expect("an object")
                .adapted
                .iter()
                .map(|(name, _)| name.as_str())
        })
        .collect();
    assert_eq!(readable, ["RawData", "RawData"]);
    let state = |host: &str| {
        let command = Command::new("Get-ServerComponentState")
            .with("Identity", host)
            .with("Component", "OwaProxy");
        property(
            lab.exchange(command).objects().next().expect("a component"),
            "State",
        )
    };
    assert_eq!(
        (state("box-a"), state("box-b.fabrikam.test")),
        ("Active".into(), "Inactive".into())
    );
    let mailbox =
        lab.exchange(Command::new("Get-CASMailbox").with("Identity", "user1@fabrikam.test"));
    assert_eq!(
        property(
            mailbox.objects().next().expect("a mailbox"),
            "OwaMailboxPolicy"
        ),
        "Default"
    );
}

#[test]
fn a_prompt_waits_for_its_answer() {
    let ask = Command::new("Set-OwaMailboxPolicy")
        .with("Identity", "Default")
        .with("InstantMessagingType", "Ocs")
        .switch("Confirm");
    for (answer, changed, failed) in [
        (Ok(Value::Int32(0)), true, false),
        (Ok(Value::Int32(2)), false, false),
        (Err("not interactive".to_owned()), false, true),
    ] {
        let lab = Lab::new("");
        let Execution::Prompt { call, resume, .. } =
            lab.execute(FRONT, EndpointKind::Exchange, &Pipeline::new(ask.clone()))
        else {
            panic!("no prompt");
        };
        assert_eq!(
            (call.method, call.method_name.as_str(), call.call_id),
            (26, "PromptForChoice", 1)
        );
        let output = finished(resume(answer));
        assert_eq!(matches!(output.state, PipelineState::Failed(_)), failed);
        let policy = lab.exchange(Command::new("Get-OwaMailboxPolicy").with("Identity", "Default"));
        let kind = property(
            policy.objects().next().expect("a policy"),
            "InstantMessagingType",
        );
        assert_eq!(kind == "Ocs", changed);
    }
}
