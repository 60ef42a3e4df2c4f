//! Trust in both directions: `lync.certificate`, `backend.certificate`, and the search for a way
//! to a root.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use owaim_proto::clixml::Value;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, date_time_ymd};

use super::bench::{Bench, at, check, date, fails, gives, host, told};
use super::pki::{Authority, ca, my, record, root};
use crate::authority;
use crate::backend_certificate::BackendCertificate;
use crate::chain::Search;
use crate::lync_certificate::LyncCertificate;
use crate::x509::X509;
use crate::{Assessment, Fact, LyncTrust, Problem, Step, Verdict};

const POOL: &str = "atl-owa-001.litwareinc.com";
const FRONT_END: &str = "atl-cs-001.litwareinc.com";
const NOW: &str = "2026-11-23T10:00:00Z";

/// The authorities of a company: a root, and one below it for each side.
struct Company {
    root: Authority,
    mail: Authority,
    lync: Authority,
}

impl Company {
    fn new() -> Self {
        let root = Authority::root("Company");
        Self {
            mail: root.below("Mail", |_| {}),
            lync: root.below("Lync", |_| {}),
            root,
        }
    }

    fn backend(&self) -> Vec<Value> {
        let own = self.mail.issue(POOL, &[POOL], 2025, 2028);
        vec![my(&own), ca(&self.mail), root(&self.root)]
    }

    fn front_end(&self) -> Vec<Value> {
        let own = self.lync.issue(FRONT_END, &[FRONT_END], 2025, 2028);
        vec![my(&own), ca(&self.lync), root(&self.root)]
    }
}

fn look_at_front_end(bench: &mut Bench, store: &[Value]) -> Assessment {
    let step = LyncCertificate {
        host: host("atl-cs-001"),
    };
    let answer = |query: &crate::Query| match query.name {
        "clock" => gives([date(NOW)]),
        _ => gives(store.to_vec()),
    };
    bench.look(&step, answer).1
}

fn look_at_backend(bench: &mut Bench, store: &[Value]) -> Assessment {
    let step = BackendCertificate {
        host: host("atl-mbx-001"),
    };
    bench.look(&step, |_| gives(store.to_vec())).1
}

/// Both, the Front End first.
fn look(front_end: &[Value], backend: &[Value]) -> (Assessment, Assessment) {
    let mut bench = Bench::new();
    let first = look_at_front_end(&mut bench, front_end);
    (first, look_at_backend(&mut bench, backend))
}

fn problem(assessment: &Assessment) -> &Problem {
    match &assessment.verdict {
        Verdict::Broken(problem) => problem,
        other => panic!("{other:?}"),
    }
}

/// `store` without the records of those authorities.
fn without(store: &[Value], gone: &[&Authority]) -> Vec<Value> {
    let is_gone = |record: &&Value| {
        let der = record.get("RawData").and_then(Value::as_bytes).unwrap();
        gone.iter().any(|authority| authority.der == *der)
    };
    store.iter().filter(|r| !is_gone(r)).cloned().collect()
}

#[test]
fn a_company_of_two_levels_is_in_order() {
    let company = Company::new();
    let (front_end, backend) = look(&company.front_end(), &company.backend());
    check("front end", &front_end, "in place");
    check("backend", &backend, "in place");
    assert!(front_end.warnings.is_empty(), "{:?}", front_end.warnings);
    assert!(backend.warnings.is_empty(), "{:?}", backend.warnings);
}

#[test]
fn what_is_learnt_of_a_front_end_survives_the_journal() {
    let company = Company::new();
    let found = look_at_front_end(&mut Bench::new(), &company.front_end());
    let fact = found
        .facts
        .iter()
        .find(|fact| matches!(fact, Fact::LyncTrust(_)))
        .unwrap();
    let text = serde_json::to_string(fact).unwrap();
    assert_eq!(&serde_json::from_str::<Fact>(&text).unwrap(), fact);
    let Fact::LyncTrust(LyncTrust {
        shown,
        roots,
        intermediates,
    }) = fact
    else {
        panic!("{fact:?}")
    };
    assert_eq!(
        (shown.len(), roots.len(), intermediates.len()),
        (3, 1, 1),
        "the certificate, the authority, the root"
    );
}

