//! `preflight.host`

use owaim_inventory::{ExchangeVersion, PowerShellVersion};
use owaim_proto::clixml::{Object, Value};
use owaim_proto::psrp::PipelineOutput;

use super::bench::{
    Bench, at, check, date, fails, gives, host, no_such_command, not_found, noted, object, path,
    said,
};
use crate::preflight_host::PreflightHost;
use crate::{Fact, Query, Step};

fn versions(powershell: &str) -> PipelineOutput {
    let entry = |key: &str, value: Value| (Value::from(key), value);
    let version = entry("PSVersion", Value::Version(powershell.into()));
    gives([Object::hashtable(vec![entry("BuildVersion", Value::Null), version]).into()])
}

fn setup(major: i32, minor: i32, build: i32, root: &str) -> Value {
    object([
        ("MsiProductMajor", major.into()),
        ("MsiProductMinor", minor.into()),
        ("MsiBuildMajor", Value::from(build.to_string())),
        ("MsiInstallPath", root.into()),
    ])
}

/// Answers as a server with this answer for the key `Setup` of `v15` does.
fn server(v15: PipelineOutput, v14: PipelineOutput) -> impl Fn(&Query) -> PipelineOutput {
    move |query| match query.name {
        "powershell" => versions("4.0"),
        "clock" => gives([noted(date("2026-11-23T11:00:00.1234567+01:00"))]),
        "setup" => v15.clone(),
        "other-setup" => v14.clone(),
        "roles" => gives(
            ["CafeRole", "MailboxRole", "Setup"].map(|name| object([("PSChildName", name.into())])),
        ),
        "listeners" => nobody_listens(),
        other => panic!("{other}"),
    }
}

/// What CIM says where no object fits.
fn nobody_listens() -> PipelineOutput {
    fails("CmdletizationQuery_NotFound,Get-NetTCPConnection", 13)
}

