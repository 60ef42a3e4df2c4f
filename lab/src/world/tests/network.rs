//! Who listens, what names resolve to, pools that are no Front Ends', and who has a policy.

use super::*;

fn connections(lab: &Lab, host: &str, port: u16) -> PipelineOutput {
    let command = Command::new("Get-NetTCPConnection")
        .with("LocalPort", i32::from(port))
        .with("State", "Listen");
    lab.windows(host, command)
}

#[test]
fn services_listen_and_so_do_other_programs() {
    let lab = Lab::with_lync(
        "[hosts.\"box-a.fabrikam.test\"]\nlisteners = [{ port = 5201, process = \"other\" }]\n\
         [hosts.\"box-b.fabrikam.test\"]\nwindows = \"2008R2\"\n",
    );
    let process = |host: &str, port: u16| -> Option<String> {
        let output = connections(&lab, host, port);
        let owner = property(output.objects().next()?, "OwningProcess");
        let id: i32 = owner.parse().expect("a number");
        let found = lab.windows(
            host,
            Command::new("Get-Process").with("Id", Value::from(vec![Value::Int32(id)])),
        );
        Some(property(
            found.objects().next().expect("a process"),
            "ProcessName",
        ))
    };
    for (host, port, expected) in [
        (BOX, 5201, Some("other")),
        (BOX, 5985, Some("System")),
        (BOX, 443, Some("System")),
        (BOX, 5062, Some("umservice")),
        (BOX, 5060, None),
        (FRONT, 5060, Some("Microsoft.Exchange.UM.CallRouter")),
        (FE, 5061, Some("RTCSrv")),
        (FE, 443, None),
        ("box-c.fabrikam.test", 5201, None),
    ] {
        assert_eq!(process(host, port).as_deref(), expected, "{host} {port}");
    }
    let both = connections(&lab, BOX, 5201);
    let addresses: Vec<_> = both
        .objects()
        .map(|o| ["LocalAddress", "LocalPort", "State"].map(|name| property(o, name)))
        .collect();
    assert_eq!(
        addresses,
        [["::", "5201", "Listen"], ["0.0.0.0", "5201", "Listen"]].map(|row| row.map(String::from))
    );
    let nobody = connections(&lab, "box-c.fabrikam.test", 5201);
    let error = first_error(&nobody);
    assert_eq!(
        error.error_id,
        "CmdletizationQuery_NotFound,Get-NetTCPConnection"
    );
    assert_eq!(error.category.name, "ObjectNotFound");
    let by_port = Command::new("Get-NetTCPConnection").with("LocalPort", 1);
    let output = lab.windows(BOX, by_port);
    assert_eq!(
        first_error(&output).id(),
        "CmdletizationQuery_NotFound_LocalPort"
    );
    // Nobody listens for a service that is stopped, and an older Windows has no such cmdlet.
    lab.windows(
        BOX,
        Command::new("Stop-Service").with("Name", "MSExchangeUM"),
    );
    assert_eq!(process(BOX, 5062), None);
    let old = connections(&lab, "box-b.fabrikam.test", 5201);
    assert_eq!(first_error(&old).id(), "CommandNotFoundException");
}

#[test]
fn names_of_the_site_resolve_unless_the_overlay_says_otherwise() {
    let lab = Lab::with_lync(
        "[dns]\n\"box-a.fabrikam.test\" = [\"198.51.100.7\", \"2001:db8::7\"]\n\
         \"box-b.fabrikam.test\" = []\n\"box-c.fabrikam.test\" = [\"2001:db8::8\"]\n\
         \"elsewhere.fabrikam.test\" = [\"198.51.100.8\"]\n\
         [hosts.\"front.fabrikam.test\"]\nwindows = \"2008R2\"\n",
    );
    let resolve = |name: &str| {
        let command = Command::new("Resolve-DnsName")
            .with("Name", name)
            .with("Type", "A")
            .switch("DnsOnly");
        lab.windows(FE, command)
    };
    let addresses = |name: &str| -> Vec<String> {
        let output = resolve(name);
        output
            .objects()
            .filter_map(|o| o.get("IP4Address")?.text())
            .collect()
    };
    for known in [
        "fe.fabrikam.test",
        "im.fabrikam.test",
        "IM.fabrikam.test",
        FE,
        FRONT,
    ] {
        let found = addresses(known);
        assert!(
            found.len() == 1 && found[0].starts_with("192.0.2."),
            "{known}: {found:?}"
        );
    }
    assert_eq!(addresses(BOX), ["198.51.100.7"]);
    assert_eq!(addresses("elsewhere.fabrikam.test"), ["198.51.100.8"]);
    for unknown in ["box-b.fabrikam.test", "nobody.fabrikam.test", "box-a"] {
        let output = resolve(unknown);
        let error = first_error(&output);
        assert_eq!(
            error.error_id,
            "DNS_ERROR_RCODE_NAME_ERROR,Microsoft.DnsClient.Commands.ResolveDnsName",
            "{unknown}"
        );
    }
    let other_family = resolve("box-c.fabrikam.test");
    let kinds: Vec<_> = other_family
        .objects()
        .map(|o| property(o, "Type"))
        .collect();
    assert_eq!(
        kinds,
        ["SOA"],
        "the name is there, an address of that kind is not"
    );
    let old = lab.windows(FRONT, Command::new("Resolve-DnsName").with("Name", BOX));
    assert_eq!(first_error(&old).id(), "CommandNotFoundException");
}

