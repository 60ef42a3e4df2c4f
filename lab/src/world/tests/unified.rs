//! Unified Messaging and what follows from it: dial plans, discovery, the double entry. And what
//! somebody else does to the site.

use owaim_inventory::EndpointKind::{Lync, LyncLocal};

use super::*;

/// One machine with both roles; its certificate has its own name.
fn collocated() -> String {
    format!("{SITE}{FRONT_ENDS}")
        .replace(
            "name = \"box-a.fabrikam.test\"\nroles = [\"backend\"]",
            "name = \"box-a.fabrikam.test\"\nroles = [\"cas\", \"backend\"]",
        )
        .replace(
            "pool = \"im.fabrikam.test\"",
            "pool = \"box-a.fabrikam.test\"",
        )
        .replace(
            "subject = \"im.fabrikam.test\"",
            "subject = \"box-a.fabrikam.test\"",
        )
}

impl Lab {
    /// As [`Lab::configure`], with the certificate that has the machine's own name.
    fn configure_collocated(&self) {
        for identity in ["FRONT", "BOX-A"] {
            let set = Command::new("Set-OwaVirtualDirectory")
                .with("Identity", format!("{identity}\\owa (Default Web Site)"))
                .with("InstantMessagingType", "Ocs");
            assert!(self.exchange(set).is_clean());
        }
        let set = Command::new("Set-OwaMailboxPolicy")
            .with("Identity", "Default")
            .with("InstantMessagingType", "Ocs");
        assert!(self.exchange(set).is_clean());
        self.pass(10);
        let output = self.windows(
            BOX,
            Command::new("Get-ChildItem").with("LiteralPath", "Cert:\\LocalMachine\\My"),
        );
        let thumbprint = output
            .objects()
            .find(|c| property(c, "Subject") == "CN=box-a.fabrikam.test")
            .map(|c| property(c, "Thumbprint"))
            .expect("the certificate");
        self.write_settings("fe.fabrikam.test", &thumbprint);
    }

    fn next_event(&self) -> Vec<i64> {
        let before = self.events(BOX).len();
        self.recycle(BOX);
        self.pass(10);
        self.events(BOX).split_off(before)
    }

    fn plans_of(&self, command: &str, parameter: &str) -> Vec<String> {
        let output = self.exchange(Command::new(command).with(parameter, "box-a"));
        let object = output.objects().next().expect("settings");
        let plans = object.get("DialPlans").expect("dial plans");
        plans
            .items()
            .unwrap_or_default()
            .iter()
            .filter_map(Value::text)
            .collect()
    }
}

fn names(all: &[&str]) -> Value {
    Value::from(Object::new().with_base(owaim_proto::clixml::Base::List(
        all.iter().map(|n| Value::from(*n)).collect(),
    )))
}

fn table(key: &str, value: Value) -> Value {
    Object::hashtable(vec![(key.into(), value)]).into()
}