#[test]
fn a_link_that_is_broken_on_the_way_to_lync_is_named() {
    let company = Company::new();
    let (front_end, backend) = (company.front_end(), company.backend());
    let gone = |authority: &Authority| without(&backend, &[authority]);
    let thumbprint = |authority: &Authority| X509::parse(&authority.der).unwrap().thumbprint;
    // The authority is not there to be sent.
    let found = look(&front_end, &gone(&company.mail)).1;
    let said = problem(&found);
    assert!(
        said.found.contains(
            "it was issued by CN=Mail, which is not in LocalMachine\\CA of atl-mbx-001.litwareinc.com or Root of \
             atl-cs-001.litwareinc.com"
        ),
        "{said:?}"
    );
    assert!(
        said.advice
            .starts_with("import CN=Mail into LocalMachine\\CA of atl-mbx-001.litwareinc.com"),
        "{said:?}"
    );
    // The Front End does not trust the root.
    let blind = without(&front_end, &[&company.root]);
    let (first, second) = look(&blind, &backend);
    check("its own certificate", &first, "broken: ");
    let said = problem(&second);
    let expected = format!(
        "its root {} (CN=Company) is not in LocalMachine\\Root of atl-cs-001.litwareinc.com",
        thumbprint(&company.root)
    );
    assert!(said.found.contains(&expected), "{said:?}");
    assert_eq!(
        said.advice,
        format!(
            "import {} (CN=Company) into LocalMachine\\Root of atl-cs-001.litwareinc.com",
            thumbprint(&company.root)
        )
    );
}

#[test]
fn a_link_that_is_broken_on_the_way_from_lync_is_named() {
    let company = Company::new();
    let other = Authority::root("Other");
    let own = other.issue(FRONT_END, &[FRONT_END], 2025, 2028);
    // Both roots are known to the Front End, and only one to the backend.
    let front_end = [my(&own), root(&other), root(&company.root)];
    let (first, second) = look(&front_end, &company.backend());
    check("front end", &first, "in place");
    let said = problem(&second);
    assert_eq!(
        said.action,
        "see whether atl-mbx-001.litwareinc.com trusts the Front End atl-cs-001.litwareinc.com"
    );
    assert!(
        said.found
            .contains("(CN=Other) is not in LocalMachine\\Root of atl-mbx-001"),
        "{said:?}"
    );
    assert!(second.facts.is_empty(), "nothing to write into Web.config");
}

#[test]
fn what_is_wrong_on_both_ways_is_said_at_once() {
    let (company, other) = (Company::new(), Authority::root("Other"));
    let own = other.issue(FRONT_END, &[FRONT_END], 2025, 2028);
    let front_end = [my(&own), root(&other), root(&company.root)];
    let backend = without(&company.backend(), &[&company.mail]);
    let (_, found) = look(&front_end, &backend);
    assert!(problem(&found).found.contains("CN=Mail"));
    let [warning] = &found.warnings[..] else {
        panic!("{:?}", found.warnings)
    };
    assert!(
        warning.contains("(CN=Other) is not in LocalMachine\\Root of atl-mbx-001"),
        "{warning}"
    );
}

#[test]
fn an_authority_that_only_the_receiver_has_is_a_warning() {
    let company = Company::new();
    let mut front_end = company.front_end();
    front_end.push(ca(&company.mail));
    let backend = without(&company.backend(), &[&company.mail]);
    let (_, found) = look(&front_end, &backend);
    check("backend", &found, "in place");
    let [warning] = &found.warnings[..] else {
        panic!("{:?}", found.warnings)
    };
    assert!(
        warning.contains("(CN=Mail)")
            && warning.ends_with("put it into LocalMachine\\CA of atl-mbx-001.litwareinc.com"),
        "{warning}"
    );
}

