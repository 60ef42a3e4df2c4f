//! What a sanitizer makes of a site's names, wherever they stand.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use owaim_inventory::EndpointKind;
use owaim_proto::clixml::{Object, SecureString, Value};
use owaim_proto::psrp::MessageType;
use owaim_steps::Place;
use rcgen::{CertificateParams, DnType, KeyPair, SanType};

use super::capture::place_of;
use super::certificates::Certificates;
use super::names::Names;
use super::sanitizer::Sanitizer;
use super::{Part, site_file, walk};
use crate::redact::Redactor;

const SITE: &str = include_str!("../../../examples/litware.toml");

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Names learnt from the example site and from `texts`, among words of PowerShell.
fn names(texts: &[&str]) -> Names {
    let site = owaim_inventory::parse("site.toml", SITE).unwrap();
    let vocabulary = ["servername", "get-owamailboxpolicy", "identity"].map(str::to_owned);
    let mut names = Names::of(&site, BTreeSet::from(vocabulary));
    for text in texts {
        names.learn_addresses(text);
    }
    for text in texts {
        names.learn_text(text);
    }
    names
}

/// What becomes of each text once all of them are known.
fn check(cases: &[(&str, &str)]) {
    let texts: Vec<&str> = cases.iter().map(|(text, _)| *text).collect();
    let names = names(&texts);
    let redactor = Redactor::new(["s3cret-canary"]).unwrap();
    let certificates = Certificates::default();
    let sanitizer = Sanitizer::new(&names, &redactor, &certificates).unwrap();
    for (text, expected) in cases {
        assert_eq!(sanitizer.text(text), *expected, "{text}");
    }
}

#[test]
fn names_are_replaced_by_others_of_their_kind() {
    check(&[
        ("ATL-CS-001", "HOST1"),
        ("atl-cs-001.litwareinc.com", "host1.example.com"),
        (
            r"\\ATL-MBX-001\c$ of LITWAREINC\ATL-MBX-001$",
            r"\\HOST4\c$ of EXAMPLE\HOST4$",
        ),
        (
            "mail.litwareinc.com sip:j.doe@litwareinc.com",
            "mail.example.com sip:user1@example.com",
        ),
        (
            "j.doe and J.DOE, not aj.doex",
            "user1 and USER1, not aj.doex",
        ),
        (
            "jane@partner.org at partner.org",
            "user2@example2.org at example2.org",
        ),
        (
            "CN=Jane Roe,OU=Sales,DC=litwareinc,DC=com",
            "CN=name2,OU=name3,DC=example,DC=com",
        ),
        ("Jane Roe of Sales", "name2 of name3"),
        (
            r"LITWAREINC\svc-x runs it; svc-x",
            r"EXAMPLE\user3 runs it; user3",
        ),
        ("policy Executives", "policy name1"),
        (
            "10.1.2.3 and 10.1.2.30, ::1, 127.0.0.1",
            "192.0.2.1 and 192.0.2.2, ::1, 127.0.0.1",
        ),
        (
            "S-1-5-21-11-22-33-500",
            "S-1-5-21-1000000000-2000000000-3000000001-500",
        ),
        (
            "S-1-5-18 15.0.1497.2 Version=4.0.0.0",
            "S-1-5-18 15.0.1497.2 Version=4.0.0.0",
        ),
        ("tel:+4930123456", "tel:+15550000001"),
        ("x s3cret-canary y", "x [redacted] y"),
        (
            "admin@microsoft.com, schemas.microsoft.com",
            "admin@microsoft.com, schemas.microsoft.com",
        ),
        (
            "Get-OwaMailboxPolicy -Identity",
            "Get-OwaMailboxPolicy -Identity",
        ),
    ]);
}

#[test]
fn a_name_that_is_a_word_of_powershell_stays_by_itself() {
    check(&[
        ("server.litwareinc.com", "host8.example.com"),
        ("ServerName of the server", "ServerName of the server"),
    ]);
}