#[test]
fn pools_may_have_another_name_and_another_role() {
    let lab = Lab::with_lync(
        "[lync]\npool = \"pool.fabrikam.test\"\n\
         [[lync.pools]]\nfqdn = \"edge.fabrikam.test\"\nrole = \"edge\"\n\
         [[lync.pools]]\nfqdn = \"fe.fabrikam.test\"\nversion = \"2010\"\n",
    );
    let shown = |command: Command, names: [&str; 2]| -> Vec<[String; 2]> {
        let output = lab.lync(EndpointKind::Lync, command);
        let row = |o: &Value| names.map(|name| property(o, name));
        output.objects().map(row).collect()
    };
    let pools = lab.lync(EndpointKind::Lync, Command::new("Get-CsPool"));
    let lists: Vec<Vec<String>> = pools
        .objects()
        .map(|pool| {
            let list = |name: &str| pool.get(name).and_then(Value::items).map(<[Value]>::to_vec);
            let texts = list("Services")
                .into_iter()
                .chain(list("Computers"))
                .flatten();
            texts.filter_map(|item| item.text()).collect()
        })
        .collect();
    assert!(
        lists[0].contains(&"Registrar:pool.fabrikam.test".into()),
        "{lists:?}"
    );
    assert!(lists[0].contains(&FE.into()), "{lists:?}");
    assert_eq!(
        lists[1],
        ["EdgeServer:edge.fabrikam.test", "edge.fabrikam.test"]
    );
    assert_eq!(
        shown(
            Command::new("Get-CsService").switch("Registrar"),
            ["PoolFqdn", "Version"]
        ),
        [["pool.fabrikam.test", "6"], ["fe.fabrikam.test", "5"]].map(|row| row.map(String::from))
    );
    let new = Command::new("New-CsTrustedApplicationPool")
        .with("Identity", "im.fabrikam.test")
        .with("Registrar", "edge.fabrikam.test")
        .with("Site", "HQ")
        .with("Confirm", false);
    let output = lab.lync(EndpointKind::Lync, new);
    assert_eq!(
        first_error(&output).category.name,
        "ObjectNotFound",
        "an Edge has no Registrar"
    );
}

#[test]
fn mailboxes_are_found_by_their_policy() {
    let lab = Lab::new(
        "[policies.\"O'Neill\"]\n[[users]]\nname = \"Pat\"\nprincipal = \"pat@fabrikam.test\"\n\
         server = \"box-a.fabrikam.test\"\npolicy = \"O'Neill\"\n",
    );
    let policies = lab.exchange(Command::new("Get-OwaMailboxPolicy"));
    let path = |name: &str| -> String {
        let policy = policies.objects().find(|p| property(p, "Name") == name);
        property(policy.expect("a policy"), "DistinguishedName").replace('\'', "''")
    };
    let ask = |path: &str, most: i32| {
        let command = Command::new("Get-CASMailbox")
            .with("Filter", format!("OwaMailboxPolicy -eq '{path}'"))
            .with("ResultSize", most)
            .switch("IgnoreDefaultScope");
        lab.exchange(command)
    };
    let count = |name: &str, most: i32| {
        let output = ask(&path(name), most);
        let warned = output
            .records
            .iter()
            .any(|r| matches!(r, Record::Warning(_)));
        (output.objects().count(), warned)
    };
    assert_eq!(count("Default", 1), (1, true), "there are more");
    assert_eq!(count("Default", 3), (3, false));
    assert_eq!(count("O'Neill", 1), (1, false));
    assert_eq!(
        count("Clerks", 1),
        (0, false),
        "nobody has it, and that is no error"
    );
    // The name alone is no distinguished name.
    assert_eq!(
        first_error(&ask("Default", 1)).id(),
        "ParameterBindingFailed"
    );
    assert_eq!(
        first_error(&ask("O'Neill", 1)).id(),
        "ParameterBindingFailed"
    );
    let elsewhere = Command::new("Get-CASMailbox")
        .switch("IgnoreDefaultScope")
        .with("DomainController", "dc01.fabrikam.test");
    assert!(!lab.exchange(elsewhere).is_clean());
}