#[test]
fn what_an_issuer_lacks_is_said() {
    let top = Authority::root("Company");
    let short = |params: &mut rcgen::CertificateParams| {
        params.not_after = date_time_ymd(2026, 1, 1);
    };
    let no_authority = |params: &mut rcgen::CertificateParams| params.is_ca = IsCa::ExplicitNoCa;
    let signs_no_certificates = |params: &mut rcgen::CertificateParams| {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    };
    let not_for_servers = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    };
    for (issuer, expected) in [
        (top.below("I", short), "it expired at 2026-01-01T00:00:00Z"),
        (
            top.below("I", no_authority),
            "it is not that of a certification authority",
        ),
        (
            top.below("I", signs_no_certificates),
            "its key usage does not allow it to sign certificates",
        ),
        (
            top.below("I", not_for_servers),
            "its enhanced key usage does not let it issue for servers",
        ),
    ] {
        let own = issuer.issue(POOL, &[POOL], 2025, 2028);
        let found = look_at_backend(&mut Bench::new(), &[my(&own), ca(&issuer), root(&top)]);
        let told = told(&found.verdict);
        assert!(
            told.contains("(CN=I), which cannot vouch for it: ") && told.contains(expected),
            "{told}"
        );
    }
    // One authority too many below a root that allows none.
    let narrow = Authority::root_as("Narrow", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let issuer = narrow.below("I", |_| {});
    let own = issuer.issue(POOL, &[POOL], 2025, 2028);
    let found = look_at_backend(&mut Bench::new(), &[my(&own), ca(&issuer), root(&narrow)]);
    let told = told(&found.verdict);
    assert!(
        told.contains("it allows 0 authorities below it, not 1"),
        "{told}"
    );
    let direct = narrow.issue(POOL, &[POOL], 2025, 2028);
    let found = look_at_backend(&mut Bench::new(), &[my(&direct), root(&narrow)]);
    check("directly below", &found, "in place");
}

#[test]
fn a_renewed_authority_is_taken_in_place_of_the_one_that_ended() {
    let top = Authority::root("Company");
    let ended = top.below("I", |params| params.not_after = date_time_ymd(2026, 1, 1));
    let renewed = top.below("I", |_| {});
    let own = renewed.issue(POOL, &[POOL], 2025, 2028);
    let store = [my(&own), ca(&ended), ca(&renewed), root(&top)];
    check(
        "both",
        &look_at_backend(&mut Bench::new(), &store),
        "in place",
    );
    let store = [my(&own), ca(&ended), root(&top)];
    let found = told(&look_at_backend(&mut Bench::new(), &store).verdict);
    assert!(
        found.contains("(CN=I) has the name, but another key"),
        "{found}"
    );
}

#[test]
fn a_certificate_that_issued_itself_is_trusted_where_it_is_a_root() {
    let own = Authority::root_as(POOL, |params| {
        params.is_ca = IsCa::NoCa;
        params.key_usages = Vec::new();
        params.subject_alt_names = vec![rcgen::SanType::DnsName(POOL.try_into().unwrap())];
    });
    let store = [my(&own.der), root(&own)];
    check(
        "root",
        &look_at_backend(&mut Bench::new(), &store),
        "in place",
    );
    let found = look_at_backend(&mut Bench::new(), &store[..1]);
    assert!(
        told(&found.verdict).contains("it is its own issuer and not in LocalMachine\\Root"),
        "{found:?}"
    );
}

#[test]
fn what_does_not_belong_into_root_is_a_warning() {
    let company = Company::new();
    let mut backend = without(&company.backend(), &[&company.mail]);
    backend.push(root(&company.mail));
    backend.push(record("Root", b"no certificate"));
    let (_, found) = look(&company.front_end(), &backend);
    check("backend", &found, "in place");
    let [unreadable, misplaced] = &found.warnings[..] else {
        panic!("{:?}", found.warnings)
    };
    let thumbprint = crate::x509::thumbprint(b"no certificate");
    assert!(
        unreadable.contains(&format!("{thumbprint} in Root")),
        "{unreadable}"
    );
    assert!(misplaced.contains("(CN=Mail)"), "{misplaced}");
}

#[test]
fn the_certificate_of_a_front_end_has_its_own_rules() {
    let company = Company::new();
    let judge = |bench: &mut Bench, own: &[&[u8]]| {
        let mut store: Vec<Value> = own.iter().map(|der| my(der)).collect();
        store.extend([ca(&company.lync), root(&company.root)]);
        look_at_front_end(bench, &store)
    };
    let pool = "pool.litwareinc.com";
    let of = |names: &[&str]| company.lync.issue(pool, names, 2025, 2028);
    for (names, expected) in [
        (&[pool, FRONT_END][..], "in place"),
        (&[pool], "broken: "),
        (&[FRONT_END], "broken: "),
    ] {
        let mut bench = Bench::new();
        bench.site.lync.pool = host("pool");
        check("pool", &judge(&mut bench, &[&of(names)]), expected);
    }
    let own = |from, to| company.lync.issue(FRONT_END, &[FRONT_END], from, to);
    let expired = judge(&mut Bench::new(), &[&own(2020, 2026)]);
    check("expired", &expired, "broken: ");
    let soon = judge(&mut Bench::new(), &[&own(2020, 2027)]);
    check("soon", &soon, "in place");
    assert!(soon.warnings.is_empty());
    let mut patient = Bench::new();
    patient.site.certificate.warn_days = 60;
    assert_eq!(judge(&mut patient, &[&own(2020, 2027)]).warnings.len(), 1);
    let two = judge(&mut Bench::new(), &[&own(2020, 2028), &own(2020, 2029)]);
    assert!(
        two.warnings[0].contains("which one Lync uses cannot be read"),
        "{:?}",
        two.warnings
    );
}

