//! `cas.owa-virtual-directory`, its opposite, and `mailbox.policy`

use owaim_inventory::{HostName, PowerShellVersion};
use owaim_proto::clixml::{Limits, Object, Value, decode_document};
use owaim_proto::psrp::PipelineOutput;

use super::bench::{Bench, check, fails, gives, host, no_such_command, object, said};
use crate::cas_owa_virtual_directory::OwaVirtualDirectory;
use crate::cas_owa_virtual_directory_off::OwaVirtualDirectoryOff;
use crate::mailbox_policy::{MailboxPolicy, Which};
use crate::{Fact, Step};

fn none() -> Value {
    Object::enumeration(
        "Microsoft.Exchange.Data.Directory.SystemConfiguration.InstantMessagingTypeOptions",
        "None",
        0,
    )
    .into()
}

fn ocs() -> Value {
    Object::enumeration(
        "Microsoft.Exchange.Data.Directory.SystemConfiguration.InstantMessagingTypeOptions",
        "Ocs",
        1,
    )
    .into()
}

fn directory(name: &str, enabled: bool, kind: Value) -> Value {
    object([
        ("Name", name.into()),
        (
            "Identity",
            Object::new()
                .with_string(format!(r"ATL-CAS-001\{name}"))
                .into(),
        ),
        ("OwaVersion", "Exchange2013".into()),
        ("InstantMessagingEnabled", enabled.into()),
        ("InstantMessagingType", kind),
        ("OriginatingServer", "atl-dc-001.litwareinc.com".into()),
    ])
}

const FRONT: &str = "owa (Default Web Site)";

fn step() -> OwaVirtualDirectory {
    OwaVirtualDirectory {
        host: host("atl-cas-001"),
    }
}

#[test]
fn front_end_directories_are_compared_by_value() {
    let drifted = r"drifted: ATL-CAS-001\owa (Default Web Site): InstantMessaging";
    for (name, output, expected) in [
        (
            "default state",
            gives([directory(FRONT, true, none())]),
            &format!("{drifted}Type: None -> Ocs") as &str,
        ),
        (
            "both wrong",
            gives([directory(FRONT, false, none())]),
            &format!("{drifted}Enabled: False -> True"),
        ),
        (
            "as an object",
            gives([directory(FRONT, true, ocs())]),
            "in place",
        ),
        (
            "as text",
            gives([directory(FRONT, true, "OCS".into())]),
            "in place",
        ),
        (
            "as a number",
            gives([directory(FRONT, true, 1.into())]),
            "in place",
        ),
        (
            "back end only",
            gives([directory("owa (Exchange Back End)", true, none())]),
            "broken: none but",
        ),
        (
            "back end beside",
            gives([
                directory("owa (Exchange Back End)", true, none()),
                directory(FRONT, true, ocs()),
            ]),
            "in place",
        ),
        (
            "another site",
            gives([directory("owa (Extern)", true, none())]),
            r"drifted: ATL-CAS-001\owa (Extern)",
        ),
        ("nothing", gives([]), "broken: none but"),
        ("refused", no_such_command(), "broken: Meldung"),
        (
            "no identity",
            gives([object([("Name", FRONT.into())])]),
            "broken: an empty identity",
        ),
        (
            "somebody else's",
            gives([object([
                ("Name", FRONT.into()),
                ("Identity", r"OTHER\owa".into()),
            ])]),
            "broken: the directory",
        ),
    ] {
        let (_, found) = Bench::new().look(&step(), |_| output.clone());
        check(name, &found, expected);
    }
}

