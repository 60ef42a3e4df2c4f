//! `mailbox.users`

use owaim_inventory::{ExchangeVersion, PolicyScope};
use owaim_proto::clixml::{Object, Value};
use owaim_proto::psrp::PipelineOutput;

use super::bench::{Bench, check, fails, gives, host, no_such_command, object, said};
use crate::mailbox_users::MailboxUser;
use crate::{Fact, Observations, SampledMailbox, Step};

const USER: &str = "kenmyer@litwareinc.com";

fn step() -> MailboxUser {
    MailboxUser {
        host: host("atl-cas-001"),
        user: USER.into(),
    }
}

fn addresses(addresses: &[&str]) -> Value {
    Value::from(
        addresses
            .iter()
            .map(|address| Value::from(*address))
            .collect::<Vec<_>>(),
    )
}

fn mailbox(server: &str, version: &str, addresses: Value) -> PipelineOutput {
    gives([object([
        ("ServerName", server.into()),
        ("ExchangeVersion", version.into()),
        ("EmailAddresses", addresses),
        ("OriginatingServer", "atl-dc-001.litwareinc.com".into()),
    ])])
}

fn access(owa: Value, policy: Value) -> PipelineOutput {
    gives([object([("OWAEnabled", owa), ("OwaMailboxPolicy", policy)])])
}

const NEW: &str = "0.20 (15.0.0.0)";

fn good_mailbox() -> PipelineOutput {
    mailbox(
        "atl-mbx-001",
        NEW,
        addresses(&["SMTP:kenmyer@litwareinc.com", "sip:kenmyer@litwareinc.com"]),
    )
}

fn good_access() -> PipelineOutput {
    access(true.into(), "Default".into())
}

fn sip(address: &str) -> PipelineOutput {
    mailbox(
        "atl-mbx-001",
        NEW,
        addresses(&["SMTP:k@litwareinc.com", address]),
    )
}

fn drifted(rest: &str) -> String {
    format!("drifted: {USER}: {rest}")
}

fn named(policy: &str) -> PipelineOutput {
    access(true.into(), Object::new().with_string(policy).into())
}

fn check_user(name: &str, mailbox: &PipelineOutput, access: &PipelineOutput, expected: &str) {
    let mut bench = Bench::new();
    let (seen, found) = bench.look(&step(), |query| match query.name {
        "mailbox" => mailbox.clone(),
        _ => access.clone(),
    });
    check(name, &found, expected);
    let drifts = expected.starts_with("drifted");
    assert_eq!(
        found.warnings.is_empty(),
        !drifts,
        "{name}: a drift comes with advice"
    );
    if drifts {
        assert!(
            bench.remedy(&step(), &seen).is_empty(),
            "{name}: it only reports"
        );
    }
}

#[test]
fn the_mailbox_is_on_a_backend_of_its_generation() {
    let server = |name: &str| mailbox(name, NEW, addresses(&["sip:k@litwareinc.com"]));
    let version = |text: &str| mailbox("atl-mbx-001", text, addresses(&["sip:k@litwareinc.com"]));
    for (name, mailbox, access, expected) in [
        (
            "all there",
            good_mailbox(),
            good_access(),
            "in place".to_owned(),
        ),
        (
            "server in full",
            server("ATL-MBX-002.litwareinc.com"),
            good_access(),
            "in place".to_owned(),
        ),
        (
            "another server",
            server("atl-mbx-009"),
            good_access(),
            drifted("ServerName: atl-mbx-009 -> one of the backends"),
        ),
        (
            "a server that is no backend",
            server("atl-cas-002"),
            good_access(),
            drifted("ServerName: atl-cas-002 -> one of the backends"),
        ),
        (
            "no server",
            server(""),
            good_access(),
            drifted("ServerName: nothing -> one of the backends"),
        ),
        (
            "an old mailbox",
            version("0.10 (14.0.100.0)"),
            good_access(),
            drifted("ExchangeVersion: 0.10 (14.0.100.0) -> 15.x"),
        ),
        (
            "a version of another form",
            version("15"),
            good_access(),
            "in place".to_owned(),
        ),
        (
            "no version",
            version(""),
            good_access(),
            "in place".to_owned(),
        ),
    ] {
        check_user(name, &mailbox, &access, &expected);
    }
}

