//! The chain of trust against `openssl verify`: the same certificates, the same verdict.
//!
//! Each set is given to the step `backend.certificate` as the stores of one server, and to openssl
//! as files. Neither knows of the other.
#![allow(clippy::unwrap_used)]
// It drives the openssl of this machine.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use owaim_steps::Verdict;
use owaim_tests::decoders::TARGETS;
use owaim_tests::stores::{NAME, Stores};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_RSA_SHA256, PKCS_RSA_SHA384, PKCS_RSA_SHA512, SignatureAlgorithm, date_time_ymd,
};
use rustls_pki_types::PrivatePkcs8KeyDer;

const NOW: &str = "2026-11-23T10:00:00Z";

/// One set: a certificate, what is sent with it, and whom the other side trusts.
struct Set {
    name: String,
    leaf: Vec<u8>,
    sent: Vec<Vec<u8>>,
    roots: Vec<Vec<u8>>,
    is_good: bool,
}

/// An authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
}

/// A key for signatures of that kind. RSA keys are openssl's to make.
fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    let is_rsa = [&PKCS_RSA_SHA256, &PKCS_RSA_SHA384, &PKCS_RSA_SHA512].contains(&algorithm);
    if !is_rsa {
        return KeyPair::generate_for(algorithm).unwrap();
    }
    let arguments = [
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
    ];
    let made = Command::new("openssl").args(arguments).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let text = String::from_utf8(made.stdout).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let der = PrivatePkcs8KeyDer::from(STANDARD.decode(body).unwrap());
    KeyPair::from_pkcs8_der_and_sign_algo(&der, algorithm).unwrap()
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2035, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Authority {
    fn new(
        above: Option<&Self>,
        algorithm: &'static SignatureAlgorithm,
        params: CertificateParams,
    ) -> Self {
        let key = key(algorithm);
        let made = match above {
            None => params.self_signed(&key).unwrap(),
            Some(above) => params.signed_by(&key, &above.issuer).unwrap(),
        };
        let der = made.der().to_vec();
        Self {
            issuer: Issuer::new(params, key),
            der,
        }
    }

    fn leaf(&self, edit: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = params(NAME);
        params.subject_alt_names = vec![rcgen::SanType::DnsName(NAME.try_into().unwrap())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &self.issuer).unwrap().der().to_vec()
    }
}

/// What is wrong, and how it comes to be.
type Flaw = (&'static str, fn(&mut CertificateParams));

/// What keeps an authority from issuing.
const FLAWS: [Flaw; 6] = [
    ("issuer expired", |params| {
        params.not_after = date_time_ymd(2026, 1, 1);
    }),
    ("issuer not yet valid", |params| {
        params.not_before = date_time_ymd(2027, 1, 1);
    }),
    ("issuer is no authority", |params| {
        params.is_ca = IsCa::ExplicitNoCa;
    }),
    ("issuer does not say that it is one", |params| {
        params.is_ca = IsCa::NoCa;
    }),
    ("issuer may not sign", |params| {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    }),
    ("issuer is for code", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    }),
];

