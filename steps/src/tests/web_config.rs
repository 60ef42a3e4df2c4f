//! `backend.web-config`, against a folder with files in it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use owaim_inventory::{ExchangeVersion, Thumbprint};
use owaim_proto::clixml::{Object, Value};
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};

use super::bench::{Bench, at, check, date, fails, gives, host, not_found, noted, object, said};
use crate::backend_web_config::BackendWebConfig;
use crate::{Action, Assessment, Certificate, Fact, Observations, Step, Verdict, read};

const PATH: &str = r"D:\Exchange\ClientAccess\Owa\web.config";
const COPY: &str = r"D:\Exchange\ClientAccess\Owa\web.config.owaim-20261123T100000Z.bak";
const OLD: &[u8] = b"\xef\xbb\xbf<configuration>\r\n  <appSettings>\r\n    <add key=\"a\" value=\"b\" />\r\n  </appSettings>\r\n</configuration>\r\n";

fn new() -> Vec<u8> {
    let print = "A1".repeat(20);
    let text = String::from_utf8(OLD.to_vec()).unwrap();
    let adds = format!(
        "/>\r\n    <add key=\"IMCertificateThumbprint\" value=\"{print}\" />\r\n    <add key=\"IMServerName\" value=\"atl-cs-001.litwareinc.com\" />"
    );
    text.replace("/>", &adds).into_bytes()
}

fn step() -> BackendWebConfig {
    BackendWebConfig {
        host: host("atl-mbx-001"),
    }
}

fn bench() -> Bench {
    Bench::new().knows(
        "atl-mbx-001",
        Fact::Certificate(Certificate {
            thumbprint: Thumbprint::new(&"a1".repeat(20)).unwrap(),
            subject: "atl-owa-001.litwareinc.com".into(),
            not_after: at("2028-01-01T00:00:00Z"),
        }),
    )
}

/// A folder that does what the few commands of the step say.
struct Folder {
    files: RefCell<BTreeMap<String, Vec<u8>>>,
    read_only: bool,
}

impl Folder {
    fn with(content: &[u8]) -> Self {
        Self {
            files: RefCell::new(BTreeMap::from([(PATH.into(), content.to_vec())])),
            read_only: false,
        }
    }

    fn put(&self, path: &str, content: &[u8]) {
        self.files
            .borrow_mut()
            .insert(path.into(), content.to_vec());
    }

    fn content(&self, path: &str) -> Option<Vec<u8>> {
        self.files.borrow().get(path).cloned()
    }

    fn run(&self, pipeline: &Pipeline) -> PipelineOutput {
        let commands: Vec<&Command> = pipeline.commands().collect();
        let text = |command: &Command, name: &str| {
            command
                .parameters
                .iter()
                .find(|p| p.name.as_deref() == Some(name))
                .and_then(|p| p.value.text())
        };
        let path = text(commands[0], "LiteralPath").unwrap();
        let bytes = |command: &Command| {
            let value = command
                .parameters
                .iter()
                .find(|p| p.name.as_deref() == Some("Value"))
                .unwrap();
            value.value.as_bytes().unwrap().into_owned()
        };
        let Some(content) = self.content(&path) else {
            return not_found();
        };
        match commands.as_slice() {
            [get] if get.name == "Get-Content" => gives([if text(get, "Raw").is_some() {
                noted(content.into())
            } else {
                Object::list(content.into_iter().map(Value::Byte).collect()).into()
            }]),
            [get] if get.name == "Get-Item" => gives([object([
                ("Length", i64::try_from(content.len()).unwrap().into()),
                ("LastWriteTimeUtc", date("2026-11-20T08:00:00Z")),
                ("IsReadOnly", self.read_only.into()),
            ])]),
            [hash] if hash.name == "Get-FileHash" => {
                gives([object([("Hash", read::sha256(&content).into())])])
            }
            [copy] if copy.name == "Copy-Item" => {
                self.put(&text(copy, "Destination").unwrap(), &content);
                gives([])
            }
            [hash, only, set] => {
                assert_eq!(
                    [&hash.name, &only.name, &set.name],
                    ["Get-FileHash", "Where-Object", "Set-Content"]
                );
                if text(only, "Value").unwrap() == read::sha256(&content) {
                    self.put(&path, &bytes(set));
                }
                gives([])
            }
            [set] if set.name == "Set-Content" => {
                self.put(&path, &bytes(set));
                gives([])
            }
            _ => panic!("{}", said(pipeline)),
        }
    }

