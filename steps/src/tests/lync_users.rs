//! `mailbox.lync-users`

use owaim_proto::clixml::{Object, Value};
use owaim_proto::psrp::PipelineOutput;

use super::bench::{Bench, check, fails, gives, host, no_such_command, object, said};
use crate::front_end::FrontEnd;
use crate::mailbox_lync_users::LyncUser;
use crate::{Fact, Observations, Query, SampledMailbox, Step, Verdict};

const USER: &str = "kenmyer@litwareinc.com";
const POOL: &str = "atl-cs-001.litwareinc.com";

fn step() -> LyncUser {
    LyncUser {
        front_end: FrontEnd {
            host: host("atl-cs-001"),
            has_local: true,
        },
        user: USER.into(),
    }
}

/// A bench on which `mailbox.users` has found these SIP addresses.
fn told(addresses: &[&str]) -> Bench {
    Bench::new().knows(
        "atl-cas-001",
        Fact::Mailbox(SampledMailbox {
            user: USER.into(),
            principal: Some("ken@litwareinc.com".into()),
            sip_addresses: addresses.iter().map(|text| (*text).to_owned()).collect(),
        }),
    )
}

fn entry(enabled: Value, address: &str, pool: Value) -> PipelineOutput {
    gives([object([
        ("Enabled", enabled),
        ("SipAddress", address.into()),
        ("RegistrarPool", pool),
    ])])
}

fn good() -> PipelineOutput {
    entry(true.into(), "sip:kenmyer@litwareinc.com", POOL.into())
}

/// What Lync answers: the user, any user, the registrars.
struct Answers {
    user: PipelineOutput,
    any: PipelineOutput,
    registrars: PipelineOutput,
}

impl Answers {
    fn of(user: PipelineOutput) -> Self {
        Self {
            user,
            any: good(),
            registrars: gives([
                object([("PoolFqdn", "old.litwareinc.com".into())]),
                object([("PoolFqdn", POOL.to_uppercase().into())]),
            ]),
        }
    }

    fn answer(&self, query: &Query) -> PipelineOutput {
        match query.name {
            "user" => self.user.clone(),
            "any-user" => self.any.clone(),
            "registrars" => self.registrars.clone(),
            other => panic!("{other} is asked for"),
        }
    }
}

fn drifted(rest: &str) -> String {
    format!("drifted: {USER}: {rest}")
}

/// Looks at a user whose mailbox has these addresses.
fn check_user(name: &str, addresses: &[&str], user: PipelineOutput, expected: &str) {
    let mut bench = told(addresses);
    let answers = Answers::of(user);
    let (seen, found) = bench.look(&step(), |query| answers.answer(query));
    check(name, &found, expected);
    let differences = match &found.verdict {
        Verdict::Drifted(differences) => differences.len(),
        _ => 0,
    };
    assert_eq!(
        found.warnings.len(),
        differences,
        "{name}: each difference comes with advice: {:?}",
        found.warnings
    );
    assert!(
        bench.remedy(&step(), &seen).is_empty(),
        "{name}: it only reports"
    );
}

#[test]
fn lync_knows_the_user_by_the_address_of_the_mailbox() {
    let own = &["kenmyer@litwareinc.com"] as &[&str];
    let sip = |address: &str| entry(true.into(), address, POOL.into());
    for (name, addresses, user, expected) in [
        ("all right", own, good(), "in place".to_owned()),
        (
            "case of prefix and address",
            own,
            sip("SIP:KenMyer@LitwareInc.com"),
            "in place".to_owned(),
        ),
        (
            "one of several addresses",
            &["ken@litwareinc.com", "kenmyer@litwareinc.com"],
            good(),
            "in place".to_owned(),
        ),
        (
            "an address of the mailbox that is longer",
            &["kenmyer@litwareinc.com.test"],
            good(),
            drifted(
                "SipAddress in Lync: sip:kenmyer@litwareinc.com -> sip:kenmyer@litwareinc.com.test, as the mailbox",
            ),
        ),
        (
            "another address",
            own,
            sip("sip:ken@litwareinc.com"),
            drifted("SipAddress in Lync: sip:ken@litwareinc.com -> sip:kenmyer@litwareinc.com, as"),
        ),
        (
            "no address in Lync",
            own,
            sip(""),
            drifted("SipAddress in Lync: nothing -> a SIP address"),
        ),
        // `mailbox.users` says so.
        (
            "no address at the mailbox",
            &[],
            good(),
            "in place".to_owned(),
        ),
    ] {
        check_user(name, addresses, user, &expected);
    }
}

