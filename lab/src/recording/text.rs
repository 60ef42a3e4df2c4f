//! How a recording is written: indented, one element a line, so that people can read and compare it.

use owaim_proto::wsman::PREFIXES;
use owaim_proto::xml::{Element, Node, XML};
use quick_xml::escape::escape;

/// The text of `root`, with the prefixes of SOAP declared there.
pub(super) fn write(root: &Element) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    element(&mut text, root, "", 0);
    text
}

/// White space between elements is nobody's; text beside elements is kept as it is, unindented.
fn element(text: &mut String, element: &Element, default: &str, depth: usize) {
    indent(text, depth);
    markup(text, element, default, depth);
    text.push('\n');
}

fn markup(text: &mut String, this: &Element, default: &str, depth: usize) {
    let tag = qualified(&this.namespace, &this.name);
    text.push('<');
    text.push_str(&tag);
    if depth == 0 {
        for (prefix, namespace) in PREFIXES {
            attribute(text, &["xmlns", prefix].join(":"), namespace);
        }
    }
    let mut default = default;
    if prefix(&this.namespace).is_none() && default != &*this.namespace {
        default = &this.namespace;
        attribute(text, "xmlns", default);
    }
    let mut foreign = 0;
    for one in &this.attributes {
        if one.namespace.is_empty() || &*one.namespace == XML || prefix(&one.namespace).is_some() {
            attribute(text, &qualified(&one.namespace, &one.name), &one.value);
        } else {
            // An attribute has no default namespace.
            foreign += 1;
            attribute(text, &format!("xmlns:n{foreign}"), &one.namespace);
            attribute(text, &format!("n{foreign}:{}", one.name), &one.value);
        }
    }
    let has_elements = this.elements().next().is_some();
    let has_text = this
        .content
        .iter()
        .any(|node| matches!(node, Node::Text(part) if !has_elements || !part.trim().is_empty()));
    if !has_elements && !has_text {
        text.push_str("/>");
        return;
    }
    text.push('>');
    if has_text {
        for node in &this.content {
            match node {
                Node::Text(part) => text.push_str(&escaped(part)),
                Node::Element(child) => markup(text, child, default, depth + 1),
            }
        }
    } else {
        text.push('\n');
        for child in this.elements() {
            element(text, child, default, depth + 1);
        }
        indent(text, depth);
    }
    text.push_str("</");
    text.push_str(&tag);
    text.push('>');
}

fn indent(text: &mut String, depth: usize) {
    text.extend(std::iter::repeat_n(' ', depth));
}

fn attribute(text: &mut String, name: &str, value: &str) {
    text.push(' ');
    text.push_str(name);
    text.push_str("=\"");
    text.push_str(
        &escaped(value)
            .replace('"', "&quot;")
            .replace('\n', "&#10;")
            .replace('\t', "&#9;"),
    );
    text.push('"');
}

/// A carriage return would be read as a line feed; what XML cannot carry becomes U+FFFD.
fn escaped(text: &str) -> String {
    let allowed = |c: char| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    let text: String = text
        .chars()
        .map(|c| if allowed(c) { c } else { '\u{fffd}' })
        .collect();
    escape(text.as_str())
        .replace("&apos;", "'")
        .replace("&quot;", "\"")
        .replace('\r', "&#13;")
}

fn prefix(namespace: &str) -> Option<&'static str> {
    PREFIXES
        .iter()
        .find(|(_, known)| *known == namespace)
        .map(|(prefix, _)| *prefix)
}

fn qualified(namespace: &str, name: &str) -> String {
    if namespace == XML {
        return ["xml", name].join(":");
    }
    match prefix(namespace) {
        Some(prefix) => [prefix, name].join(":"),
        None => name.to_owned(),
    }
}
