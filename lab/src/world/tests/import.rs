//! Import and request of certificates. The files were made with `openssl pkcs12 -export`.

use owaim_proto::Secret;
use x509_parser::prelude::FromDer as _;

use super::*;

const MODERN: &[u8] = include_bytes!("pfx/modern.pfx");
/// Made with `-legacy`: RC2 and triple DES, as Windows wrote them for long.
const LEGACY: &[u8] = include_bytes!("pfx/legacy.pfx");
const NO_KEY: &[u8] = include_bytes!("pfx/no-key.pfx");
const PASSWORD: &str = "p\"w '\u{fc}\u{20ac}";
const THUMBPRINT: &str = "ED54535D4450D1E2039E49CA6B7F4FA9BC6512CF";

fn import(data: &[u8], password: &str) -> Command {
    Command::new("Import-ExchangeCertificate")
        .with("FileData", data.to_vec())
        .with("Password", Secret::new(password.into()))
        .with("Server", BOX)
}

fn store(lab: &Lab, store: &str) -> Vec<Value> {
    let path = format!("Cert:\\LocalMachine\\{store}");
    let output = lab.windows(BOX, Command::new("Get-ChildItem").with("LiteralPath", path));
    output.objects().cloned().collect()
}

fn subjects(lab: &Lab, of: &str) -> Vec<String> {
    store(lab, of)
        .iter()
        .map(|c| c.get("Subject").and_then(Value::text).expect("a subject"))
        .collect()
}

#[test]
fn a_file_is_imported_with_its_chain_at_the_server_named() {
    for file in [MODERN, LEGACY] {
        let lab = Lab::new("");
        let before = store(&lab, "My").len();
        let output = lab.exchange(import(file, PASSWORD));
        assert!(output.is_clean(), "{output:?}");
        let record = lab.last();
        assert_eq!(record.parameters["Password"], "***");
        assert!(record.effect && record.changes);

        let after = store(&lab, "My");
        assert_eq!(after.len(), before + 1);
        let new = after.last().expect("a certificate");
        let text = |name| new.get(name).and_then(Value::text);
        assert_eq!(text("Thumbprint").as_deref(), Some(THUMBPRINT));
        assert_eq!(text("Subject").as_deref(), Some("CN=owa.fabrikam.test"));
        assert_eq!(text("FriendlyName").as_deref(), Some("Outlook Web App"));
        assert_eq!(
            new.get("HasPrivateKey").and_then(Value::as_bool),
            Some(true)
        );
        // The root is nobody's to trust because it lay in a file.
        assert_eq!(
            subjects(&lab, "CA"),
            ["CN=fabrikam.test lab CA 1", "CN=Fabrikam test issuing"]
        );
        assert!(!subjects(&lab, "Root").contains(&"CN=Fabrikam test root".to_owned()));

        let again = lab.exchange(import(file, PASSWORD));
        assert!(!again.is_clean() && !lab.last().effect);
        assert_eq!(store(&lab, "My").len(), before + 1);
    }
}

#[test]
fn what_cannot_be_imported_changes_nothing() {
    let cut = &MODERN[..MODERN.len() - 7];
    let cases: [(&str, Command, &str); 6] = [
        (
            "wrong password",
            import(MODERN, "other"),
            "ImportCertificateData",
        ),
        (
            "wrong password",
            import(LEGACY, ""),
            "ImportCertificateData",
        ),
        ("cut short", import(cut, PASSWORD), "ImportCertificateData"),
        ("no file", import(b"MZ", PASSWORD), "ImportCertificateData"),
        ("no key", import(NO_KEY, PASSWORD), "PrivateKeyMissing"),
        (
            "a password in plain text",
            Command::new("Import-ExchangeCertificate")
                .with("FileData", MODERN.to_vec())
                .with("Password", PASSWORD),
            "CannotConvertArgument",
        ),
    ];
    let lab = Lab::new("");
    let before = store(&lab, "My");
    for (name, command, expected) in cases {
        let output = lab.exchange(command);
        let error = output.errors().next().expect(name);
        assert!(
            error.error_id.contains(expected),
            "{name}: {}",
            error.error_id
        );
        assert!(!lab.last().effect, "{name}");
        let line = serde_json::to_string(&lab.last()).expect("JSON");
        assert!(!line.contains("p\\\"w"), "{line}");
    }
    assert_eq!(store(&lab, "My"), before);
}

#[test]
fn whatever_a_file_holds_nothing_panics() {
    let password = Secret::new(PASSWORD.into());
    for at in (0..MODERN.len()).step_by(41) {
        let mut file = MODERN.to_vec();
        file[at] ^= 0x55;
        let _ = crate::world::certificates::pfx::open(&file, &password);
    }
}

fn request(names: &[&str]) -> Command {
    Command::new("New-ExchangeCertificate")
        .switch("GenerateRequest")
        .with("SubjectName", "CN=owa.fabrikam.test, O=Fabrikam")
        .with(
            "DomainName",
            names.iter().map(|n| Value::from(*n)).collect::<Vec<_>>(),
        )
        .with("PrivateKeyExportable", true)
        .with("Server", BOX)
}

#[test]
fn a_request_waits_for_its_certificate() {
    let lab = Lab::new("");
    let output = lab.exchange(request(&["owa.fabrikam.test", BOX]));
    assert!(output.is_clean(), "{output:?}");
    let texts = texts(&output);
    let base64: String = texts[0]
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let der =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, base64).expect("base64");
    let (_, request) = x509_parser::certification_request::X509CertificationRequest::from_der(&der)
        .expect("PKCS #10");
    let info = &request.certification_request_info;
    assert_eq!(info.subject.to_string(), "CN=owa.fabrikam.test, O=Fabrikam");
    let shown = format!(
        "{:?}",
        request
            .requested_extensions()
            .map(Iterator::collect::<Vec<_>>)
    );
    assert!(shown.contains(BOX), "{shown}");
    assert_eq!(
        subjects(&lab, "REQUEST"),
        ["CN=owa.fabrikam.test, O=Fabrikam"]
    );
    let pending = &store(&lab, "REQUEST")[0];
    let bytes = pending
        .get("RawData")
        .and_then(Value::as_bytes)
        .expect("DER");
    let (_, entry) = x509_parser::parse_x509_certificate(&bytes).expect("DER");
    assert_eq!(entry.public_key().raw, info.subject_pki.raw);

    // It is not answered by something else.
    assert!(lab.exchange(import(MODERN, PASSWORD)).is_clean());
    assert_eq!(store(&lab, "REQUEST").len(), 1);
    // The certificate of its own key answers it: here the entry itself, as any other would do.
    let answer = Command::new("Import-ExchangeCertificate")
        .with("FileData", bytes.into_owned())
        .with("Server", BOX);
    let output = lab.exchange(answer);
    assert!(output.is_clean(), "{output:?}");
    assert_eq!(store(&lab, "REQUEST").len(), 0);
    let last = store(&lab, "My").pop().expect("a certificate");
    assert_eq!(
        last.get("HasPrivateKey").and_then(Value::as_bool),
        Some(true)
    );
}
