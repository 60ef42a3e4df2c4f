//! A certificate that is imported, and one that is requested: against the simulated site, over
//! real sockets.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use serde_json::Value;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/litware.toml");
const PASSWORD: &str = "S3cret-pfx-canary \u{fc}7!";
const NAME: &str = "atl-owa-001.litwareinc.com";
const BACKEND: &str = "atl-mbx-001.litwareinc.com";

/// The first backend has no certificate for Lync.
const MISSING: &str =
    "[[defects]]\nhost = \"atl-mbx-001.litwareinc.com\"\ndefect = \"certificate-missing\"\n";
const IMPORT: &str = "import = { pfx = 'owa.pfx', password = { env = \"OWAIM_TEST_PFX\" } }";

/// A site, and the lab's state of it.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// With the example site; the lab begins as `overlay` says.
    fn new(overlay: &str) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        bench.certificate("");
        std::fs::write(bench.path("lab.toml"), overlay).unwrap();
        bench.run("plan", &["--only", "mailbox"], 0);
        bench
    }

    /// Writes the site file, with `keys` in its section `[certificate]`.
    fn certificate(&self, keys: &str) {
        let text = std::fs::read_to_string(EXAMPLE).unwrap();
        let edited = text.replace("warn_days = 30", &format!("warn_days = 30\n{keys}"));
        assert!(keys.is_empty() || edited != text);
        std::fs::write(self.path("site.toml"), edited).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `command`, which has to end with `code`; gives what it said.
    #[track_caller]
    fn run(&self, command: &str, arguments: &[&str], code: i32) -> String {
        self.run_with(command, arguments, PASSWORD, code)
    }

    #[track_caller]
    fn run_with(&self, command: &str, arguments: &[&str], password: &str, code: i32) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_owaim"))
            .arg(command)
            .arg(self.path("site.toml"))
            .args(["--lab", "--lab-state"])
            .arg(self.path("state"))
            .arg("--lab-with")
            .arg(self.path("lab.toml"))
            .arg("--run-dir")
            .arg(self.path("runs"))
            .args(arguments)
            .env("NO_COLOR", "1")
            .env("OWAIM_TEST_PFX", password)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = format!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(!said.contains("canary"), "{said}");
        said
    }

    fn calls(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("state").join("calls.ndjson")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The calls of `cmdlet`.
    fn calls_of(&self, cmdlet: &str) -> Vec<Value> {
        let mut calls = self.calls();
        calls.retain(|call| call["cmdlet"] == cmdlet);
        calls
    }

    fn state(&self) -> Value {
        let text = std::fs::read_to_string(self.path("state").join("state.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Writes a PKCS #12 file with a certificate of the simulated site's own authority, valid until
    /// `to`.
    fn write_pfx(&self, common_name: &str, to: i32) {
        let authority = &self.state()["authority"]["certificate"];
        let bytes = |name: &str| STANDARD.decode(authority[name].as_str().unwrap()).unwrap();
        let subject = authority["subject"].as_str().unwrap();
        let mut issuer = CertificateParams::default();
        issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        issuer.distinguished_name = named(subject.strip_prefix("CN=").unwrap());
        let issuer = Issuer::new(issuer, KeyPair::try_from(bytes("key").as_slice()).unwrap());

        let names = [common_name, BACKEND].map(String::from).to_vec();
        let mut leaf = CertificateParams::new(names).unwrap();
        leaf.distinguished_name = named(common_name);
        leaf.not_before = date_time_ymd(2024, 1, 1);
        leaf.not_after = date_time_ymd(to, 1, 1);
        leaf.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        leaf.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        let certificate = leaf.signed_by(&key, &issuer).unwrap();
        let chain = PrivateKeyChain::new(
            &b"1"[..],
            PrivateKey::from_der(&key.serialize_der()).unwrap(),
            [
                Certificate::from_der(certificate.der()).unwrap(),
                Certificate::from_der(&bytes("der")).unwrap(),
            ],
        );
        let mut store = KeyStore::new();
        store.add_entry("owa", KeyStoreEntry::PrivateKeyChain(chain));
        let file = store.writer(PASSWORD).write().unwrap();
        std::fs::write(self.path("owa.pfx"), file).unwrap();
    }

    /// No file that a run leaves shows the password, or the file that it opens.
    fn nothing_shows_the_secret(&self) {
        let file = std::fs::read(self.path("owa.pfx")).unwrap();
        let hidden = [
            PASSWORD.to_owned(),
            STANDARD.encode(&file)[40..120].to_owned(),
        ];
        let mut looked_at = 0;
        for folder in ["runs", "state"] {
            for path in files(&self.path(folder)) {
                let bytes = std::fs::read(&path).unwrap();
                let text = String::from_utf8_lossy(&bytes);
                for hidden in &hidden {
                    assert!(!text.contains(hidden.as_str()), "{}", path.display());
                }
                looked_at += 1;
            }
        }
        assert!(looked_at > 5);
    }
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn a_missing_certificate_is_imported_where_it_is_missing() {
    let bench = Bench::new(MISSING);
    bench.write_pfx(NAME, 2099);
    bench.certificate(IMPORT);

    let planned = bench.run("plan", &["--format", "powershell"], 0);
    assert_eq!(
        planned.matches("Import-ExchangeCertificate").count(),
        1,
        "{planned}"
    );
    assert!(
        planned.contains("-Password (Read-Host -AsSecureString)"),
        "{planned}"
    );
    assert!(
        planned.contains("-FileData ([IO.File]::ReadAllBytes("),
        "{planned}"
    );
    assert!(bench.calls().iter().all(|call| call["changes"] == false));

    // The thumbprint is known before the import: the plan has it for Web.config.
    let planned = bench.run("plan", &[], 0);
    let Some((before, _)) = planned.split_once(" from owa.pfx") else {
        panic!("{planned}")
    };
    let thumbprint = &before[before.len() - 40..];
    let value = format!("key=\"IMCertificateThumbprint\" value=\"{thumbprint}\"");
    assert!(planned.contains(&value), "{planned}");

    bench.run("apply", &["--yes"], 0);
    let imports = bench.calls_of("Import-ExchangeCertificate");
    let [import] = imports.as_slice() else {
        panic!("{imports:?}")
    };
    assert_eq!(import["parameters"]["Password"], "***");
    assert_eq!(import["parameters"]["Server"], BACKEND);
    assert_eq!(import["endpoint"], "exchange");
    assert_eq!(
        (&import["effect"], &import["result"]),
        (&true.into(), &"ok".into())
    );

    let calls = bench.calls().len();
    bench.run("apply", &["--yes"], 0);
    bench.run("verify", &[], 0);
    let again = bench.calls().split_off(calls);
    assert!(
        again.iter().all(|call| call["effect"] == false),
        "{again:?}"
    );
    bench.nothing_shows_the_secret();
}

#[test]
fn an_import_whose_answer_is_lost_makes_no_second_copy() {
    // The first Receive of a pipeline is the second at that endpoint's shell: after the two of the
    // opening and the one of the key.
    for nth in 1..=6 {
        let fault = format!(
            "[[faults]]\nhost = \"atl-cas-001.litwareinc.com\"\nendpoint = \"exchange\"\n\
             action = \"Receive\"\nnth = {nth}\nkind = \"drop-after\"\n"
        );
        let bench = Bench::new(MISSING);
        bench.write_pfx(NAME, 2099);
        bench.certificate(IMPORT);
        std::fs::write(bench.path("lab.toml"), format!("{MISSING}{fault}")).unwrap();
        bench.run("apply", &["--yes", "--only", "backend.certificate"], 0);
        let imports = bench.calls_of("Import-ExchangeCertificate");
        let effects = imports.iter().filter(|call| call["effect"] == true).count();
        assert_eq!(effects, 1, "{nth}: {imports:?}");
        bench.nothing_shows_the_secret();
    }
}

#[test]
fn what_cannot_be_imported_ends_before_anything_is_contacted() {
    let bench = Bench::new(MISSING);
    let calls = bench.calls().len();
    bench.certificate(IMPORT);
    let refused = |password: &str, expected: &str| {
        for (command, arguments) in [("apply", &["--yes"][..]), ("plan", &[])] {
            let said = bench.run_with(command, arguments, password, 3);
            assert!(said.contains(expected), "{said}");
        }
        assert_eq!(bench.calls().len(), calls);
    };
    refused(PASSWORD, "cannot be read from");
    bench.write_pfx(NAME, 2099);
    refused("", "gives nothing");
    refused("wrong", "cannot be opened");
    std::fs::write(bench.path("owa.pfx"), b"no such file").unwrap();
    refused(PASSWORD, "cannot be opened");
    bench.write_pfx("mail.litwareinc.com", 2099);
    refused(PASSWORD, "its common name is mail.litwareinc.com");
    bench.write_pfx(NAME, 2025);
    refused(PASSWORD, "it expired at 2025-01-01");

    // Who only looks is told, and goes on: the stores may be in order all the same.
    let said = bench.run_with(
        "verify",
        &["--only", "preflight,backend.certificate"],
        PASSWORD,
        1,
    );
    assert!(
        said.contains("warning: the certificate") && said.contains("it expired at 2025-01-01"),
        "{said}"
    );
    assert!(bench.calls().len() > calls);

    // A run that has no use for it does not ask for it.
    bench.run_with("plan", &["--only", "mailbox"], "", 0);
}

#[test]
fn a_certificate_is_requested_once() {
    let bench = Bench::new(MISSING);
    bench.certificate("request = true");
    let planned = bench.run("plan", &[], 0);
    assert!(
        planned.contains("make a certificate signing request"),
        "{planned}"
    );
    assert!(
        planned.contains("known after apply: backend.certificate"),
        "{planned}"
    );

    let only = ["--yes", "--only", "backend.certificate"];
    let said = bench.run("apply", &only, 1);
    assert!(
        said.contains("a request for atl-owa-001.litwareinc.com is pending"),
        "{said}"
    );
    let kept = format!("received/{BACKEND}/certificate-request.txt");
    assert!(said.contains(&kept), "{said}");
    let kept: Vec<_> = files(&bench.path("runs"))
        .into_iter()
        .filter(|path| path.ends_with(&kept))
        .collect();
    let [kept] = kept.as_slice() else {
        panic!("{kept:?}")
    };
    let text = std::fs::read_to_string(kept).unwrap();
    assert!(
        text.starts_with("-----BEGIN NEW CERTIFICATE REQUEST-----"),
        "{text}"
    );

    let said = bench.run("apply", &only, 1);
    assert!(said.contains("of the run that made it"), "{said}");
    bench.run("verify", &["--only", "backend.certificate"], 1);
    assert_eq!(bench.calls_of("New-ExchangeCertificate").len(), 1);
}

#[test]
fn a_request_whose_answer_is_lost_is_not_made_again() {
    let bench = Bench::new(MISSING);
    bench.certificate("request = true");
    // Two Receives open the pool, the third has the answer.
    let fault = "[[faults]]\nhost = \"atl-cas-001.litwareinc.com\"\nendpoint = \"exchange\"\n\
                 action = \"Receive\"\nnth = 3\nkind = \"drop-after\"\n";
    std::fs::write(bench.path("lab.toml"), format!("{MISSING}{fault}")).unwrap();
    let said = bench.run("apply", &["--yes", "--only", "backend.certificate"], 1);
    assert!(said.contains("is pending"), "{said}");
    let requests = bench.calls_of("New-ExchangeCertificate");
    assert_eq!(requests.len(), 1, "{requests:?}");
}