#[test]
fn the_user_is_enabled_and_homed_on_a_pool_that_exists() {
    let own = &["kenmyer@litwareinc.com"] as &[&str];
    let pool = |pool: Value| entry(true.into(), "sip:kenmyer@litwareinc.com", pool);
    for (name, addresses, user, expected) in [
        (
            "switched off",
            own,
            entry(false.into(), "sip:kenmyer@litwareinc.com", POOL.into()),
            drifted("Enabled in Lync: False -> True"),
        ),
        (
            "whether it is on is not shown",
            own,
            entry(Value::Null, "sip:kenmyer@litwareinc.com", POOL.into()),
            drifted("Enabled in Lync: nothing -> True"),
        ),
        (
            "homed nowhere",
            own,
            pool(Value::Null),
            drifted("RegistrarPool: nothing -> a Front End pool"),
        ),
        (
            "homed on a pool that is gone",
            own,
            pool("gone.litwareinc.com".into()),
            drifted("RegistrarPool: gone.litwareinc.com -> a pool with a Registrar"),
        ),
        (
            "the pool as an object",
            own,
            pool(Object::new().with_string(POOL).into()),
            "in place".to_owned(),
        ),
        (
            "the pool as a service",
            own,
            pool(format!("Registrar:{POOL}").into()),
            "in place".to_owned(),
        ),
        (
            "much at once",
            own,
            entry(false.into(), "sip:x@y.z", "gone".into()),
            drifted(&format!(
                "Enabled in Lync: False -> True; {USER}: SipAddress in Lync: sip:x@y.z -> \
                 sip:kenmyer@litwareinc.com, as the mailbox has it; {USER}: RegistrarPool: gone -> a pool"
            )),
        ),
    ] {
        check_user(name, addresses, user, &expected);
    }
}

#[test]
fn who_is_unknown_is_told_apart_from_who_may_not_look() {
    let missing = |category| {
        fails(
            "Microsoft.Rtc.Management.AD.ManagementException,Microsoft.Rtc.Management.AD.Cmdlets.GetOcsUserCmdlet",
            category,
        )
    };
    let unknown = drifted("user of Lync: nothing -> enabled for Lync");
    for (name, user, any, expected) in [
        ("invalid data", missing(6), good(), unknown.as_str()),
        ("not found", missing(13), good(), &unknown),
        ("nothing", gives([]), good(), &unknown),
        ("nobody has a user yet", missing(6), gives([]), &unknown),
        ("no list", missing(6), missing(18), "broken: Meldung"),
        ("no command", no_such_command(), good(), "broken: Meldung"),
        ("no right", missing(18), good(), "broken: Meldung"),
        (
            "two",
            gives([
                good().objects().next().unwrap().clone(),
                good().objects().next().unwrap().clone(),
            ]),
            good(),
            "broken: more than one user",
        ),
    ] {
        let answers = Answers {
            any,
            ..Answers::of(user)
        };
        let (_, found) = told(&["k@litwareinc.com"]).look(&step(), |query| answers.answer(query));
        check(name, &found, expected);
        if expected == unknown {
            assert!(
                found.warnings[0].contains("sip:k@litwareinc.com"),
                "{name}: {:?}",
                found.warnings
            );
        }
    }
}

#[test]
fn what_could_not_be_looked_at_is_said_and_hides_nothing() {
    let off = entry(false.into(), "sip:ken@litwareinc.com", POOL.into());
    let no_registrars = Answers {
        registrars: no_such_command(),
        ..Answers::of(off.clone())
    };
    let (_, found) =
        told(&["ken@litwareinc.com"]).look(&step(), |query| no_registrars.answer(query));
    check(
        "no registrars",
        &found,
        &drifted("Enabled in Lync: False -> True"),
    );
    let warning = |part: &str| found.warnings.iter().any(|warning| warning.contains(part));
    assert!(
        warning("switched off") && warning("was not looked at"),
        "{:?}",
        found.warnings
    );

    let answers = Answers::of(good());
    let (_, found) = Bench::new().look(&step(), |query| answers.answer(query));
    check("no mailbox", &found, "in place");
    assert!(
        found.warnings[0].contains("was not compared with the mailbox"),
        "{:?}",
        found.warnings
    );
}

#[test]
fn lync_is_asked_by_the_name_that_it_knows() {
    let sent = |bench: &Bench, step: &LyncUser| -> Vec<String> {
        let queries = step
            .probe(bench.context(), &Observations::default())
            .unwrap();
        queries.iter().map(|query| said(&query.pipeline)).collect()
    };
    let registrars = "Get-CsService -Registrar".to_owned();
    assert_eq!(
        sent(&told(&[]), &step()),
        [
            "Get-CsUser -Identity ken@litwareinc.com",
            registrars.as_str()
        ]
    );
    assert_eq!(
        sent(&Bench::new(), &step()),
        [format!("Get-CsUser -Identity {USER}"), registrars]
    );
    for bad in ["", "ken*", "[a]@b"] {
        let step = LyncUser {
            user: bad.into(),
            ..step()
        };
        let probed = step.probe(Bench::new().context(), &Observations::default());
        assert!(probed.is_err(), "{bad:?}");
    }
}
