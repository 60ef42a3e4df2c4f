//! [`Carrier`]: an element of an envelope that carries a piece of a stream.

use owaim_proto::xml::{Element, Node};
use uuid::Uuid;

/// An element that carries a piece of a stream: Base64 on the wire, messages in a recording.
pub struct Carrier<'e> {
    /// The element.
    pub element: &'e mut Element,
    /// The command whose stream it is; `None` for the shell's own.
    pub command: Option<Uuid>,
    /// Whether it is the stream of a client's answers, which has messages of its own.
    pub answers: bool,
}

/// Calls `visit` with every element of an envelope of a PowerShell shell that carries a piece of a stream, in order.
pub fn visit_carriers(envelope: &mut Element, visit: &mut dyn FnMut(Carrier<'_>)) {
    walk(envelope, None, visit);
}

fn walk(element: &mut Element, command: Option<Uuid>, visit: &mut dyn FnMut(Carrier<'_>)) {
    let own = element
        .attribute("CommandId")
        .and_then(|id| Uuid::parse_str(id.trim()).ok());
    let command = own.or(command);
    match element.name.as_str() {
        "creationXml" | "connectXml" | "connectResponseXml" | "Arguments" => visit(Carrier {
            element,
            command,
            answers: false,
        }),
        "Stream" => {
            let answers = element
                .attribute("Name")
                .is_some_and(|name| name.eq_ignore_ascii_case("pr"));
            visit(Carrier {
                element,
                command,
                answers,
            });
        }
        // What stands within a message is PowerShell's.
        "message" if element.namespace.is_empty() => {}
        _ => {
            for node in &mut element.content {
                if let Node::Element(child) = node {
                    walk(child, command, visit);
                }
            }
        }
    }
}
