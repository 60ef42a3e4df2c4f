//! `backend.certificate`: the certificate itself.

use owaim_inventory::Thumbprint;
use owaim_proto::clixml::{Object, Value};
use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};

use super::bench::{Bench, check, gives, host, object, told};
use super::pki::{Authority, keyless, my, root};
use crate::backend_certificate::BackendCertificate;
use crate::backend_web_config::BackendWebConfig;
use crate::x509::X509;
use crate::{Fact, UnifiedMessaging, Verdict};

const NAME: &str = "atl-owa-001.litwareinc.com";
const OWN: &str = "atl-mbx-001.litwareinc.com";

fn thumbprint(der: &[u8]) -> Thumbprint {
    X509::parse(der).unwrap().thumbprint
}

/// One look at a store, beside a root that is trusted; the Front End is out of reach.
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

fn taken(assessment: &crate::Assessment) -> Option<Thumbprint> {
    match assessment.facts.as_slice() {
        [Fact::Certificate(certificate)] => Some(certificate.thumbprint.clone()),
        _ => None,
    }
}

/// Warnings but the one that no Front End was looked at.
fn warnings(assessment: &crate::Assessment) -> Vec<&String> {
    let (blind, others): (Vec<_>, Vec<_>) = assessment
        .warnings
        .iter()
        .partition(|warning| warning.starts_with("not looked at: whether atl-cs-001"));
    assert_eq!(blind.len(), 1, "{:?}", assessment.warnings);
    others
}

#[test]
fn a_pool_of_several_computers_has_each_of_them_on_its_certificate() {
    let other = "atl-mbx-002.litwareinc.com";
    let authority = Authority::root("Root");
    for (name, names, expected) in [
        ("all", vec![NAME, OWN, other], "in place"),
        ("one is missing", vec![NAME, OWN], "broken"),
        ("the pool is missing", vec![OWN, other], "broken"),
    ] {
        let mut bench = Bench::new();
        bench.site.lync.trusted_application.computers =
            vec![host("atl-mbx-001"), host("atl-mbx-002")];
        let certificate = authority.issue(NAME, &names, 2025, 2028);
        let found = look(&mut bench, vec![my(&certificate), root(&authority)]);
        check(name, &found, expected);
        if name == "one is missing" {
            let said = told(&found.verdict);
            assert!(
                said.contains(other) && said.contains("alternative names"),
                "{said}"
            );
        }
    }
}

#[test]
fn only_a_certificate_that_lync_takes_will_do() {
    let authority = Authority::root("Root");
    let issue = |common: &str, names: &[&str]| authority.issue(common, names, 2025, 2028);
    let good = authority.issue(NAME, &[OWN, NAME], 2025, 2028);
    let until = |to| authority.issue(NAME, &[OWN, NAME], 2020, to);
    for (name, store, expected) in [
        ("good", vec![my(&good)], "in place"),
        (
            "upper case",
            vec![my(&issue(
                "ATL-OWA-001.LITWAREINC.COM",
                &["ATL-OWA-001.litwareinc.com"],
            ))],
            "in place",
        ),
        ("empty store", vec![], "broken: an empty store"),
        (
            "others only",
            vec![my(&issue("mail", &["mail"]))],
            "broken: only others: ",
        ),
        ("no private key", vec![keyless(&good)], "broken: "),
        ("expired", vec![my(&until(2026))], "broken: "),
        (
            "not yet valid",
            vec![my(&authority.issue(NAME, &[NAME], 2027, 2028))],
            "broken: ",
        ),
        (
            "name not in the alternative names",
            vec![my(&issue(NAME, &["x.y"]))],
            "broken: ",
        ),
        (
            "wildcard among them",
            vec![my(&issue(NAME, &["*.litwareinc.com"]))],
            "broken: ",
        ),
        (
            "wildcard subject",
            vec![my(&issue("*.litwareinc.com", &[NAME]))],
            "broken: only others",
        ),
        (
            "bytes as a list",
            vec![object([
                (
                    "RawData",
                    Object::list(good.iter().copied().map(Value::Byte).collect()).into(),
                ),
                ("HasPrivateKey", "True".into()),
                ("PSParentPath", r"Cert:\LocalMachine\MY".into()),
            ])],
            "in place",
        ),
        (
            "damaged, and a good one",
            vec![my(&good[1..]), my(&good)],
            "in place",
        ),
        (
            "a store that nobody asked for",
            vec![object([("PSParentPath", "Cert:\\x".into())])],
            "broken: a certificate in the store \"x\"",
        ),
    ] {
        let store = [store, vec![root(&authority)]].concat();
        let found = look(&mut Bench::new(), store);
        check(name, &found, expected);
        if name.starts_with("damaged") {
            let [warning] = warnings(&found)[..] else {
                panic!("{:?}", found.warnings)
            };
            assert!(warning.contains(&crate::x509::thumbprint(&good[1..])));
        } else if !name.starts_with("a store") {
            assert!(warnings(&found).is_empty(), "{name}: {:?}", found.warnings);
        }
    }
}

