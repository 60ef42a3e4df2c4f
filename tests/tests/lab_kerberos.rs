//! The realm of the simulated site, with MIT's `kinit` and `kvno` and with `pypsrp` and `pywinrm` over
//! MIT's GSS-API.

#![allow(clippy::unwrap_used)]
// It drives programs of this machine.
#![cfg(unix)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use owaim_inventory::EndpointKind;
use owaim_lab::{EndpointEntry, Lab};
use owaim_tests::pypsrp::{Client, REFUSED, entry, records, start};
use owaim_tests::pywinrm;

/// The realm as MIT's programs are told of it.
struct Realm {
    folder: PathBuf,
}

impl Realm {
    fn of(lab: &Lab, folder: &Path) -> Self {
        let realm = lab.endpoints().kerberos.as_ref().unwrap();
        let (name, kdc) = (&realm.realm, &realm.kdc);
        let conf = format!(
            "[libdefaults]\ndefault_realm = {name}\ndns_lookup_kdc = false\ndns_lookup_realm = false\n\
             dns_canonicalize_hostname = false\nrdns = false\n\
             [realms]\n{name} = {{\n kdc = {kdc}\n}}\nLITWAREINC = {{\n kdc = {kdc}\n}}\n\
             [domain_realm]\n.litwareinc.com = {name}\nlitwareinc.com = {name}\n127.0.0.1 = {name}\n"
        );
        std::fs::write(folder.join("krb5.conf"), conf).unwrap();
        Self {
            folder: folder.into(),
        }
    }

    fn environment(&self) -> [(&'static str, String); 2] {
        let path = |name: &str| self.folder.join(name).display().to_string();
        [
            ("KRB5_CONFIG", path("krb5.conf")),
            ("KRB5CCNAME", format!("FILE:{}", path("tickets"))),
        ]
    }

    fn run(&self, program: &str, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(program)
            .args(arguments)
            .envs(self.environment())
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // One that fails at once does not read it.
        let _ = writeln!(stdin, "{input}");
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    /// A client with this realm.
    fn client(&self, lab: &Lab, kind: EndpointKind, auth: &'static str) -> Client {
        let client = Client::new(lab, kind, auth, &self.folder);
        let host = client.entry.host.to_string();
        let mut client = client.option("negotiate_hostname_override", host);
        client.entry.username = "owaim@LITWAREINC.COM".into();
        client.environment.extend(self.environment());
        client
    }
}

fn check(output: &Output, says: Option<&str>) {
    let error = String::from_utf8_lossy(&output.stderr);
    match says {
        None => assert!(output.status.success(), "{error}"),
        Some(says) => assert!(!output.status.success() && error.contains(says), "{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mit_gets_tickets() {
    let folder = tempfile::tempdir().unwrap();
    let lab = start("", folder.path()).await;
    let realm = Realm::of(&lab, folder.path());
    let own: EndpointEntry = entry(&lab, EndpointKind::Windows);
    let password = own.password.expose();
    let kinit = |arguments: &[&str], password: &str, says| {
        check(&realm.run("kinit", arguments, password), says);
    };
    kinit(&["owaim@LITWAREINC.COM"], password, None);
    kinit(&["-C", "owaim@LITWAREINC"], password, None);
    kinit(&["-E", "owaim@litwareinc.com"], password, None);
    kinit(&["-f", "OWAIM"], password, None);
    kinit(&["owaim"], "wrong", Some("Password incorrect"));
    kinit(&["nobody"], "x", Some("not found in Kerberos database"));

    kinit(&["owaim"], password, None);
    let host = own.host.as_str();
    let mut services = Vec::new();
    for class in ["HTTP", "HOST", "WSMAN"] {
        services.extend([format!("{class}/{host}"), format!("{class}/127.0.0.1")]);
    }
    for service in &services {
        check(&realm.run("kvno", &[service], ""), None);
    }
    for service in ["HTTP/nowhere.litwareinc.com", &format!("cifs/{host}")] {
        let says = Some("not found in Kerberos database");
        check(&realm.run("kvno", &[service], ""), says);
    }
    let weak = &["-e", "aes128-cts", "HTTP/atl-mbx-001.litwareinc.com"];
    check(
        &realm.run("kvno", weak, ""),
        Some("KDC has no support for encryption type"),
    );
    lab.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pypsrp_gets_in_with_tickets() {
    let folder = tempfile::tempdir().unwrap();
    let overlay = "[wire]\nntlm = false\nchannel_binding = \"strict\"\n\
                   [wire.endpoints.lync]\ntls = true\n[wire.endpoints.exchange]\nauth = [\"kerberos\"]\n";
    let lab = start(overlay, folder.path()).await;
    let realm = Realm::of(&lab, folder.path());
    for kind in [EndpointKind::Windows, EndpointKind::Exchange] {
        for auth in ["kerberos", "negotiate"] {
            let what = format!("{auth} at {kind:?}");
            realm.client(&lab, kind, auth).connects(&what).await;
        }
        let ntlm = Client::new(&lab, kind, "ntlm", folder.path());
        let why = if kind == EndpointKind::Exchange {
            "responded with the auth protocol 'Kerberos'"
        } else {
            REFUSED
        };
        ntlm.fails("ntlm", why).await;
    }
    let lync = || realm.client(&lab, EndpointKind::Lync, "kerberos");
    lync().connects("bound to the channel").await;
    lync()
        .option("negotiate_send_cbt", false)
        .fails("not bound", REFUSED)
        .await;
    // A ticket for another host is none.
    let other = lync().option("negotiate_hostname_override", "atl-mbx-001.litwareinc.com");
    other.fails("of another host", REFUSED).await;
    lab.stop().await.unwrap();
    let records = records(folder.path());
    let commands = records.iter().filter(|record| record["action"] == "Create");
    assert!(commands.clone().all(|record| record["auth"] == "kerberos"));
    assert!(commands.count() >= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn pywinrm_gets_in_with_tickets() {
    for overlay in ["", "[wire.endpoints.windows]\ntls = true\n"] {
        let overlay = [
            "[wire]\nntlm = false\nchannel_binding = \"strict\"\n",
            overlay,
        ]
        .concat();
        let folder = tempfile::tempdir().unwrap();
        let lab = start(&overlay, folder.path()).await;
        let realm = Realm::of(&lab, folder.path());
        let own = entry(&lab, EndpointKind::Windows);
        let password = own.password.expose();
        let client = |host: &str| {
            let mut client = pywinrm::Client::new(&lab, "kerberos", folder.path())
                .option("username", "owaim@LITWAREINC.COM")
                .option("kerberos_hostname_override", host);
            client.environment.extend(realm.environment());
            client
        };
        // It has no use for a password: its tickets come from elsewhere.
        let what = format!("without a ticket at {}", own.url);
        client(own.host.as_str()).fails(&what, "credential").await;
        check(&realm.run("kinit", &["owaim"], password), None);
        client(own.host.as_str()).succeeds(&own.url).await;
        client("atl-mbx-001.litwareinc.com")
            .fails("of another host", "rejected")
            .await;
        lab.stop().await.unwrap();
        let records = records(folder.path());
        let mut commands = records
            .iter()
            .filter(|record| record["action"] == "Command");
        assert!(commands.all(|record| record["auth"] == "kerberos"));
    }
}
