//! The edges between the crates are those of `ARCHITECTURE.md`, and the licences those of
//! `deny.toml`.
#![allow(clippy::unwrap_used)]
// It asks cargo, which is not there where tests built elsewhere are run.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
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
    let allowed: [(&str, &[&str]); 7] = [
        ("owaim-inventory", &[]),
        ("owaim-proto", &[]),
        ("owaim-steps", &["owaim-inventory", "owaim-proto"]),
        ("owaim-transport", &["owaim-proto"]),
        ("owaim-platform", &[]),
        (
            "owaim-lab",
            &["owaim-inventory", "owaim-platform", "owaim-proto"],
        ),
        (
            "owaim",
            &[
                "owaim-inventory",
                "owaim-lab",
                "owaim-platform",
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
            "openssl",
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
    for platform in ["x86_64-unknown-linux-gnu", "x86_64-pc-windows-gnu"] {
        let packages = metadata(&["--filter-platform", platform]);
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
}

/// Files of the workspace that hold Rust, by their path from its root.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with(".git") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn code_for_one_system_is_where_the_architecture_names_it() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let architecture = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let mut files = Vec::new();
    sources(root, &mut files);
    let mut depending = BTreeSet::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        // By its attributes, or by what it uses of one system alone.
        let marked = ["windows", "unix"].iter().any(|system| {
            ["cfg(", "cfg!(", "not("]
                .iter()
                .any(|mark| text.contains(&format!("{mark}{system})")))
        });
        let used = [
            "std::os::",
            "tokio::signal::",
            "cross_krb5",
            "native_tls::",
            "openssl::",
            "windows_permissions",
        ]
        .iter()
        .any(|name| text.contains(&format!("use {name}")));
        if marked || used {
            let path = path.strip_prefix(root).unwrap();
            depending.insert(path.to_string_lossy().into_owned());
        }
    }
    let unnamed: Vec<&String> = depending
        .iter()
        .filter(|path| !architecture.contains(&format!("`{path}`")))
        .collect();
    assert!(
        unnamed.is_empty(),
        "ARCHITECTURE.md does not name {unnamed:?}"
    );
    assert!(
        depending.contains("platform/src/windows.rs"),
        "{depending:?}"
    );
}