#[test]
fn names_of_commands_stay_only_where_commands_are_named() {
    let names = names(&["CN=Tom,DC=litwareinc,DC=com"]);
    let redactor = Redactor::new::<&str>([]).unwrap();
    let certificates = Certificates::default();
    let sanitizer = Sanitizer::new(&names, &redactor, &certificates).unwrap();
    let value: Value = Object::new().with("N", "Tom").with("Cmd", "Tom").into();
    for (kind, stays) in [
        (MessageType::CreatePipeline, true),
        (MessageType::PipelineOutput, false),
    ] {
        let clean = sanitizer.value(kind, &value);
        for name in ["N", "Cmd"] {
            let text = clean.get(name).and_then(Value::text).unwrap();
            assert_eq!(text == "Tom", stays, "{kind:?} {name}: {text}");
        }
    }
}

#[test]
fn names_in_bytes_are_replaced_too() {
    let names = names(&["S-1-5-21-1-2-3"]);
    let redactor = Redactor::new(["s3cret-canary"]).unwrap();
    let certificates = Certificates::default();
    let sanitizer = Sanitizer::new(&names, &redactor, &certificates).unwrap();
    let text = "<add value=\"atl-mbx-001.litwareinc.com\" />\r\n";
    let clean = "<add value=\"host4.example.com\" />\r\n";
    assert_eq!(sanitizer.bytes(text.as_bytes()), clean.as_bytes());
    assert_eq!(sanitizer.bytes(&utf16(text)), utf16(clean));
    for (bytes, expected) in [
        (text.as_bytes().to_vec(), clean.as_bytes().to_vec()),
        (utf16(text), utf16(clean)),
    ] {
        let text = format!("x: {}", STANDARD.encode(bytes));
        assert_eq!(
            sanitizer.text(&text),
            format!("x: {}", STANDARD.encode(expected))
        );
    }
    let list = Value::from(text.bytes().map(Value::Byte).collect::<Vec<_>>());
    assert_eq!(
        sanitizer
            .value(MessageType::PipelineOutput, &list)
            .as_bytes()
            .unwrap(),
        clean.as_bytes()
    );
    // What cannot be looked through.
    let keys: Vec<u8> = (0..=255).cycle().take(500).collect();
    assert_eq!(sanitizer.bytes(&keys), vec![0; 500]);
    assert_eq!(sanitizer.bytes(b"\x01ATL-CS-001\xff"), vec![0; 12]);
    assert_eq!(sanitizer.bytes(&[1, 2, 3, 255]), [1, 2, 3, 255]);
}

