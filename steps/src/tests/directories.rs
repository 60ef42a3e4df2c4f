//! `cas.owa-virtual-directory`, its opposite, and `mailbox.policy`

use owaim_inventory::{HostName, PowerShellVersion};
use owaim_proto::clixml::{Limits, Object, Value, decode_document};
use owaim_proto::psrp::PipelineOutput;

use super::bench::{Bench, check, fails, gives, host, no_such_command, object, said};
use crate::cas_owa_virtual_directory::OwaVirtualDirectory;
use crate::cas_owa_virtual_directory_off::OwaVirtualDirectoryOff;
use crate::mailbox_policy::MailboxPolicy;
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
        policy: Some(name.into()),
    };
    let all = || MailboxPolicy {
        host: host("atl-cas-001"),
        policy: None,
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
