//! The sections below `[credentials]`: user names, and references to passwords.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::checker::Checker;
use super::connections::read_file;
use super::section::{Section, open};
use super::source::Place;
use super::tree::{Node, Value};
use crate::{Credential, CredentialRules, EndpointKind, HostName, SecretSource};

const USER: &str = "a user name: DOMAIN\\user, user@domain or user";
const ALONE: &str = "who has logged on needs no user name and no password here";
const CREDENTIAL: &str = "username with password or keytab, or certificate with password";
pub(super) const PASSWORD: &str =
    "exactly one of { env = \"…\" }, { file = \"…\" } and { prompt = true }";

/// `[credentials]` as far as it could be read.
#[derive(Debug, Default)]
pub(super) struct CredentialsDraft {
    default: Option<Credential>,
    by_kind: BTreeMap<EndpointKind, Option<Credential>>,
    pub(super) by_host: Vec<(HostName, Place, Option<Credential>)>,
}

impl CredentialsDraft {
    pub(super) fn complete(self) -> Option<CredentialRules> {
        let by_kind = self
            .by_kind
            .into_iter()
            .map(|(kind, credential)| Some((kind, credential?)));
        let by_host = self
            .by_host
            .into_iter()
            .map(|(host, _, credential)| Some((host, credential?)));
        Some(CredentialRules {
            default: self.default?,
            by_kind: by_kind.collect::<Option<_>>()?,
            by_host: by_host.collect::<Option<_>>()?,
        })
    }
}

impl CredentialsDraft {
    /// The reference that holds for `kind` at `host`; `None` if it could not be read.
    pub(super) fn for_endpoint(&self, host: &HostName, kind: EndpointKind) -> Option<&Credential> {
        let of_host = self.by_host.iter().find(|(name, ..)| name == host);
        match (of_host, self.by_kind.get(&kind)) {
            (Some((_, _, credential)), _) | (None, Some(credential)) => credential.as_ref(),
            (None, None) => self.default.as_ref(),
        }
    }
}

/// Reads `[credentials]`.
pub(super) fn read(cx: &mut Checker, root: &mut Section<'_>) -> CredentialsDraft {
    let mut draft = CredentialsDraft::default();
    let expected = "[credentials.default] with username and password";
    let Some(mut section) =
        root.required_section(cx, "credentials", "[credentials.default]", expected)
    else {
        return draft;
    };
    let default = section.required_section(cx, "default", "[credentials.default]", expected);
    draft.default = default.and_then(|inner| read_credential(cx, inner));

    if let Some(mut kinds) = section.section(cx, "endpoints", "[credentials.endpoints]") {
        for kind in EndpointKind::ALL {
            let title = format!("[credentials.endpoints.{}]", kind.name());
            if let Some(inner) = kinds.section(cx, kind.name(), &title) {
                draft.by_kind.insert(kind, read_credential(cx, inner));
            }
        }
        kinds.finish(cx);
    }
    if let Some(hosts) = section.section(cx, "hosts", "[credentials.hosts]") {
        for entry in hosts.entries() {
            let Ok(name) = HostName::new(&entry.key) else {
                let message = format!("{:?} is not a fully qualified host name", entry.key);
                cx.mistake(
                    &entry.key_place,
                    message,
                    "a fully qualified host name in quotes",
                );
                cx.help("write [credentials.hosts.\"srv.example.com\"]: without quotes each dot begins a new section");
                continue;
            };
            let title = format!("[credentials.hosts.{:?}]", entry.key);
            let credential = open(cx, entry, &title).and_then(|inner| read_credential(cx, inner));
            draft
                .by_host
                .push((name, entry.key_place.clone(), credential));
        }
    }
    section.finish(cx);
    draft
}