#[test]
fn what_is_wrong_is_said() {
    let authority = Authority::root("Root");
    let used = |usages: Vec<KeyUsagePurpose>| {
        authority.issue_as(NAME, &[NAME], |params| {
            params.key_usages = usages;
        })
    };
    let purposes = |purposes: Vec<ExtendedKeyUsagePurpose>| {
        authority.issue_as(NAME, &[NAME], |params| {
            params.extended_key_usages = purposes;
        })
    };
    for (der, expected) in [
        (
            authority.issue(NAME, &["*.litwareinc.com"], 2025, 2028),
            "of its alternative names only the wildcard *.litwareinc.com covers",
        ),
        (
            authority.issue("*.litwareinc.com", &[NAME], 2025, 2028),
            "its common name is the wildcard *.litwareinc.com",
        ),
        (
            authority.issue(NAME, &[NAME], 2020, 2026),
            "it expired at 2026-01-01T00:00:00Z",
        ),
        (
            purposes(vec![ExtendedKeyUsagePurpose::ClientAuth]),
            "its enhanced key usage does not include server authentication",
        ),
        (
            used(vec![KeyUsagePurpose::DataEncipherment]),
            "its key usage is not that of a server",
        ),
        (
            // The key is one for elliptic curves, which can only sign.
            used(vec![KeyUsagePurpose::KeyEncipherment]),
            "its key usage is not that of a server",
        ),
    ] {
        let found = look(&mut Bench::new(), vec![my(&der), root(&authority)]);
        let told = told(&found.verdict);
        assert!(told.contains(expected), "{told}");
        assert!(told.contains(thumbprint(&der).as_str()), "{told}");
    }
    for unrestricted in [
        used(Vec::new()),
        purposes(Vec::new()),
        purposes(vec![ExtendedKeyUsagePurpose::Any]),
    ] {
        let found = look(&mut Bench::new(), vec![my(&unrestricted), root(&authority)]);
        check("unrestricted", &found, "in place");
    }
}

