//! Site files, good and bad, as files: each bad one against its snapshot of mistakes, each good
//! one against what it must mean.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use owaim_inventory::{
    Auth, Credential, Diagnostics, EndpointKind, ExchangeVersion, HostName, Look, PHASES,
    PolicyScope, Role, STEP_IDS, SecretSource, Site, parse, parse_with,
};
use proptest::prelude::*;

const EXAMPLE: &str = include_str!("../../examples/litware.toml");

/// Stands in bad files where a secret was written; must never come out.
const CANARY: &str = "canary";

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    files.sort();
    assert!(!files.is_empty());
    files
}

fn set(pairs: &[(&str, &str)]) -> Result<Site, Diagnostics> {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    parse_with("site.toml", EXAMPLE, &pairs)
}

fn looks() -> [Look; 3] {
    [
        Look::Plain,
        Look::Graphical {
            width: 100,
            colour: false,
        },
        Look::Graphical {
            width: 60,
            colour: true,
        },
    ]
}

#[test]
fn bad_files_give_all_their_mistakes() {
    for path in files("bad") {
        let text = fs::read_to_string(&path).unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let Err(diagnostics) = parse("site.toml", &text) else {
            panic!("{} is accepted", path.display())
        };
        for look in looks() {
            let shown = diagnostics.render(look);
            assert!(!shown.contains(CANARY), "{stem} shows a secret:\n{shown}");
        }
        assert!(
            !format!("{diagnostics:?}").contains(CANARY),
            "{stem}: Debug shows a secret"
        );
        assert_eq!(diagnostics.len(), diagnostics.iter().count());
        insta::with_settings!({ snapshot_path => "bad", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(stem, diagnostics.render(Look::Plain));
        });
    }
}

#[test]
fn every_example_is_a_site() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let site = parse(&path.display().to_string(), &text).unwrap_or_else(|m| panic!("{m}"));
        assert_eq!(site.warnings, [], "{}", path.display());
        count += 1;
    }
    assert!(count >= 5, "only {count}");
}

#[path = "../examples/large_site.rs"]
#[allow(dead_code, unreachable_pub)]
mod large_site;

#[test]
fn a_large_site_is_a_site() {
    let site = parse("large.toml", &large_site::site(100, 100)).unwrap();
    assert_eq!(site.hosts.len(), 201);
    assert_eq!(site.hosts_with(Role::Backend).count(), 100);
}

#[test]
fn a_pool_of_several_computers_is_read() {
    let text = EXAMPLE.replace(
        "port = 5199\n",
        "port = 5199\ncomputers = [\"ATL-MBX-001.litwareinc.com\", \"atl-mbx-002.litwareinc.com\"]\n",
    );
    let site = parse("site.toml", &text).unwrap();
    let names = ["atl-mbx-001.litwareinc.com", "atl-mbx-002.litwareinc.com"];
    assert_eq!(
        site.lync.trusted_application.computers,
        names.map(|name| HostName::new(name).unwrap())
    );
}

#[test]
fn a_terminal_gets_the_line_and_a_pointer() {
    let diagnostics =
        parse("site.toml", &EXAMPLE.replace("port = 5199", "port = 5061")).unwrap_err();
    insta::assert_snapshot!(
        "graphical",
        diagnostics.render(Look::Graphical {
            width: 80,
            colour: false
        })
    );
}

#[test]
fn a_mistake_serializes_for_machines() {
    let diagnostics = parse(
        "site.toml",
        &EXAMPLE.replace("id = \"Outlook", "id = \"Outlook-"),
    )
    .unwrap_err();
    let mistakes: Vec<_> = diagnostics.iter().collect();
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&mistakes).unwrap());
}

#[test]
fn good_files_are_accepted() {
    for path in files("good") {
        let text = fs::read_to_string(&path).unwrap();
        let site = parse("site.toml", &text)
            .unwrap_or_else(|error| panic!("{}:\n{error}", path.display()));
        let stem = path.file_stem().unwrap().to_str().unwrap();
        insta::with_settings!({ snapshot_path => "good", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_debug_snapshot!(stem, site);
        });
    }
}

