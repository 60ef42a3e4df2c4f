//! `backend.certificate`

use owaim_inventory::Thumbprint;
use owaim_proto::clixml::{Object, Value};
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

use super::bench::{Bench, check, gives, host, object};
use crate::backend_certificate::BackendCertificate;
use crate::x509::X509;
use crate::{Fact, Verdict};

const NAME: &str = "atl-owa-001.litwareinc.com";

/// A certificate valid from the start of `from` to the start of `to`.
fn certificate(common_name: &str, names: &[&str], from: i32, to: i32) -> Vec<u8> {
    let mut params =
        CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .der()
        .to_vec()
}

fn stored(der: &[u8], private_key: bool) -> Value {
    object([
        ("RawData", der.to_vec().into()),
        ("HasPrivateKey", private_key.into()),
        ("Thumbprint", "made up".into()),
    ])
}

fn good(to: i32) -> Vec<u8> {
    certificate(NAME, &["atl-mbx-001.litwareinc.com", NAME], 2025, to)
}

fn look(bench: &mut Bench, store: Vec<Value>) -> crate::Assessment {
    bench
        .look(
            &BackendCertificate {
                host: host("atl-mbx-001"),
            },
            move |_| gives(store.clone()),
        )
        .1
}

#[test]
fn only_a_certificate_that_lync_takes_will_do() {
    for (name, store, expected) in [
        ("good", vec![stored(&good(2028), true)], "in place"),
        (
            "upper case",
            vec![stored(
                &certificate(
                    "ATL-OWA-001.LITWAREINC.COM",
                    &["ATL-OWA-001.litwareinc.com"],
                    2025,
                    2028,
                ),
                true,
            )],
            "in place",
        ),
        ("empty store", vec![], "broken: an empty store"),
        (
            "others only",
            vec![stored(&certificate("mail", &["mail"], 2025, 2028), true)],
            "broken: only others: ",
        ),
        (
            "no private key",
            vec![stored(&good(2028), false)],
            "broken: ",
        ),
        ("expired", vec![stored(&good(2026), true)], "broken: "),
        (
            "not yet valid",
            vec![stored(&certificate(NAME, &[NAME], 2027, 2028), true)],
            "broken: ",
        ),
        (
            "name not in the alternative names",
            vec![stored(&certificate(NAME, &["x.y"], 2025, 2028), true)],
            "broken: ",
        ),
        (
            "wildcard among them",
            vec![stored(
                &certificate(NAME, &["*.litwareinc.com"], 2025, 2028),
                true,
            )],
            "broken: ",
        ),
        (
            "wildcard subject",
            vec![stored(
                &certificate("*.litwareinc.com", &[NAME], 2025, 2028),
                true,
            )],
            "broken: only others",
        ),
        (
            "bytes as a list",
            vec![object([
                (
                    "RawData",
                    Object::list(good(2028).into_iter().map(Value::Byte).collect()).into(),
                ),
                ("HasPrivateKey", "True".into()),
            ])],
            "in place",
        ),
        (
            "damaged, and a good one",
            vec![stored(&good(2028)[1..], true), stored(&good(2028), true)],
            "in place",
        ),
    ] {
        let found = look(&mut Bench::new(), store);
        check(name, &found, expected);
        assert_eq!(
            found.warnings.len(),
            usize::from(name.starts_with("damaged")),
            "{name}"
        );
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (store, expected) in [
        (
            certificate(NAME, &["*.litwareinc.com"], 2025, 2028),
            "of its alternative names only the wildcard *.litwareinc.com covers",
        ),
        (
            certificate("*.litwareinc.com", &[NAME], 2025, 2028),
            "its common name is the wildcard *.litwareinc.com",
        ),
        (
            certificate(NAME, &[NAME], 2020, 2026),
            "it expired at 2026-01-01T00:00:00Z",
        ),
    ] {
        let found = look(&mut Bench::new(), vec![stored(&store, true)]);
        let told = super::bench::told(&found.verdict);
        assert!(told.contains(expected), "{told}");
        assert!(
            told.contains(X509::parse(&store).unwrap().thumbprint.as_str()),
            "{told}"
        );
    }
}

#[test]
fn of_several_the_one_that_expires_last_is_taken_unless_one_is_pinned() {
    let [short, long, expired] = [good(2027), good(2029), good(2026)];
    let store = || {
        [&short, &long, &expired]
            .map(|der| stored(der, true))
            .to_vec()
    };
    let thumbprint = |der: &[u8]| X509::parse(der).unwrap().thumbprint;
    let taken = |bench: &mut Bench| match look(bench, store()).facts.as_slice() {
        [Fact::Certificate(certificate)] => Some(certificate.thumbprint.clone()),
        _ => None,
    };
    assert_eq!(taken(&mut Bench::new()), Some(thumbprint(&long)));
    let mut pinned = Bench::new();
    pinned.site.certificate.thumbprint = Some(thumbprint(&short));
    assert_eq!(taken(&mut pinned), Some(thumbprint(&short)));
    pinned.site.certificate.thumbprint = Some(thumbprint(&expired));
    assert_eq!(taken(&mut pinned), None);
    pinned.site.certificate.thumbprint = Some(Thumbprint::new(&"0".repeat(40)).unwrap());
    assert_eq!(taken(&mut pinned), None);
}

#[test]
fn a_pinned_certificate_that_is_not_there_is_told_from_a_good_one() {
    let mut pinned = Bench::new();
    pinned.site.certificate.thumbprint = Some(Thumbprint::new(&"0".repeat(40)).unwrap());
    let found = look(&mut pinned, vec![stored(&good(2028), true)]);
    let Verdict::Broken(problem) = found.verdict else {
        panic!("{:?}", found.verdict)
    };
    assert!(
        problem
            .found
            .ends_with("): good, but not the one that is asked for"),
        "{}",
        problem.found
    );
    assert!(
        problem.advice.starts_with("correct thumbprint"),
        "{}",
        problem.advice
    );
}

#[test]
fn one_that_expires_soon_is_a_warning_by_the_servers_clock() {
    for (days, warnings) in [(30, 0), (38, 0), (39, 1), (60, 1)] {
        // 2026-11-23 10:00 to 2027-01-01 00:00 are 38 days and 14 hours.
        let mut bench = Bench::new();
        bench.site.certificate.warn_days = days;
        assert_eq!(
            look(&mut bench, vec![stored(&good(2027), true)])
                .warnings
                .len(),
            warnings,
            "{days}"
        );
    }
}
