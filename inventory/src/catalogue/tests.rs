//! The catalogue against itself and, where it is at hand, against the vendor's reference.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use super::{Kind, all, find, parameter_refusal, refusal};

#[test]
fn names_and_aliases_are_unambiguous() {
    let mut seen = BTreeSet::new();
    for cmdlet in all() {
        for name in std::iter::once(&cmdlet.name).chain(cmdlet.aliases) {
            assert!(seen.insert(name.to_ascii_lowercase()), "{name} twice");
        }
        let mut parameters = BTreeSet::new();
        for parameter in cmdlet.all_parameters() {
            for name in std::iter::once(&parameter.name).chain(parameter.aliases) {
                assert!(
                    parameters.insert(name.to_ascii_lowercase()),
                    "{} -{name} twice",
                    cmdlet.name
                );
            }
            for set in parameter.sets.iter().chain(parameter.mandatory_in) {
                assert!(
                    cmdlet.sets.contains(set),
                    "{} -{} has the unknown set {set}",
                    cmdlet.name,
                    parameter.name
                );
            }
        }
    }
}

#[test]
fn cmdlets_are_found_by_name_alias_and_module() {
    for (asked, expected) in [
        ("get-content", Some("Get-Content")),
        ("gci", Some("Get-ChildItem")),
        (
            "Microsoft.PowerShell.Utility\\Write-Output",
            Some("Write-Output"),
        ),
        ("Nothing\\Write-Output", None),
        ("Get-Nothing", None),
    ] {
        assert_eq!(find(asked).map(|c| c.name), expected, "{asked}");
    }
}

#[test]
fn what_brings_script_text_back_is_refused() {
    for refused in [
        "Invoke-Expression",
        "IEX",
        "%",
        "Microsoft.PowerShell.Utility\\Invoke-Expression",
        "powershell.exe",
        "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\PowerShell.EXE",
        "cmd",
        "C:\\Windows\\system32\\cmd.exe",
        "C:\\scripts\\x.ps1",
    ] {
        assert!(refusal(refused).is_some(), "{refused}");
    }
    for fine in [
        "Get-Content",
        "C:\\Windows\\System32\\inetsrv\\appcmd.exe",
        "Where-Object",
        "é.ex",
        "",
    ] {
        assert!(refusal(fine).is_none(), "{fine}");
    }
    assert!(parameter_refusal("Where-Object", "FilterScript").is_some());
    assert!(parameter_refusal("where", "Fil").is_some());
    assert!(parameter_refusal("Where-Object", "Property").is_none());
}

/// Generations of Exchange that run on a site's own servers, as the reference names them.
fn on_premises(applies_to: &Value) -> bool {
    let texts = applies_to
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    texts.into_iter().any(|t| {
        t.starts_with("Exchange Server")
            || t.contains("Lync Server")
            || t.contains("Business Server")
    })
}

#[test]
fn agrees_with_the_vendors_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/facts/cmdlets.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        // Not `eprintln!`: the test runner keeps that to itself, and a skip must be seen.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: agrees_with_the_vendors_reference: no {}",
            path.display()
        );
        return;
    };
    let reference: Value = serde_json::from_str(&text).expect("the reference is JSON");
    let mut checked = 0;
    for theirs in reference["cmdlets"].as_array().expect("a list") {
        let name = theirs["name"].as_str().expect("a name");
        let ours = find(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(ours.name, name);
        if theirs["built_in_confirm"] == true {
            assert!(ours.prompts, "{name} asks for confirmation");
        }
        for parameter in theirs["parameters"].as_array().expect("a list") {
            if parameter.get("applies_to").is_some_and(|a| !on_premises(a)) {
                continue;
            }
            let label = format!("{name} -{}", parameter["name"].as_str().expect("a name"));
            let mine = ours
                .parameter(parameter["name"].as_str().expect("a name"))
                .unwrap_or_else(|| panic!("{label} is missing"));
            assert_eq!(
                parameter["switch"] == true,
                mine.kind == Kind::Switch,
                "{label}: switch"
            );
            assert_eq!(
                parameter["mandatory"] == true,
                mine.mandatory,
                "{label}: mandatory"
            );
            if let (Some(values), Some(known)) =
                (mine.kind.values(), parameter["values"].as_array())
            {
                let known: Vec<&str> = known.iter().filter_map(Value::as_str).collect();
                assert_eq!(values, known, "{label}: values");
            }
            for alias in parameter["aliases"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                assert!(ours.parameter(alias).is_some(), "{label}: alias {alias}");
            }
            checked += 1;
        }
    }
    assert!(checked > 1800, "only {checked} parameters compared");
}
