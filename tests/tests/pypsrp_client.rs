//! Python's `pypsrp`, a client that is not ours, at the simulated site: NTLM, sealing, cmdlets with
//! parameters, objects, errors and warnings on each kind of endpoint.

#![allow(clippy::unwrap_used)]
// It drives a Python of this machine.
#![cfg(unix)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use owaim_inventory::EndpointKind;
use owaim_lab::{EndpointEntry, Lab, LabOptions, Overlay};
use owaim_tests::interop::Interop;
use serde_json::{Value, json};

/// The site of the example, simulated.
async fn start() -> Lab {
    let text = include_str!("../../examples/litware.toml");
    let site = owaim_inventory::parse("litware.toml", text).unwrap();
    // Exchange's endpoints with NTLM; with tickets they are tried elsewhere.
    let overlay = "[wire.endpoints.exchange]\nauth = [\"negotiate\"]\n";
    let options = LabOptions {
        overlay: Overlay::parse("overlay.toml", overlay).unwrap(),
        ..LabOptions::default()
    };
    Lab::start(&site, options).await.unwrap()
}

fn entry(lab: &Lab, kind: EndpointKind) -> EndpointEntry {
    let mut entries = lab.endpoints().endpoints.iter();
    entries.find(|entry| entry.kind == kind).unwrap().clone()
}

/// How the client goes about it.
struct Client<'a> {
    auth: &'a str,
    encryption: &'a str,
    password: &'a str,
}

