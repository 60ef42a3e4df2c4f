//! CLIXML that others wrote, real servers among them: everything decodes, and encodes to the
//! same XML tree again.
//!
//! The trees are compared by another XML parser than the codec's.
#![allow(clippy::unwrap_used)]
// What it reads is fetched by a Python of this machine.
#![cfg(unix)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use owaim_proto::clixml::{self, decode, decode_document, encode, encode_document};
use owaim_proto::psrp::{MessageType, Payload};
use owaim_tests::interop::Interop;
use support::conversation::{conversations, messages};
use support::tree::Tree;

fn limits() -> clixml::Limits {
    clixml::Limits::default()
}

/// The packages and their data.
fn interop() -> Interop {
    Interop::fetch().unwrap_or_else(|error| panic!("{error}"))
}

/// `xml` decodes, and encodes to the same tree; in the same spelling or not.
fn check_lossless(xml: &str, spelling: Spelling, origin: &str) {
    let value = decode(xml, &limits()).unwrap_or_else(|error| panic!("{origin}: {error}\n{xml}"));
    let again = encode(&value);
    let (expected, found) = (Tree::parse(xml), Tree::parse(&again));
    match spelling {
        Spelling::Same => assert_eq!(expected, found, "{origin}"),
        Spelling::Own => assert_eq!(expected.normalized(), found.normalized(), "{origin}"),
    }
    assert_eq!(decode(&again, &limits()).unwrap(), value, "{origin}");
}

#[derive(Clone, Copy)]
enum Spelling {
    Same,
    Own,
}

#[test]
fn conversations_with_real_servers_are_lossless() {
    let folder = interop()
        .source_distribution("pypsrp-0.9.1")
        .join("tests/tests_pypsrp/responses");
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let (mut files, mut with_powershell, mut sent, mut received) = (0, 0, 0, 0);
    for (name, exchanges) in conversations(&folder) {
        files += 1;
        let messages = messages(&name, &exchanges);
        with_powershell += usize::from(!messages.is_empty());
        for (message, from_server) in messages {
            let origin = format!("{name}: {}", message.kind);
            assert!(!matches!(message.kind, MessageType::Unknown(_)), "{origin}");
            *kinds.entry(message.kind.to_string()).or_default() += 1;
            *(if from_server {
                &mut received
            } else {
                &mut sent
            }) += 1;
            if !message.data.is_empty() {
                check_lossless(&message.data, Spelling::Same, &origin);
            }
        }
    }
    let counts = (files, with_powershell, sent, received);
    assert_eq!(counts, (66, 49, 230, 471), "{kinds:#?}");
}

#[test]
fn messages_of_real_servers_are_understood() {
    let folder = interop()
        .source_distribution("pypsrp-0.9.1")
        .join("tests/tests_pypsrp/responses");
    let mut understood = BTreeSet::new();
    for (name, exchanges) in conversations(&folder) {
        for (message, _) in messages(&name, &exchanges) {
            let kind = message.kind;
            if let Err(error) = Payload::decode(kind, &message.data, None) {
                panic!("{name}: {kind}: {error}\n{}", message.data);
            }
            understood.insert(kind.to_string());
        }
    }
    assert!(understood.len() > 20, "{understood:?}");
}

/// Literals of the Python library's own tests: every construct, also in orders and spellings
/// that PowerShell does not use.
#[test]
fn vectors_of_another_implementation_are_lossless() {
    let interop = interop();
    let output = Command::new(interop.python())
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/python/xml_literals.py"
        ))
        .arg(interop.source_distribution("psrpcore-0.3.1").join("tests"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let literals: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    let (mut values, mut others) = (0, Vec::new());
    for xml in &literals {
        let root = Tree::parse(xml).name;
        match root.as_str() {
            "Objs" => match decode_document(xml, &limits()) {
                Ok(decoded) => {
                    values += 1;
                    assert_eq!(
                        decode_document(&encode_document(&decoded), &limits()).as_ref(),
                        Ok(&decoded),
                        "{xml}"
                    );
                }
                Err(error) => others.push(format!("{error}: {xml}")),
            },
            _ => match decode(xml, &limits()) {
                Ok(_) => {
                    values += 1;
                    check_lossless(xml, Spelling::Own, "psrpcore");
                }
                Err(error) => others.push(format!("{error}: {xml}")),
            },
        }
    }
    // What is refused: templates and counterexamples, dictionaries without their object, and the
    // stream names of what powershell.exe prints.
    assert_eq!((values, others.len()), (136, 15), "{others:#?}");
}

/// Exports of real Exchange servers; outside of the project, so absent on most machines.
#[test]
fn exports_of_real_exchange_servers_are_lossless() {
    let folder = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/real/exchange"
    ));
    if !folder.is_dir() {
        let test = "exports_of_real_exchange_servers_are_lossless";
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {test}: no {}",
            folder.display()
        );
        return;
    }
    let exports = files(folder, "xml");
    assert!(!exports.is_empty(), "no xml files in {}", folder.display());
    for path in exports {
        let xml = std::fs::read_to_string(&path).unwrap();
        let values = decode_document(&xml, &limits())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!values.is_empty(), "{}", path.display());
        let again = encode_document(&values);
        assert_eq!(Tree::parse(&xml), Tree::parse(&again), "{}", path.display());
        assert_eq!(
            decode_document(&again, &limits()).unwrap(),
            values,
            "{}",
            path.display()
        );
    }
}

/// The files in `folder` with that extension, in order of their names.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths
}