    fn look(&self, bench: &mut Bench) -> (Observations, Assessment) {
        bench.look(&step(), |query| self.run(&query.pipeline))
    }

    fn act(&self, bench: &Bench, action: &Action) -> Result<(), crate::Problem> {
        step().accept(bench.context(), action, &self.run(&action.pipeline))
    }
}

#[test]
fn every_version_of_powershell_gets_the_file_copied_written_and_in_place() {
    for (powershell, expected) in [
        (
            5,
            "Get-Content -LiteralPath P -Encoding Byte -Raw
Get-Item -LiteralPath P
Copy-Item -LiteralPath P -Destination P.owaim-20261123T100000Z.bak
Get-FileHash -LiteralPath P.owaim-20261123T100000Z.bak -Algorithm SHA256
Get-FileHash -LiteralPath P -Algorithm SHA256 | Where-Object -Property Hash -EQ -Value H | Set-Content -Encoding Byte -Value <283 bytes>",
        ),
        (
            3,
            "Get-Content -LiteralPath P -Encoding Byte -Raw
Get-Item -LiteralPath P
Copy-Item -LiteralPath P -Destination P.owaim-20261123T100000Z.bak
Get-Content -LiteralPath P.owaim-20261123T100000Z.bak -Encoding Byte -Raw
Get-Content -LiteralPath P -Encoding Byte -Raw
Set-Content -Encoding Byte -Value <283 bytes> -LiteralPath P",
        ),
        (
            2,
            "Get-Content -LiteralPath P -Encoding Byte -ReadCount 0
Get-Item -LiteralPath P
Copy-Item -LiteralPath P -Destination P.owaim-20261123T100000Z.bak
Get-Content -LiteralPath P.owaim-20261123T100000Z.bak -Encoding Byte -ReadCount 0
Get-Content -LiteralPath P -Encoding Byte -ReadCount 0
Set-Content -Encoding Byte -Value <283 bytes> -LiteralPath P",
        ),
    ] {
        let folder = Folder::with(OLD);
        let mut bench = bench().powershell("atl-mbx-001", powershell);
        let sent = RefCell::new(Vec::new());
        let (seen, found) = bench.look(&step(), |query| {
            sent.borrow_mut().push(said(&query.pipeline));
            folder.run(&query.pipeline)
        });
        check("first look", &found, "drifted: IMCertificateThumbprint: nothing -> A1A1");
        let actions = bench.remedy(&step(), &seen);
        for action in &actions {
            sent.borrow_mut().push(said(&action.pipeline));
            folder.act(&bench, action).unwrap();
        }
        let sent = sent.into_inner().join("\n").replace(PATH, "P").replace(&read::sha256(OLD), "H");
        let expected = expected.replace("283", &new().len().to_string());
        assert_eq!(sent, expected, "PowerShell {powershell}");
        assert_eq!(folder.content(PATH), Some(new()));
        assert_eq!(folder.content(COPY).as_deref(), Some(OLD));
        let write = actions.last().unwrap();
        assert_eq!((write.saves[0].name.as_str(), write.saves[0].content.as_slice()), ("web.config", OLD));
        check("second look", &folder.look(&mut bench).1, "in place");
    }
}

#[test]
fn the_difference_shows_the_text() {
    let (_, found) = Folder::with(OLD).look(&mut bench());
    let Verdict::Drifted(differences) = found.verdict else {
        panic!()
    };
    assert_eq!(differences.len(), 2);
    assert!(
        differences[0]
            .diff
            .as_ref()
            .unwrap()
            .contains("+    <add key=\"IMServerName\"")
    );
    assert_eq!(differences[1].diff, None, "once is enough");
}

