//! `backend.recycle`

use owaim_inventory::ExchangeVersion;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::PipelineOutput;

use super::bench::{Bench, at, check, date, gives, host, no_such_command, object, path, said};
use crate::backend_recycle::BackendRecycle;
use crate::{Exclusive, Fact, Query, Step, WebConfigState};

const NEW: &str = "2026-11-23T10:00:05.123456+00:00";
const OLD: &str = "2026-11-23T08:59:00.123456+01:00";

fn step() -> BackendRecycle {
    BackendRecycle {
        host: host("atl-mbx-001"),
    }
}

/// Web.config was last written at 10:00.
fn bench() -> Bench {
    let state = WebConfigState {
        path: path(r"D:\web.config"),
        found: "A".into(),
        wanted: "A".into(),
        backup: path(r"D:\b"),
        written: Some(at("2026-11-23T10:00:00.5000009Z")),
    };
    Bench::new().knows("atl-mbx-001", Fact::WebConfig(state))
}

fn worker(pool: &str, started: Value) -> Value {
    let line = format!(
        r#"c:\windows\system32\inetsrv\w3wp.exe -ap "{pool}" -v "v4.0" -a \\.\pipe\iisipm1 -h "x""#
    );
    object([
        ("Name", "w3wp.exe".into()),
        ("CommandLine", line.into()),
        ("CreationDate", started),
    ])
}

fn owa(started: &str) -> Value {
    worker("MSExchangeOWAAppPool", date(started))
}

fn server(workers: Vec<Value>, state: PipelineOutput) -> impl Fn(&Query) -> PipelineOutput {
    move |query| match query.name {
        "workers" => gives(workers.clone()),
        "pool-state" => state.clone(),
        "windows" => gives([object([("SystemRoot", r"E:\Windows".into())])]),
        other => panic!("{other}"),
    }
}

#[test]
fn the_newest_worker_process_decides() {
    let running = || gives([object([("Value", "Started".into())])]);
    let calendar = || worker("MSExchangeOWACalendarAppPool", date(OLD));
    for (name, workers, state, expected) in [
        (
            "started after the edit",
            vec![owa(NEW)],
            running(),
            "in place",
        ),
        (
            "started before",
            vec![owa(OLD)],
            running(),
            "drifted: worker process of MSExchangeOWAAppPool: started 2026-11-23T07:59:00.123456Z -> started after 2026-11-23T10:00:00.5000009Z",
        ),
        (
            "in the same microsecond",
            vec![owa("2026-11-23T10:00:00.5Z")],
            running(),
            "in place",
        ),
        (
            "the old one still drains",
            vec![owa(OLD), owa(NEW)],
            running(),
            "in place",
        ),
        (
            "other pools do not count",
            vec![calendar(), owa(NEW)],
            running(),
            "in place",
        ),
        (
            "nobody has asked for a page",
            vec![calendar()],
            running(),
            "in place",
        ),
        (
            "state cannot be asked",
            vec![],
            no_such_command(),
            "in place",
        ),
        (
            "stopped",
            vec![],
            gives([object([("Value", "Stopped".into())])]),
            "broken: the pool is stopped",
        ),
        (
            "stopped, as text",
            vec![],
            gives(["Stopped".into()]),
            "broken: the pool is stopped",
        ),
    ] {
        let (_, found) = bench().look(&step(), server(workers, state));
        check(name, &found, expected);
    }
}

#[test]
fn processes_are_read_in_every_form_they_come_in() {
    for (name, workers, expected) in [
        (
            "WMI's own time",
            vec![worker(
                "MSExchangeOWAAppPool",
                "20261123110005.000000+060".into(),
            )],
            "in place",
        ),
        (
            "older, in WMI's own time",
            vec![worker(
                "MSExchangeOWAAppPool",
                "20261123095959.000000+000".into(),
            )],
            "drifted",
        ),
        (
            "pool without quotes",
            vec![object([
                (
                    "CommandLine",
                    "w3wp.exe -ap msexchangeowaapppool -v x".into(),
                ),
                ("CreationDate", date(NEW)),
            ])],
            "in place",
        ),
        (
            "command line hidden",
            vec![object([("CommandLine", Value::Null)])],
            "broken: 1 worker processes",
        ),
        (
            "time without offset",
            vec![owa("2026-11-23T10:00:05")],
            "broken: CreationDate",
        ),
    ] {
        let (_, found) = bench().look(&step(), server(workers, gives([])));
        check(name, &found, expected);
    }
}

