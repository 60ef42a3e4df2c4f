//! [`Request`]: what a client asks, recorded or live.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::{Document, Node};

use crate::facts::{self, Fact};

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Last part of its action: `Create`, `Receive`, …
    pub(crate) action: String,
    /// `wsa:MessageID`
    pub(crate) message_id: String,
    /// The shell that it goes to or creates; ids are in capitals.
    pub(crate) shell: Option<String>,
    /// The command that it goes to or starts.
    pub(crate) command: Option<String>,
    /// Last part of the code of a Signal.
    pub(crate) signal: Option<String>,
    /// The PSRP fragments in it.
    pub(crate) fragments: Vec<u8>,
    /// What else it says.
    pub(crate) facts: Vec<Fact>,
}

impl Request {
    /// Reads an envelope.
    pub(crate) fn parse(xml: &str) -> Result<Self, String> {
        let document = Document::parse(xml).map_err(|error| format!("{error}: {xml}"))?;
        let find = |name: &str| {
            let mut nodes = document.descendants();
            nodes.find(|node| node.tag_name().name() == name)
        };
        let text = |name: &str| find(name).and_then(|node| node.text()).unwrap_or_default();
        let selector = document
            .descendants()
            .find(|node| node.attribute("Name") == Some("ShellId"));
        let proposed = find("Shell").and_then(|node| node.attribute("ShellId"));
        let shell = selector.and_then(|node| node.text()).or(proposed);
        let command = document
            .descendants()
            .find_map(|node| node.attribute("CommandId"));
        let has_fragments = text("ResourceURI").contains("/powershell/");
        let mut fragments = Vec::new();
        if has_fragments {
            for node in document
                .descendants()
                .filter(|n| facts::holds_fragments(*n))
            {
                fragments.extend(octets(node)?);
            }
        }
        let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Self {
            action: last(text("Action")),
            message_id: text("MessageID").to_owned(),
            shell: shell.map(str::to_uppercase),
            command: command.map(str::to_uppercase),
            signal: find("Code").and_then(|node| node.text()).map(last),
            fragments,
            facts: facts::of_envelope(&document, has_fragments),
        })
    }

    /// What it is and to whom it goes, for messages.
    pub(crate) fn title(&self) -> String {
        let part = |id: &Option<String>| id.as_deref().unwrap_or("-").to_owned();
        let signal = self.signal.as_deref().unwrap_or_default();
        let (shell, command) = (part(&self.shell), part(&self.command));
        format!(
            "{} {signal} (shell {shell}, command {command})",
            self.action
        )
    }

    /// Whether it takes a command away from the server.
    pub(crate) fn is_terminate(&self) -> bool {
        let terminates = |signal: &str| signal.eq_ignore_ascii_case("terminate");
        self.action == "Signal" && self.signal.as_deref().is_some_and(terminates)
    }
}

/// The octets in an element.
pub(crate) fn octets(node: Node<'_, '_>) -> Result<Vec<u8>, String> {
    let text: String = node.text().unwrap_or_default().split_whitespace().collect();
    STANDARD
        .decode(&text)
        .map_err(|error| format!("{error}: {text}"))
}
