//! `backend.certificate`

use owaim_inventory::{CertificateImport, SecretSource, Thumbprint};
use owaim_proto::Secret;
use owaim_proto::clixml::{Object, Value};
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

use super::bench::{Bench, check, fails, gives, host, object, said};
use crate::backend_certificate::BackendCertificate;
use crate::backend_recycle::BackendRecycle;
use crate::backend_web_config::BackendWebConfig;
use crate::x509::X509;
use crate::{Fact, Observations, Pfx, Place, Query, Step as _, Verdict};

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

const PASSWORD: &str = "S3cret-canary-42!";

fn step() -> BackendCertificate {
    BackendCertificate {
        host: host("atl-mbx-001"),
    }
}

/// A bench whose run may import the certificate `der`.
fn importing(der: &[u8]) -> Bench {
    let mut bench = Bench::new();
    bench.site.certificate.import = Some(CertificateImport {
        pfx: "owa.pfx".into(),
        password: SecretSource::Prompt,
    });
    let password = Secret::new(PASSWORD.into());
    bench.pfx = Some(Pfx::new(b"the file".to_vec(), password, der).unwrap());
    bench
}

#[test]
fn what_is_missing_is_imported_for_the_server_by_the_administrative_host() {
    let der = good(2029);
    let thumbprint = X509::parse(&der).unwrap().thumbprint;
    for (name, store) in [
        ("empty store", vec![]),
        ("expired", vec![stored(&good(2026), true)]),
        ("without its key", vec![stored(&good(2028), false)]),
    ] {
        let mut bench = importing(&der);
        let (seen, found) = bench.look(&step(), |_| gives(store.clone()));
        check(name, &found, "drifted");
        // Known before it is there.
        assert!(matches!(
            found.facts.as_slice(),
            [Fact::Certificate(certificate)] if certificate.thumbprint == thumbprint
        ));
        let [action] = &bench.remedy(&step(), &seen)[..] else {
            panic!("{name}: not one action")
        };
        assert!(action.changes && step().repeatable(action), "{name}");
        assert_eq!(action.place, Place::exchange(&host("atl-cas-001")));
        assert_eq!(
            action.pipeline,
            Pipeline::new(
                Command::new("Import-ExchangeCertificate")
                    .with("FileData", b"the file".to_vec())
                    .with("Password", Secret::new(PASSWORD.into()))
                    .with("Server", "atl-mbx-001.litwareinc.com")
            )
        );
        let shown = format!("{action:?} {:?} {seen:?} {found:?}", bench.pfx);
        assert!(!shown.contains("canary"), "{shown}");
        let refused = fails("ImportCertificateDataInvalid,Import", 6);
        let accepted = step().accept(bench.context(), action, &refused);
        assert!(accepted.is_err(), "{name}");
    }
}

#[test]
fn a_good_certificate_of_the_store_is_left_alone() {
    let mut bench = importing(&good(2029));
    let (_, found) = bench.look(&step(), |_| gives([stored(&good(2027), true)]));
    check("good", &found, "in place");
}

#[test]
fn what_would_not_help_is_not_imported() {
    let other = certificate("mail", &["mail"], 2025, 2028);
    for (name, der, store, expected) in [
        ("other name", &other, vec![], "its common name is mail"),
        ("expired", &good(2026), vec![], "it expired at"),
        (
            "there without its key",
            &good(2028),
            vec![stored(&good(2028), false)],
            "it is in the store already",
        ),
    ] {
        // The same certificate in both places, though it is made anew each time.
        let store = match store.as_slice() {
            [_] => vec![stored(der, false)],
            _ => store,
        };
        let found = look(&mut importing(der), store);
        check(name, &found, "broken: ");
        let told = super::bench::told(&found.verdict);
        assert!(
            told.contains("would not help") && told.contains(expected),
            "{told}"
        );
    }
    let mut pinned = importing(&good(2028));
    pinned.site.certificate.thumbprint = Some(Thumbprint::new(&"0".repeat(40)).unwrap());
    check("another is pinned", &look(&mut pinned, vec![]), "broken: ");
}

