//! Lync's endpoints: what each shows, what a session without credentials for other machines
//! meets, and what the reading cmdlets say.

use owaim_inventory::EndpointKind::{Lync, LyncLocal, Windows};

use super::*;

fn ask(name: &str) -> Command {
    Command::new(name)
}

/// `ok`, or the first part of the id of the first error.
fn result(output: &PipelineOutput) -> String {
    let failed = match &output.state {
        PipelineState::Failed(error) => Some(error),
        _ => output.errors().next(),
    };
    failed.map_or_else(
        || "ok".into(),
        |error| {
            let id = error.error_id.split(',').next().unwrap_or_default();
            id.rsplit('.').next().unwrap_or_default().into()
        },
    )
}

#[test]
fn each_endpoint_shows_what_it_has() {
    const SQL: &str = "SqlConnectionException";
    const AD: &str = "ADOperationException";
    const NONE: &str = "CommandNotFoundException";
    let lab = Lab::with_lync("");
    let pool = || {
        ask("New-CsTrustedApplicationPool")
            .with("Identity", "im.fabrikam.test")
            .with("Confirm", false)
            .switch("WhatIf")
    };
    for (command, [lync, windows, local]) in [
        (ask("Get-CsSite"), ["ok", SQL, "ok"]),
        (ask("Get-CsPool"), ["ok", SQL, "ok"]),
        (ask("Get-CsService").switch("Registrar"), ["ok", SQL, "ok"]),
        (ask("Get-CsTrustedApplicationPool"), ["ok", SQL, "ok"]),
        (ask("Get-CsTrustedApplication"), ["ok", SQL, "ok"]),
        (
            ask("Get-CsManagementStoreReplicationStatus"),
            ["ok", SQL, "ok"],
        ),
        (pool(), ["ok", SQL, "ok"]),
        (ask("Get-CsUser"), ["ok", AD, "ok"]),
        (ask("Enable-CsTopology"), [NONE, AD, "ok"]),
        (ask("Get-CsComputer"), [NONE, SQL, "ok"]),
        (ask("Get-CsTopology"), [NONE, SQL, "NotModelledByTheLab"]),
        (ask("Get-CsCertificate"), [NONE, SQL, "NotModelledByTheLab"]),
        (ask("Get-CsWindowsService"), ["ok", "ok", "ok"]),
        (ask("Get-CsServerVersion"), ["ok", "ok", "ok"]),
        // Lync Server 2013 has no such cmdlet.
        (ask("Get-CsImConfiguration"), [NONE, NONE, NONE]),
        (ask("Get-Service"), [NONE, "ok", "ok"]),
        (
            ask("Get-ChildItem").with("LiteralPath", "Cert:\\LocalMachine\\My"),
            [NONE, "ok", "ok"],
        ),
        (ask("Get-OwaVirtualDirectory"), [NONE, NONE, NONE]),
        (
            Command::script("Get-CsSite"),
            [
                "ScriptsNotAllowed",
                "NotModelledByTheLab",
                "NotModelledByTheLab",
            ],
        ),
    ] {
        for (endpoint, expected) in [(Lync, lync), (Windows, windows), (LyncLocal, local)] {
            let output = lab.lync(endpoint, command.clone());
            assert_eq!(
                result(&output),
                expected,
                "{} at {endpoint:?}",
                command.name
            );
        }
    }
}

#[test]
fn roles_hide_what_they_do_not_give() {
    for (rights, expected) in [
        ("", [true, true, true, true]),
        ("rights = []", [false; 4]),
        ("rights = [\"exchange-read\"]", [true, false, false, false]),
        (
            "rights = [\"exchange-read\", \"exchange-change\", \"lync-read\"]",
            [true, true, true, false],
        ),
    ] {
        let lab = Lab::with_lync(&format!(
            "[[accounts]]\nusername = 'fabrikam\\lab'\npassword = \"x\"\n{rights}\n"
        ));
        let set = ask("Set-OwaMailboxPolicy").with("Identity", "Default");
        let remove = ask("Remove-CsTrustedApplicationPool").with("Identity", "x.y");
        let seen = [
            lab.exchange(ask("Get-OwaMailboxPolicy")),
            lab.exchange(set),
            lab.lync(Lync, ask("Get-CsSite")),
            lab.lync(Lync, remove),
        ]
        .map(|output| result(&output) != "CommandNotFoundException");
        assert_eq!(seen, expected, "{rights}");
        assert_eq!(
            result(&lab.lync(Windows, ask("Get-CsWindowsService"))),
            "ok",
            "roles limit restricted endpoints only"
        );
    }
}