#[test]
fn a_plan_shows_the_recycle_that_an_edit_will_need() {
    let pending = || bench().knows("atl-mbx-001", Fact::Pending("backend.web-config".into()));
    let (seen, found) = pending().look(&step(), server(vec![owa(NEW)], gives([])));
    check(
        "pending",
        &found,
        "drifted: worker process of MSExchangeOWAAppPool: started 2026-11-23T10:00:05.123456Z -> started after the edit",
    );
    assert_eq!(pending().remedy(&step(), &seen).len(), 2);
    let (_, found) = pending().look(&step(), server(vec![], no_such_command()));
    check("no worker process needs no recycle", &found, "in place");
    let mut other = bench().knows(
        "atl-mbx-001",
        Fact::Pending("cas.owa-virtual-directory".into()),
    );
    check(
        "another step's change",
        &other.look(&step(), server(vec![owa(NEW)], gives([]))).1,
        "in place",
    );
}

#[test]
fn each_generation_is_recycled_its_own_way() {
    let appcmd = r"E:\Windows\System32\inetsrv\appcmd.exe recycle apppool /apppool.name:MSExchangeOWAAppPool";
    let exit_code = "Get-Variable -Name LASTEXITCODE -ValueOnly -Scope Global";
    for (version, expected) in [
        (ExchangeVersion::E2010, vec![appcmd, exit_code]),
        (ExchangeVersion::E2013, vec![appcmd, exit_code]),
        (
            ExchangeVersion::E2016,
            vec!["Restart-WebAppPool -Name MSExchangeOWAAppPool"],
        ),
    ] {
        let mut bench = bench().knows("atl-mbx-001", Fact::Exchange(version));
        let (seen, _) = bench.look(&step(), server(vec![owa(OLD)], gives([])));
        let actions = bench.remedy(&step(), &seen);
        assert_eq!(
            actions
                .iter()
                .map(|action| said(&action.pipeline))
                .collect::<Vec<_>>(),
            expected,
            "{version}"
        );
        assert!(
            !step().repeatable(&actions[0]),
            "a recycle is never sent twice"
        );
    }
    let exit = |output: PipelineOutput| {
        let bench = bench();
        let seen = bench_look(&bench);
        let actions = bench.remedy(&step(), &seen);
        step().accept(bench.context(), &actions[1], &output).is_ok()
    };
    assert!(exit(gives([0.into()])));
    for bad in [
        gives([1.into()]),
        gives([]),
        gives([Value::Null]),
        no_such_command(),
    ] {
        assert!(!exit(bad));
    }
}

fn bench_look(bench: &Bench) -> crate::Observations {
    bench
        .probe(&step(), server(vec![owa(OLD)], gives([])))
        .unwrap()
}

#[test]
fn what_is_in_place_is_not_recycled() {
    let mut bench = bench();
    let (seen, _) = bench.look(&step(), server(vec![owa(NEW)], gives([])));
    assert!(bench.remedy(&step(), &seen).is_empty());
}

#[test]
fn without_the_file_there_is_nothing_to_compare() {
    assert!(Bench::new().probe(&step(), |_| gives([])).is_err());
    let mut newer = Bench::new().knows("atl-mbx-001", Fact::Exchange(ExchangeVersion::E2016));
    check(
        "no such file",
        &newer.look(&step(), server(vec![owa(OLD)], gives([]))).1,
        "in place",
    );
}

#[test]
fn one_server_of_a_group_at_a_time() {
    let expected = Exclusive {
        group: "recycle:atlanta".into(),
        limit: 1,
    };
    assert_eq!(step().exclusive(&bench().site), Some(expected));
}

#[test]
fn powershell_2_asks_wmi() {
    let bench = bench().powershell("atl-mbx-001", 2);
    let queries = step()
        .probe(bench.context(), &crate::Observations::default())
        .unwrap();
    assert_eq!(
        said(&queries[0].pipeline),
        "Get-WmiObject -Class Win32_Process -Filter Name='w3wp.exe'"
    );
    let seen = bench
        .probe(&step(), server(vec![owa(OLD)], gives([])))
        .unwrap();
    assert_eq!(bench.remedy(&step(), &seen).len(), 2);
}
