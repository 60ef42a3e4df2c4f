//! `backend.certificate`: a certificate that is imported or requested where none will do.

use std::sync::LazyLock;

use owaim_inventory::{CertificateImport, SecretSource, Thumbprint};
use owaim_proto::Secret;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};

use super::bench::{Bench, check, fails, gives, host, said};
use super::pki::{Authority, keyless, my, root};
use crate::backend_certificate::BackendCertificate;
use crate::backend_recycle::BackendRecycle;
use crate::backend_web_config::BackendWebConfig;
use crate::x509::X509;
use crate::{Fact, Observations, Pfx, Place, Query, Step as _, Verdict};

const NAME: &str = "atl-owa-001.litwareinc.com";
const OWN: &str = "atl-mbx-001.litwareinc.com";

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::root("Root"));

/// A good certificate valid to the start of `to`.
fn good(to: i32) -> Vec<u8> {
    AUTHORITY.issue(NAME, &[OWN, NAME], 2025, to)
}

/// The stores with these certificates in `My`, and the root.
fn with_root(mine: &[Value]) -> PipelineOutput {
    gives(mine.iter().cloned().chain([root(&AUTHORITY)]))
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
        ("expired", vec![my(&good(2026))]),
        ("without its key", vec![keyless(&good(2028))]),
    ] {
        let mut bench = importing(&der);
        let (seen, found) = bench.look(&step(), |_| with_root(&store));
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
    let (_, found) = bench.look(&step(), |_| with_root(&[my(&good(2027))]));
    check("good", &found, "in place");
}

#[test]
fn what_would_not_help_is_not_imported() {
    let other = AUTHORITY.issue("mail", &["mail"], 2025, 2028);
    for (name, der, store, expected) in [
        ("other name", &other, vec![], "its common name is mail"),
        ("expired", &good(2026), vec![], "it expired at"),
        (
            "there without its key",
            &good(2028),
            vec![keyless(&good(2028))],
            "it is in the store already",
        ),
    ] {
        // The same certificate in both places, though it is made anew each time.
        let store = match store.as_slice() {
            [_] => vec![keyless(der)],
            _ => store,
        };
        let (_, found) = importing(der).look(&step(), |_| with_root(&store));
        check(name, &found, "broken: ");
        let told = super::bench::told(&found.verdict);
        assert!(
            told.contains("would not help") && told.contains(expected),
            "{told}"
        );
    }
    let mut pinned = importing(&good(2028));
    pinned.site.certificate.thumbprint = Some(Thumbprint::new(&"0".repeat(40)).unwrap());
    let (_, found) = pinned.look(&step(), |_| with_root(&[]));
    check("another is pinned", &found, "broken: ");
}

fn requesting() -> Bench {
    let mut bench = Bench::new();
    bench.site.certificate.request = true;
    bench
}

/// Answers with the certificates of both stores.
fn stores<'a>(mine: &'a [Value], pending: &'a [Value]) -> impl Fn(&Query) -> PipelineOutput + 'a {
    move |query| match query.name {
        "pending" => gives(pending.to_vec()),
        _ => with_root(mine),
    }
}

#[test]
fn a_request_is_made_once_and_its_text_is_kept() {
    let mut bench = requesting();
    let (seen, found) = bench.look(&step(), stores(&[], &[]));
    check("nothing pending", &found, "drifted");
    assert!(found.facts.is_empty());
    let [action] = &bench.remedy(&step(), &seen)[..] else {
        panic!("not one action")
    };
    assert!(!step().repeatable(action), "never a second one");
    assert_eq!(
        said(&action.pipeline),
        "New-ExchangeCertificate -GenerateRequest -SubjectName CN=atl-owa-001.litwareinc.com -DomainName \
         atl-owa-001.litwareinc.com, atl-mbx-001.litwareinc.com -KeySize 2048 -FriendlyName Outlook Web App, \
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
    let other = [my(&AUTHORITY.issue("mail", &["mail"], 2025, 2028))];
    check(
        "pending for another name",
        &requesting().look(&step(), stores(&[], &other)).1,
        "drifted",
    );
    let own = [my(&good(2027))];
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
        assert_eq!(query.name, "stores");
        with_root(&[])
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