#[test]
fn lists_replace_and_tables_change() {
    let plans = "[[dial_plans]]\nname = \"One\"\nservers = [\"box-a.fabrikam.test\"]\n\
                 [[dial_plans]]\nname = \"Two\"\nvoip_security = \"SIPSecured\"\n\
                 [[dial_plans]]\nname = \"Ext\"\nuri_type = \"TelExtn\"\n";
    let lab = Lab::new(plans);
    let shown: Vec<_> = lab
        .exchange(Command::new("Get-UMDialPlan"))
        .objects()
        .map(|p| ["Name", "URIType", "VoIPSecurity"].map(|n| property(p, n)))
        .collect();
    assert_eq!(
        shown,
        [
            ["One", "SipName", "Unsecured"].map(String::from),
            ["Two", "SipName", "SIPSecured"].map(String::from),
            ["Ext", "TelExtn", "Unsecured"].map(String::from)
        ]
    );
    for (value, expected, error) in [
        (table("Add", "two".into()), &["One", "Two"][..], None),
        (table("Add", names(&["One"])), &["One", "Two"], None),
        (table("Remove", names(&["ONE"])), &["Two"], None),
        (names(&["One"]), &["One"], None),
        ("Two".into(), &["Two"], None),
        (
            names(&["Three"]),
            &["Two"],
            Some("ManagementObjectNotFound"),
        ),
        (
            table("Add", "Ext".into()),
            &["Two"],
            Some("DialPlanAssociation"),
        ),
        (
            table("Put", "One".into()),
            &["Two"],
            Some("CannotConvertArgument"),
        ),
    ] {
        let command = Command::new("Set-UMService")
            .with("Identity", "BOX-A")
            .with("DialPlans", value.clone());
        let output = lab.exchange(command);
        match error {
            None => assert!(output.is_clean(), "{value:?}: {output:?}"),
            Some(id) => assert!(first_error(&output).error_id.contains(id), "{value:?}"),
        }
        lab.pass(5);
        assert_eq!(
            lab.plans_of("Get-UMService", "Identity"),
            expected,
            "{value:?}"
        );
    }
    let router = lab.exchange(Command::new("Get-UMCallRouterSettings").with("Server", "front"));
    assert_eq!(
        property(router.objects().next().expect("one"), "UMStartupMode"),
        "TCP"
    );
    let none = lab.exchange(Command::new("Get-UMCallRouterSettings").with("Server", "box-a"));
    assert!(
        first_error(&none)
            .error_id
            .contains("ManagementObjectNotFound"),
        "a mailbox server has no call router"
    );
    let new = Command::new("New-UMDialPlan")
        .with("Name", "Three")
        .with("NumberOfDigitsInExtension", 5)
        .with("CountryOrRegionCode", "1")
        .with("URIType", "SipName");
    assert!(lab.exchange(new.clone()).is_clean());
    assert!(
        first_error(&lab.exchange(new))
            .error_id
            .contains("AlreadyExists")
    );
}

#[test]
fn a_collocated_server_in_a_sip_plan_is_found_and_must_not_be_listed() {
    let plan = "[[dial_plans]]\nname = \"SIP\"\n";
    let site = collocated();
    let lab = Lab::of(&site, plan, None);
    lab.configure_collocated();
    assert_eq!(lab.next_event(), [88], "in no plan: Lync does not find it");
    let add = Command::new("Set-UMService")
        .with("Identity", "box-a")
        .with("DialPlans", table("Add", "SIP".into()));
    assert!(lab.exchange(add).is_clean());
    lab.pass(5);
    assert_eq!(lab.next_event(), [112]);
    // Somebody lists it as well.
    let new = Command::new("New-CsTrustedApplicationPool")
        .with("Identity", BOX)
        .with("Registrar", "fe.fabrikam.test")
        .with("Site", "HQ");
    assert!(lab.lync(Lync, new).is_clean());
    let application = Command::new("New-CsTrustedApplication")
        .with("ApplicationId", "Mail")
        .with("TrustedApplicationPoolFqdn", BOX)
        .with("Port", 5201);
    assert!(lab.lync(Lync, application).is_clean());
    let enable = || {
        assert!(
            lab.lync(LyncLocal, Command::new("Enable-CsTopology"))
                .is_clean()
        );
        lab.pass(5);
    };
    assert_eq!(lab.next_event(), [112]);
    enable();
    assert_eq!(lab.next_event(), [88], "the double entry");
    for (cmdlet, identity) in [
        ("Remove-CsTrustedApplication", "box-a.fabrikam.test/mail"),
        ("Remove-CsTrustedApplicationComputer", BOX),
        ("Remove-CsTrustedApplicationPool", BOX),
    ] {
        let remove = Command::new(cmdlet).with("Identity", identity);
        assert!(lab.lync(Lync, remove).is_clean(), "{cmdlet}");
    }
    enable();
    assert_eq!(lab.next_event(), [112]);
}