#[test]
fn the_example_means_the_original_procedure() {
    let site = parse("litware.toml", EXAMPLE).unwrap();
    assert_eq!(site.warnings, []);
    assert_eq!(site.lync.pool.as_str(), "atl-cs-001.litwareinc.com");
    assert_eq!(site.lync.site_id, "Redmond");
    assert_eq!(site.lync.trusted_application.port, 5199);
    assert_eq!(site.exchange.version, ExchangeVersion::E2013);
    assert_eq!(site.certificate.subject, site.lync.trusted_application.pool);
    assert_eq!(site.hosts_with(Role::Cas).count(), 2);
    assert_eq!(site.hosts_with(Role::Backend).count(), 3);
    assert!(
        matches!(&site.policies, PolicyScope::Named(names) if names == &["Default", "Executives"])
    );
    assert_eq!(
        site.credentials.default,
        Credential::Account {
            username: r"LITWAREINC\owaim".into(),
            password: SecretSource::Env("OWAIM_PASSWORD".into()),
        }
    );
    assert_eq!(site.retry.for_step("backend.recycle").attempts, 2);
    assert_eq!(
        site.retry.for_step("backend.web-config").deadline,
        Duration::from_mins(10)
    );
}

#[test]
fn policies_are_named_or_found() {
    let scope = |value: &str| set(&[("policies.mailbox", value)]).map(|site| site.policies);
    assert!(matches!(scope("all"), Ok(PolicyScope::All)));
    assert!(matches!(scope("in-use"), Ok(PolicyScope::InUse)));
    assert!(matches!(scope("[\"in-use\"]"), Ok(PolicyScope::Named(names)) if names == ["in-use"]));
    for bad in ["used", "In-Use", "[]"] {
        assert!(scope(bad).is_err(), "{bad}");
    }
}

#[test]
fn byte_order_mark_and_windows_line_ends_are_no_matter() {
    let text = format!("\u{feff}{}", EXAMPLE.replace('\n', "\r\n"));
    assert!(parse("site.toml", &text).is_ok());
    let bad = text.replace("[site]", "[sites]");
    let diagnostics = parse("site.toml", &bad).unwrap_err();
    let plain = parse("site.toml", &EXAMPLE.replace("[site]", "[sites]")).unwrap_err();
    assert_eq!(diagnostics.render(Look::Plain), plain.render(Look::Plain));
}

#[test]
fn overrides_are_set_before_anything_is_checked() {
    let site = set(&[
        ("site.name", "other"),
        ("site.name", "2026"),
        ("lync.trusted_application.port", "5299"),
        ("exchange.version", "SE"),
        ("lync.version", "2019"),
        ("policies.mailbox", "all"),
        (
            "hosts.\"atl-mbx-002.litwareinc.com\".install_root",
            "D:\\Exchange\\V15",
        ),
        (
            "hosts.\"atl-mbx-002.litwareinc.com\".roles",
            "[\"backend\", \"cas\"]",
        ),
        ("credentials.default.password", "{ prompt = true }"),
        ("retry.verify.deadline", "1h"),
    ])
    .unwrap();
    assert_eq!(site.name, "2026");
    assert_eq!(site.lync.trusted_application.port, 5299);
    assert_eq!(site.exchange.version, ExchangeVersion::Se);
    assert!(matches!(site.policies, PolicyScope::All));
    assert!(matches!(
        &site.credentials.default,
        Credential::Account {
            password: SecretSource::Prompt,
            ..
        }
    ));
    assert_eq!(
        site.retry.for_step("verify.event-112").deadline,
        Duration::from_hours(1)
    );
    let host = site
        .host(&HostName::new("ATL-MBX-002.litwareinc.com").unwrap())
        .unwrap();
    assert_eq!(
        host.install_root.as_ref().unwrap().as_str(),
        r"D:\Exchange\V15"
    );
    assert!(host.is(Role::Cas));
}

