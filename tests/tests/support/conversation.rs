//! Recorded conversations: YAML files with a list of requests and responses, each a decrypted
//! SOAP envelope.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use owaim_proto::psrp::{Defragmenter, FragmentLimits, Message};
use owaim_proto::xml::{Element, Limits, parse};
use yaml_rust2::{Yaml, YamlLoader};

/// A request and what came back; either may be missing.
pub(crate) struct Exchange {
    /// The client's envelope.
    pub(crate) request: Option<String>,
    /// The server's envelope.
    pub(crate) response: Option<String>,
}

/// Every conversation in `folder`, with the name of its file.
pub(crate) fn conversations(folder: &Path) -> Vec<(String, Vec<Exchange>)> {
    let mut found = Vec::new();
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // a name with an underscore at the front is a template without a conversation
        if name.starts_with('_') || path.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let documents =
            YamlLoader::load_from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let messages = documents[0]["messages"]
            .as_vec()
            .unwrap_or_else(|| panic!("{name}: no messages"))
            .clone();
        let text_of = |value: &Yaml| {
            value
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let exchanges = messages
            .iter()
            .map(|message| Exchange {
                request: text_of(&message["request"]),
                response: text_of(&message["response"]),
            })
            .collect();
        found.push((name, exchanges));
    }
    found.sort_by(|(left, _), (right, _)| left.cmp(right));
    found
}

/// The PSRP messages of a conversation in order, each with whether it came from the server;
/// none for a conversation with a command shell.
pub(crate) fn messages(name: &str, exchanges: &[Exchange]) -> Vec<(Message, bool)> {
    let mut streams: HashMap<(bool, String), Defragmenter> = HashMap::new();
    let mut found = Vec::new();
    for exchange in exchanges {
        let Some(request) = exchange.request.as_deref().map(|text| envelope(name, text)) else {
            continue;
        };
        if !is_powershell(&request) {
            continue;
        }
        let response = exchange
            .response
            .as_deref()
            .map(|text| envelope(name, text));
        let shell = shell(&request)
            .or_else(|| shell(response.as_ref()?))
            .unwrap_or_default();
        if descendants(&request)
            .iter()
            .any(|element| element.name == "Connect")
        {
            // another client takes the shell over, and both sides count from the start again
            streams.retain(|(_, stream), _| !stream.starts_with(&shell));
        }
        for (envelope, from_server) in [(Some(request), false), (response, true)] {
            for (command, bytes) in envelope
                .iter()
                .flat_map(|envelope| fragments(name, envelope))
            {
                let stream = streams.entry((from_server, format!("{shell} {command}")));
                let stream = stream.or_insert_with(|| Defragmenter::new(FragmentLimits::default()));
                let complete = stream
                    .push(&bytes)
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                for bytes in complete {
                    let message =
                        Message::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
                    found.push((message, from_server));
                }
            }
        }
    }
    for ((from_server, stream), defragmenter) in &streams {
        let rest = defragmenter.finish();
        assert!(
            rest.is_ok(),
            "{name}: stream {stream:?} (from server: {from_server}): {rest:?}"
        );
    }
    found
}

fn envelope(name: &str, text: &str) -> Element {
    parse(text.as_bytes(), &Limits::default())
        .unwrap_or_else(|error| panic!("{name}: {error}\n{text}"))
}

fn is_powershell(request: &Element) -> bool {
    let uri = descendants(request)
        .into_iter()
        .find(|element| element.name == "ResourceURI");
    uri.is_some_and(|uri| uri.text().contains("/powershell/"))
}

/// The shell that an envelope is about or creates.
fn shell(envelope: &Element) -> Option<String> {
    let id = descendants(envelope)
        .into_iter()
        .find_map(|element| match element.name.as_str() {
            "Selector" if element.attribute("Name") == Some("ShellId") => Some(element.text()),
            "Shell" => element.attribute("ShellId").map(str::to_owned),
            _ => None,
        });
    id.map(|id| id.to_uppercase())
}

/// The fragments in an envelope, each with the id of the command that it belongs to.
fn fragments(name: &str, envelope: &Element) -> Vec<(String, Vec<u8>)> {
    let elements = descendants(envelope);
    let command = elements
        .iter()
        .find_map(|element| element.attribute("CommandId"))
        .unwrap_or_default()
        .to_owned();
    let mut found = Vec::new();
    for element in elements {
        let command = match element.name.as_str() {
            "creationXml" | "connectXml" => String::new(),
            // sent apart from the stream that is then resumed where it stood
            "connectResponseXml" => element.name.clone(),
            "Arguments" => command.clone(),
            "Stream" => element
                .attribute("CommandId")
                .unwrap_or_default()
                .to_owned(),
            _ => continue,
        };
        let text = element.text();
        let bytes = STANDARD
            .decode(text.trim())
            .unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
        if !bytes.is_empty() {
            found.push((command.to_uppercase(), bytes));
        }
    }
    found
}

/// The element and everything within it, in document order.
fn descendants(element: &Element) -> Vec<&Element> {
    let mut found = vec![element];
    found.extend(element.elements().flat_map(descendants));
    found
}