#[test]
fn keys_and_passwords_within_files_do_not_stay() {
    let (validation, decryption) = ("0123456789ABCDEF".repeat(8), "89abcdef".repeat(6));
    let file = format!(
        r#"<configuration>
  <appSettings><add key="IMPoolName" value="x" /><add key="RelaySecret" value="canary-1" /></appSettings>
  <connectionStrings>
    <add name="a" connectionString="Data Source=db;User ID=sa;Password=canary-2;Pooling=true" />
  </connectionStrings>
  <machineKey validationKey="{validation}" decryptionKey="{decryption}" validation="SHA1" />
</configuration>"#
    );
    let seen =
        format!("Event 1309: key was 0x{validation}, GUID 6f9619ff-8b86-d011-b42d-00cf4fc964ff");
    let names = names(&[&file, &seen]);
    let redactor = Redactor::new::<&str>([]).unwrap();
    let certificates = Certificates::default();
    let sanitizer = Sanitizer::new(&names, &redactor, &certificates).unwrap();
    for bytes in [file.as_bytes().to_vec(), utf16(&file)] {
        let clean = sanitizer.bytes(&bytes);
        let clean = super::sanitizer::as_text(&clean).unwrap();
        for secret in [&validation, &decryption, "canary"] {
            assert!(!clean.contains(secret), "{secret}: {clean}");
        }
        for kept in [
            r#"key="IMPoolName" value="x""#,
            "User ID=sa;Password=[redacted];Pooling=true\"",
            r#"validation="SHA1""#,
        ] {
            assert!(clean.contains(kept), "{kept}: {clean}");
        }
    }
    let clean = sanitizer.text(&seen);
    assert!(
        !clean.contains(&validation) && clean.contains("6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
        "{clean}"
    );
}

#[test]
fn persons_and_secure_strings_do_not_stay() {
    let person: Value = Object::new()
        .with("DisplayName", "Erika Muster")
        .with("SamAccountName", "emuster")
        .with("Password", Value::SecureString(SecureString("AAAA".into())))
        .into();
    let mut names = names(&[]);
    walk(&person, &mut |part| {
        if let Part::Personal(text) = part {
            names.learn_user(&text);
        }
    });
    let redactor = Redactor::new::<&str>([]).unwrap();
    let certificates = Certificates::default();
    let sanitizer = Sanitizer::new(&names, &redactor, &certificates).unwrap();
    let clean = sanitizer.value(MessageType::PipelineOutput, &person);
    let text = |name: &str| clean.get(name).and_then(Value::text).unwrap();
    assert!(
        text("DisplayName").starts_with("user"),
        "{}",
        text("DisplayName")
    );
    assert!(text("SamAccountName").starts_with("user"));
    assert_eq!(text("Password"), "[secure string]");
    assert_eq!(
        sanitizer.text("mail of ERIKA MUSTER"),
        format!("mail of {}", text("DisplayName").to_uppercase())
    );
}

#[test]
fn certificates_are_issued_anew() {
    let mut params = CertificateParams::new(vec!["atl-owa-001.litwareinc.com".into()]).unwrap();
    params.subject_alt_names.push(SanType::DnsName(
        "atl-mbx-001.litwareinc.com".try_into().unwrap(),
    ));
    params
        .distinguished_name
        .push(DnType::CommonName, "Litware Root");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Tailspin Toys");
    let key = KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap().der().to_vec();
    let mut certificates = Certificates::default();
    let (of_names, _) = certificates.learn(&der).unwrap();
    let mut names = names(&[]);
    for name in of_names {
        names.learn_name(&name);
    }
    let redactor = Redactor::new::<&str>([]).unwrap();
    let none = Certificates::default();
    let first = Sanitizer::new(&names, &redactor, &none).unwrap();
    certificates.reissue(&mut names, &|text| first.text(text));
    let sanitizer = Sanitizer::new(&names, &redactor, &certificates).unwrap();
    let new = sanitizer.bytes(&der);
    assert!(new.len() > 200 && new != der);
    let text = String::from_utf8_lossy(&new).to_lowercase();
    assert!(
        text.contains("host7.example.com") && text.contains("host4.example.com"),
        "{text}"
    );
    for name in ["litware", "tailspin", "atl-"] {
        assert!(!text.contains(name), "{name}: {text}");
    }
    let sha1 = |der: &[u8]| hex::encode_upper(<sha1::Sha1 as sha1::Digest>::digest(der));
    assert_eq!(sanitizer.text(&sha1(&der)), sha1(&new));
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n", STANDARD.encode(&der));
    assert!(sanitizer.text(&pem).contains(&STANDARD.encode(&new)));
    // Bytes that only begin like one.
    for length in 0..der.len() {
        assert!(certificates.learn(&der[..length]).is_none());
    }
}

#[test]
fn endpoints_of_one_url_are_told_apart_by_their_configurations() {
    let place = |kind| Place {
        host: owaim_inventory::HostName::new("a.example.com").unwrap(),
        kind,
    };
    let windows = (
        place(EndpointKind::Windows),
        "Microsoft.PowerShell".to_owned(),
    );
    let local = (place(EndpointKind::LyncLocal), "owaim".to_owned());
    let places = [local.clone(), windows.clone()];
    for (name, expected) in [
        ("microsoft.powershell", &windows.0),
        ("OWAIM", &local.0),
        ("x", &local.0),
    ] {
        assert_eq!(place_of(&places, name).as_ref(), Some(expected), "{name}");
    }
    assert_eq!(place_of(&[], "owaim"), None);
}

#[test]
fn a_site_file_stays_one() {
    let names = names(&[]);
    let redactor = Redactor::new::<&str>([]).unwrap();
    let certificates = Certificates::default();
    let sanitizer = Sanitizer::new(&names, &redactor, &certificates).unwrap();
    let text = SITE.replace(
        "configuration = \"owaim\"",
        "auth = \"kerberos\"\nendpoints.lync-local.configuration = \"owaim\"",
    );
    let text = text.replace("endpoints.lync-local.auth", "endpoints.windows.auth");
    let clean = site_file::sanitized(&text, &sanitizer).unwrap();
    assert!(
        !clean.to_lowercase().contains("litware") && !clean.contains("kerberos"),
        "{clean}"
    );
    let site = owaim_inventory::parse("site.toml", &clean).unwrap();
    assert_eq!(site.hosts.len(), 6);
    assert!(site_file::sanitized("a = ", &sanitizer).is_err());
}