#[test]
fn a_mistaken_override_is_a_mistake() {
    let diagnostics = set(&[
        ("lync.trusted_application.prot", "5299"),
        ("limits.parallel", "many"),
        ("limits.parallel.more", "1"),
        ("hosts.\"atl-mbx-009.litwareinc.com\".group", "a"),
        ("hosts.\"atl-mbx-001.litwareinc.com\"", "a"),
        ("site..name", "a"),
        ("a = 1\nb", "1"),
        ("credentials.default.password", "canary"),
        ("lync.pool", "atl"),
    ])
    .unwrap_err();
    for look in looks() {
        assert!(!diagnostics.render(look).contains(CANARY));
    }
    insta::assert_snapshot!("overrides", diagnostics.render(Look::Plain));
}

#[test]
fn defaults_stand_in_for_what_is_left_out() {
    let sections = [
        "[certificate]",
        "[retry.default]",
        "[retry.\"backend.recycle\"]",
        "[limits]",
    ];
    let mut text = String::new();
    let mut dropped = false;
    for line in EXAMPLE
        .lines()
        .filter(|line| !line.starts_with("admin_host"))
    {
        if line.starts_with('[') {
            dropped = sections.contains(&line);
        }
        if !dropped {
            text.push_str(line);
            text.push('\n');
        }
    }
    let site = parse("site.toml", &text).unwrap();
    assert_eq!(
        site.exchange.admin_host.as_str(),
        "atl-cas-001.litwareinc.com"
    );
    assert_eq!(
        site.certificate.subject.as_str(),
        "atl-owa-001.litwareinc.com"
    );
    assert_eq!(
        (site.certificate.warn_days, site.certificate.thumbprint),
        (30, None)
    );
    assert_eq!(site.limits, owaim_inventory::Limits::default());
    assert_eq!(site.retry.default, owaim_inventory::RetryPolicy::default());
    assert_eq!(site.hosts[0].group, "default");
}

/// (change to the example, phrases of the warnings that follow)
#[test]
fn doubtful_sites_are_accepted_with_warnings() {
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 4] = [
        (
            &[("lync.version", "2019")],
            &["Exchange 2013 with Skype for Business Server 2019"],
        ),
        (
            &[("certificate.subject", "owa.litwareinc.com")],
            &["owa.litwareinc.com is not the trusted pool"],
        ),
        (
            &[("exchange.version", "2016"), ("lync.version", "2015")],
            &[
                "atl-cas-001",
                "atl-cas-002",
                "atl-mbx-001",
                "Exchange 2016 backends (a setting override): atl-mbx-001",
                "atl-mbx-002",
                "Exchange 2016 backends (a setting override): atl-mbx-002",
                "atl-mbx-003",
                "Exchange 2016 backends (a setting override): atl-mbx-003",
            ],
        ),
        (
            &[(
                "hosts.\"atl-cas-001.litwareinc.com\".roles",
                "[\"cas\", \"lync-front-end\"]",
            )],
            &["Lync and Exchange"],
        ),
    ];
    for (overrides, phrases) in cases {
        let mut warnings: Vec<String> = set(overrides)
            .unwrap()
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect();
        warnings.sort();
        assert_eq!(warnings.len(), phrases.len(), "{warnings:#?}");
        for (warning, phrase) in warnings.iter().zip(phrases) {
            assert!(
                warning.contains(phrase),
                "{warning} does not say {phrase:?}"
            );
        }
    }
}

#[test]
fn every_phase_and_every_step_may_have_a_retry_rule() {
    for phase in PHASES {
        assert!(set(&[(&format!("retry.{phase}.attempts"), "5")]).is_ok());
    }
    for step in STEP_IDS {
        assert!(set(&[(&format!("retry.\"{step}\".attempts"), "5")]).is_ok());
    }
}

