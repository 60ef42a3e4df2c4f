//! The sections `[lync]`, `[exchange]`, `[certificate]`, `[policies]`, `[users]`,
//! `[unified_messaging]` and `[lab]`.

use std::path::PathBuf;

use super::checker::Checker;
use super::credentials::{PASSWORD, read_source};
use super::section::Section;
use super::source::Place;
use super::tree::{Node, Value};
use crate::{
    ApplicationId, CertificateImport, CertificateRule, Exchange, ExchangeVersion, Host, HostName,
    Lync, LyncVersion, PolicyScope, Role, StartupMode, Thumbprint, TrustedApplication,
    UnifiedMessagingRule,
};

/// `[lync]` as far as it could be read.
#[derive(Debug, Default)]
pub(super) struct LyncDraft {
    pub(super) version: Option<LyncVersion>,
    pub(super) pool: Option<HostName>,
    pub(super) trusted_pool: Option<(HostName, Place)>,
    site_id: Option<String>,
    application: Option<ApplicationId>,
    port: Option<u16>,
    pub(super) computers: Vec<(HostName, Place)>,
}

impl LyncDraft {
    pub(super) fn complete(self) -> Option<Lync> {
        let trusted_application = TrustedApplication {
            pool: self.trusted_pool?.0,
            id: self.application?,
            port: self.port?,
            computers: self.computers.into_iter().map(|(name, _)| name).collect(),
        };
        Some(Lync {
            version: self.version?,
            pool: self.pool?,
            site_id: self.site_id?,
            trusted_application,
        })
    }
}

/// Reads `[lync]`.
pub(super) fn read_lync(cx: &mut Checker, root: &mut Section<'_>) -> LyncDraft {
    const SITE_ID: &str = "the SiteId that Get-CsSite shows, without the prefix Site:";
    let mut draft = LyncDraft::default();
    let expected = "[lync] with version, pool, site_id and [lync.trusted_application]";
    let Some(mut section) = root.required_section(cx, "lync", "[lync]", expected) else {
        return draft;
    };
    let versions = LyncVersion::ALL.map(|version| (version.name(), version));
    draft.version = section
        .required(cx, "version", "the generation of Lync")
        .and_then(|n| cx.choice(n, &versions));
    draft.pool = section.host(cx, "pool");
    let node = section.required(cx, "site_id", SITE_ID);
    draft.site_id = node.and_then(|node| {
        cx.parsed(node, SITE_ID, |text| {
            (is_plain(text) && !text.to_ascii_lowercase().starts_with("site:"))
                .then(|| text.to_owned())
        })
    });

    let title = "[lync.trusted_application]";
    let expected = "[lync.trusted_application] with pool, id and port";
    if let Some(mut inner) = section.required_section(cx, "trusted_application", title, expected) {
        let place = inner.place_of("pool");
        draft.trusted_pool = inner.host(cx, "pool").map(|pool| (pool, place));
        draft.application =
            inner.required_name(cx, "id", "an application id of letters and digits");
        draft.port = inner
            .required(cx, "port", "a port from 1 to 65535")
            .and_then(|node| port(cx, node));
        if let Some(node) = inner.optional("computers") {
            draft.computers = computers(cx, node);
        }
        inner.finish(cx);
    }
    section.finish(cx);
    draft
}

/// The computers of the trusted pool.
fn computers(cx: &mut Checker, node: &Node) -> Vec<(HostName, Place)> {
    let Value::List(items) = &node.value else {
        cx.unfit(node, "a list of host names");
        return Vec::new();
    };
    if items.is_empty() {
        cx.mistake(
            &node.place,
            "the list of computers is empty",
            "at least one host; or no such key, for one computer with the pool's own name",
        );
    }
    let mut computers: Vec<(HostName, Place)> = Vec::new();
    for item in items {
        let Some(name) = cx.name::<HostName>(item, "a fully qualified host name") else {
            continue;
        };
        if computers.iter().any(|(known, _)| *known == name) {
            let message = format!("computer {name} is listed twice");
            cx.mistake(&item.place, message, "each computer once");
            continue;
        }
        computers.push((name, item.place.clone()));
    }
    computers
}

/// A port of the trusted application. Those of Lync's and Unified Messaging's own SIP services
/// are refused (procedure, step 5).
fn port(cx: &mut Checker, node: &Node) -> Option<u16> {
    let port = u16::try_from(cx.whole_number(node, 1..=65535)?).ok()?;
    if matches!(port, 5060..=5063 | 5065..=5068) {
        cx.mistake(
            &node.place,
            format!("port {port} is reserved for SIP"),
            "a port other than 5060-5063 and 5065-5068",
        );
        return None;
    }
    Some(port)
}