#[test]
fn what_the_server_is_decides() {
    let good = || gives([setup(15, 0, 1497, r"D:\Exchange\V15\")]);
    let unreadable = || fails("System.Security.SecurityException,x", 18);
    for (name, answers, expected) in [
        ("as declared", server(good(), not_found()), "in place"),
        (
            "Exchange 2016",
            server(gives([setup(15, 1, 2507, r"C:\E\")]), not_found()),
            "broken: Exchange 2016 (15.1.2507)",
        ),
        (
            "no Exchange",
            server(not_found(), not_found()),
            "broken: no Exchange at all",
        ),
        (
            "Exchange 2010",
            server(not_found(), gives([setup(14, 3, 123, r"C:\E\")])),
            "broken: Exchange 2010",
        ),
        (
            "not readable",
            server(unreadable(), not_found()),
            "broken: Meldung",
        ),
        (
            "unknown numbers",
            server(
                gives([object([("MsiInstallPath", r"D:\E".into())])]),
                not_found(),
            ),
            "in place",
        ),
        (
            "no root",
            server(
                gives([object([("MsiProductMajor", 15.into())])]),
                not_found(),
            ),
            "broken: no usable MsiInstallPath",
        ),
    ] {
        let step = PreflightHost {
            host: host("atl-mbx-001"),
        };
        let (_, assessment) = Bench::new().look(&step, answers);
        check(name, &assessment, expected);
        assert_eq!(
            assessment.warnings.len(),
            usize::from(name == "unknown numbers"),
            "{name}"
        );
    }
}

#[test]
fn facts_are_learnt_and_the_site_file_wins() {
    let step = PreflightHost {
        host: host("atl-mbx-001"),
    };
    let answers = server(
        gives([setup(15, 0, 1497, r"D:\Exchange\V15\")]),
        not_found(),
    );
    let (_, found) = Bench::new().look(&step, &answers);
    let facts = |root: &str| {
        vec![
            Fact::PowerShell(PowerShellVersion { major: 4, minor: 0 }),
            Fact::Exchange(ExchangeVersion::E2013),
            Fact::InstallRoot(path(root)),
            Fact::ServerTime(at("2026-11-23T10:00:00.1234567Z")),
        ]
    };
    assert_eq!(found.facts, facts(r"D:\Exchange\V15"));
    let mut bench = Bench::new();
    bench.site.hosts[3].install_root = Some(path(r"E:\Ex"));
    let (_, found) = bench.look(&step, &answers);
    assert_eq!(found.facts, facts(r"E:\Ex"));
    assert_eq!(found.warnings.len(), 1, "the difference is reported");
}

#[test]
fn a_role_that_does_not_show_is_a_warning() {
    let answers = server(gives([setup(15, 0, 1497, r"D:\E")]), not_found());
    let only = |role: &'static str| {
        let answers = &answers;
        move |query: &Query| match query.name {
            "roles" => gives([object([(
                "Name",
                format!(r"HKEY_LOCAL_MACHINE\SOFTWARE\x\{role}").into(),
            )])]),
            _ => answers(query),
        }
    };
    for (role, warnings) in [("MailboxRole", 0), ("CafeRole", 1), ("Setup", 0)] {
        let step = PreflightHost {
            host: host("atl-mbx-001"),
        };
        let (_, found) = Bench::new().look(&step, only(role));
        assert_eq!(found.warnings.len(), warnings, "{role}");
    }
}

#[test]
fn an_older_generation_has_its_own_key() {
    let mut bench = Bench::new();
    bench.site.exchange.version = ExchangeVersion::E2010;
    let step = PreflightHost {
        host: host("atl-mbx-001"),
    };
    let queries = step
        .probe(bench.context(), &crate::Observations::default())
        .unwrap();
    let keys: Vec<_> = queries
        .iter()
        .map(|query| super::bench::said(&query.pipeline))
        .collect();
    assert_eq!(
        keys,
        [
            "Get-Variable -Name PSVersionTable -ValueOnly",
            "Get-Date",
            r"Get-ItemProperty -LiteralPath HKLM:\SOFTWARE\Microsoft\ExchangeServer\v14\Setup",
            r"Get-ChildItem -LiteralPath HKLM:\SOFTWARE\Microsoft\ExchangeServer\v14",
        ]
    );
}

#[test]
fn a_port_that_is_in_use_is_a_warning_and_nothing_more() {
    let listening = |ids: &[u32]| {
        let one = |id: &u32| object([("OwningProcess", Value::UInt32(*id))]);
        gives(ids.iter().map(one))
    };
    let process = |id: i32, name: &str| object([("Id", id.into()), ("ProcessName", name.into())]);
    let gone = || {
        fails(
            "NoProcessFoundForGivenId,Microsoft.PowerShell.Commands.GetProcessCommand",
            13,
        )
    };
    let port = "port 5199, which the site file gives the trusted application, is in use on \
                atl-mbx-001.litwareinc.com, by ";
    for (name, listeners, processes, asked, expected) in [
        ("nobody", nobody_listens(), gives([]), None, None),
        ("nobody, and no error", gives([]), gives([]), None, None),
        ("an older Windows", no_such_command(), gives([]), None, None),
        (
            "another program, twice",
            listening(&[4711, 4711]),
            gives([process(4711, "other")]),
            Some("4711"),
            Some(format!("{port}other (process 4711): choose another")),
        ),
        (
            "two programs",
            listening(&[4711, 8]),
            gives([process(4711, "other"), process(8, "more")]),
            Some("8, 4711"),
            Some(format!(
                "{port}more (process 8), other (process 4711): choose"
            )),
        ),
        (
            "one that has ended meanwhile",
            listening(&[4711]),
            gone(),
            Some("4711"),
            Some(format!("{port}process 4711: choose another")),
        ),
        (
            "Outlook Web App itself",
            listening(&[4711]),
            gives([process(4711, "W3WP")]),
            Some("4711"),
            None,
        ),
        (
            "not allowed",
            fails("HRESULT 0x80041003,Get-NetTCPConnection", 18),
            gives([]),
            None,
            Some("whether something listens at port 5199".to_owned()),
        ),
    ] {
        let step = PreflightHost {
            host: host("atl-mbx-001"),
        };
        let answers = server(gives([setup(15, 0, 1497, r"D:\E")]), not_found());
        let sent = std::cell::RefCell::new(Vec::new());
        let (_, found) = Bench::new().look(&step, |query| match query.name {
            "listeners" => {
                assert_eq!(
                    said(&query.pipeline),
                    "Get-NetTCPConnection -LocalPort 5199 -State Listen"
                );
                listeners.clone()
            }
            "processes" => {
                let ids = &query.pipeline.statements[0][0].parameters[0].value;
                let ids = ids
                    .items()
                    .unwrap_or_default()
                    .iter()
                    .filter_map(Value::text);
                sent.borrow_mut().push(ids.collect::<Vec<_>>().join(", "));
                processes.clone()
            }
            _ => answers(query),
        });
        check(name, &found, "in place");
        assert_eq!(sent.into_inner(), Vec::from_iter(asked), "{name}");
        match expected {
            None => assert_eq!(found.warnings, Vec::<String>::new(), "{name}"),
            Some(start) => assert!(
                found.warnings.len() == 1 && found.warnings[0].starts_with(&start),
                "{name}: {:?}",
                found.warnings
            ),
        }
    }
}

#[test]
fn the_port_is_looked_at_where_there_is_a_way_and_a_need() {
    for (short, powershell, asks) in [
        ("atl-mbx-001", "4.0", true),
        ("atl-mbx-001", "3.0", true),
        ("atl-mbx-001", "2.0", false),
        ("atl-cas-001", "4.0", false),
    ] {
        let step = PreflightHost { host: host(short) };
        let answers = server(gives([setup(15, 0, 1497, r"D:\E")]), not_found());
        let asked = std::cell::Cell::new(false);
        let (_, found) = Bench::new().look(&step, |query| match query.name {
            "powershell" => versions(powershell),
            "listeners" => {
                asked.set(true);
                nobody_listens()
            }
            _ => answers(query),
        });
        check(short, &found, "in place");
        assert_eq!(asked.get(), asks, "{short} with PowerShell {powershell}");
    }
}
