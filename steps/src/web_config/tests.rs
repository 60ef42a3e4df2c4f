//! One case for each rule of the edit, on text as it is found on servers.

use super::{Position, WebConfigError, edit};

const SERVER: &str = "atl-cs-001.litwareinc.com";
const PRINT: &str = "EA5A332496CC05DA69B75B66111C0F78A110D22D";
const WANTED: &[(&str, &str)] = &[("IMCertificateThumbprint", PRINT), ("IMServerName", SERVER)];
const PRINT_ADD: &str =
    r#"<add key="IMCertificateThumbprint" value="EA5A332496CC05DA69B75B66111C0F78A110D22D" />"#;
const SERVER_ADD: &str = r#"<add key="IMServerName" value="atl-cs-001.litwareinc.com" />"#;

/// `{P}` and `{S}` stand for the two elements as the tool writes them.
fn fill(text: &str) -> String {
    text.replace("{P}", PRINT_ADD).replace("{S}", SERVER_ADD)
}

fn check(name: &str, original: &str, expected: &str) {
    let (original, expected) = (fill(original), fill(expected));
    check_bytes(name, original.as_bytes(), expected.as_bytes());
}

fn check_bytes(name: &str, original: &[u8], expected: &[u8]) {
    let done = edit(original, WANTED).unwrap_or_else(|e| panic!("{name}: {e}"));
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(shown(&done.bytes), shown(expected), "{name}");
    assert_eq!(done.bytes, expected, "{name}");
    assert_eq!(done.is_in_place(), original == expected, "{name}: in place");
    assert_eq!(
        done.differences.is_empty(),
        original == expected,
        "{name}: differences"
    );
    let again = edit(&done.bytes, WANTED).unwrap_or_else(|e| panic!("{name}, again: {e}"));
    assert!(
        again.is_in_place() && again.bytes == done.bytes,
        "{name}: the second edit changes something"
    );
}

#[test]
fn keys_are_added_where_they_are_absent() {
    for (name, original, expected) in [
        (
            "existing section",
            "<configuration>\n  <appSettings>\n    <add key=\"a\" value=\"b\" />\n  </appSettings>\n</configuration>\n",
            "<configuration>\n  <appSettings>\n    <add key=\"a\" value=\"b\" />\n    {P}\n    {S}\n  </appSettings>\n</configuration>\n",
        ),
        (
            "only one is absent",
            "<configuration>\n  <appSettings>\n    {P}\n  </appSettings>\n</configuration>",
            "<configuration>\n  <appSettings>\n    {P}\n    {S}\n  </appSettings>\n</configuration>",
        ),
        (
            "CRLF and tabs",
            "<configuration>\r\n\t<appSettings>\r\n\t\t<add key=\"a\" value=\"b\" />\r\n\t</appSettings>\r\n</configuration>\r\n",
            "<configuration>\r\n\t<appSettings>\r\n\t\t<add key=\"a\" value=\"b\" />\r\n\t\t{P}\r\n\t\t{S}\r\n\t</appSettings>\r\n</configuration>\r\n",
        ),
        (
            "mixed line ends: those of the neighbour",
            "<configuration>\n  <appSettings>\n    <add key=\"a\" value=\"b\" />\r\n  </appSettings>\n</configuration>\n",
            "<configuration>\n  <appSettings>\n    <add key=\"a\" value=\"b\" />\r\n    {P}\r\n    {S}\r\n  </appSettings>\n</configuration>\n",
        ),
        (
            "carriage returns alone",
            "<configuration>\r <appSettings>\r  <add key=\"a\" value=\"b\" />\r </appSettings>\r</configuration>",
            "<configuration>\r <appSettings>\r  <add key=\"a\" value=\"b\" />\r  {P}\r  {S}\r </appSettings>\r</configuration>",
        ),
        (
            "a comment behind the last neighbour stays with it",
            "<configuration>\n  <appSettings>\n    <add key=\"a\" value=\"b\" /> <!-- a -->\n  </appSettings>\n</configuration>",
            "<configuration>\n  <appSettings>\n    <add key=\"a\" value=\"b\" /> <!-- a -->\n    {P}\n    {S}\n  </appSettings>\n</configuration>",
        ),
        (
            "end tag behind the last neighbour",
            "<configuration>\n  <appSettings>\n    <add key=\"a\" value=\"b\" /></appSettings>\n</configuration>",
            "<configuration>\n  <appSettings>\n    <add key=\"a\" value=\"b\" />\n    {P}\n    {S}</appSettings>\n</configuration>",
        ),
        (
            "no blanks between elements",
            "<configuration><appSettings><add key=\"a\" value=\"b\" /></appSettings></configuration>",
            "<configuration><appSettings><add key=\"a\" value=\"b\" />{P}{S}</appSettings></configuration>",
        ),
        (
            "empty section with a line of its own for the end tag",
            "<configuration>\n    <appSettings>\n    </appSettings>\n</configuration>",
            "<configuration>\n    <appSettings>\n        {P}\n        {S}\n    </appSettings>\n</configuration>",
        ),
        (
            "only a comment in the section",
            "<configuration>\n  <appSettings><!-- none --></appSettings>\n</configuration>",
            "<configuration>\n  <appSettings><!-- none -->\n    {P}\n    {S}\n  </appSettings>\n</configuration>",
        ),
    ] {
        check(name, original, expected);
    }
}