/// `[exchange]` as far as it could be read.
#[derive(Debug, Default)]
pub(super) struct ExchangeDraft {
    pub(super) version: Option<(ExchangeVersion, Place)>,
    pub(super) admin_host: Option<(HostName, Place)>,
    domain_controller: Option<HostName>,
}

impl ExchangeDraft {
    /// Takes the first client access server, else the first backend, where no host is named.
    pub(super) fn complete(self, hosts: &[Host]) -> Option<Exchange> {
        let first = |role| {
            hosts
                .iter()
                .find(|host| host.is(role))
                .map(|host| host.name.clone())
        };
        let admin_host = match self.admin_host {
            Some((name, _)) => name,
            None => first(Role::Cas).or_else(|| first(Role::Backend))?,
        };
        Some(Exchange {
            version: self.version?.0,
            admin_host,
            domain_controller: self.domain_controller,
        })
    }
}

/// Reads `[exchange]`.
pub(super) fn read_exchange(cx: &mut Checker, root: &mut Section<'_>) -> ExchangeDraft {
    let mut draft = ExchangeDraft::default();
    let Some(mut section) =
        root.required_section(cx, "exchange", "[exchange]", "[exchange] with a version")
    else {
        return draft;
    };
    let node = section.required(cx, "version", "the generation of Exchange");
    draft.version = node.and_then(|node| exchange_version(cx, node));
    if let Some(node) = section.optional("admin_host") {
        draft.admin_host = cx
            .name(node, "the name of one of the hosts")
            .map(|name| (name, node.place.clone()));
    }
    draft.domain_controller =
        section.optional_name(cx, "domain_controller", "a fully qualified host name");
    section.finish(cx);
    draft
}

/// A generation of Exchange, with its place.
pub(super) fn exchange_version(cx: &mut Checker, node: &Node) -> Option<(ExchangeVersion, Place)> {
    let versions = ExchangeVersion::ALL.map(|version| (version.name(), version));
    cx.choice(node, &versions)
        .map(|version| (version, node.place.clone()))
}

/// `[certificate]` as far as it could be read.
#[derive(Debug)]
pub(super) struct CertificateDraft {
    pub(super) subject: Option<(HostName, Place)>,
    thumbprint: Option<Thumbprint>,
    warn_days: Option<u32>,
    import: Option<CertificateImport>,
    request: bool,
}

/// Days before expiry from which on a warning is given, unless the file says otherwise.
const WARN_DAYS: u32 = 30;

impl CertificateDraft {
    /// Takes the trusted pool's name where no subject is named: that is the rule they follow.
    pub(super) fn complete(self, lync: &LyncDraft) -> Option<CertificateRule> {
        let subject = match self.subject {
            Some((subject, _)) => subject,
            None => lync.trusted_pool.as_ref()?.0.clone(),
        };
        Some(CertificateRule {
            subject,
            thumbprint: self.thumbprint,
            warn_days: self.warn_days?,
            import: self.import,
            request: self.request,
        })
    }
}

/// Reads `[certificate]`.
pub(super) fn read_certificate(cx: &mut Checker, root: &mut Section<'_>) -> CertificateDraft {
    let mut draft = CertificateDraft {
        subject: None,
        thumbprint: None,
        warn_days: Some(WARN_DAYS),
        import: None,
        request: false,
    };
    let Some(mut section) = root.section(cx, "certificate", "[certificate]") else {
        return draft;
    };
    if let Some(node) = section.optional("subject") {
        draft.subject = cx
            .name(node, "the certificate's common name")
            .map(|name| (name, node.place.clone()));
    }
    draft.thumbprint =
        section.optional_name(cx, "thumbprint", "a thumbprint of 40 hexadecimal digits");
    // Ten years: longer than a certificate of a server lives.
    draft.warn_days = section.number(cx, "warn_days", 0..=3650, WARN_DAYS);
    if let Some(inner) = section.section(cx, "import", "[certificate.import]") {
        draft.import = read_import(cx, inner);
    }
    if let Some(node) = section.optional("request") {
        if let Value::Flag(flag) = node.value {
            draft.request = flag;
            if flag && draft.thumbprint.is_some() && draft.import.is_none() {
                cx.mistake(
                    &node.place,
                    "a certificate is to be requested, and [certificate] names the thumbprint of another",
                    "thumbprint or request: what is issued later has a thumbprint of its own",
                );
            }
        } else {
            cx.unfit(node, "true or false");
        }
    }
    section.finish(cx);
    draft
}

/// Reads `[certificate.import]`.
fn read_import(cx: &mut Checker, mut section: Section<'_>) -> Option<CertificateImport> {
    const FILE: &str = "the path of a PKCS #12 file, relative to this one";
    let pfx = section.required(cx, "pfx", FILE).and_then(|node| {
        cx.parsed(node, FILE, |text| {
            (!text.trim().is_empty() && !text.contains(char::is_control)).then(|| text.into())
        })
    });
    let password = section
        .required(cx, "password", PASSWORD)
        .and_then(|node| read_source(cx, node));
    section.finish(cx);
    Some(CertificateImport {
        pfx: pfx?,
        password: password?,
    })
}