fn requesting() -> Bench {
    let mut bench = Bench::new();
    bench.site.certificate.request = true;
    bench
}

/// Answers with the certificates of both stores.
fn stores<'a>(my: &'a [Value], pending: &'a [Value]) -> impl Fn(&Query) -> PipelineOutput + 'a {
    move |query| match query.name {
        "pending" => gives(pending.to_vec()),
        _ => gives(my.to_vec()),
    }
}

#[test]
fn a_request_is_made_once_and_its_text_is_kept() {
    let mut bench = requesting();
    let (seen, found) = bench.look(&step(), stores(&[], &[]));
    check("nothing pending", &found, "drifted");
    assert_eq!(found.facts, []);
    let [action] = &bench.remedy(&step(), &seen)[..] else {
        panic!("not one action")
    };
    assert!(!step().repeatable(action), "never a second one");
    assert_eq!(
        said(&action.pipeline),
        "New-ExchangeCertificate -GenerateRequest -SubjectName CN=atl-owa-001.litwareinc.com -DomainName \
         atl-owa-001.litwareinc.com,atl-mbx-001.litwareinc.com -KeySize 2048 -FriendlyName Outlook Web App, \
         atl-owa-001.litwareinc.com -Server atl-mbx-001.litwareinc.com"
    );

    let text = "-----BEGIN NEW CERTIFICATE REQUEST-----\r\nMIIC";
    let output = gives([Value::from(text)]);
    step().accept(bench.context(), action, &output).unwrap();
    let kept = step().received(action, &output).unwrap();
    assert_eq!(
        (kept.name.as_str(), kept.content),
        ("certificate-request.txt", text.into())
    );
    let nothing = gives([]);
    assert!(step().accept(bench.context(), action, &nothing).is_err());
    assert_eq!(step().received(action, &nothing), None);
}

#[test]
fn what_is_pending_has_to_be_issued() {
    let other = [stored(&certificate("mail", &["mail"], 2025, 2028), true)];
    check(
        "pending for another name",
        &requesting().look(&step(), stores(&[], &other)).1,
        "drifted",
    );
    let own = [stored(&good(2027), true)];
    for (remedied, expected) in [
        (true, "of the run directory"),
        (false, "of the run that made it"),
    ] {
        let mut bench = requesting();
        bench.remedied = remedied;
        let (_, found) = bench.look(&step(), stores(&[], &own));
        let Verdict::Broken(problem) = &found.verdict else {
            panic!("{:?}", found.verdict)
        };
        assert!(problem.found.contains("is pending"), "{}", problem.found);
        assert!(!problem.retry);
        assert!(problem.advice.contains(expected), "{}", problem.advice);
    }
    // The store is what counts, whatever is pending.
    let (_, found) = requesting().look(&step(), stores(&own, &own));
    check("installed", &found, "in place");
}

#[test]
fn where_there_is_one_to_import_none_is_requested() {
    let mut bench = importing(&good(2029));
    bench.site.certificate.request = true;
    let (seen, _) = bench.look(&step(), |query| {
        assert_eq!(query.name, "store");
        gives([])
    });
    assert_eq!(bench.remedy(&step(), &seen)[0].name, "import");
}

#[test]
fn a_certificate_to_come_is_waited_for_in_a_plan() {
    let bench = Bench::new().knows("atl-mbx-001", Fact::Pending("backend.certificate".into()));
    let config = BackendWebConfig {
        host: host("atl-mbx-001"),
    };
    let seen = bench.probe(&config, |_| panic!("nothing to ask")).unwrap();
    let found = config.assess(bench.context(), &seen);
    check("the file", &found, "unknown");
    let pool = BackendRecycle {
        host: host("atl-mbx-001"),
    };
    let found = pool.assess(bench.context(), &Observations::default());
    check("the pool", &found, "unknown");
}