/// Every way in which two levels may be right or wrong, with signatures of that kind.
fn sets(algorithm: &'static SignatureAlgorithm, name: &str) -> Vec<Set> {
    let root = Authority::new(None, algorithm, authority("Root"));
    let other = Authority::new(None, algorithm, authority("Root"));
    let below = |above: &Authority, name: &str, edit: fn(&mut CertificateParams)| {
        let mut params = authority(name);
        edit(&mut params);
        Authority::new(Some(above), algorithm, params)
    };
    let set = |what: &str, from: &Authority, sent: &[&Authority], trusted: &Authority| Set {
        name: format!("{name}, {what}"),
        leaf: from.leaf(|_| {}),
        sent: sent.iter().map(|authority| authority.der.clone()).collect(),
        roots: vec![trusted.der.clone()],
        is_good: false,
    };
    let good = |set: Set| Set {
        is_good: true,
        ..set
    };
    let issuing = below(&root, "Issuing", |_| {});
    let third = below(&issuing, "Third", |_| {});
    let narrow = below(&root, "Issuing", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let too_many = below(&narrow, "Third", |_| {});
    let flawed = FLAWS.map(|(_, edit)| below(&root, "Issuing", edit));

    let mut torn = set("a signature that is not one", &issuing, &[&issuing], &root);
    let last = torn.leaf.len() - 1;
    torn.leaf[last] ^= 1;
    let mut client = set("a leaf for clients", &issuing, &[&issuing], &root);
    client.leaf = issuing.leaf(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let mut old = set("an expired leaf", &issuing, &[&issuing], &root);
    old.leaf = issuing.leaf(|params| params.not_after = date_time_ymd(2026, 1, 1));
    let [expired, .., for_code] = &flawed;
    let crowd = [expired, for_code, &issuing];
    let mut all = vec![
        good(set("good", &issuing, &[&issuing], &root)),
        good(set("directly below the root", &root, &[], &root)),
        good(set("three levels", &third, &[&third, &issuing], &root)),
        good(set(
            "flawed ones of its name sent along",
            &issuing,
            &crowd,
            &root,
        )),
        set("intermediate missing", &issuing, &[], &root),
        set("the middle one missing", &third, &[&third], &root),
        set("another root of that name", &issuing, &[&issuing], &other),
        set(
            "one authority too many",
            &too_many,
            &[&too_many, &narrow],
            &root,
        ),
        torn,
        client,
        old,
    ];
    let flaws = FLAWS.iter().zip(&flawed);
    all.extend(flaws.map(|((what, _), issuer)| set(what, issuer, &[issuer], &root)));
    all
}

/// What openssl makes of a set.
fn openssl(folder: &Path, set: &Set, now: Timestamp) -> Result<(), String> {
    let file = |name: &str, certificates: &[Vec<u8>]| -> PathBuf {
        let path = folder.join(name);
        let text: String = certificates.iter().map(|der| pem(der)).collect();
        std::fs::write(&path, text).unwrap();
        path
    };
    let leaf = file("leaf.pem", std::slice::from_ref(&set.leaf));
    let roots = file("roots.pem", &set.roots);
    let seconds = now.as_second().to_string();
    let mut command = Command::new("openssl");
    command
        .args([
            "verify",
            "-no-CApath",
            "-no-CAstore",
            "-purpose",
            "sslserver",
        ])
        .args(["-attime", &seconds, "-CAfile"])
        .arg(roots);
    if !set.sent.is_empty() {
        command.arg("-untrusted").arg(file("sent.pem", &set.sent));
    }
    let output = command.arg(leaf).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(())
    } else {
        Err(said.into())
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// What the step makes of a set.
fn step(set: &Set, now: Timestamp) -> Result<(), String> {
    let stores = Stores {
        own: vec![set.leaf.clone()],
        intermediates: set.sent.clone(),
        roots: set.roots.clone(),
    };
    match stores.verdict(now) {
        Verdict::InPlace => Ok(()),
        Verdict::Broken(problem) => Err(problem.found),
        other => panic!("{}: {other:?}", set.name),
    }
}

/// Two levels signed with SHA-1, as authorities of that time still are.
fn sha1(folder: &Path) -> Set {
    let run = |arguments: &[&str]| {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    let name = format!("/CN={NAME}");
    let extensions = format!(
        "[ca]\nbasicConstraints=critical,CA:true\nkeyUsage=keyCertSign\n[leaf]\nsubjectAltName=DNS:{NAME}\n\
         extendedKeyUsage=serverAuth\n"
    );
    std::fs::write(folder.join("ext"), extensions).unwrap();
    for (file, subject) in [("a", "/CN=Old root"), ("b", "/CN=Old CA"), ("c", &name)] {
        let (key, request) = (format!("{file}.key"), format!("{file}.csr"));
        run(&[
            "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", &key, "-out", &request,
            "-subj", subject,
        ]);
    }
    let sign = |file: &str, by: Option<&str>, section: &str| {
        let (request, out) = (format!("{file}.csr"), format!("{file}.der"));
        let key = format!("{}.key", by.unwrap_or(file));
        let issuer = by.map(|by| format!("{by}.der"));
        let mut arguments = vec![
            "x509",
            "-req",
            "-sha1",
            "-days",
            "3000",
            "-in",
            &request,
            "-out",
            &out,
            "-outform",
            "DER",
            "-extfile",
            "ext",
            "-extensions",
            section,
        ];
        match &issuer {
            Some(issuer) => arguments.extend(["-CA", issuer, "-CAkey", &key, "-set_serial", "7"]),
            None => arguments.extend(["-signkey", &key]),
        }
        run(&arguments);
        std::fs::read(folder.join(out)).unwrap()
    };
    Set {
        name: "RSA with SHA-1".into(),
        roots: vec![sign("a", None, "ca")],
        sent: vec![sign("b", Some("a"), "ca")],
        leaf: sign("c", Some("b"), "leaf"),
        is_good: true,
    }
}

#[test]
fn every_chain_is_judged_as_openssl_judges_it() {
    let (folder, now) = (tempfile::tempdir().unwrap(), NOW.parse().unwrap());
    let kinds: [(&'static SignatureAlgorithm, &str); 5] = [
        (&PKCS_ECDSA_P256_SHA256, "P-256"),
        (&PKCS_ECDSA_P384_SHA384, "P-384"),
        (&PKCS_RSA_SHA256, "RSA with SHA-256"),
        (&PKCS_RSA_SHA384, "RSA with SHA-384"),
        (&PKCS_RSA_SHA512, "RSA with SHA-512"),
    ];
    let mut count = 0;
    for (algorithm, name) in kinds {
        for set in sets(algorithm, name) {
            let (theirs, ours) = (openssl(folder.path(), &set, now), step(&set, now));
            assert_eq!(theirs.is_ok(), set.is_good, "{}: {theirs:?}", set.name);
            assert_eq!(ours.is_ok(), set.is_good, "{}: {ours:?}", set.name);
            count += 1;
        }
    }
    assert_eq!(count, 5 * 17);
}

#[test]
fn signatures_over_sha_1_are_verified_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut set = sha1(folder.path());
    // Made by openssl, which gives them the time of now.
    let now = Timestamp::now();
    assert_eq!(openssl(folder.path(), &set, now), Ok(()));
    assert_eq!(step(&set, now), Ok(()));
    let last = set.sent[0].len() - 1;
    set.sent[0][last] ^= 1;
    assert!(openssl(folder.path(), &set, now).is_err());
    assert!(step(&set, now).is_err());
}

#[test]
fn what_is_fuzzed_starts_from_a_good_certificate() {
    let target = TARGETS.iter().find(|target| target.name == "certificate");
    for seed in (target.unwrap().seeds)() {
        let stores = Stores {
            own: vec![seed.clone()],
            intermediates: Vec::new(),
            roots: vec![seed],
        };
        assert_eq!(
            stores.verdict("2027-01-15T00:00:00Z".parse().unwrap()),
            Verdict::InPlace
        );
    }
}
