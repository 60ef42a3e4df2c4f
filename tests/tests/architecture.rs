//! The edges between the crates are those of `ARCHITECTURE.md`, and the licences those of
//! `deny.toml`.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

fn metadata(arguments: &[&str]) -> Value {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--manifest-path",
            manifest,
        ])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Direct dependencies of each package of the workspace, without those of its tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let names = |package: &Value| {
        package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect()
    };
    metadata(&["--no-deps"])["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["name"].as_str().unwrap().to_owned(), names(package)))
        .collect()
}

#[test]
fn crates_know_only_whom_they_may() {
    let allowed: [(&str, &[&str]); 6] = [
        ("owaim-inventory", &[]),
        ("owaim-proto", &[]),
        ("owaim-steps", &["owaim-inventory", "owaim-proto"]),
        ("owaim-transport", &["owaim-proto"]),
        ("owaim-lab", &["owaim-inventory", "owaim-proto"]),
        (
            "owaim",
            &[
                "owaim-inventory",
                "owaim-lab",
                "owaim-proto",
                "owaim-steps",
                "owaim-transport",
            ],
        ),
    ];
    let found = dependencies();
    for (package, allowed) in allowed {
        let own: BTreeSet<&str> = found[package]
            .iter()
            .map(String::as_str)
            .filter(|name| name.starts_with("owaim"))
            .collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        assert!(
            own.is_subset(&allowed),
            "{package} depends on {own:?}; it may only know {allowed:?}"
        );
    }
}

#[test]
fn the_pure_crates_know_no_runtime_and_no_socket() {
    let found = dependencies();
    for package in ["owaim-inventory", "owaim-proto", "owaim-steps"] {
        for forbidden in [
            "tokio",
            "reqwest",
            "hyper",
            "hyper-util",
            "sspi",
            "async-trait",
            "futures",
        ] {
            assert!(
                !found[package].contains(forbidden),
                "{package} depends on {forbidden}"
            );
        }
    }
}

#[test]
fn every_dependency_has_a_licence_that_we_may_pass_on() {
    const MAY: [&str; 9] = [
        "MIT",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Zlib",
        "Unicode-3.0",
        "MIT-0",
    ];
    let packages = metadata(&["--filter-platform", "x86_64-unknown-linux-gnu"]);
    for package in packages["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_default();
        // One of the alternatives, all of its parts: enough for the expressions that occur.
        let normal = licence.replace('/', " OR ").replace(['(', ')'], "");
        let granted = normal
            .split(" OR ")
            .any(|part| part.split(" AND ").all(|one| MAY.contains(&one.trim())));
        assert!(granted, "{name}: {licence:?}");
    }
}