#[test]
fn a_site_without_front_end_knows_nothing_of_lync() {
    let lab = Lab::new("");
    for command in ["Get-CsSite", "Enable-CsTopology", "Get-CsWindowsService"] {
        let output = lab.windows(BOX, ask(command));
        assert_eq!(result(&output), "CommandNotFoundException", "{command}");
    }
    let output = lab.windows(
        BOX,
        ask("Get-WinEvent")
            .with("LogName", "Lync Server")
            .with("MaxEvents", 1),
    );
    assert_eq!(result(&output), "NoMatchingLogsFound");
    assert!(lock(&lab.world.inner.state).lync.is_none());
}

#[test]
fn the_module_has_the_name_of_its_generation() {
    for (version, known, unknown) in [
        ("2013", "Lync", "SkypeForBusiness"),
        ("2015", "SkypeForBusiness", "Lync"),
    ] {
        let site = format!("{SITE}{FRONT_ENDS}").replace(
            "[lync]\nversion = \"2013\"",
            &format!("[lync]\nversion = \"{version}\""),
        );
        let lab = Lab::of(&site, "", None);
        let import = |name: &str| lab.lync(LyncLocal, ask("Import-Module").with("Name", name));
        assert!(import(known).is_clean(), "{version}");
        assert_eq!(
            result(&import(unknown)),
            "Modules_ModuleNotFound",
            "{version}"
        );
        let command = lab.lync(LyncLocal, ask("Get-Command").with("Name", "Get-CsSite"));
        assert_eq!(
            property(command.objects().next().expect("one"), "ModuleName"),
            known
        );
    }
}

#[test]
fn old_shells_want_the_module_imported_first() {
    let lab =
        Lab::with_lync("[hosts.\"fe1.fabrikam.test\"]\nwindows = \"2008R2\"\npowershell = \"2.0\"");
    let sites = || result(&lab.lync(LyncLocal, ask("Get-CsSite")));
    assert_eq!(sites(), "CommandNotFoundException");
    assert!(
        lab.lync(LyncLocal, ask("Import-Module").with("Name", "lync"))
            .is_clean()
    );
    assert_eq!(sites(), "ok");
    assert_eq!(
        result(&lab.lync(Lync, ask("Get-CsSite"))),
        "ok",
        "Lync's own endpoint has it loaded"
    );
}

#[test]
fn sites_pools_and_services_are_shown() {
    let lab = Lab::with_lync(
        "[[lync.sites]]\nsite_id = \"NA\"\nidentity = \"Redmond\"\ndisplay_name = \"HQ\"\n\
         [[lync.sites]]\nsite_id = \"EU\"\n\
         [[lync.pools]]\nfqdn = \"old.fabrikam.test\"\nsite_id = \"EU\"\nversion = \"2010\"",
    );
    let names = |o: &Value| ["Identity", "SiteId", "DisplayName"].map(|n| property(o, n));
    let sites: Vec<_> = lab
        .lync(Lync, ask("Get-CsSite"))
        .objects()
        .map(names)
        .collect();
    assert_eq!(
        sites,
        [
            ["Site:Redmond", "NA", "HQ"].map(String::from),
            ["Site:EU", "EU", "EU HQ"].map(String::from)
        ]
    );
    let pools = |command: Command| -> Vec<String> {
        lab.lync(Lync, command)
            .objects()
            .map(|p| property(p, "Identity"))
            .collect()
    };
    assert_eq!(
        pools(ask("Get-CsPool")),
        ["fe.fabrikam.test", "old.fabrikam.test"]
    );
    assert_eq!(
        pools(ask("Get-CsPool").with("Site", "hq")),
        ["fe.fabrikam.test"]
    );
    assert_eq!(
        result(&lab.lync(Lync, ask("Get-CsPool").with("Site", "NA"))),
        "ObjectNotFound"
    );
    let registrars: Vec<_> = lab
        .lync(Lync, ask("Get-CsService").switch("Registrar"))
        .objects()
        .map(|s| ["Identity", "SiteId", "Version"].map(|n| property(s, n)))
        .collect();
    assert_eq!(
        registrars,
        [
            ["Registrar:fe.fabrikam.test", "Site:Redmond", "6"].map(String::from),
            ["Registrar:old.fabrikam.test", "Site:EU", "5"].map(String::from)
        ]
    );
    assert_eq!(
        pools(ask("Get-CsService").switch("EdgeServer")),
        Vec::<String>::new()
    );
    let usual = Lab::with_lync("");
    let site = usual.lync(Lync, ask("Get-CsSite"));
    let [identity, id, display] = names(site.objects().next().expect("a site"));
    assert!(identity != format!("Site:{id}") && id != display && id == "HQ");
}

