//! How endpoints are reached: `[endpoints]`, its sections by kind, the same keys below `[hosts.endpoints.<kind>]`, and
//! `[kerberos]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use url::Url;

use super::checker::Checker;
use super::section::Section;
use super::source::Place;
use super::tree::{Node, Value};
use crate::{
    Auth, ConnectionRule, ConnectionRules, EndpointKind, Fingerprint, HostName, KerberosRule,
    MinTls,
};

/// For whom a rule is: what weakens the protection is allowed for one host at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Site,
    Host,
}

/// A [`ConnectionRule`], and where its keys stand.
#[derive(Debug, Default)]
pub(super) struct ConnectionDraft {
    pub(super) rule: ConnectionRule,
    places: BTreeMap<&'static str, Place>,
}

/// `[endpoints]` as far as it could be read.
#[derive(Debug, Default)]
pub(super) struct ConnectionDrafts {
    all: ConnectionDraft,
    by_kind: BTreeMap<EndpointKind, ConnectionDraft>,
}

impl ConnectionDrafts {
    pub(super) fn complete(self) -> ConnectionRules {
        ConnectionRules {
            all: self.all.rule,
            by_kind: self
                .by_kind
                .into_iter()
                .map(|(kind, draft)| (kind, draft.rule))
                .collect(),
        }
    }

    /// The rule for an endpoint of `kind` with the rule `own`, and where each of its keys stands.
    pub(super) fn merged<'a>(
        &'a self,
        own: Option<&'a ConnectionDraft>,
        kind: EndpointKind,
    ) -> (ConnectionRule, impl Fn(&str) -> Option<&'a Place>) {
        let layers = [own, self.by_kind.get(&kind), Some(&self.all)];
        let rule = layers
            .iter()
            .flatten()
            .fold(ConnectionRule::default(), |rule, draft| {
                rule.or(&draft.rule)
            });
        let place = move |key: &str| {
            layers
                .iter()
                .flatten()
                .find_map(|draft| draft.places.get(key))
        };
        (rule, place)
    }
}

/// Reads `[endpoints]`, which may be left out.
pub(super) fn read(cx: &mut Checker, root: &mut Section<'_>) -> ConnectionDrafts {
    let mut drafts = ConnectionDrafts::default();
    let Some(mut section) = root.section(cx, "endpoints", "[endpoints]") else {
        return drafts;
    };
    drafts.all = read_rule(cx, &mut section, Scope::Site);
    for kind in EndpointKind::ALL {
        let title = format!("[endpoints.{}]", kind.name());
        if let Some(mut inner) = section.section(cx, kind.name(), &title) {
            let draft = read_rule(cx, &mut inner, Scope::Site);
            inner.finish(cx);
            drafts.by_kind.insert(kind, draft);
        }
    }
    section.finish(cx);
    drafts
}

/// Reads the keys of a rule; the section may have others.
pub(super) fn read_rule(
    cx: &mut Checker,
    section: &mut Section<'_>,
    scope: Scope,
) -> ConnectionDraft {
    let mut places = BTreeMap::new();
    let mut key = |key: &'static str| {
        let node = section.optional(key)?;
        places.insert(key, node.place.clone());
        Some(node)
    };
    let auth = key("auth").and_then(|node| cx.choice(node, &Auth::ALL.map(|a| (a.name(), a))));
    let allow_ntlm_fallback = key("allow_ntlm_fallback").and_then(|node| flag(cx, node));
    let allow_plaintext = key("allow_plaintext").and_then(|node| flag(cx, node));
    let service = key("service").and_then(|node| read_service(cx, node));
    let delegate = key("delegate").and_then(|node| flag(cx, node));
    let ca = key("ca").and_then(|node| read_file(cx, node));
    let pin = key("pin").and_then(|node| {
        let expected = "the SHA-256 of a certificate: 64 hexadecimal digits";
        cx.parsed(node, expected, Fingerprint::parse)
    });
    let min_tls = key("min_tls").and_then(|node| read_min_tls(cx, node, scope));
    let insecure_skip_verify = key("insecure_skip_verify").and_then(|node| flag(cx, node));
    let proxy = key("proxy").and_then(|node| read_proxy(cx, node));
    let rule = ConnectionRule {
        auth,
        allow_ntlm_fallback,
        allow_plaintext,
        service,
        delegate,
        ca,
        pin,
        min_tls,
        insecure_skip_verify,
        proxy,
    };
    ConnectionDraft { rule, places }
}