#[test]
fn other_generations_keep_the_values_elsewhere() {
    for version in [
        ExchangeVersion::E2010,
        ExchangeVersion::E2016,
        ExchangeVersion::E2019,
        ExchangeVersion::Se,
    ] {
        let mut bench = bench().knows("atl-mbx-001", Fact::Exchange(version));
        let (_, found) = bench.look(&step(), |query| panic!("{}", query.name));
        check("other generation", &found, &format!("unknown: {version}"));
    }
}

#[test]
fn a_pool_that_cannot_be_the_next_hop_is_written_nowhere() {
    let refused = Fact::NextHopRefused("it has no Registrar".into());
    let bench = bench().knows("atl-cs-001", refused);
    let problem = bench
        .probe(&step(), |query| panic!("{} is asked for", query.name))
        .unwrap_err();
    assert!(problem.found.contains("it has no Registrar"), "{problem}");
    assert!(problem.advice.contains("lync.site"), "{}", problem.advice);
}

#[test]
fn what_cannot_be_edited_is_said_and_left() {
    let damaged = Folder::with(b"<configuration>\n  <appSettings>\n</configuration>");
    let mut read_only = Folder::with(OLD);
    read_only.read_only = true;
    let missing = Folder {
        files: RefCell::default(),
        read_only: false,
    };
    for (name, folder, expected) in [
        (
            "not well-formed",
            damaged,
            "broken: line 3, column 1: not well-formed",
        ),
        (
            "empty",
            Folder::with(b""),
            "broken: line 1, column 1: not well-formed",
        ),
        ("read-only", read_only, "broken: the file is read-only"),
        ("missing", missing, "broken: there is no such file"),
    ] {
        let (_, found) = folder.look(&mut bench());
        check(name, &found, expected);
    }
    let refused = fails("x", 18);
    let (_, found) = bench().look(&step(), |_| refused.clone());
    check("no access", &found, "broken: Meldung");
    let without = Bench::new();
    let problem = without.probe(&step(), |_| gives([])).unwrap_err();
    assert!(problem.found.contains("certificate"), "{problem}");
}

/// Brings a bench to where the remedy is known, and gives it.
fn planned(folder: &Folder, bench: &mut Bench) -> Vec<Action> {
    let (seen, _) = folder.look(bench);
    bench.remedy(&step(), &seen)
}

#[test]
fn a_write_that_did_not_end_is_completed_from_the_copy() {
    for powershell in [2, 3, 4] {
        for written in [0, 1, OLD.len(), new().len() - 1] {
            let folder = Folder::with(OLD);
            let mut bench = bench().powershell("atl-mbx-001", powershell);
            let actions = planned(&folder, &mut bench);
            let (_, before) = actions.split_last().unwrap();
            for action in before {
                folder.act(&bench, action).unwrap();
            }
            folder.put(PATH, &new()[..written]);
            let (seen, found) = folder.look(&mut bench);
            check(
                "torn",
                &found,
                &format!("drifted: {PATH}: cut short: {written} of"),
            );
            let again = bench.remedy(&step(), &seen);
            assert!(
                again.iter().all(|action| action.name != "copy"),
                "the copy is not made again over a torn file"
            );
            assert_eq!(again.last().unwrap().saves[0].content, OLD);
            for action in &again {
                folder.act(&bench, action).unwrap();
            }
            assert_eq!(folder.content(PATH), Some(new()));
            assert_eq!(folder.content(COPY).as_deref(), Some(OLD));
            check("completed", &folder.look(&mut bench).1, "in place");
        }
    }
}