/// Reads `[policies]`.
pub(super) fn read_policies(cx: &mut Checker, root: &mut Section<'_>) -> Option<PolicyScope> {
    const EXPECTED: &str = "\"all\", \"in-use\", or a list of policy names";
    let mut section =
        root.required_section(cx, "policies", "[policies]", "[policies] with mailbox")?;
    let node = section.required(cx, "mailbox", EXPECTED);
    section.finish(cx);
    let node = node?;
    let Value::List(items) = &node.value else {
        match cx.text(node, EXPECTED)? {
            "all" => return Some(PolicyScope::All),
            "in-use" => return Some(PolicyScope::InUse),
            _ => {}
        }
        cx.unfit(node, EXPECTED);
        cx.help("one policy is a list too: [\"Default\"]");
        return None;
    };
    if items.is_empty() {
        cx.mistake(&node.place, "the list of policies is empty", EXPECTED);
        return None;
    }
    unique(cx, items, "policy", policy_name).map(PolicyScope::Named)
}

/// The names in a list, each once.
fn unique(
    cx: &mut Checker,
    items: &[Node],
    kind: &str,
    read: fn(&mut Checker, &Node) -> Option<String>,
) -> Option<Vec<String>> {
    let before = cx.count();
    let mut names: Vec<String> = Vec::new();
    for item in items {
        let Some(name) = read(cx, item) else {
            continue;
        };
        if names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            cx.mistake(
                &item.place,
                format!("{kind} {name:?} is listed twice"),
                format!("each {kind} once"),
            );
        }
        names.push(name);
    }
    (cx.count() == before).then_some(names)
}

/// Reads `[unified_messaging]`, which may be left out: nothing but dial plans is changed then.
pub(super) fn read_unified_messaging(
    cx: &mut Checker,
    root: &mut Section<'_>,
) -> UnifiedMessagingRule {
    let mut rule = UnifiedMessagingRule::default();
    let Some(mut section) = root.section(cx, "unified_messaging", "[unified_messaging]") else {
        return rule;
    };
    let modes = StartupMode::ALL.map(|mode| (mode.name(), mode));
    rule.startup_mode = section
        .optional("startup_mode")
        .and_then(|node| cx.choice(node, &modes));
    section.finish(cx);
    rule
}

/// Reads `[lab]`, which may be left out: the simulated site is a freshly installed one then.
pub(super) fn read_lab(cx: &mut Checker, root: &mut Section<'_>) -> Option<PathBuf> {
    const EXPECTED: &str = "the path of a file that describes a simulated site";
    let mut section = root.section(cx, "lab", "[lab]")?;
    let node = section.required(cx, "with", EXPECTED);
    let path = node.and_then(|node| {
        cx.parsed(node, EXPECTED, |text| {
            (!text.trim().is_empty()).then(|| PathBuf::from(text))
        })
    });
    section.finish(cx);
    path
}

/// Reads `[users]`, which may be left out: nobody is looked at then.
pub(super) fn read_users(cx: &mut Checker, root: &mut Section<'_>) -> Option<Vec<String>> {
    let Some(mut section) = root.section(cx, "users", "[users]") else {
        return Some(Vec::new());
    };
    let node = section.optional("sample");
    section.finish(cx);
    let Some(node) = node else {
        return Some(Vec::new());
    };
    let Value::List(items) = &node.value else {
        cx.unfit(node, "a list of addresses");
        cx.help("one user is a list too: [\"kenmyer@litwareinc.com\"]");
        return None;
    };
    unique(cx, items, "user", user_address)
}

fn user_address(cx: &mut Checker, node: &Node) -> Option<String> {
    let is_address = |text: &str| {
        is_plain(text)
            && !text.contains(char::is_whitespace)
            && text.split_once('@').is_some_and(|(name, domain)| {
                !name.is_empty() && !domain.is_empty() && !domain.contains('@')
            })
    };
    cx.parsed(node, "the address of one user, NAME@DOMAIN", |text| {
        is_address(text).then(|| text.to_owned())
    })
}

fn policy_name(cx: &mut Checker, node: &Node) -> Option<String> {
    let expected = "the name of one policy, without wildcards";
    cx.parsed(node, expected, |text| {
        is_plain(text).then(|| text.to_owned())
    })
}

/// Whether `text` can be sent as the identity of one object: not empty, no blanks around it, no
/// wildcards, no control characters.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.trim() == text
        && !text.contains(|c: char| c.is_control() || "*?[]".contains(c))
}