#[test]
fn access_and_address_are_there() {
    for (name, mailbox, access, expected) in [
        (
            "no OWA",
            good_mailbox(),
            access(false.into(), Value::Null),
            drifted("OWAEnabled: False -> True"),
        ),
        (
            "OWA as text",
            good_mailbox(),
            access("True".into(), Value::Null),
            "in place".to_owned(),
        ),
        (
            "OWA not shown",
            good_mailbox(),
            access(Value::Null, Value::Null),
            drifted("OWAEnabled: nothing -> True"),
        ),
        (
            "another policy in scope",
            good_mailbox(),
            named("executives"),
            "in place".to_owned(),
        ),
        (
            "a policy by its path",
            good_mailbox(),
            named(r"litwareinc.com\Default"),
            "in place".to_owned(),
        ),
        (
            "an empty policy",
            good_mailbox(),
            access(true.into(), "".into()),
            "in place".to_owned(),
        ),
        (
            "a policy out of scope",
            good_mailbox(),
            named("Assistants"),
            drifted("OwaMailboxPolicy: Assistants -> none, or one of Default, Executives"),
        ),
        (
            "SIP in capitals",
            sip("SIP:k@litwareinc.com"),
            good_access(),
            "in place".to_owned(),
        ),
        (
            "not SIP",
            sip("sipper:k@litwareinc.com"),
            good_access(),
            drifted("EmailAddresses: nothing -> a SIP"),
        ),
        (
            "short and strange",
            sip("\u{20ac}"),
            good_access(),
            drifted("EmailAddresses: nothing -> a SIP"),
        ),
        (
            "no addresses",
            mailbox("atl-mbx-001", NEW, Value::Null),
            good_access(),
            drifted("EmailAddresses: nothing -> a SIP"),
        ),
        (
            "one address as text",
            mailbox("atl-mbx-001", NEW, "sip:k@x.com".into()),
            good_access(),
            "in place".to_owned(),
        ),
    ] {
        check_user(name, &mailbox, &access, &expected);
    }
}

#[test]
fn much_may_be_missing_at_once() {
    let missing = || {
        fails(
            "[Server=X],ManagementObjectNotFoundException,Microsoft.Exchange.Management.RecipientTasks.GetMailbox",
            6,
        )
    };
    let one = || good_mailbox().objects().next().unwrap().clone();
    for (name, mailbox, access, expected) in [
        (
            "much at once",
            mailbox("x", NEW, Value::Null),
            access(false.into(), "Other".into()),
            drifted(&format!(
                "ServerName: x -> one of the backends of the site; {USER}: OWAEnabled: False -> True; {USER}: \
                 OwaMailboxPolicy: Other -> none, or one of Default, Executives; {USER}: EmailAddresses"
            )),
        ),
        (
            "no mailbox",
            missing(),
            missing(),
            "broken: Meldung".to_owned(),
        ),
        (
            "nothing",
            gives([]),
            good_access(),
            "broken: no mailbox came back".to_owned(),
        ),
        (
            "two",
            gives([one(), one()]),
            good_access(),
            "broken: more than one mailbox".to_owned(),
        ),
        (
            "refused",
            good_mailbox(),
            no_such_command(),
            "broken: Meldung".to_owned(),
        ),
    ] {
        check_user(name, &mailbox, &access, &expected);
    }
}

#[test]
fn scope_and_generation_come_from_the_site() {
    let mut bench = Bench::new();
    bench.site.policies = PolicyScope::All;
    let (_, found) = bench.look(&step(), |query| match query.name {
        "mailbox" => good_mailbox(),
        _ => access(true.into(), "Assistants".into()),
    });
    check("all policies", &found, "in place");

    let mut bench = Bench::new().knows("atl-mbx-001", Fact::Exchange(ExchangeVersion::E2010));
    let (_, found) = bench.look(&step(), |query| match query.name {
        "mailbox" => good_mailbox(),
        _ => good_access(),
    });
    check(
        "2010",
        &found,
        "drifted: kenmyer@litwareinc.com: ExchangeVersion: 0.20",
    );
}

#[test]
fn both_reads_go_to_one_controller() {
    let mut bench = Bench::new();
    let look = |query: &crate::Query| match query.name {
        "mailbox" => good_mailbox(),
        _ => good_access(),
    };
    let (_, found) = bench.look(&step(), look);
    assert_eq!(
        found.facts,
        [
            Fact::Mailbox(SampledMailbox {
                user: USER.into(),
                principal: None,
                sip_addresses: vec![USER.into()],
            }),
            Fact::DomainController("atl-dc-001.litwareinc.com".into())
        ]
    );
    let queries = step()
        .probe(bench.context(), &Observations::default())
        .unwrap();
    let sent: Vec<_> = queries.iter().map(|query| said(&query.pipeline)).collect();
    assert_eq!(
        sent,
        ["Get-Mailbox", "Get-CASMailbox"].map(|name| format!(
            "{name} -Identity {USER} -DomainController atl-dc-001.litwareinc.com"
        ))
    );
    for bad in ["", "ken*", "[a]@b"] {
        let step = MailboxUser {
            user: bad.into(),
            ..step()
        };
        assert!(
            step.probe(bench.context(), &Observations::default())
                .is_err(),
            "{bad:?}"
        );
    }
}