#[test]
fn endpoints_and_credentials_of_a_host_win() {
    let site = set(&[
        (
            "hosts.\"atl-mbx-001.litwareinc.com\".endpoints.windows.url",
            "http://127.0.0.1:49152/wsman",
        ),
        (
            "credentials.endpoints.exchange",
            "{ username = 'ex@litwareinc.com', password = { file = \"ex.txt\" } }",
        ),
        (
            "credentials.hosts.\"atl-mbx-001.litwareinc.com\"",
            "{ username = 'mbx', password = { prompt = true } }",
        ),
        (
            "credentials.hosts.\"atl-mbx-003.litwareinc.com\"",
            "{ logon = true }",
        ),
    ])
    .unwrap();
    let host = |name: &str| HostName::new(name).unwrap();
    let rules = &site.credentials;
    let user = |name: &str, kind| match rules.for_endpoint(&host(name), kind) {
        Credential::Account { username, .. } => username.clone(),
        Credential::Logon => "the current logon".into(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        user("atl-mbx-001.litwareinc.com", EndpointKind::Exchange),
        "mbx"
    );
    assert_eq!(
        user("atl-mbx-002.litwareinc.com", EndpointKind::Exchange),
        "ex@litwareinc.com"
    );
    assert_eq!(
        user("atl-mbx-002.litwareinc.com", EndpointKind::Windows),
        r"LITWAREINC\owaim"
    );
    assert_eq!(
        user("atl-mbx-003.litwareinc.com", EndpointKind::Windows),
        "the current logon"
    );
    let rule = &site
        .host(&host("atl-mbx-001.litwareinc.com"))
        .unwrap()
        .endpoints[&EndpointKind::Windows];
    assert_eq!(rule.url.as_deref(), Some("http://127.0.0.1:49152/wsman"));
}

fn never_panics(text: &str) {
    if let Err(diagnostics) = parse("site.toml", text) {
        assert!(diagnostics.len() > 0);
        for look in looks() {
            assert!(!diagnostics.render(look).is_empty());
        }
        for mistake in &diagnostics {
            assert!(mistake.line >= 1 && mistake.column >= 1);
            assert!(mistake.line <= text.lines().count().max(1) + 1);
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        never_panics(&text);
    }

    #[test]
    fn text_of_toml_pieces_never_panics(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "[", "]", "[[", "]]", "hosts", "site", "name", "password", "=", ".", "\"", "'", "\"\"\"", "{", "}", ",",
                "\n", "\r\n", " ", "é", "\u{200e}", "1", "-", "true", "#", "\\", "://a:b@", "lync", "credentials", "default",
            ]),
            0..60,
        )
    ) {
        never_panics(&pieces.concat());
    }

    #[test]
    fn a_damaged_example_never_panics(
        at in 0..EXAMPLE.len(),
        length in 0..40_usize,
        put in prop::sample::select(vec!["", "\"", "[", "]", "=", "\n", "'''", "{", "é", "0", "password = 'x'\n"]),
    ) {
        let mut text = EXAMPLE.to_owned();
        let start = text.floor_char_boundary(at);
        let end = text.floor_char_boundary((start + length).min(text.len()));
        text.replace_range(start..end, put);
        never_panics(&text);
    }

    #[test]
    fn a_damaged_file_never_shows_its_secret(
        at in 0..EXAMPLE.len(),
        length in 0..8_usize,
        put in prop::sample::select(vec!["", "\"", "[", "]", "=", "'", "{", "\\"]),
    ) {
        let text = EXAMPLE.replace("{ env = \"OWAIM_PASSWORD\" }", "\"canary\"");
        let spared = text.find("password = ").unwrap();
        let start = text.floor_char_boundary(at.min(text.len()));
        prop_assume!(start + length <= spared || start >= spared + "password = \"canary\"".len());
        let end = text.floor_char_boundary((start + length).min(text.len()));
        let mut text = text;
        text.replace_range(start..end, put);
        if let Err(diagnostics) = parse("site.toml", &text) {
            for look in looks() {
                prop_assert!(!diagnostics.render(look).contains(CANARY));
            }
        }
    }

    #[test]
    fn arbitrary_overrides_never_panic(key in any::<String>(), value in any::<String>()) {
        let _ = parse_with("site.toml", EXAMPLE, &[(key, value)]);
    }
}

