//! What stands where it does not belong: `backend.virtual-directory-off` and
//! `cas.web-config-clean`

use owaim_inventory::ExchangeVersion;
use owaim_proto::clixml::{Object, Value};

use super::bench::{Bench, check, fails, gives, host, no_such_command, not_found, object, said};
use crate::backend_virtual_directory_off::BackendVirtualDirectoryOff;
use crate::cas_web_config_clean::WebConfigClean;
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

fn front_end() -> WebConfigClean {
    WebConfigClean {
        host: host("atl-cas-001"),
    }
}

fn file(settings: &str) -> Value {
    Value::Bytes(
        format!("<configuration>\r\n  <appSettings>\r\n    {settings}\r\n  </appSettings>\r\n</configuration>")
            .into_bytes(),
    )
}

#[test]
fn keys_in_the_file_of_the_front_end_are_reported() {
    let path = r"D:\Exchange\FrontEnd\HttpProxy\owa\web.config";
    for (name, output, expected) in [
        ("clean", gives([file("<add key='Other' value='1'/>")]), "in place".to_owned()),
        (
            "a key",
            gives([file("<add key='IMServerName' value='x'/>")]),
            format!("drifted: IMServerName in {path}: in configuration/appSettings, line 3, column 5 -> nothing"),
        ),
        (
            "in another case, twice",
            gives([file("<add key='imservername' value='x'/><add key='IMCertificateThumbprint' value='x'/>")]),
            format!(
                "drifted: imservername in {path}: in configuration/appSettings, line 3, column 5 -> nothing; \
                 IMCertificateThumbprint in {path}"
            ),
        ),
        (
            "elsewhere",
            gives([Value::Bytes(
                b"<configuration><location><add key='IMServerName' value='x'/></location></configuration>".to_vec(),
            )]),
            format!("drifted: IMServerName in {path}: in configuration/location, line 1, column 26 -> nothing"),
        ),
        ("no such file", not_found(), "in place".to_owned()),
        ("no text", gives(["text".into()]), "broken: something else than bytes".to_owned()),
        ("no XML", gives([Value::Bytes(b"<configuration>".to_vec())]), format!("unknown: {path}")),
        ("denied", fails("GetContentReaderUnauthorizedAccessError", 18), "broken: Meldung".to_owned()),
    ] {
        let mut bench = Bench::new();
        let (seen, found) = bench.look(&front_end(), |_| output.clone());
        check(name, &found, &expected);
        let warns = expected.starts_with("drifted") || name == "no such file";
        assert_eq!(found.warnings.len(), usize::from(warns), "{name}");
        assert!(bench.remedy(&front_end(), &seen).is_empty(), "{name}: it only reports");
    }
}

#[test]
fn the_file_of_the_front_end_is_read_as_the_server_can() {
    for (major, expected) in [(2, "-ReadCount 0"), (4, "-Raw")] {
        let bench = Bench::new().powershell("atl-cas-001", major);
        let queries = front_end()
            .probe(bench.context(), &Observations::default())
            .unwrap();
        assert_eq!(
            said(&queries[0].pipeline),
            format!(
                r"Get-Content -LiteralPath D:\Exchange\FrontEnd\HttpProxy\owa\web.config -Encoding Byte {expected}"
            )
        );
    }
    for (version, expected) in [
        (ExchangeVersion::E2010, None),
        (ExchangeVersion::E2013, Some("backend.web-config sets them")),
        (ExchangeVersion::E2016, Some("a setting override")),
    ] {
        let mut bench = Bench::new().knows("atl-cas-001", Fact::Exchange(version));
        let (_, found) = bench.look(&front_end(), |_| {
            gives([file("<add key='IMServerName' value='x'/>")])
        });
        match expected {
            None => check("2010", &found, "not applicable"),
            Some(text) => assert!(found.warnings[0].contains(text), "{:?}", found.warnings),
        }
    }
}