#[test]
fn directories_are_set_one_by_one_at_the_controller_that_was_read() {
    let mut bench = Bench::new();
    let listed = gives([
        directory(FRONT, true, ocs()),
        directory("owa (A)", true, none()),
        directory("owa (B)", false, ocs()),
    ]);
    let first = step()
        .probe(bench.context(), &crate::Observations::default())
        .unwrap();
    assert_eq!(
        said(&first[0].pipeline),
        "Get-OwaVirtualDirectory -Server atl-cas-001 -ADPropertiesOnly"
    );
    let (seen, found) = bench.look(&step(), |_| listed.clone());
    assert_eq!(
        found.facts,
        [Fact::DomainController("atl-dc-001.litwareinc.com".into())]
    );
    let actions = bench.remedy(&step(), &seen);
    let sent: Vec<_> = actions
        .iter()
        .map(|action| said(&action.pipeline))
        .collect();
    let expected = |name: &str| {
        format!(
            r"Set-OwaVirtualDirectory -Identity ATL-CAS-001\owa ({name}) -InstantMessagingEnabled -InstantMessagingType Ocs -DomainController atl-dc-001.litwareinc.com"
        )
    };
    assert_eq!(sent, [expected("A"), expected("B")]);
    assert_eq!(
        actions[0].saves[0].name,
        "virtual-directory-ATL-CAS-001_owa__A_.json"
    );
    assert!(
        String::from_utf8_lossy(&actions[0].saves[0].content)
            .contains(r#""InstantMessagingType": "None""#)
    );
    let again = step()
        .probe(bench.context(), &crate::Observations::default())
        .unwrap();
    assert!(said(&again[0].pipeline).ends_with("-DomainController atl-dc-001.litwareinc.com"));
    bench.site.exchange.domain_controller = Some(host("atl-dc-009"));
    assert!(
        said(&bench.remedy(&step(), &seen)[0].pipeline)
            .ends_with("-DomainController atl-dc-009.litwareinc.com")
    );
}

#[test]
fn directories_are_switched_off_and_keep_their_type() {
    let step = OwaVirtualDirectoryOff {
        host: host("atl-cas-001"),
    };
    let listed = || {
        gives([
            directory(FRONT, true, ocs()),
            directory("owa (A)", false, ocs()),
            directory("owa (B)", true, none()),
            directory("owa (Exchange Back End)", true, none()),
        ])
    };
    let off = || {
        gives([
            directory(FRONT, false, ocs()),
            directory("owa (Exchange Back End)", true, none()),
        ])
    };
    let not_shown = || {
        gives([object([
            ("Name", FRONT.into()),
            ("Identity", format!(r"ATL-CAS-001\{FRONT}").into()),
        ])])
    };
    let drifted = r"drifted: ATL-CAS-001\owa (Default Web Site): InstantMessagingEnabled: ";
    for (name, output, expected) in [
        ("on", listed(), format!("{drifted}True -> False")),
        (
            "not shown",
            not_shown(),
            format!("{drifted}nothing -> False"),
        ),
        ("off", off(), "in place".to_owned()),
        ("nothing", gives([]), "broken: none but".to_owned()),
        ("refused", no_such_command(), "broken: Meldung".to_owned()),
    ] {
        let (_, found) = Bench::new().look(&step, |_| output.clone());
        check(name, &found, &expected);
    }
    let mut bench = Bench::new();
    let (seen, _) = bench.look(&step, |_| listed());
    let actions = bench.remedy(&step, &seen);
    let sent: Vec<_> = actions
        .iter()
        .map(|action| said(&action.pipeline))
        .collect();
    assert_eq!(
        sent,
        ["Default Web Site", "B"].map(|name| format!(
            r"Set-OwaVirtualDirectory -Identity ATL-CAS-001\owa ({name}) -InstantMessagingEnabled False -DomainController atl-dc-001.litwareinc.com"
        ))
    );
    assert_eq!(actions[0].saves.len(), 1);
    let again = step
        .probe(bench.context(), &crate::Observations::default())
        .unwrap();
    assert!(
        said(&again[0].pipeline).ends_with("-DomainController atl-dc-001.litwareinc.com"),
        "read back where it was written"
    );
}

fn policy(name: &str, kind: Value) -> Value {
    object([
        ("Name", name.into()),
        ("Identity", name.into()),
        ("InstantMessagingEnabled", "True".into()),
        ("InstantMessagingType", kind),
    ])
}

#[test]
fn policies_are_those_in_scope() {
    let named = |name: &str| MailboxPolicy {
        host: host("atl-cas-001"),
        which: Which::Named(name.into()),
    };
    let all = || MailboxPolicy {
        host: host("atl-cas-001"),
        which: Which::All,
    };
    let missing: fn() -> PipelineOutput = || {
        fails(
            "ABC,ManagementObjectNotFoundException,Get-OwaMailboxPolicy",
            6,
        )
    };
    for (name, step, output, expected) in [
        (
            "in place",
            named("Default"),
            gives([policy("Default", ocs())]),
            "in place",
        ),
        (
            "in another case",
            named("default"),
            gives([policy("Default", ocs())]),
            "in place",
        ),
        (
            "drifted",
            named("Default"),
            gives([policy("Default", none())]),
            "drifted: Default: InstantMessagingType: None -> Ocs",
        ),
        (
            "another one",
            named("Default"),
            gives([policy("Executives", none())]),
            "broken: the policy",
        ),
        ("missing", named("Default"), missing(), "broken: Meldung"),
        ("nothing", named("Default"), gives([]), "broken: no policy"),
        (
            "all",
            all(),
            gives([policy("Default", none()), policy("Executives", ocs())]),
            "drifted: Default",
        ),
    ] {
        let (_, found) = Bench::new().look(&step, |_| output.clone());
        check(name, &found, expected);
    }
    let (seen, _) = Bench::new().look(&all(), |_| {
        gives([policy("A & B", none()), policy("C", none())])
    });
    let sent: Vec<_> = Bench::new()
        .remedy(&all(), &seen)
        .iter()
        .map(|action| said(&action.pipeline))
        .collect();
    assert_eq!(
        sent,
        ["A & B", "C"].map(|name| format!("Set-OwaMailboxPolicy -Identity {name} -InstantMessagingEnabled -InstantMessagingType Ocs"))
    );
    assert!(
        Bench::new().probe(&named("Def*"), |_| gives([])).is_err(),
        "a wildcard is refused before it is sent"
    );
    assert!(
        Bench::new().probe(&named(" "), |_| gives([])).is_err(),
        "so is an empty name"
    );
}

/// The policies A, O'Neill and C, none of which allows messaging.
fn three_policies() -> PipelineOutput {
    gives(["A", "O'Neill", "C"].map(|name| {
        object([
            ("Name", name.into()),
            ("Identity", name.into()),
            ("DistinguishedName", format!("CN={name},CN=x").into()),
            ("InstantMessagingEnabled", "True".into()),
            ("InstantMessagingType", none()),
            ("OriginatingServer", "atl-dc-001.litwareinc.com".into()),
        ])
    }))
}

/// The policy that a query asks for the mailboxes of.
fn asked_about(query: &crate::Query) -> String {
    let shown = said(&query.pipeline);
    let start = "Get-CASMailbox -Filter OwaMailboxPolicy -eq 'CN=";
    let end = ",CN=x' -ResultSize 1 -IgnoreDefaultScope";
    let name = shown.strip_prefix(start).and_then(|s| s.strip_suffix(end));
    name.unwrap_or_else(|| panic!("{shown}")).to_owned()
}

#[test]
fn policies_in_use_are_those_that_a_mailbox_has() {
    let step = MailboxPolicy {
        host: host("atl-cas-001"),
        which: Which::InUse,
    };
    let mailbox = || gives([object([("Name", "Ken Myer".into())])]);
    let idle = |names: &str| {
        vec![format!(
            "no mailbox has the OWA mailbox policies {names}: they are left as they are"
        )]
    };
    for (name, used, expected, warnings, changed) in [
        (
            "some",
            &["A", "O''Neill"] as &[&str],
            "drifted: A: InstantMessagingType: None -> Ocs; O'Neill: InstantMessagingType",
            idle("C"),
            &["A", "O'Neill"] as &[&str],
        ),
        (
            "all",
            &["A", "O''Neill", "C"],
            "drifted: A",
            vec![],
            &["A", "O'Neill", "C"],
        ),
        (
            "none",
            &[],
            "not applicable: no mailbox has an OWA mailbox policy",
            idle("A, O'Neill, C"),
            &[],
        ),
    ] {
        let mut bench = Bench::new();
        let (seen, found) = bench.look(&step, |query| match query.name {
            "policies" => three_policies(),
            _ if used.contains(&asked_about(query).as_str()) => mailbox(),
            _ => gives([]),
        });
        check(name, &found, expected);
        assert_eq!(found.warnings, warnings, "{name}");
        let sent: Vec<_> = bench
            .remedy(&step, &seen)
            .iter()
            .map(|a| said(&a.pipeline))
            .collect();
        let wanted: Vec<_> = changed
            .iter()
            .map(|policy| {
                format!(
                    "Set-OwaMailboxPolicy -Identity {policy} -InstantMessagingEnabled -InstantMessagingType Ocs \
                     -DomainController atl-dc-001.litwareinc.com"
                )
            })
            .collect();
        assert_eq!(sent, wanted, "{name}");
    }
}

#[test]
fn nobody_is_taken_for_unused_who_could_not_be_asked_about() {
    let step = MailboxPolicy {
        host: host("atl-cas-001"),
        which: Which::InUse,
    };
    let (_, found) = Bench::new().look(&step, |query| match query.name {
        "policies" => three_policies(),
        _ if asked_about(query) == "C" => no_such_command(),
        _ => gives([]),
    });
    check("refused", &found, "broken: Meldung");
    let (_, found) = Bench::new().look(&step, |_| gives([policy("A", none())]));
    check("no path", &found, "broken: it shows no DistinguishedName");
    let (_, found) = Bench::new().look(&step, |_| no_such_command());
    check("no list", &found, "broken: Meldung");
    let (_, found) = Bench::new().look(&step, |_| gives([]));
    check("no policy", &found, "broken: no policy came back");
}

#[test]
fn a_real_server_says_what_is_understood() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/real/exchange/GetOwaVirtualDirectory.xml"
    );
    let Ok(bytes) = std::fs::read(file) else {
        // The only output a test has that people see without asking for it.
        use std::io::Write as _;
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: a_real_server_says_what_is_understood: no {file}"
        );
        return;
    };
    let text = String::from_utf8(bytes).unwrap();
    let objects = decode_document(text.trim_start_matches('\u{feff}'), &Limits::default()).unwrap();
    let step = OwaVirtualDirectory {
        host: HostName::new("solo-e16a.solo.local").unwrap(),
    };
    let mut bench = Bench::new().knows("atl-cas-001", Fact::DomainController("unused".into()));
    bench.facts.learn(
        &step.host,
        Fact::PowerShell(PowerShellVersion { major: 5, minor: 1 }),
    );
    let (seen, found) = bench.look(&step, |_| gives(objects.clone()));
    check(
        file,
        &found,
        r"drifted: SOLO-E16A\owa (Default Web Site): InstantMessagingType: None -> Ocs",
    );
    assert_eq!(
        said(&bench.remedy(&step, &seen)[0].pipeline),
        r"Set-OwaVirtualDirectory -Identity SOLO-E16A\owa (Default Web Site) -InstantMessagingEnabled -InstantMessagingType Ocs -DomainController Solo-DC1.Solo.local"
    );
}
