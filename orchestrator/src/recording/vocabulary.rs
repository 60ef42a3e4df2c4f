//! The words of PowerShell in a run: a name that is one of them, or part of one and long, identifies nobody.

use std::collections::BTreeSet;

use owaim_proto::clixml::{Base, Value};
use owaim_proto::psrp::MessageType;

use super::capture::CapturedSession;

/// Names of types, properties, commands and parameters, in lower case.
pub(super) fn of(sessions: &[CapturedSession]) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let envelopes = sessions.iter().flat_map(CapturedSession::envelopes);
    for message in envelopes.flat_map(super::CapturedEnvelope::messages) {
        if let Some(value) = &message.value {
            let commands = message.head.kind == MessageType::CreatePipeline;
            collect(value, None, commands, &mut words);
        }
    }
    words
}

/// `commands`: the properties `Cmd` and `N` are names of commands and parameters.
fn collect(value: &Value, key: Option<&str>, commands: bool, words: &mut BTreeSet<String>) {
    let members = |members: &[(String, Value)], words: &mut BTreeSet<String>| {
        for (key, value) in members {
            words.insert(key.to_lowercase());
            collect(value, Some(key), commands, words);
        }
    };
    match value {
        // A program is named by its path, which may be anything.
        Value::String(text)
            if commands && matches!(key, Some("Cmd" | "N")) && !text.contains('\\') =>
        {
            words.insert(text.to_lowercase());
        }
        Value::MemberSet(set) => members(set, words),
        Value::Object(object) => {
            let types = object.type_names.as_deref().unwrap_or_default();
            words.extend(types.iter().map(|name| name.to_lowercase()));
            members(&object.adapted, words);
            members(&object.extended, words);
            match &object.base {
                Base::None => {}
                Base::Primitive(value) => collect(value, None, commands, words),
                Base::List(items)
                | Base::Enumerable(items)
                | Base::Stack(items)
                | Base::Queue(items) => {
                    for item in items {
                        collect(item, None, commands, words);
                    }
                }
                Base::Dictionary(entries) => {
                    for (key, value) in entries {
                        collect(key, None, commands, words);
                        collect(value, None, commands, words);
                    }
                }
            }
        }
        _ => {}
    }
}