#[test]
fn what_could_not_be_looked_at_is_said_and_the_rest_counts() {
    let company = Company::new();
    let found = look_at_backend(&mut Bench::new(), &company.backend());
    check("front end not reached", &found, "in place");
    assert!(
        found.warnings[0].starts_with("not looked at: whether atl-cs-001.litwareinc.com trusts"),
        "{:?}",
        found.warnings
    );
    // The backend's own root stands in.
    let rootless = without(&company.backend(), &[&company.root]);
    let found = look_at_backend(&mut Bench::new(), &rootless);
    check("own root", &found, "broken: ");

    let mut bench = Bench::new();
    bench.site.hosts.remove(0);
    let found = look_at_backend(&mut bench, &company.backend());
    assert!(
        found.warnings[0].contains("the site file has no lync-front-end host"),
        "{:?}",
        found.warnings
    );
    // A Front End whose certificate is not there is trusted by nobody, and trusts.
    let mut bench = Bench::new();
    look_at_front_end(&mut bench, &company.front_end()[1..]);
    let found = look_at_backend(&mut bench, &company.backend());
    check("no certificate there", &found, "in place");
    assert!(
        found.warnings[0].contains("which has no certificate of its pool's name"),
        "{:?}",
        found.warnings
    );
}

#[test]
fn a_store_that_cannot_be_read_is_an_error() {
    let step = LyncCertificate {
        host: host("atl-cs-001"),
    };
    let (_, found) = Bench::new().look(&step, |query| match query.name {
        "clock" => gives([date(NOW)]),
        _ => fails("AccessDenied,Get-ChildItem", 18),
    });
    check("denied", &found, "broken: ");
    assert!(found.facts.is_empty());
}

#[test]
fn both_come_in_their_order() {
    let step = BackendCertificate {
        host: host("atl-mbx-001"),
    };
    let before: Vec<_> = step.dependencies().iter().map(|d| d.on).collect();
    assert_eq!(
        before,
        ["preflight.host", "um.dial-plans", "lync.certificate"]
    );
}

fn search<'a>(
    name: &'a owaim_inventory::HostName,
    sent: &'a [X509],
    roots: &'a [authority::Authority],
    now: Timestamp,
) -> Search<'a> {
    Search {
        sender: name,
        receiver: name,
        sent,
        roots,
        helpers: &[],
        now,
    }
}

#[test]
fn hostile_stores_cost_bounded_time() {
    let (now, name) = (at(NOW), host("atl-mbx-001"));
    let parse = |der: &[u8]| X509::parse(der).unwrap();
    // A thousand authorities of one name, none of which leads anywhere, and of many names in a row.
    let top = Authority::root("Top");
    let many: Vec<Authority> = (0..1000).map(|_| top.below("Same", |_| {})).collect();
    let leaf = parse(&many[0].issue(POOL, &[POOL], 2025, 2028));
    let sent: Vec<X509> = many.iter().map(|authority| parse(&authority.der)).collect();
    let started = Instant::now();
    let found = search(&name, &sent, &[], now).from(&leaf);
    assert!(found.defect.is_some());
    let mut row = vec![Authority::root("0")];
    for number in 1..40 {
        let next = row.last().unwrap().below(&number.to_string(), |_| {});
        row.push(next);
    }
    let far = parse(&row.last().unwrap().issue(POOL, &[POOL], 2025, 2028));
    let roots = [authority::Authority::of(&parse(&row[0].der), now)];
    let sent: Vec<X509> = row.iter().map(|authority| parse(&authority.der)).collect();
    let found = search(&name, &sent, &roots, now).from(&far);
    assert!(found.defect.is_some(), "a way of forty authorities is none");
    let near = parse(&row[6].issue(POOL, &[POOL], 2025, 2028));
    assert_eq!(search(&name, &sent, &roots, now).from(&near).defect, None);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn authorities_that_vouch_for_each_other_lead_nowhere() {
    use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer, KeyPair};
    let keys = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
    let params = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let by = |name: &str, key: &KeyPair, issuer: &str, issuer_key: &KeyPair| {
        let issuer = Issuer::new(params(issuer), issuer_key);
        let certificate = params(name).signed_by(key, &issuer).unwrap();
        X509::parse(certificate.der()).unwrap()
    };
    let sent = [
        by("One", &keys[0], "Two", &keys[1]),
        by("Two", &keys[1], "One", &keys[0]),
    ];
    let leaf = by("Leaf", &KeyPair::generate().unwrap(), "One", &keys[0]);
    let name = host("atl-mbx-001");
    let found = search(&name, &sent, &[], at(NOW)).from(&leaf);
    assert_eq!(found.path.len(), 3, "the certificate and both");
    assert!(found.defect.is_some());
}