#[test]
fn the_manner_of_the_neighbours_is_kept() {
    let original = "<configuration>\n  <appSettings>\n    <add key='a' value='b'/>\n  </appSettings>\n</configuration>";
    let expected = format!(
        "<configuration>\n  <appSettings>\n    <add key='a' value='b'/>\n    <add key='IMCertificateThumbprint' value='{PRINT}'/>\n    <add key='IMServerName' value='{SERVER}'/>\n  </appSettings>\n</configuration>"
    );
    check(
        "single quotes, no blank before the slash",
        original,
        &expected,
    );
}

#[test]
fn an_empty_element_is_opened() {
    for (name, original, expected) in [
        (
            "on its line",
            "<configuration>\r\n  <appSettings/>\r\n</configuration>",
            "<configuration>\r\n  <appSettings>\r\n    {P}\r\n    {S}\r\n  </appSettings>\r\n</configuration>",
        ),
        (
            "with a blank",
            "<configuration>\n  <appSettings />\n</configuration>",
            "<configuration>\n  <appSettings>\n    {P}\n    {S}\n  </appSettings>\n</configuration>",
        ),
        (
            "without lines",
            "<configuration><appSettings/></configuration>",
            "<configuration><appSettings>{P}{S}</appSettings></configuration>",
        ),
        (
            "tags without content",
            "<configuration>\n  <appSettings></appSettings>\n</configuration>",
            "<configuration>\n  <appSettings>\n    {P}\n    {S}\n  </appSettings>\n</configuration>",
        ),
    ] {
        check(name, original, expected);
    }
}

