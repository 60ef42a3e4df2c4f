//! The schema and the reference name exactly the keys that the parser knows.

#![allow(clippy::unwrap_used)]

use owaim_inventory::{parse_with, schema};
use serde_json::Value;

const EXAMPLE: &str = include_str!("../../examples/litware.toml");
const REFERENCE: &str = include_str!("../../docs/site-file.md");

/// (where a key is set, where the schema describes its siblings)
const SECTIONS: [(&str, &str); 21] = [
    ("", ""),
    ("site", "/properties/site"),
    ("lync", "/properties/lync"),
    (
        "lync.trusted_application",
        "/properties/lync/properties/trusted_application",
    ),
    ("exchange", "/properties/exchange"),
    ("certificate", "/properties/certificate"),
    (
        "certificate.import",
        "/properties/certificate/properties/import",
    ),
    ("policies", "/properties/policies"),
    ("users", "/properties/users"),
    ("unified_messaging", "/properties/unified_messaging"),
    ("lab", "/properties/lab"),
    ("endpoints", "/properties/endpoints"),
    (
        "endpoints.exchange",
        "/properties/endpoints/properties/exchange",
    ),
    ("kerberos", "/properties/kerberos"),
    (
        "hosts.\"atl-cas-001.litwareinc.com\"",
        "/properties/hosts/items",
    ),
    (
        "hosts.\"atl-cas-001.litwareinc.com\".endpoints",
        "/properties/hosts/items/properties/endpoints",
    ),
    (
        "hosts.\"atl-cas-001.litwareinc.com\".endpoints.windows",
        "/properties/hosts/items/properties/endpoints/properties/windows",
    ),
    (
        "credentials.default",
        "/properties/credentials/properties/default",
    ),
    (
        "credentials.endpoints",
        "/properties/credentials/properties/endpoints",
    ),
    ("retry.default", "/properties/retry/properties/default"),
    ("limits", "/properties/limits"),
];

/// The names in quotes in `a, "b" or "c"`.
fn quoted(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

fn known_to_parser(section: &str) -> Vec<String> {
    let key = if section.is_empty() {
        "zzz".to_owned()
    } else {
        format!("{section}.zzz")
    };
    let diagnostics = parse_with("site.toml", EXAMPLE, &[(key, "1".to_owned())]).unwrap_err();
    let unknown = diagnostics
        .iter()
        .find(|mistake| mistake.message.contains("unknown key \"zzz\""));
    quoted(
        &unknown
            .unwrap_or_else(|| panic!("{section}: {diagnostics}"))
            .expected,
    )
}

fn known_to_schema(schema: &Value, pointer: &str) -> Vec<String> {
    let properties = schema
        .pointer(&format!("{pointer}/properties"))
        .and_then(Value::as_object);
    let mut names: Vec<String> = properties
        .unwrap_or_else(|| panic!("no {pointer}"))
        .keys()
        .cloned()
        .collect();
    names.sort();
    names
}

#[test]
fn schema_reference_and_parser_know_the_same_keys() {
    let schema = schema();
    for (section, pointer) in SECTIONS {
        let names = known_to_parser(section);
        assert_eq!(names, known_to_schema(&schema, pointer), "{section}");
        for name in names {
            let forms = [
                format!("`{name}`"),
                format!("[{name}]"),
                format!("[{name}."),
            ];
            let described = forms.iter().any(|form| REFERENCE.contains(form));
            assert!(
                described,
                "docs/site-file.md does not describe {section}.{name}"
            );
        }
    }
}

#[test]
fn what_the_schema_requires_the_parser_requires() {
    let schema = schema();
    for (section, pointer) in SECTIONS
        .into_iter()
        .filter(|(section, _)| !section.starts_with("hosts"))
    {
        // Of alternatives, the first is what the parser asks for where there is none.
        let required: Vec<&Value> = ["required", "oneOf/0/required"]
            .iter()
            .filter_map(|rest| schema.pointer(&format!("{pointer}/{rest}")))
            .flat_map(|required| required.as_array().unwrap())
            .collect();
        let key = section.to_owned();
        let diagnostics = match section {
            "" => parse_with("site.toml", "", &[]),
            _ => parse_with("site.toml", EXAMPLE, &[(key, "{}".to_owned())]),
        };
        let missing = diagnostics
            .as_ref()
            .err()
            .map_or(0, owaim_inventory::Diagnostics::len);
        assert_eq!(missing, required.len(), "{section}: {diagnostics:?}");
    }
}