#[test]
fn of_several_front_ends_each_has_to_trust() {
    let company = Company::new();
    let second = host("atl-cs-002");
    let mut bench = Bench::new();
    let mut other = bench.site.hosts[0].clone();
    other.name = second.clone();
    bench.site.hosts.push(other);
    look_at_front_end(&mut bench, &company.front_end());
    let found = look_at_backend(&mut bench, &company.backend());
    check("the second out of reach", &found, "in place");
    assert_eq!(found.warnings.len(), 1, "{:?}", found.warnings);
    assert!(found.warnings[0].starts_with("not looked at: whether atl-cs-002"));
    // The second trusts another root, and what the first one does is not enough.
    let stranger = Authority::root("Stranger");
    let mut blind = without(&company.front_end(), &[&company.root]);
    blind.push(root(&stranger));
    let step = LyncCertificate { host: second };
    bench.look(&step, |query| match query.name {
        "clock" => gives([date(NOW)]),
        _ => gives(blind.clone()),
    });
    let found = look_at_backend(&mut bench, &company.backend());
    let told = told(&found.verdict);
    assert!(
        told.contains("is not in LocalMachine\\Root of atl-cs-002")
            && !told.contains("of atl-cs-001"),
        "{told}"
    );
}

#[test]
fn a_signature_that_cannot_be_verified_is_taken_for_good_and_said() {
    let top = Authority::root("Company");
    let mut own = top.issue(POOL, &[POOL], 2025, 2028);
    // ecdsa-with-SHA256 becomes ecdsa-with-SHA512, which no key here can verify.
    let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let places: Vec<usize> = (0..own.len() - oid.len())
        .filter(|at| own[*at..].starts_with(&oid))
        .collect();
    assert_eq!(
        places.len(),
        2,
        "in the signed part and beside the signature"
    );
    for place in places {
        own[place + oid.len() - 1] = 0x04;
    }
    let found = look_at_backend(&mut Bench::new(), &[my(&own), root(&top)]);
    check("unknown algorithm", &found, "in place");
    let said = |warning: &&String| warning.contains("cannot be verified by this program");
    assert_eq!(
        found.warnings.iter().filter(said).count(),
        1,
        "{:?}",
        found.warnings
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_certificates_never_panic(
        place in proptest::prelude::any::<proptest::sample::Index>(),
        value in proptest::prelude::any::<u8>(),
        length in proptest::prelude::any::<proptest::sample::Index>(),
    ) {
        use std::sync::LazyLock;
        static COMPANY: LazyLock<(Company, Vec<u8>)> = LazyLock::new(|| {
            let company = Company::new();
            let own = company.mail.issue(POOL, &[POOL], 2025, 2028);
            (company, own)
        });
        let (company, own) = &*COMPANY;
        let damaged = |der: &[u8]| {
            let mut damaged = der.to_vec();
            let place = place.index(damaged.len());
            damaged[place] = value;
            damaged
        };
        let cut = &own[..length.index(own.len())];
        let store = [
            my(&damaged(own)),
            my(cut),
            record("CA", &damaged(&company.mail.der)),
            record("Root", &damaged(&company.root.der)),
            root(&company.root),
            ca(&company.mail),
        ];
        let mut bench = Bench::new();
        look_at_front_end(&mut bench, &store);
        let found = look_at_backend(&mut bench, &store);
        proptest::prop_assert!(matches!(found.verdict, Verdict::InPlace | Verdict::Broken(_)));
    }
}