fn read_credential(cx: &mut Checker, mut section: Section<'_>) -> Option<Credential> {
    // Ways to have no user name and password; each stands alone.
    for (key, credential) in [
        ("logon", Credential::Logon),
        ("ticket_cache", Credential::TicketCache),
    ] {
        let Some(node) = section.optional(key) else {
            continue;
        };
        if !matches!(node.value, Value::Flag(true)) {
            cx.unfit(node, format!("true, alone: {ALONE}"));
        }
        let others = ["username", "password", "keytab", "certificate"]
            .map(|key| section.optional(key).is_some());
        if others.contains(&true) {
            let whose = if key == "logon" {
                "the current logon"
            } else {
                "the ticket cache"
            };
            cx.mistake(
                &node.place,
                format!("{whose} has no user name and no password of its own"),
                format!("either {key} = true, or {CREDENTIAL}"),
            );
        }
        section.finish(cx);
        return Some(credential);
    }
    let credential = read_named(cx, &mut section);
    section.finish(cx);
    credential
}

/// Reads a credential that somebody's name or certificate belongs to.
fn read_named(cx: &mut Checker, section: &mut Section<'_>) -> Option<Credential> {
    if let Some(node) = section.optional("certificate") {
        let pfx = read_file(cx, node);
        let password = read_password(cx, section);
        return Some(Credential::Certificate {
            pfx: pfx?,
            password: password?,
        });
    }
    let username = section
        .required(cx, "username", USER)
        .and_then(|node| read_username(cx, node));
    if let Some(node) = section.optional("keytab") {
        return Some(Credential::Keytab {
            keytab: read_file(cx, node)?,
            username: username?,
        });
    }
    let password = read_password(cx, section);
    Some(Credential::Account {
        username: username?,
        password: password?,
    })
}

fn read_password(cx: &mut Checker, section: &mut Section<'_>) -> Option<SecretSource> {
    let node = section.required(cx, "password", PASSWORD)?;
    read_source(cx, node)
}

fn read_username(cx: &mut Checker, node: &Node) -> Option<String> {
    let before = cx.count();
    let username = cx.parsed(node, USER, |text| {
        let parts: Vec<&str> = text.split('\\').collect();
        let fits = |part: &&str| {
            !part.is_empty() && part.trim() == *part && !part.contains(char::is_control)
        };
        (parts.len() <= 2 && parts.iter().all(fits)).then(|| text.to_owned())
    });
    if cx.count() > before
        && matches!(&node.value, Value::Text(text) if text.contains(char::is_control))
    {
        cx.help("between double quotes a backslash is special: put the text between single quotes");
    }
    username
}

/// Reads a reference to a password.
pub(super) fn read_source(cx: &mut Checker, node: &Node) -> Option<SecretSource> {
    let Some(table) = node.as_table() else {
        cx.wrong_kind(node, PASSWORD);
        return None;
    };
    let before = cx.count();
    let mut section = Section::new("password", table, node.place.clone());
    let mut sources = Vec::new();
    if let Some(node) = section.optional("env") {
        sources.extend(read_env(cx, node));
    }
    if let Some(node) = section.optional("file") {
        let path = |text: &str| {
            (!text.trim().is_empty() && !text.contains(char::is_control)).then(|| text.into())
        };
        sources.extend(
            cx.parsed(node, "the path of a file", path)
                .map(|path: PathBuf| SecretSource::File(path)),
        );
    }
    if let Some(node) = section.optional("prompt") {
        match node.value {
            Value::Flag(true) => sources.push(SecretSource::Prompt),
            _ => cx.unfit(node, "true"),
        }
    }
    section.finish(cx);
    // A secret in there has been reported.
    if cx.count() > before || cx.is_secret(&node.place) {
        return None;
    }
    if sources.len() != 1 {
        let found = if sources.is_empty() {
            "names no source"
        } else {
            "names more than one source"
        };
        cx.mistake(&node.place, format!("the password {found}"), PASSWORD);
        return None;
    }
    sources.pop()
}

/// The name of an environment variable. A text that cannot be one may be the secret itself, put
/// into the wrong place: it is not shown.
fn read_env(cx: &mut Checker, node: &Node) -> Option<SecretSource> {
    let expected = "the name of an environment variable: letters, digits and underscores";
    let text = cx.text(node, expected)?;
    let name = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !name {
        cx.mask(&node.place);
        cx.unfit(node, expected);
        return None;
    }
    Some(SecretSource::Env(text.to_owned()))
}
