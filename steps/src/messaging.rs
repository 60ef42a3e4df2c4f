//! Two properties that OWA virtual directories and mailbox policies share: whether instant
//! messaging is on, and which provider serves it.

use owaim_proto::clixml::Value;
use owaim_proto::psrp::Command;

use crate::{Difference, Saved, read};

/// `InstantMessagingTypeOptions`: Lync and Skype for Business.
const OCS: (&str, i64) = ("Ocs", 1);
/// `InstantMessagingTypeOptions`: no provider.
const NONE: (&str, i64) = ("None", 0);

const ENABLED: &str = "InstantMessagingEnabled";
const TYPE: &str = "InstantMessagingType";

/// How `object`, shown to people as `identity`, differs from "on, served by Lync".
///
/// The type is compared by name or number: enums arrive as text or as objects.
pub(crate) fn differences(identity: &str, object: &Value) -> Vec<Difference> {
    let enabled = object.get(ENABLED).and_then(read::flag);
    let kind = object.get(TYPE);
    let is_ocs = kind.is_some_and(|kind| {
        kind.as_i64() == Some(OCS.1)
            || kind
                .text()
                .is_some_and(|text| text.eq_ignore_ascii_case(OCS.0) || text == "1")
    });
    let difference = |what: &str, actual: Option<String>, desired: &str| Difference {
        what: format!("{identity}: {what}"),
        actual,
        desired: Some(desired.into()),
        diff: None,
    };
    let mut found = Vec::new();
    if enabled != Some(true) {
        found.push(difference(
            ENABLED,
            object.get(ENABLED).and_then(Value::text),
            "True",
        ));
    }
    if !is_ocs {
        found.push(difference(TYPE, kind.and_then(Value::text), OCS.0));
    }
    found
}

/// The provider that serves messaging at `object`, by name or number; `None` if there is none.
pub(crate) fn provider(object: &Value) -> Option<String> {
    let kind = object.get(TYPE)?;
    let text = kind.text().filter(|text| !text.is_empty())?;
    let is_none = kind.as_i64() == Some(NONE.1)
        || text.eq_ignore_ascii_case(NONE.0)
        || text == NONE.1.to_string();
    (!is_none).then_some(text)
}

/// Whether messaging is switched off at `object`, whichever provider would serve it.
pub(crate) fn is_off(object: &Value) -> bool {
    object.get(ENABLED).and_then(read::flag) == Some(false)
}

/// How `object`, shown to people as `identity`, differs from "off".
pub(crate) fn still_on(identity: &str, object: &Value) -> Difference {
    Difference {
        what: format!("{identity}: {ENABLED}"),
        actual: object.get(ENABLED).and_then(Value::text),
        desired: Some("False".into()),
        diff: None,
    }
}

/// `cmdlet` that switches messaging off at exactly `identity` and leaves the provider.
pub(crate) fn turn_off(cmdlet: &str, identity: &str, domain_controller: Option<&str>) -> Command {
    let command = Command::new(cmdlet)
        .with("Identity", identity)
        .with(ENABLED, false);
    match domain_controller {
        Some(name) => command.with("DomainController", name),
        None => command,
    }
}

/// `cmdlet` for exactly `identity`, at the domain controller that the read went to.
pub(crate) fn set(cmdlet: &str, identity: &str, domain_controller: Option<&str>) -> Command {
    let command = Command::new(cmdlet)
        .with("Identity", identity)
        .with(ENABLED, true)
        .with(TYPE, OCS.0);
    match domain_controller {
        Some(name) => command.with("DomainController", name),
        None => command,
    }
}

/// The values before a change, as JSON.
pub(crate) fn saved(name: String, identity: &str, object: &Value) -> Saved {
    let before = serde_json::json!({
        "Identity": identity,
        ENABLED: object.get(ENABLED).and_then(Value::text),
        TYPE: object.get(TYPE).and_then(Value::text),
    });
    Saved {
        name,
        origin: identity.into(),
        content: format!("{before:#}\n").into_bytes(),
    }
}

/// `text` as a part of a file name.
pub(crate) fn file_name(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_alphanumeric() || matches!(c, '-' | '.') {
                c
            } else {
                '_'
            }
        })
        .collect()
}