#[test]
fn overlays_make_the_double_entry() {
    let defect = format!("[[defects]]\nhost = \"{BOX}\"\ndefect = \"double-entry\"");
    let listed = format!(
        "[hosts.\"{BOX}\"]\num.services = [\"service\", \"call-router\"]\num.startup_mode = \"Dual\"\n\
         [[dial_plans]]\nname = \"SIP\"\nservers = [\"{BOX}\"]\n[[lync.trusted_pools]]\n"
    );
    for overlay in [defect, listed] {
        let lab = Lab::of(&collocated(), &overlay, None);
        lab.configure_collocated();
        assert_eq!(lab.next_event(), [88], "{overlay}");
        let remove = Command::new("Remove-CsTrustedApplicationPool").with("Identity", BOX);
        assert!(lab.lync(Lync, remove).is_clean());
        assert!(
            lab.lync(LyncLocal, Command::new("Enable-CsTopology"))
                .is_clean()
        );
        lab.pass(5);
        assert_eq!(lab.next_event(), [112], "{overlay}");
    }
}

#[test]
fn a_hidden_mark_before_the_thumbprint_is_met_at_the_sign_on() {
    let lab = Lab::new(&format!(
        "[[defects]]\nhost = \"{BOX}\"\ndefect = \"thumbprint-hidden-mark\""
    ));
    let read = Command::new("Get-Content")
        .with("LiteralPath", WEB_CONFIG)
        .with("Encoding", "UTF8");
    let text = texts(&lab.windows(BOX, read)).join("\n");
    let thumbprint = lab.thumbprint(BOX);
    assert!(text.contains(&format!("value=\"\u{200e}{thumbprint}\"")));
    assert!(text.contains("key=\"IMServerName\" value=\"fe.fabrikam.test\""));
    let on = |c: Command| c.with("InstantMessagingType", "Ocs");
    for command in [
        on(Command::new("Set-OwaVirtualDirectory")
            .with("Identity", "FRONT\\owa (Default Web Site)")),
        on(Command::new("Set-OwaMailboxPolicy").with("Identity", "Default")),
    ] {
        assert!(lab.exchange(command).is_clean());
    }
    lab.pass(10);
    assert_eq!(lab.next_event(), [101]);
}

#[test]
fn actions_happen_to_a_kept_state_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = format!("{SITE}{FRONT_ENDS}");
    let start = |overlay: &str| Lab::of(&site, overlay, Some(folder.path()));
    let build = |lab: &Lab| {
        let server = lab.exchange(Command::new("Get-ExchangeServer").with("Identity", "box-a"));
        property(server.objects().next().expect("one"), "AdminDisplayVersion")
    };
    let hash = |lab: &Lab| {
        let command = Command::new("Get-FileHash").with("LiteralPath", WEB_CONFIG);
        property(
            lab.windows(BOX, command).objects().next().expect("one"),
            "Hash",
        )
    };
    let first = start("[[lync.trusted_pools]]");
    let fresh = hash(&first);
    first.configure();
    assert_eq!(first.next_event(), [112]);
    assert_ne!(hash(&first), fresh);
    let updated = start(&format!(
        "[[actions]]\naction = \"cumulative-update\"\nhost = \"{BOX}\""
    ));
    updated.pass(1000);
    assert_eq!(hash(&updated), fresh, "setup's own file again");
    assert_eq!(
        (build(&first).as_str(), build(&updated).as_str()),
        ("Version 15.0 (Build 1497.2)", "Version 15.0 (Build 1515.2)")
    );
    assert_eq!(updated.next_event(), [100]);
    let joined = start(&format!(
        "[[actions]]\naction = \"join-dial-plan\"\nhost = \"{BOX}\"\nplan = \"SIP\"\n\
         [[actions]]\naction = \"add-trusted-pool\"\npool = \"two.fabrikam.test\""
    ));
    assert_eq!(joined.plans_of("Get-UMService", "Identity"), ["SIP"]);
    let pools = joined.lync(Lync, Command::new("Get-CsTrustedApplicationPool"));
    assert_eq!(pools.objects().count(), 2);
    let left = start(&format!(
        "[[actions]]\naction = \"leave-dial-plan\"\nhost = \"{BOX}\"\nplan = \"SIP\""
    ));
    assert!(left.plans_of("Get-UMService", "Identity").is_empty());
}
