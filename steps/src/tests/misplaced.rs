//! What stands where it does not belong: `backend.virtual-directory-off`

use owaim_inventory::ExchangeVersion;
use owaim_proto::clixml::{Object, Value};

use super::bench::{Bench, check, gives, host, no_such_command, object, said};
use crate::backend_virtual_directory_off::BackendVirtualDirectoryOff;
use crate::{Fact, Observations, Step};

fn back_end() -> BackendVirtualDirectoryOff {
    BackendVirtualDirectoryOff {
        host: host("atl-mbx-001"),
    }
}

fn directory(name: &str, enabled: bool, kind: Value) -> Value {
    object([
        ("Name", name.into()),
        ("Identity", format!(r"ATL-MBX-001\{name}").into()),
        ("InstantMessagingEnabled", enabled.into()),
        ("InstantMessagingType", kind),
        ("OriginatingServer", "atl-dc-001.litwareinc.com".into()),
    ])
}

fn kind(name: &str, number: i32) -> Value {
    Object::enumeration("InstantMessagingTypeOptions", name, number).into()
}

const BACK: &str = "owa (Exchange Back End)";
const FRONT: &str = "owa (Default Web Site)";

#[test]
fn a_provider_on_the_back_end_is_reported() {
    let drifted = r"drifted: ATL-MBX-001\owa (Exchange Back End): InstantMessagingType: ";
    for (name, output, expected) in [
        (
            "as installed",
            gives([directory(BACK, true, kind("None", 0))]),
            "in place".to_owned(),
        ),
        (
            "off",
            gives([directory(BACK, false, kind("None", 0))]),
            "in place".to_owned(),
        ),
        (
            "none as text",
            gives([directory(BACK, true, "none".into())]),
            "in place".to_owned(),
        ),
        (
            "none as a number",
            gives([directory(BACK, true, 0.into())]),
            "in place".to_owned(),
        ),
        (
            "no type",
            gives([directory(BACK, true, Value::Null)]),
            "in place".to_owned(),
        ),
        (
            "a provider",
            gives([directory(BACK, true, kind("Ocs", 1))]),
            format!("{drifted}Ocs -> None"),
        ),
        (
            "another one",
            gives([directory(BACK, false, "Msn".into())]),
            format!("{drifted}Msn -> None"),
        ),
        (
            "one by number",
            gives([directory(BACK, true, 1.into())]),
            format!("{drifted}1 -> None"),
        ),
        (
            "on the front end beside",
            gives([
                directory(FRONT, true, kind("Ocs", 1)),
                directory(BACK, true, kind("None", 0)),
            ]),
            "in place".to_owned(),
        ),
        (
            "no back end",
            gives([directory(FRONT, true, kind("Ocs", 1))]),
            "broken: no directory".to_owned(),
        ),
        ("nothing", gives([]), "broken: no directory".to_owned()),
        ("refused", no_such_command(), "broken: Meldung".to_owned()),
        (
            "somebody else's",
            gives([object([
                ("Name", BACK.into()),
                ("Identity", r"OTHER\owa (Exchange Back End)".into()),
            ])]),
            "broken: the directory".to_owned(),
        ),
    ] {
        let mut bench = Bench::new();
        let (seen, found) = bench.look(&back_end(), |_| output.clone());
        check(name, &found, &expected);
        assert_eq!(
            found.warnings.len(),
            usize::from(expected.starts_with("drifted")),
            "{name}"
        );
        assert!(
            bench.remedy(&back_end(), &seen).is_empty(),
            "{name}: it only reports"
        );
    }
}

#[test]
fn the_back_end_is_asked_for_at_the_front_end() {
    let mut bench = Bench::new();
    let queries = back_end()
        .probe(bench.context(), &Observations::default())
        .unwrap();
    assert_eq!(queries[0].place.host, host("atl-cas-001"));
    assert_eq!(
        said(&queries[0].pipeline),
        "Get-OwaVirtualDirectory -Server atl-mbx-001 -ShowMailboxVirtualDirectories -ADPropertiesOnly"
    );
    bench
        .facts
        .learn(&host("atl-mbx-001"), Fact::Exchange(ExchangeVersion::E2010));
    let (_, found) = bench.look(&back_end(), |query| panic!("{} is asked for", query.name));
    check("2010", &found, "not applicable");
}