/// Reads `[kerberos]`, which may be left out.
pub(super) fn read_kerberos(cx: &mut Checker, root: &mut Section<'_>) -> KerberosRule {
    let Some(mut section) = root.section(cx, "kerberos", "[kerberos]") else {
        return KerberosRule::default();
    };
    let realm = section.optional("realm").and_then(|node| {
        cx.parsed(node, "a realm such as LITWAREINC.COM", |text| {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
            (!text.is_empty() && text.chars().all(fits)).then(|| text.to_owned())
        })
    });
    let kdc = section
        .optional("kdc")
        .map(|node| read_kdcs(cx, node))
        .unwrap_or_default();
    section.finish(cx);
    KerberosRule { realm, kdc }
}

fn read_kdcs(cx: &mut Checker, node: &Node) -> Vec<String> {
    const EXPECTED: &str =
        "a list of servers such as [\"dc1.litwareinc.com\", \"tcp://dc2.litwareinc.com:88\"]";
    let Value::List(items) = &node.value else {
        cx.wrong_kind(node, EXPECTED);
        return Vec::new();
    };
    if items.is_empty() {
        cx.mistake(
            &node.place,
            "the list of key distribution centres is empty",
            EXPECTED,
        );
    }
    items
        .iter()
        .filter_map(|item| {
            cx.parsed(
                item,
                "a server such as dc1.litwareinc.com or tcp://dc1.litwareinc.com:88",
                |text| is_kdc(text).then(|| text.to_owned()),
            )
        })
        .collect()
}

fn is_kdc(text: &str) -> bool {
    let url = if text.contains("://") {
        Url::parse(text)
    } else {
        Url::parse(&format!("tcp://{text}"))
    };
    url.is_ok_and(|url| {
        matches!(url.scheme(), "tcp" | "udp")
            && url.has_host()
            && url.port() != Some(0)
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

fn flag(cx: &mut Checker, node: &Node) -> Option<bool> {
    if let Value::Flag(flag) = node.value {
        return Some(flag);
    }
    cx.unfit(node, "true or false");
    None
}

/// The path of a file of this workstation.
pub(super) fn read_file(cx: &mut Checker, node: &Node) -> Option<PathBuf> {
    cx.parsed(node, "the path of a file, relative to this one", |text| {
        (!text.trim().is_empty() && !text.contains(char::is_control)).then(|| text.into())
    })
}

fn read_service(cx: &mut Checker, node: &Node) -> Option<String> {
    cx.parsed(
        node,
        "a service's principal such as HTTP/srv.example.com",
        |text| {
            let (class, host) = text.split_once('/')?;
            let fits = |part: &str| {
                !part.is_empty()
                    && part
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'))
            };
            (fits(class) && fits(host)).then(|| text.to_owned())
        },
    )
}

fn read_min_tls(cx: &mut Checker, node: &Node, scope: Scope) -> Option<MinTls> {
    let version = cx.choice(node, &MinTls::ALL.map(|v| (v.name(), v)))?;
    if version < MinTls::V1_2 {
        if scope == Scope::Site {
            cx.mistake(
                &node.place,
                format!(
                    "TLS {} is broken, and this would allow it for many hosts",
                    version.name()
                ),
                "\"1.2\" or \"1.3\"; older ones for one host only, in its own section",
            );
            return None;
        }
        cx.warn(
            &node.place,
            format!(
                "TLS {} is broken: who can change what passes can read it",
                version.name()
            ),
        );
    }
    Some(version)
}

fn read_proxy(cx: &mut Checker, node: &Node) -> Option<String> {
    cx.parsed(
        node,
        "the URL of an HTTP proxy such as http://proxy.example.com:8080",
        |text| {
            let url = Url::parse(text).ok()?;
            let whole = url.scheme() == "http"
                && url.has_host()
                && url.port() != Some(0)
                && url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none();
            whole.then(|| text.to_owned())
        },
    )
}

/// Where an endpoint of `kind` is: at `url`, or at its default place at `host`.
pub(super) fn is_tls(url: Option<&str>, host: &HostName, kind: EndpointKind) -> bool {
    url.map_or_else(|| kind.default_url(host), ToOwned::to_owned)
        .to_ascii_lowercase()
        .starts_with("https:")
}