#[test]
fn an_answer_that_was_lost_does_not_make_the_change_twice() {
    for steps_done in 0..=3 {
        let folder = Folder::with(OLD);
        let mut bench = bench();
        for action in planned(&folder, &mut bench).iter().take(steps_done) {
            folder.act(&bench, action).unwrap();
        }
        let (seen, found) = folder.look(&mut bench);
        check(
            "second attempt",
            &found,
            if steps_done == 3 {
                "in place"
            } else {
                "drifted: IMCert"
            },
        );
        for action in bench.remedy(&step(), &seen) {
            folder.act(&bench, &action).unwrap();
        }
        assert_eq!(folder.content(PATH), Some(new()));
        assert_eq!(folder.content(COPY).as_deref(), Some(OLD));
        assert_eq!(folder.files.borrow().len(), 2, "one copy");
    }
}

#[test]
fn what_somebody_else_changed_is_not_overwritten() {
    let theirs = String::from_utf8(OLD.to_vec())
        .unwrap()
        .replace("\"b\"", "\"theirs\"")
        .into_bytes();
    // Before the copy: the copy is not what was read.
    let folder = Folder::with(OLD);
    let mut changed = bench();
    let actions = planned(&folder, &mut changed);
    folder.put(PATH, &theirs);
    folder.act(&changed, &actions[0]).unwrap();
    assert!(folder.act(&changed, &actions[1]).is_err());
    // After the copy: nothing is written, and the next look says why.
    for powershell in [3, 4] {
        let folder = Folder::with(OLD);
        let mut bench = bench().powershell("atl-mbx-001", powershell);
        let actions = planned(&folder, &mut bench);
        folder.act(&bench, &actions[0]).unwrap();
        folder.act(&bench, &actions[1]).unwrap();
        folder.put(PATH, &theirs);
        let compared = folder.act(&bench, &actions[2]);
        assert_eq!(compared.is_err(), powershell < 4);
        assert_eq!(folder.content(PATH), Some(theirs.clone()));
        check(
            "stranger",
            &folder.look(&mut bench).1,
            "broken: somebody else has changed the file",
        );
    }
    // Cut short by somebody else: no prefix of what this run wanted to write.
    let folder = Folder::with(OLD);
    let mut bench = bench();
    for action in planned(&folder, &mut bench).iter().take(2) {
        folder.act(&bench, action).unwrap();
    }
    folder.put(PATH, &theirs[..theirs.len() - 5]);
    check(
        "cut by a stranger",
        &folder.look(&mut bench).1,
        "broken: somebody else has changed the file",
    );
}

#[test]
fn a_size_that_does_not_fit_may_be_read_again() {
    let folder = Folder::with(OLD);
    let (_, found) = bench().look(&step(), |query| match query.name {
        "item" => gives([object([("Length", 1.into())])]),
        _ => folder.run(&query.pipeline),
    });
    let Verdict::Broken(problem) = found.verdict else {
        panic!()
    };
    assert!(problem.retry, "{problem}");
}

#[test]
fn wanted_keys_in_the_wrong_place_are_pointed_out() {
    let text = String::from_utf8(new()).unwrap();
    let text = text.replace(
        "  <appSettings>",
        "  <location><add key=\"IMServerName\" /></location>\r\n  <appSettings>",
    );
    let (_, found) = Folder::with(text.as_bytes()).look(&mut bench());
    check("in place all the same", &found, "in place");
    assert_eq!(
        found.warnings,
        [format!(
            "IMServerName in configuration/location at line 2, column 13 of {PATH} is without effect"
        )]
    );
}

#[test]
fn a_write_that_fails_is_looked_at_again_unless_it_never_began() {
    let folder = Folder::with(OLD);
    let mut bench = bench();
    let actions = planned(&folder, &mut bench);
    for (error, category, retry) in [
        ("WriteContentError,x", 23, true),
        ("x", 0, true),
        ("Unauthorized,x", 18, false),
    ] {
        let problem = step()
            .accept(bench.context(), &actions[2], &fails(error, category))
            .unwrap_err();
        assert_eq!(problem.retry, retry, "{error}");
        assert_eq!(problem.advice.contains(COPY), retry, "{error}");
    }
}