#[test]
fn of_several_the_one_that_expires_last_is_taken_unless_one_is_pinned() {
    let authority = Authority::root("Root");
    let [short, long, expired] =
        [2027, 2029, 2026].map(|to| authority.issue(NAME, &[NAME], 2020, to));
    let store = || {
        let mut store = [&short, &long, &expired].map(|der| my(der)).to_vec();
        store.push(root(&authority));
        store
    };
    let taken = |bench: &mut Bench| taken(&look(bench, store()));
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
fn a_newer_one_that_is_not_sound_is_passed_over_with_the_reason() {
    let (authority, stranger) = (Authority::root("Root"), Authority::root("Stranger"));
    let old = authority.issue(NAME, &[NAME], 2025, 2028);
    let new = authority.issue(NAME, &[NAME], 2026, 2029);
    let foreign = stranger.issue(NAME, &[NAME], 2026, 2029);
    for (newer, der, taken_instead, reason) in [
        (my(&new), &new, &new, None),
        (keyless(&new), &new, &old, Some("it has no private key")),
        (
            my(&foreign),
            &foreign,
            &old,
            Some("it was issued by CN=Stranger, which is not in"),
        ),
    ] {
        let found = look(&mut Bench::new(), vec![my(&old), newer, root(&authority)]);
        assert_eq!(taken(&found), Some(thumbprint(taken_instead)));
        match (warnings(&found).as_slice(), reason) {
            ([], None) => {}
            ([warning], Some(reason)) => {
                assert!(warning.contains(reason), "{warning}");
                assert!(warning.contains(thumbprint(der).as_str()), "{warning}");
            }
            (warnings, _) => panic!("{warnings:?}"),
        }
    }
}

#[test]
fn after_a_renewal_web_config_names_the_new_one() {
    let authority = Authority::root("Root");
    let old = authority.issue(NAME, &[NAME], 2025, 2028);
    let new = authority.issue(NAME, &[NAME], 2026, 2029);
    let file = format!(
        "<configuration><appSettings><add key=\"IMCertificateThumbprint\" value=\"{}\"/><add key=\"IMServerName\" \
         value=\"atl-cs-001.litwareinc.com\"/></appSettings></configuration>",
        thumbprint(&old)
    );
    let web_config = BackendWebConfig {
        host: host("atl-mbx-001"),
    };
    for (newer, expected) in [(my(&new), &new), (keyless(&new), &old)] {
        let mut bench = Bench::new();
        look(&mut bench, vec![my(&old), newer, root(&authority)]);
        let (_, found) = bench.look(&web_config, |query| match query.name {
            "item" => gives([object([
                ("Length", i64::try_from(file.len()).unwrap().into()),
                (
                    "LastWriteTimeUtc",
                    super::bench::date("2026-11-20T08:00:00Z"),
                ),
            ])]),
            _ => gives([Value::Bytes(file.clone().into_bytes())]),
        });
        if expected == &old {
            check("as it was", &found, "in place");
            continue;
        }
        let Verdict::Drifted(differences) = &found.verdict else {
            panic!("{:?}", found.verdict)
        };
        let wanted = Some(thumbprint(expected).to_string());
        assert!(
            differences.iter().any(|d| d.desired == wanted),
            "{differences:?}"
        );
    }
}

#[test]
fn a_pinned_certificate_that_is_not_there_is_told_from_a_good_one() {
    let authority = Authority::root("Root");
    let good = authority.issue(NAME, &[NAME], 2025, 2028);
    let mut pinned = Bench::new();
    pinned.site.certificate.thumbprint = Some(Thumbprint::new(&"0".repeat(40)).unwrap());
    let found = look(&mut pinned, vec![my(&good), root(&authority)]);
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
    let authority = Authority::root("Root");
    let ends = authority.issue(NAME, &[NAME], 2025, 2027);
    for (days, expected) in [(30, 0), (38, 0), (39, 1), (60, 1)] {
        // 2026-11-23 10:00 to 2027-01-01 00:00 are 38 days and 14 hours.
        let mut bench = Bench::new();
        bench.site.certificate.warn_days = days;
        let found = look(&mut bench, vec![my(&ends), root(&authority)]);
        assert_eq!(warnings(&found).len(), expected, "{days}");
    }
}

#[test]
fn a_server_that_lync_finds_by_itself_needs_its_own_name() {
    let authority = Authority::root("Root");
    let of_pool = authority.issue(NAME, &[NAME], 2025, 2029);
    let own = authority.issue(OWN, &[OWN], 2025, 2028);
    let other = authority.issue("im.litwareinc.com", &["im.litwareinc.com"], 2025, 2028);
    let unified = |call_router| {
        Fact::UnifiedMessaging(UnifiedMessaging {
            service: true,
            call_router,
            sip_dial_plan: true,
            joins: false,
        })
    };
    let look = |bench: &mut Bench| {
        let store = vec![my(&of_pool), my(&own), my(&other), root(&authority)];
        look(bench, store)
    };
    // Not looked at, not on one machine: by the site file.
    let found = look(&mut Bench::new());
    assert_eq!(taken(&found), Some(thumbprint(&of_pool)));
    let found = look(&mut Bench::new().knows("atl-mbx-001", unified(false)));
    assert_eq!(taken(&found), Some(thumbprint(&of_pool)));
    let found = look(&mut Bench::new().knows("atl-mbx-001", unified(true)));
    assert_eq!(taken(&found), Some(thumbprint(&own)));
    assert!(warnings(&found).is_empty());
    // Pinned to a third name.
    let mut bench = Bench::new().knows("atl-mbx-001", unified(true));
    bench.site.certificate.subject = host("im");
    let found = look(&mut bench);
    assert_eq!(taken(&found), Some(thumbprint(&other)));
    let [warning] = warnings(&found)[..] else {
        panic!("{:?}", found.warnings)
    };
    assert!(warning.contains("finds atl-mbx-001.litwareinc.com by itself"));
}