/// What `pypsrp` makes of `pipelines` at an endpoint.
fn pypsrp(entry: &EndpointEntry, client: &Client, pipelines: &Value) -> Value {
    let interop = Interop::fetch().unwrap_or_else(|error| panic!("{error}"));
    let job = json!({
        "url": entry.url,
        "auth": client.auth,
        "username": entry.username,
        "password": client.password,
        "configuration": entry.configuration,
        "encryption": client.encryption,
        "pipelines": pipelines,
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/pypsrp_client.py");
    let mut child = Command::new(interop.python())
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(job.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "pypsrp gave up on {}: {complaints}",
        entry.url
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a pipeline must give.
#[derive(Default)]
struct Expected {
    failed: bool,
    /// For each object of the output, what must be in it.
    output: Vec<Value>,
    /// For each error, the beginning and a later part of its id.
    errors: Vec<(&'static str, &'static str)>,
    warnings: Vec<&'static str>,
}

/// Whether `found` has everything that `expected` has; objects may have more.
fn holds(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected
            .iter()
            .all(|(name, value)| found.get(name).is_some_and(|found| holds(value, found))),
        _ => expected == found,
    }
}

/// Runs the pipelines of `cases` in one session and checks each.
async fn check(kind: EndpointKind, auth: &'static str, cases: Vec<(Value, Expected)>) {
    let lab = start().await;
    let entry = entry(&lab, kind);
    let pipelines: Value = cases.iter().map(|(pipeline, _)| pipeline.clone()).collect();
    let results = tokio::task::spawn_blocking(move || {
        let client = Client {
            auth,
            encryption: "always",
            password: entry.password.expose(),
        };
        pypsrp(&entry, &client, &pipelines)
    });
    let results = results.await.unwrap();
    let found = results["pipelines"]
        .as_array()
        .unwrap_or_else(|| panic!("no session: {results}"));
    assert_eq!(found.len(), cases.len());
    for ((pipeline, expected), found) in cases.iter().zip(found) {
        let list = |name: &str| found[name].as_array().unwrap().clone();
        let says = format!("{pipeline}\ngave {found:#}");
        let state = if expected.failed {
            "failed"
        } else {
            "completed"
        };
        assert_eq!(found["state"], state, "{says}");
        let output = list("output");
        assert_eq!(output.len(), expected.output.len(), "{says}");
        assert!(
            expected
                .output
                .iter()
                .zip(&output)
                .all(|(expected, found)| holds(expected, found)),
            "{says}"
        );
        let errors = list("errors");
        assert_eq!(errors.len(), expected.errors.len(), "{says}");
        for ((start, part), error) in expected.errors.iter().zip(&errors) {
            let id = error["id"].as_str().unwrap();
            assert!(id.starts_with(start) && id.contains(part), "{says}");
            assert!(!error["text"].as_str().unwrap().is_empty(), "{says}");
        }
        assert_eq!(list("warnings"), expected.warnings, "{says}");
    }
    lab.stop().await.unwrap();
}

fn gives(output: impl Into<Vec<Value>>) -> Expected {
    Expected {
        output: output.into(),
        ..Expected::default()
    }
}

fn fails(start: &'static str, part: &'static str) -> Expected {
    Expected {
        failed: true,
        errors: vec![(start, part)],
        ..Expected::default()
    }
}

fn errs(start: &'static str, part: &'static str) -> Expected {
    Expected {
        failed: false,
        ..fails(start, part)
    }
}

fn warns(text: &'static str) -> Expected {
    Expected {
        warnings: vec![text],
        ..Expected::default()
    }
}

/// A pipeline of one command.
#[expect(
    clippy::needless_pass_by_value,
    reason = "every caller makes it on the spot"
)]
fn one(cmdlet: &str, parameters: Value) -> Value {
    json!([{ "cmdlet": cmdlet, "parameters": parameters }])
}

#[tokio::test]
async fn the_windows_endpoint_serves_pypsrp() {
    let file = r"C:\Windows\Temp\pypsrp client.bin";
    let bytes = json!({ "bytes": [239, 187, 191, 0, 65] });
    let several = json!([
        { "cmdlet": "Write-Output", "parameters": { "InputObject": ["pear", "apple", "fig"] } },
        { "cmdlet": "Sort-Object" },
        { "cmdlet": "Select-Object", "parameters": { "First": 2 } },
    ]);
    let cases = vec![
        (
            one("Test-Path", json!({ "LiteralPath": r"C:\Windows" })),
            gives([json!(true)]),
        ),
        (
            one("test-path", json!({ "literal": r"C:\nothing here" })),
            gives([json!(false)]),
        ),
        (several, gives([json!("apple"), json!("fig")])),
        (
            one("Get-Item", json!({ "LiteralPath": r"C:\Windows" })),
            gives([json!({ "properties": { "FullName": r"C:\Windows", "PSIsContainer": true } })]),
        ),
        (
            one(
                "Set-Content",
                json!({ "LiteralPath": file, "Value": bytes, "Encoding": "Byte" }),
            ),
            gives([]),
        ),
        (
            one("Get-Item", json!({ "LiteralPath": file })),
            gives([json!({ "properties": { "Name": "pypsrp client.bin", "Length": 5 } })]),
        ),
        (
            one("Get-FileHash", json!({ "LiteralPath": file })),
            gives([json!({ "properties": { "Algorithm": "SHA256", "Path": file } })]),
        ),
        (
            one("Get-Item", json!({ "LiteralPath": r"C:\nothing here" })),
            errs("PathNotFound", "GetItemCommand"),
        ),
        (
            one(
                "Get-Item",
                json!({ "LiteralPath": r"C:\nothing here", "ErrorAction": "Stop" }),
            ),
            fails("PathNotFound", "GetItemCommand"),
        ),
        (
            one("Write-Warning", json!({ "Message": "wet paint" })),
            warns("wet paint"),
        ),
        (
            one("Get-Nothing", json!({})),
            fails("CommandNotFoundException", ""),
        ),
        (
            one("Test-Path", json!({ "NoSuch": 1 })),
            fails("NamedParameterNotFound", "TestPathCommand"),
        ),
    ];
    check(EndpointKind::Windows, "ntlm", cases).await;
}

#[tokio::test]
async fn the_exchange_endpoint_serves_pypsrp() {
    let set = || {
        one(
            "Set-OwaMailboxPolicy",
            json!({ "Identity": "Default", "InstantMessagingType": "Ocs", "Confirm": false }),
        )
    };
    let directory = json!({
        "text": r"ATL-CAS-001\owa (Default Web Site)",
        "properties": { "Name": "owa (Default Web Site)", "InstantMessagingEnabled": true },
    });
    let cases = vec![
        (
            one(
                "Get-OwaVirtualDirectory",
                json!({ "Server": "atl-cas-001", "ADPropertiesOnly": true }),
            ),
            gives([directory]),
        ),
        (set(), gives([])),
        (
            set(),
            warns(
                "The command completed successfully but no settings of 'Default' have been modified.",
            ),
        ),
        (
            one("Get-OwaMailboxPolicy", json!({ "Identity": "Default" })),
            gives([json!({ "properties": { "Name": "Default", "InstantMessagingType": "Ocs" } })]),
        ),
        (
            one("Get-OwaMailboxPolicy", json!({ "Identity": "nobody" })),
            errs("", "ManagementObjectNotFoundException"),
        ),
        (
            one("Get-OwaMailboxPolicy", json!({ "NoSuch": 1 })),
            fails("NamedParameterNotFound", "GetOwaMailboxPolicy"),
        ),
        (
            one("Test-Path", json!({ "LiteralPath": r"C:\Windows" })),
            fails("CommandNotFoundException", ""),
        ),
    ];
    check(EndpointKind::Exchange, "ntlm", cases).await;
}

#[tokio::test]
async fn a_secure_string_reaches_the_cmdlet() {
    let file = include_bytes!("../../lab/src/world/tests/pfx/modern.pfx");
    let import = |password: &str| {
        let parameters = json!({
            "FileData": { "bytes": &file[..] },
            "Password": { "secret": password },
            "Server": "atl-mbx-001",
        });
        one("Import-ExchangeCertificate", parameters)
    };
    check(
        EndpointKind::Exchange,
        "ntlm",
        vec![
            (
                import("wrong"),
                fails("[FailureCategory=Cmdlet-ImportCertificateData", "Import"),
            ),
            (import("p\"w '\u{fc}\u{20ac}"), gives([json!({})])),
        ],
    )
    .await;
}

#[tokio::test]
async fn spnego_is_understood() {
    for kind in [EndpointKind::Windows, EndpointKind::Exchange] {
        check(
            kind,
            "negotiate",
            vec![(
                one("Get-Nothing", json!({})),
                fails("CommandNotFoundException", ""),
            )],
        )
        .await;
    }
}

#[tokio::test]
async fn script_text_is_a_parse_error_at_the_exchange_endpoint() {
    let script = json!([{ "script": "Get-OwaMailboxPolicy | ForEach-Object { $_.Name }" }]);
    let cases = vec![(script, fails("", "Not"))];
    check(EndpointKind::Exchange, "ntlm", cases).await;
}

#[tokio::test]
async fn wrong_passwords_and_plain_messages_get_what_real_servers_give() {
    let lab = start().await;
    for kind in [EndpointKind::Windows, EndpointKind::Exchange] {
        for (encryption, wrong, expected) in [
            (
                "always",
                true,
                ("AuthenticationError", "Failed to authenticate"),
            ),
            (
                "never",
                true,
                ("AuthenticationError", "Failed to authenticate"),
            ),
            ("never", false, ("WinRMTransportError", "Code: 500")),
        ] {
            for auth in ["ntlm", "negotiate"] {
                let entry = entry(&lab, kind);
                let results = tokio::task::spawn_blocking(move || {
                    let password = if wrong {
                        "wrong"
                    } else {
                        entry.password.expose()
                    };
                    pypsrp(
                        &entry,
                        &Client {
                            auth,
                            encryption,
                            password,
                        },
                        &json!([]),
                    )
                });
                let failure = results.await.unwrap()["failure"].clone();
                assert_eq!(failure["type"], expected.0, "{failure}");
                assert!(
                    failure["text"].as_str().unwrap().contains(expected.1),
                    "{failure}"
                );
            }
        }
    }
}