#[test]
fn a_missing_section_comes_first_but_behind_config_sections() {
    for (name, original, expected) in [
        (
            "first child",
            "<?xml version=\"1.0\"?>\n<configuration>\n  <system.web />\n</configuration>\n",
            "<?xml version=\"1.0\"?>\n<configuration>\n  <appSettings>\n    {P}\n    {S}\n  </appSettings>\n  <system.web />\n</configuration>\n",
        ),
        (
            "behind configSections",
            "<configuration>\r\n\t<configSections>\r\n\t\t<section name=\"x\" />\r\n\t</configSections>\r\n\t<x />\r\n</configuration>",
            "<configuration>\r\n\t<configSections>\r\n\t\t<section name=\"x\" />\r\n\t</configSections>\r\n\t<appSettings>\r\n\t\t{P}\r\n\t\t{S}\r\n\t</appSettings>\r\n\t<x />\r\n</configuration>",
        ),
        (
            "behind an empty configSections",
            "<configuration>\n  <configSections/>\n</configuration>",
            "<configuration>\n  <configSections/>\n  <appSettings>\n    {P}\n    {S}\n  </appSettings>\n</configuration>",
        ),
        (
            "no line ends",
            "<configuration><system.web/></configuration>",
            "<configuration><appSettings>{P}{S}</appSettings><system.web/></configuration>",
        ),
        (
            "root without children",
            "<configuration>\n</configuration>\n",
            "<configuration>\n  <appSettings>\n    {P}\n    {S}\n  </appSettings>\n</configuration>\n",
        ),
        (
            "root without content",
            "<?xml version=\"1.0\"?>\n<configuration></configuration>\n",
            "<?xml version=\"1.0\"?>\n<configuration>\n  <appSettings>\n    {P}\n    {S}\n  </appSettings>\n</configuration>\n",
        ),
        (
            "root as one tag",
            "<?xml version=\"1.0\"?>\n<configuration />\n",
            "<?xml version=\"1.0\"?>\n<configuration>\n  <appSettings>\n    {P}\n    {S}\n  </appSettings>\n</configuration>\n",
        ),
        (
            "root as one tag, one line",
            "<configuration/>",
            "<configuration><appSettings>{P}{S}</appSettings></configuration>",
        ),
    ] {
        check(name, original, expected);
    }
}

/// Puts `entries` into a section and compares what becomes of them.
fn check_entries(name: &str, entries: &str, expected: &str) {
    let wrap = |inner: &str| {
        format!("<configuration>\n  <appSettings>\n{inner}  </appSettings>\n</configuration>\n")
    };
    check(name, &wrap(entries), &wrap(expected));
}

#[test]
fn only_the_characters_of_a_wrong_value_change() {
    for (name, entries, expected) in [
        (
            "another value",
            "    {P}\n    <add key=\"IMServerName\" value=\"old.litwareinc.com\" />\n",
            "    {P}\n    {S}\n",
        ),
        (
            "attribute order reversed, single quotes",
            "    {P}\n    <add value='old' key='IMServerName'/>\n",
            "    {P}\n    <add value='atl-cs-001.litwareinc.com' key='IMServerName'/>\n",
        ),
        (
            "attributes over several lines",
            "    {P}\n    <add\n      key=\"IMServerName\"\n      value=\"old\"\n    />\n",
            "    {P}\n    <add\n      key=\"IMServerName\"\n      value=\"atl-cs-001.litwareinc.com\"\n    />\n",
        ),
        (
            "blanks around the equals sign",
            "    {P}\n    <add key = 'IMServerName' value = '' />\n",
            "    {P}\n    <add key = 'IMServerName' value = 'atl-cs-001.litwareinc.com' />\n",
        ),
        (
            "no value at all",
            "    {P}\n    <add key=\"IMServerName\"/>\n",
            "    {P}\n    <add key=\"IMServerName\" value=\"atl-cs-001.litwareinc.com\"/>\n",
        ),
        (
            "an element with an end tag",
            "    {P}\n    <add key=\"IMServerName\" value=\"old\"></add>\n",
            "    {P}\n    <add key=\"IMServerName\" value=\"atl-cs-001.litwareinc.com\"></add>\n",
        ),
        (
            "key in another case: found, and left as it is",
            "    {P}\n    <add key=\"imservername\" value=\"old\" />\n",
            "    {P}\n    <add key=\"imservername\" value=\"atl-cs-001.litwareinc.com\" />\n",
        ),
        (
            "an invisible character in the thumbprint",
            "    <add key=\"IMCertificateThumbprint\" value=\"\u{200e}EA5A332496CC05DA69B75B66111C0F78A110D22D\" />\n    {S}\n",
            "    {P}\n    {S}\n",
        ),
        (
            "entities in other values are kept",
            "    <add key=\"a\" value=\"&lt;b&#x20;&amp;&quot;\" />\n    {P}\n    <add key=\"IMServerName\" value=\"&#97;tl\" />\n",
            "    <add key=\"a\" value=\"&lt;b&#x20;&amp;&quot;\" />\n    {P}\n    {S}\n",
        ),
    ] {
        check_entries(name, entries, expected);
    }
}

