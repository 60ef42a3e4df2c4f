//! What in a text looks like a name, an address or a number that identifies something; and which names everybody has.

use std::net::IpAddr;

/// Something in a text that may identify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word<'t> {
    /// Labels with dots between them.
    Dotted(&'t str),
    /// An IP address.
    Address(IpAddr),
    /// The part of a SID that names its machine or domain: `S-1-5-21-a-b-c`.
    Sid(&'t str),
    /// Hexadecimal digits, as many as a hash or a key has; GUIDs have dashes.
    Digest(&'t str),
    /// A telephone number, behind `tel:`.
    Phone(&'t str),
    /// `DOMAIN\user`.
    Account { domain: &'t str, user: &'t str },
}

/// Fewest hexadecimal digits that are taken for a hash or a key: those of 128 bits.
const SHORTEST_DIGEST: usize = 32;

/// Accounts and domains of every Windows, and the program's own name.
const BUILTIN: [&str; 24] = [
    "administrator",
    "administrators",
    "anonymous",
    "authority",
    "builtin",
    "creator owner",
    "everyone",
    "guest",
    "krbtgt",
    "local service",
    "localhost",
    "localservice",
    "network service",
    "networkservice",
    "nt authority",
    "nt service",
    "owaim",
    "service",
    "system",
    "users",
    "iis apppool",
    "machine",
    "font driver host",
    "window manager",
];

/// Labels of DNS names that say what a service is, and not whose.
const SERVICES: [&str; 25] = [
    "_msdcs",
    "_sip",
    "_sipfederationtls",
    "_sipinternaltls",
    "_tcp",
    "_tls",
    "_udp",
    "access",
    "admin",
    "autodiscover",
    "dialin",
    "domaindnszones",
    "forestdnszones",
    "gc",
    "lyncdiscover",
    "lyncdiscoverinternal",
    "mail",
    "meet",
    "owa",
    "pki",
    "sip",
    "sipexternal",
    "sipinternal",
    "webmail",
    "www",
];

/// Containers and objects of every directory, every Exchange organization and every topology.
const CONTAINERS: [&str; 34] = [
    "accounts",
    "address lists container",
    "administrative groups",
    "aia",
    "builtin",
    "cdp",
    "certification authorities",
    "client access",
    "computers",
    "configuration",
    "connections",
    "databases",
    "default",
    "default-first-site-name",
    "deleted objects",
    "domain controllers",
    "enrollment services",
    "exchange administrative group (fydibohf23spdlt)",
    "global settings",
    "http",
    "mailboxes",
    "microsoft exchange",
    "microsoft exchange security groups",
    "owa mailbox policies",
    "protocols",
    "public key services",
    "recipients",
    "rtc service",
    "schema",
    "servers",
    "services",
    "sites",
    "um dialplan container",
    "users",
];

/// Domains that are nobody's site.
const PUBLIC: [&str; 9] = [
    "dmtf.org",
    "microsoft.com",
    "microsoftonline.com",
    "office.com",
    "office365.com",
    "outlook.com",
    "w3.org",
    "windows.net",
    "xmlsoap.org",
];

pub(super) fn is_builtin(name: &str) -> bool {
    BUILTIN.contains(&name.to_lowercase().as_str())
}

pub(super) fn is_service(label: &str) -> bool {
    SERVICES.contains(&label.to_lowercase().as_str())
}

/// Objects named after a web site of every Exchange server are among them: `owa (Default Web Site)`.
pub(super) fn is_container(name: &str) -> bool {
    let name = name.to_lowercase();
    CONTAINERS.contains(&name.as_str())
        || name.ends_with("(default web site)")
        || name.ends_with("(exchange back end)")
}

/// Whether it is one of the domains that appear everywhere, or below one.
pub(super) fn is_public_domain(domain: &str) -> bool {
    let domain = domain.to_lowercase();
    PUBLIC.iter().any(|public| {
        domain
            .strip_suffix(public)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// Whether it is a number, GUID or SID rather than a name.
pub(super) fn is_id(name: &str) -> bool {
    name.chars()
        .all(|c| c.is_ascii_hexdigit() || matches!(c, '-' | '{' | '}'))
        || name.starts_with("S-1-")
}

/// Everything in `text` that may identify, mail addresses and distinguished names apart.
pub(super) fn all(text: &str) -> Vec<Word<'_>> {
    let mut found = Vec::new();
    for (start, run) in runs(text, |c| {
        c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
    }) {
        let before = text.get(..start).unwrap_or_default();
        let after = text.get(start + run.len()..).unwrap_or_default();
        let run = run.trim_matches('.');
        if let Some(machine) = machine_of_sid(run) {
            found.push(Word::Sid(machine));
        } else if let Ok(address) = run.parse::<std::net::Ipv4Addr>() {
            let is_version = before
                .trim_end_matches(['=', ' ', ':', '"'])
                .to_ascii_lowercase()
                .ends_with("version");
            if !is_version {
                found.push(Word::Address(address.into()));
            }
        } else if run.contains('.') {
            found.push(Word::Dotted(run));
        }
        if let Some(rest) = after.strip_prefix('\\')
            && !run.is_empty()
            && !before.ends_with('\\')
        {
            let name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '$');
            let user = rest.split(|c| !name(c)).next().unwrap_or_default();
            if !user.is_empty() {
                found.push(Word::Account { domain: run, user });
            }
        }
    }
    let digests = runs(text, |c| c.is_ascii_hexdigit()).into_iter();
    found.extend(
        digests
            .filter(|(_, run)| run.len() >= SHORTEST_DIGEST)
            .map(|(_, run)| Word::Digest(run)),
    );
    for (_, run) in runs(text, |c| c.is_ascii_hexdigit() || c == ':') {
        if run.matches(':').count() >= 2
            && let Ok(address) = run.parse::<std::net::Ipv6Addr>()
        {
            found.push(Word::Address(address.into()));
        }
    }
    for (at, scheme) in text.match_indices("tel:") {
        let rest = text.get(at + scheme.len()..).unwrap_or_default();
        let digits = |c: char| c.is_ascii_digit() || c == '+';
        let number = rest.split(|c| !digits(c)).next().unwrap_or_default();
        if number.len() >= 3 {
            found.push(Word::Phone(number));
        }
    }
    found
}

/// Stretches of `text` of which every character is `wanted`, with where they begin.
pub(super) fn runs(text: &str, wanted: impl Fn(char) -> bool) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        match (start, wanted(c)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                found.extend(text.get(from..at).map(|run| (from, run)));
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        found.extend(text.get(from..).map(|run| (from, run)));
    }
    found
}

/// `user` and `domain` of every `user@domain`, SIP addresses included.
pub(super) fn mail_addresses(text: &str) -> Vec<(&str, &str)> {
    let local = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '%');
    let host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let parts = text.match_indices('@').filter_map(|(at, _)| {
        let before = text.get(..at)?;
        let user = before.rsplit(|c| !local(c)).next()?.trim_matches('.');
        let domain = text.get(at + 1..)?.split(|c| !host(c)).next()?;
        let domain = domain.trim_matches(['.', '-']);
        let top = domain.rsplit('.').next()?;
        let real =
            domain.contains('.') && top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic());
        (real && !user.is_empty()).then_some((user, domain))
    });
    parts.collect()
}

/// The DNS domain that the `DC=` parts of a distinguished name spell; empty for none.
pub(super) fn domain_of_dn(text: &str) -> String {
    let mut labels = attributes(text)
        .into_iter()
        .skip_while(|(key, _)| !key.eq_ignore_ascii_case("DC"))
        .take_while(|(key, _)| key.eq_ignore_ascii_case("DC"))
        .map(|(_, value)| value)
        .filter(|value| {
            value
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
    let first = labels.next().unwrap_or_default().to_owned();
    labels.fold(first, |domain, label| [&domain, ".", label].concat())
}

/// The values in the distinguished names in `text`, domains apart.
pub(super) fn names_of_dn(text: &str) -> Vec<&str> {
    let all = attributes(text);
    let is_dn = all
        .iter()
        .any(|(key, _)| key.eq_ignore_ascii_case("CN") || key.eq_ignore_ascii_case("DC"));
    let names = all.into_iter().filter(|(key, value)| {
        is_dn && !key.eq_ignore_ascii_case("DC") && value.chars().count() >= 3
    });
    names.map(|(_, value)| value).collect()
}

/// Attribute and value of everything in `text` that looks like part of a distinguished name.
fn attributes(text: &str) -> Vec<(&str, &str)> {
    const KEYS: [&str; 9] = ["CN", "OU", "DC", "O", "L", "S", "ST", "E", "STREET"];
    let found = text.match_indices('=').filter_map(|(at, _)| {
        let before = text.get(..at)?;
        let key = before.rsplit(|c: char| !c.is_ascii_alphabetic()).next()?;
        if !KEYS.iter().any(|known| known.eq_ignore_ascii_case(key)) {
            return None;
        }
        let outside = before.get(..before.len() - key.len())?.chars().next_back();
        let legacy = outside == Some('/');
        if outside.is_some_and(|c| {
            !matches!(
                c,
                ',' | '/' | '+' | ' ' | '"' | '\'' | '(' | '<' | '>' | '[' | ';' | ':' | '\n'
            )
        }) {
            return None;
        }
        let end = |c: char| {
            matches!(c, ',' | '+' | '"' | '\'' | '\n' | '<' | '>' | ';') || legacy && c == '/'
        };
        let value = text
            .get(at + 1..)?
            .trim_start_matches('"')
            .split(end)
            .next()?
            .trim();
        (!value.is_empty()).then_some((key, value))
    });
    found.collect()
}

/// `S-1-5-21-a-b-c` of a SID that has more behind it or not.
fn machine_of_sid(run: &str) -> Option<&str> {
    let rest = run
        .get(..9)
        .filter(|start| start.eq_ignore_ascii_case("S-1-5-21-"));
    rest?;
    let end = run
        .match_indices('-')
        .nth(6)
        .map_or(run.len(), |(at, _)| at);
    let machine = run.get(..end)?;
    let digits = machine
        .get(9..)?
        .bytes()
        .all(|b| b.is_ascii_digit() || b == b'-');
    (digits && machine.matches('-').count() == 6).then_some(machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_identifies_is_found() {
        let cases: [(&str, &[Word<'_>]); 7] = [
            ("see srv.contoso.com.", &[Word::Dotted("srv.contoso.com")]),
            (
                "at 10.1.2.3, Version=4.0.0.0",
                &[Word::Address("10.1.2.3".parse().unwrap())],
            ),
            ("S-1-5-21-1-2-3-500", &[Word::Sid("S-1-5-21-1-2-3")]),
            (
                "S-1-5-18 fe80::1",
                &[Word::Address("fe80::1".parse().unwrap())],
            ),
            ("tel:+14255550100;ext=1", &[Word::Phone("+14255550100")]),
            (
                r"CONTOSO\jdoe x",
                &[Word::Account {
                    domain: "CONTOSO",
                    user: "jdoe",
                }],
            ),
            (
                "AABBCCDDEEFF00112233445566778899AABBCCDD",
                &[Word::Digest("AABBCCDDEEFF00112233445566778899AABBCCDD")],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(all(text), expected, "{text}");
        }
    }

    #[test]
    fn addresses_and_distinguished_names_are_taken_apart() {
        assert_eq!(
            mail_addresses("sip:j.doe@contoso.com;x <a@b>"),
            [("j.doe", "contoso.com")]
        );
        let dn = "CN=John Doe,OU=Sales,DC=contoso,DC=com";
        assert_eq!(domain_of_dn(dn), "contoso.com");
        assert_eq!(names_of_dn(dn), ["John Doe", "Sales"]);
        assert_eq!(
            names_of_dn("/o=Contoso/ou=Group/cn=Recipients/cn=jdoe"),
            ["Contoso", "Group", "Recipients", "jdoe"]
        );
        assert!(names_of_dn("a=b, S=1").is_empty());
    }
}