#[test]
fn users_are_shown_as_lync_has_them() {
    let lab = Lab::with_lync(
        "[[users]]\nname = \"Ken\"\nprincipal = \"ken@fabrikam.test\"\nserver = \"box-a.fabrikam.test\"\n\
         sip_address = \"sip:ken@fabrikam.test\"\nlync.enabled = false\n\
         [[users]]\nname = \"Pat\"\nprincipal = \"pat@fabrikam.test\"\nserver = \"box-a.fabrikam.test\"\n\
         sip_address = \"sip:pat@fabrikam.test\"\nlync.known = false\n\
         [[users]]\nname = \"Ann\"\nprincipal = \"ann@fabrikam.test\"\nserver = \"box-a.fabrikam.test\"\n\
         sip_address = \"sip:ann@fabrikam.test\"\nlync.sip_address = \"sip:ann.b@fabrikam.test\"\n\
         lync.registrar = \"old.fabrikam.test\"",
    );
    let get = |id: &str| lab.lync(Lync, ask("Get-CsUser").with("Identity", id));
    for (id, enabled, address, registrar) in [
        (
            "user1@fabrikam.test",
            "True",
            "sip:user1@fabrikam.test",
            "fe.fabrikam.test",
        ),
        (
            "KEN@fabrikam.test",
            "False",
            "sip:ken@fabrikam.test",
            "fe.fabrikam.test",
        ),
        (
            "sip:ann.b@fabrikam.test",
            "True",
            "sip:ann.b@fabrikam.test",
            "old.fabrikam.test",
        ),
    ] {
        let output = get(id);
        let user = output.objects().next().unwrap_or_else(|| panic!("{id}"));
        let found = ["Enabled", "SipAddress", "RegistrarPool"].map(|n| property(user, n));
        assert_eq!(
            found,
            [enabled, address, registrar].map(String::from),
            "{id}"
        );
    }
    for id in ["pat@fabrikam.test", "nobody"] {
        let output = get(id);
        assert_eq!(result(&output), "Identity", "{id}");
        assert_eq!(first_error(&output).category.code, 6, "{id}");
    }
    assert_eq!(lab.lync(Lync, ask("Get-CsUser")).objects().count(), 5);
}

#[test]
fn a_front_end_says_what_it_knows_when_its_service_starts() {
    let lab = Lab::with_lync("");
    let count = |id: i32| {
        let filter = format!("*[System[EventID={id}]]");
        let command = ask("Get-WinEvent")
            .with("LogName", "Lync Server")
            .with("FilterXPath", filter);
        lab.windows(FE, command).objects().count()
    };
    assert_eq!((count(14_492), count(44_024)), (1, 1));
    assert!(
        lab.windows(FE, ask("Restart-Service").with("Name", "RTCSRV"))
            .is_clean()
    );
    assert_eq!((count(14_492), count(44_024)), (2, 2));
    for (verb, state, starts) in [("Stop", "Stopped", 2), ("Start", "Running", 3)] {
        let command = ask(&format!("{verb}-CsWindowsService")).with("Name", "RTCSRV");
        assert!(lab.lync(LyncLocal, command).is_clean());
        let service = lab.windows(FE, ask("Get-CsWindowsService").with("Name", "rtcsrv"));
        let shown = property(service.objects().next().expect("one"), "Status");
        assert_eq!((shown.as_str(), count(14_492)), (state, starts));
    }
}