#[test]
fn the_same_value_written_otherwise_is_in_place() {
    for (name, entries) in [
        ("as wanted", "    {P}\n    {S}\n"),
        (
            "in another case",
            "    <add key=\"IMCertificateThumbprint\" value=\"ea5a332496cc05da69b75b66111c0f78a110d22d\" />\n    <add key=\"IMServerName\" value=\"ATL-CS-001.LitwareInc.com\" />\n",
        ),
        (
            "with an entity",
            "    {P}\n    <add key=\"IMServerName\" value=\"atl-cs-001&#46;litwareinc.com\" />\n",
        ),
        (
            "behind a clear",
            "    <add key=\"a\" value=\"b\" />\n    <clear />\n    {P}\n    {S}\n",
        ),
        (
            "another key removed",
            "    {P}\n    {S}\n    <remove key=\"a\" />\n",
        ),
    ] {
        check_entries(name, entries, entries);
    }
}

#[test]
fn a_doubled_key_is_left_once_and_the_last_one_decides() {
    for (name, entries, expected) in [
        (
            "same values",
            "    {S}\n    {P}\n    {S}\n",
            "    {P}\n    {S}\n",
        ),
        (
            "the last one is wrong",
            "    {S}\n    {P}\n    <add key=\"IMServerName\" value=\"old\" />\n",
            "    {P}\n    {S}\n",
        ),
        (
            "three of them, in different cases",
            "    <add key=\"IMSERVERNAME\" value=\"1\" />\n    {P}\n    <add key=\"imservername\" value=\"2\" />\n    <add key=\"x\" value=\"y\" />\n    {S}\n",
            "    {P}\n    <add key=\"x\" value=\"y\" />\n    {S}\n",
        ),
        (
            "on one line with something else",
            "    <add key=\"IMServerName\" value=\"1\" /><add key=\"x\" value=\"y\" />\n    {P}\n    {S}\n",
            "    <add key=\"x\" value=\"y\" />\n    {P}\n    {S}\n",
        ),
        (
            "voided by a later clear",
            "    {P}\n    {S}\n    <clear />\n",
            "    <clear />\n    {P}\n    {S}\n",
        ),
        (
            "voided by a later remove",
            "    {P}\n    {S}\n    <remove key=\"imServerName\" />\n",
            "    {P}\n    <remove key=\"imServerName\" />\n    {S}\n",
        ),
    ] {
        check_entries(name, entries, expected);
    }
    let doubled = "<configuration><appSettings><add key=\"IMServerName\" value=\"1\"/><add key=\"IMServerName\" value=\"2\"/></appSettings></configuration>";
    let found = edit(doubled.as_bytes(), &[("IMServerName", SERVER)])
        .unwrap()
        .differences;
    assert_eq!(
        found.iter().map(|d| d.actual.clone()).collect::<Vec<_>>(),
        [["1", "2"]]
    );
}

#[test]
fn keys_in_other_places_do_not_count() {
    for (name, other) in [
        ("comment", "<!-- {P}{S} -->"),
        (
            "location",
            "<location path=\"x\"><appSettings>{P}{S}</appSettings></location>",
        ),
        ("wrong case", "<AppSettings>{P}{S}</AppSettings>"),
        (
            "another section",
            "<x><appSettings>{P}{S}</appSettings></x>",
        ),
    ] {
        let with =
            |settings: &str| format!("<configuration>\n  {other}\n{settings}</configuration>");
        let section = "  <appSettings>\n    <add key=\"a\" value=\"b\" />\n{}  </appSettings>\n";
        check(
            name,
            &with(&section.replace("{}", "")),
            &with(&section.replace("{}", "    {P}\n    {S}\n")),
        );
    }
    let file = fill(
        "<configuration>\n  <location>\n    {S}\n  </location><appSettings/>\n</configuration>",
    );
    let misplaced = edit(file.as_bytes(), WANTED).unwrap().misplaced;
    assert_eq!(misplaced.len(), 1);
    assert_eq!(misplaced[0].place, "configuration/location");
    assert_eq!(misplaced[0].at, Position { line: 3, column: 5 });
}