#[test]
fn how_an_endpoint_is_reached_is_decided_key_by_key() {
    let site = set(&[
        ("endpoints", "{ ca = \"ca.pem\", auth = \"ntlm\" }"),
        ("endpoints.exchange.auth", "kerberos"),
        (
            "hosts.\"atl-cas-001.litwareinc.com\".endpoints.exchange",
            "{ service = \"HTTP/mail.litwareinc.com\", min_tls = \"1.0\" }",
        ),
        (
            "kerberos",
            "{ realm = \"LITWAREINC.COM\", kdc = [\"tcp://dc1.litwareinc.com:88\"] }",
        ),
    ])
    .unwrap();
    let rule = |host: &str, kind| {
        let host = site.host(&HostName::new(host).unwrap()).unwrap();
        site.connections.for_endpoint(Some(host), kind)
    };
    let own = rule("atl-cas-001.litwareinc.com", EndpointKind::Exchange);
    assert_eq!(own.auth, Some(Auth::Kerberos));
    assert_eq!(own.service.as_deref(), Some("HTTP/mail.litwareinc.com"));
    assert_eq!(own.ca.as_deref(), Some(Path::new("ca.pem")));
    let other = rule("atl-cas-002.litwareinc.com", EndpointKind::Windows);
    assert_eq!(other.auth, Some(Auth::Ntlm));
    assert_eq!(other.service, None);
    assert_eq!(site.kerberos.kdc, ["tcp://dc1.litwareinc.com:88"]);
    let [warning] = site.warnings.as_slice() else {
        panic!("{:?}", site.warnings)
    };
    assert!(warning.message.contains("TLS 1.0 is broken"), "{warning}");
}

#[test]
fn what_gives_a_password_or_a_server_away_is_said_once() {
    let site = set(&[("endpoints", "{ auth = \"basic\", allow_plaintext = true }")]).unwrap();
    let [warning] = site.warnings.as_slice() else {
        panic!("{:?}", site.warnings)
    };
    assert!(warning.message.contains("for all to read"), "{warning}");
    let site = set(&[
        ("endpoints.lync.insecure_skip_verify", "true"),
        ("endpoints.windows.insecure_skip_verify", "true"),
    ])
    .unwrap();
    // The Lync endpoint alone has TLS by default.
    let [warning] = site.warnings.as_slice() else {
        panic!("{:?}", site.warnings)
    };
    assert!(warning.message.contains("not verified"), "{warning}");
}

#[test]
fn paths_are_relative_to_the_site_file() {
    let mut site = set(&[
        ("endpoints.ca", "ca.pem"),
        (
            "credentials.endpoints.windows",
            "{ username = \"owaim\", keytab = \"owaim.keytab\" }",
        ),
        (
            "credentials.endpoints.lync",
            "{ certificate = \"/pki/owaim.pfx\", password = { env = \"P\" } }",
        ),
    ])
    .unwrap();
    site.resolve_paths(Path::new("/sites"));
    assert_eq!(site.connections.all.ca, Some("/sites/ca.pem".into()));
    let by_kind = &site.credentials.by_kind;
    assert_eq!(
        by_kind[&EndpointKind::Windows],
        Credential::Keytab {
            username: "owaim".into(),
            keytab: "/sites/owaim.keytab".into()
        }
    );
    assert_eq!(
        by_kind[&EndpointKind::Lync],
        Credential::Certificate {
            pfx: "/pki/owaim.pfx".into(),
            password: SecretSource::Env("P".into())
        }
    );
}
