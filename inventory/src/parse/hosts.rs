//! The list `[[hosts]]`.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::checker::Checker;
use super::connections::{ConnectionDraft, Scope, read_rule};
use super::products::exchange_version;
use super::section::Section;
use super::source::Place;
use super::tree::{Node, Value};
use super::values::one_of;
use crate::{EndpointKind, EndpointRule, ExchangeVersion, Host, HostName, Role, WindowsPath};

/// Group of every host that names none.
const GROUP: &str = "default";

/// `[[hosts]]` as far as it could be read.
#[derive(Debug, Default)]
pub(super) struct HostDrafts {
    /// `None`: there is no such list.
    pub(super) list: Option<Vec<HostDraft>>,
}

/// One host as far as it could be read. What may be left out is also `None` where it could not be
/// read: there is a mistake then, and no site.
#[derive(Debug)]
pub(super) struct HostDraft {
    pub(super) name: Option<(HostName, Place)>,
    pub(super) roles: Option<BTreeSet<Role>>,
    pub(super) roles_place: Place,
    pub(super) version: Option<(ExchangeVersion, Place)>,
    pub(super) install_root: Option<Place>,
    pub(super) endpoints: BTreeMap<EndpointKind, EndpointDraft>,
    root: Option<WindowsPath>,
    group: Option<String>,
}

/// `[hosts.endpoints.<kind>]` as far as it could be read.
#[derive(Debug)]
pub(super) struct EndpointDraft {
    pub(super) url: Option<String>,
    configuration: Option<String>,
    pub(super) connection: ConnectionDraft,
    pub(super) place: Place,
}

impl HostDrafts {
    pub(super) fn complete(self) -> Option<Vec<Host>> {
        self.list?.into_iter().map(HostDraft::complete).collect()
    }

    /// Every host that could be read to some degree.
    pub(super) fn iter(&self) -> impl Iterator<Item = &HostDraft> {
        self.list.iter().flatten()
    }

    /// Whether the name of every host is known.
    pub(super) fn all_named(&self) -> bool {
        self.list.is_some() && self.iter().all(|host| host.name.is_some())
    }

    /// The names that are known.
    pub(super) fn names(&self) -> impl Iterator<Item = &HostName> {
        self.iter()
            .filter_map(|host| host.name.as_ref())
            .map(|(name, _)| name)
    }
}

impl HostDraft {
    fn complete(self) -> Option<Host> {
        Some(Host {
            name: self.name?.0,
            roles: self.roles?,
            exchange_version: self.version.map(|(version, _)| version),
            group: self.group?,
            install_root: self.root,
            endpoints: self
                .endpoints
                .into_iter()
                .map(|(kind, draft)| {
                    let rule = EndpointRule {
                        url: draft.url,
                        configuration: draft.configuration,
                        connection: draft.connection.rule,
                    };
                    (kind, rule)
                })
                .collect(),
        })
    }

    /// Whether the host runs Exchange; `None` if its roles could not be read.
    pub(super) fn is_exchange(&self) -> Option<bool> {
        Some(self.roles.as_ref()?.iter().any(|role| role.is_exchange()))
    }

    /// The name for messages.
    pub(super) fn label(&self) -> &str {
        self.name
            .as_ref()
            .map_or("the host", |(name, _)| name.as_str())
    }
}

/// Reads `[[hosts]]`.
pub(super) fn read(cx: &mut Checker, root: &mut Section<'_>) -> HostDrafts {
    const EXPECTED: &str = "a section [[hosts]] for every server";
    let Some(node) = root.required(cx, "hosts", EXPECTED) else {
        return HostDrafts::default();
    };
    let Value::List(items) = &node.value else {
        cx.wrong_kind(node, EXPECTED);
        if node.as_table().is_some() {
            cx.help("a list of sections has two brackets on each side");
        }
        return HostDrafts::default();
    };
    HostDrafts {
        list: Some(
            items
                .iter()
                .filter_map(|item| read_host(cx, item))
                .collect(),
        ),
    }
}