#[test]
fn encodings_and_marks_are_kept() {
    let before = "<?xml version=\"1.0\" encoding=\"{}\"?>\r\n<configuration>\r\n  <!-- Grüße €😀 -->\r\n  <appSettings>\r\n  </appSettings>\r\n</configuration>";
    let after = before.replace("  </app", &fill("    {P}\r\n    {S}\r\n  </app"));
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        ("\u{feff}".to_owned() + text)
            .encode_utf16()
            .flat_map(bytes)
            .collect()
    };
    let as_utf8 = |text: &str| text.replace("{}", "UTF-8");
    let as_utf16 = |text: &str| text.replace("{}", "utf-16");
    check_bytes(
        "no mark",
        as_utf8(before).as_bytes(),
        as_utf8(&after).as_bytes(),
    );
    let marked = |text: &str| ("\u{feff}".to_owned() + &as_utf8(text)).into_bytes();
    check_bytes("UTF-8 mark", &marked(before), &marked(&after));
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        check_bytes(
            "UTF-16",
            &utf16(&as_utf16(before), bytes),
            &utf16(&as_utf16(&after), bytes),
        );
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    let place = |line, column| Position { line, column };
    let not_well_formed = |name: &str, text: &str, at: Position| match edit(text.as_bytes(), WANTED)
    {
        Err(WebConfigError::NotWellFormed { at: found, .. }) => assert_eq!(found, at, "{name}"),
        other => panic!("{name}: {other:?}"),
    };
    for (name, text, at) in [
        ("empty", "", place(1, 1)),
        ("blank", "\n \n", place(3, 1)),
        (
            "cut short",
            "<configuration>\n  <appSettings>\n",
            place(3, 1),
        ),
        ("cut within a tag", "<configuration>\n  <app", place(2, 3)),
        (
            "crossed tags",
            "<configuration>\n  <a><b></a></b>\n</configuration>",
            place(2, 9),
        ),
        (
            "second root",
            "<configuration/>\n<configuration/>",
            place(2, 1),
        ),
        ("text behind the root", "<configuration/>x", place(1, 17)),
        (
            "unknown entity in text",
            "<configuration>\n&nbsp;</configuration>",
            place(2, 1),
        ),
        (
            "unknown entity in a value",
            "<configuration>\n<a b=\"&nbsp;\"/></configuration>",
            place(2, 7),
        ),
        (
            "no quotes",
            "<configuration>\n<a b=c/></configuration>",
            place(2, 6),
        ),
        (
            "attribute twice",
            "<configuration>\n<a b=\"\" b=\"\"/></configuration>",
            place(2, 9),
        ),
        (
            "no blank between attributes",
            "<configuration>\n<a b=\"\"c=\"\"/></configuration>",
            place(2, 8),
        ),
        (
            "smaller-than in a value",
            "<configuration>\n<a b=\"<\"/></configuration>",
            place(2, 7),
        ),
        (
            "control character",
            "<configuration>\n\u{1}</configuration>",
            place(2, 1),
        ),
        (
            "hyphens in a comment",
            "<configuration>\n<!-- -- --></configuration>",
            place(2, 6),
        ),
        (
            "late declaration",
            "\n<?xml version=\"1.0\"?><configuration/>",
            place(2, 1),
        ),
        (
            "version 1.1",
            "<?xml version=\"1.1\"?><configuration/>",
            place(1, 1),
        ),
    ] {
        not_well_formed(name, text, at);
    }
}

