//! Who trusts whom: the stores of the machines, and what comes of them when somebody signs on.

use super::*;

/// Both Front Ends of the site: which one serves a backend is not for a test to know.
const BOTH: [&str; 2] = ["fe1.fabrikam.test", "fe2.fabrikam.test"];

fn defects(hosts: &[&str], kind: &str) -> String {
    let one = |host: &&str| format!("[[defects]]\nhost = \"{host}\"\ndefect = \"{kind}\"\n");
    hosts.iter().map(one).collect()
}

/// The event of a sign-on at [`BOX`] with the certificate of the trusted pool.
fn event(lab: &Lab) -> Vec<i64> {
    lab.configure();
    lab.recycle(BOX);
    lab.pass(10);
    lab.events(BOX)
}

#[test]
fn messaging_works_where_both_sides_trust_each_other() {
    let pool = "[[lync.trusted_pools]]\n";
    for (host, kind, expected) in [
        ("", "", 112),
        ("box", "root-missing", 88),
        ("box", "intermediate-missing", 88),
        ("box", "intermediate-expired", 88),
        ("box", "certificate-untrusted", 88),
        ("box", "certificate-not-for-servers", 88),
        ("box", "intermediate-in-root", 112),
        ("fe", "root-missing", 88),
        ("fe", "intermediate-missing", 88),
        ("fe", "intermediate-expired", 88),
        ("fe", "certificate-untrusted", 88),
        ("fe", "certificate-not-for-servers", 88),
        ("fe", "certificate-expired", 88),
        ("fe", "certificate-not-yet-valid", 88),
        ("fe", "certificate-without-key", 88),
        ("fe", "certificate-missing", 88),
        ("fe", "certificate-missing-name", 88),
        ("fe", "certificate-wrong-subject", 88),
        ("fe", "certificate-expires-soon", 112),
        ("fe", "intermediate-in-root", 112),
    ] {
        let overlay = match host {
            "box" => pool.to_owned() + &defects(&[BOX], kind),
            "fe" => pool.to_owned() + &defects(&BOTH, kind),
            _ => pool.to_owned(),
        };
        assert_eq!(
            event(&Lab::with_lync(&overlay)),
            [expected],
            "{host} {kind}"
        );
    }
}

#[test]
fn a_front_end_that_the_site_does_not_have_trusts_the_root_of_the_site() {
    let sign_on = format!("[[sign_ons]]\nhost = \"{BOX}\"\nafter_recycle_s = 0\n");
    for (kind, expected) in [
        ("intermediate-in-root", 112),
        ("root-missing", 88),
        ("intermediate-missing", 88),
        ("intermediate-expired", 88),
        ("certificate-untrusted", 88),
        ("certificate-not-for-servers", 88),
    ] {
        let overlay = sign_on.clone() + &defects(&[BOX], kind);
        assert_eq!(event(&Lab::new(&overlay)), [expected], "{kind}");
    }
}

/// Issuers and subjects of a store.
fn store(lab: &Lab, host: &str, store: &str) -> Vec<[String; 2]> {
    let path = format!("Cert:\\LocalMachine\\{store}");
    let output = lab.windows(
        host,
        Command::new("Get-ChildItem").with("LiteralPath", path),
    );
    let shown = |c: &Value| {
        let parent = property(c, "PSParentPath");
        assert!(
            parent.ends_with(&format!("LocalMachine\\{store}")),
            "{parent}"
        );
        assert_eq!(
            c.get("HasPrivateKey").and_then(Value::as_bool),
            Some(store == "My")
        );
        ["Issuer", "Subject"].map(|name| property(c, name))
    };
    output.objects().map(shown).collect()
}

#[test]
fn stores_hold_a_root_and_the_authority_of_each_side() {
    let overlay = defects(&["box-b.fabrikam.test"], "certificate-untrusted")
        + &defects(&["box-c.fabrikam.test"], "intermediate-in-root");
    let lab = Lab::with_lync(&overlay);
    let pair = |issuer: &str, subject: &str| [format!("CN={issuer}"), format!("CN={subject}")];
    let root = pair("fabrikam.test lab root", "fabrikam.test lab root");
    let mail = pair("fabrikam.test lab root", "fabrikam.test lab CA 1");
    let lync = pair("fabrikam.test lab root", "fabrikam.test lab CA 2");
    assert_eq!(store(&lab, BOX, "Root"), std::slice::from_ref(&root));
    assert_eq!(store(&lab, BOX, "CA"), std::slice::from_ref(&mail));
    assert_eq!(store(&lab, FE, "CA"), [lync]);
    assert_eq!(
        store(&lab, BOX, "My")[1],
        pair("fabrikam.test lab CA 1", "im.fabrikam.test")
    );
    assert_eq!(
        store(&lab, FE, "My"),
        [pair("fabrikam.test lab CA 2", "fe.fabrikam.test")]
    );
    assert_eq!(
        store(&lab, "box-b.fabrikam.test", "Root"),
        [root.clone(), pair("box-b own root", "box-b own root")]
    );
    assert_eq!(store(&lab, "box-c.fabrikam.test", "Root"), [root, mail]);
    assert_eq!(store(&lab, "box-c.fabrikam.test", "CA"), [[""; 2]; 0]);
}

#[test]
fn several_stores_are_read_at_once() {
    let lab = Lab::new("");
    let paths = ["My", "CA", "Root"].map(|s| Value::from(format!("Cert:\\LocalMachine\\{s}")));
    let list = Command::new("Get-ChildItem").with("LiteralPath", Value::from(paths.to_vec()));
    let names = ["RawData", "HasPrivateKey", "PSParentPath"].map(Value::from);
    let select = Command::new("Select-Object").with("Property", Value::from(names.to_vec()));
    let output = lab.windows(BOX, Pipeline::new(list).pipe(select));
    let stores: Vec<String> = output
        .objects()
        .map(|c| property(c, "PSParentPath"))
        .collect();
    assert_eq!(stores.len(), 4, "{stores:?}");
    assert!(
        output
            .objects()
            .all(|c| c.get("RawData").and_then(Value::as_bytes).is_some())
    );
    assert!(output.objects().all(|c| c.get("Subject").is_none()));
}