fn read_host(cx: &mut Checker, node: &Node) -> Option<HostDraft> {
    let Some(table) = node.as_table() else {
        cx.wrong_kind(node, "a section [[hosts]]");
        return None;
    };
    let mut section = Section::new("[[hosts]]", table, node.place.clone());
    let place = section.place_of("name");
    let name = section.host(cx, "name").map(|name| (name, place));
    let roles_place = section.place_of("roles");
    let roles = read_roles(cx, &mut section);
    let version = section
        .optional("exchange_version")
        .and_then(|node| exchange_version(cx, node));
    let install_root = section.optional("install_root");
    let root = install_root.and_then(|node| read_path(cx, node));
    let group = match section.optional("group") {
        None => Some(GROUP.to_owned()),
        Some(node) => read_word(
            cx,
            node,
            "a name of letters, digits, hyphens, dots and underscores",
        ),
    };
    let endpoints = read_endpoints(cx, &mut section);
    section.finish(cx);
    let install_root = install_root.map(|node| node.place.clone());
    Some(HostDraft {
        name,
        roles,
        roles_place,
        version,
        install_root,
        endpoints,
        root,
        group,
    })
}

fn read_path(cx: &mut Checker, node: &Node) -> Option<WindowsPath> {
    let before = cx.count();
    let path = cx.name(node, "an absolute Windows path such as D:\\Exchange");
    let control = matches!(&node.value, Value::Text(text) if text.contains(char::is_control));
    if cx.count() > before && control {
        cx.help("between double quotes a backslash is special: put the text between single quotes");
    }
    path
}

/// A short name without blanks.
fn read_word(cx: &mut Checker, node: &Node, expected: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    cx.parsed(node, expected, |text| {
        (!text.is_empty() && text.chars().all(fits)).then(|| text.to_owned())
    })
}

fn read_roles(cx: &mut Checker, section: &mut Section<'_>) -> Option<BTreeSet<Role>> {
    let roles = Role::ALL.map(|role| (role.name(), role));
    let expected = format!("a list of {}", one_of(&roles.map(|(name, _)| name)));
    let node = section.required(cx, "roles", &expected)?;
    let Value::List(items) = &node.value else {
        cx.wrong_kind(node, &expected);
        return None;
    };
    if items.is_empty() {
        cx.mistake(&node.place, "the list of roles is empty", expected);
        return None;
    }
    let before = cx.count();
    let mut set = BTreeSet::new();
    for item in items {
        let Some(role) = cx.choice(item, &roles) else {
            continue;
        };
        if !set.insert(role) {
            cx.mistake(
                &item.place,
                format!("role {:?} is listed twice", role.name()),
                "each role once",
            );
        }
    }
    (cx.count() == before).then_some(set)
}

fn read_endpoints(
    cx: &mut Checker,
    section: &mut Section<'_>,
) -> BTreeMap<EndpointKind, EndpointDraft> {
    let mut endpoints = BTreeMap::new();
    let Some(mut table) = section.section(cx, "endpoints", "[hosts.endpoints]") else {
        return endpoints;
    };
    for kind in EndpointKind::ALL {
        let place = table
            .entries()
            .iter()
            .find(|entry| entry.key == kind.name())
            .map(|entry| entry.key_place.clone());
        let title = format!("[hosts.endpoints.{}]", kind.name());
        let (Some(place), Some(mut inner)) = (place, table.section(cx, kind.name(), &title)) else {
            continue;
        };
        let url = inner.optional("url").and_then(|node| read_url(cx, node));
        let expected = "the name of a session configuration such as Microsoft.PowerShell";
        let configuration = inner
            .optional("configuration")
            .and_then(|node| read_word(cx, node, expected));
        let connection = read_rule(cx, &mut inner, Scope::Host);
        inner.finish(cx);
        let draft = EndpointDraft {
            url,
            configuration,
            connection,
            place,
        };
        endpoints.insert(kind, draft);
    }
    table.finish(cx);
    endpoints
}

fn read_url(cx: &mut Checker, node: &Node) -> Option<String> {
    const EXPECTED: &str = "a URL such as http://srv.example.com:5985/wsman";
    cx.parsed(node, EXPECTED, |text| {
        let url = Url::parse(text).ok()?;
        let whole = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.port() != Some(0)
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        whole.then(|| text.to_owned())
    })
}