#[test]
fn what_could_hide_other_values_is_refused() {
    let place = |line, column| Position { line, column };
    let wrong = |text: &str| edit(text.as_bytes(), WANTED).expect_err(text);
    assert_eq!(
        wrong("<!DOCTYPE configuration><configuration/>"),
        WebConfigError::DocumentType { at: place(1, 1) }
    );
    assert_eq!(
        wrong("<html/>"),
        WebConfigError::Root {
            at: place(1, 1),
            found: "html".into()
        }
    );
    assert_eq!(
        wrong("<configuration>\n <appSettings/>\n <appSettings/>\n</configuration>"),
        WebConfigError::SecondAppSettings {
            at: place(3, 2),
            first: place(2, 2)
        }
    );
    for attribute in ["file", "configSource", "configProtectionProvider"] {
        let text = format!("<configuration>\n  <appSettings {attribute}=\"x\"/>\n</configuration>");
        let expected = WebConfigError::Elsewhere {
            at: place(2, 3),
            attribute: attribute.into(),
            value: "x".into(),
        };
        assert_eq!(wrong(&text), expected);
    }
    for (declared, actual) in [("iso-8859-1", "UTF-8"), ("utf-16", "UTF-8")] {
        let text = format!("<?xml version=\"1.0\" encoding=\"{declared}\"?><configuration/>");
        let expected = WebConfigError::Encoding {
            at: place(1, 1),
            declared: declared.into(),
            actual,
        };
        assert_eq!(wrong(&text), expected);
    }
    let bytes = |bytes: &[u8]| edit(bytes, WANTED).expect_err("not text");
    assert_eq!(
        bytes(b"<a>\xff"),
        WebConfigError::NotText {
            encoding: "UTF-8",
            offset: 3
        }
    );
    assert!(matches!(
        bytes(b"\xff\xfe<\0a"),
        WebConfigError::NotText { offset: 4, .. }
    ));
    let unwritable = edit(b"<configuration/>", &[("IMServerName", "a\nb")]);
    assert!(matches!(unwritable, Err(WebConfigError::Value { .. })));
}

#[test]
fn the_diff_shows_what_changes() {
    let original = fill(
        "<configuration>\r\n  <appSettings>\r\n    {P}\r\n    <add key=\"IMServerName\" value=\"old\" />\r\n  </appSettings>\r\n</configuration>\r\n",
    );
    insta::assert_snapshot!(edit(original.as_bytes(), WANTED).unwrap().diff, @r#"
    --- web.config
    +++ web.config (wanted)
    @@ -1,6 +1,6 @@
     <configuration>
       <appSettings>
         <add key="IMCertificateThumbprint" value="EA5A332496CC05DA69B75B66111C0F78A110D22D" />
    -    <add key="IMServerName" value="old" />
    +    <add key="IMServerName" value="atl-cs-001.litwareinc.com" />
       </appSettings>
     </configuration>
    "#);
    assert_eq!(
        edit(
            fill("<configuration><appSettings>{P}{S}</appSettings></configuration>").as_bytes(),
            WANTED
        )
        .unwrap()
        .diff,
        ""
    );
}

#[test]
fn a_real_file_gets_two_lines_and_nothing_else() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/real/exchange/ExchangeBackEnd-OWA_web.config"
    );
    let Ok(original) = std::fs::read(path) else {
        // The only output a test has that people see without asking for it.
        use std::io::Write as _;
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: a_real_file_gets_two_lines_and_nothing_else: no {path}"
        );
        return;
    };
    for newline in ["\n", "\r\n"] {
        let text = String::from_utf8(original.clone())
            .unwrap()
            .replace('\n', newline);
        let last = "<add key=\"owin:AutomaticAppStartup\" value=\"true\" />";
        let indent = "    ";
        let added = format!("{last}{newline}{indent}{PRINT_ADD}{newline}{indent}{SERVER_ADD}");
        assert_eq!(text.matches(last).count(), 1);
        check_bytes(path, text.as_bytes(), text.replace(last, &added).as_bytes());
    }
}
