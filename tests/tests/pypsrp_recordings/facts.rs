//! [`Fact`]: one thing that an XML document says, so that documents can be compared in which order and spelling
//! do not matter.
//!
//! The documents are read by another XML parser than the client's.

use std::collections::{BTreeMap, HashMap};

use roxmltree::{Document, Node};

/// A path in a document, and what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) path: String,
    pub(crate) value: String,
}

/// A path at which two documents say different things; nothing where one says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) path: String,
    pub(crate) recorded: Option<String>,
    pub(crate) ours: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |side: &Option<String>| match side {
            Some(text) => format!("{:?}", text.chars().take(300).collect::<String>()),
            None => "nothing".into(),
        };
        let (recorded, ours) = (shown(&self.recorded), shown(&self.ours));
        write!(f, "{}: recorded {recorded}, ours {ours}", self.path)
    }
}

/// Short names of the namespaces of an envelope.
const NAMESPACES: [(&str, &str); 9] = [
    ("http://www.w3.org/2003/05/soap-envelope", "s"),
    ("http://schemas.xmlsoap.org/ws/2004/08/addressing", "a"),
    ("http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd", "w"),
    ("http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd", "p"),
    (
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
        "rsp",
    ),
    ("http://schemas.xmlsoap.org/ws/2004/09/enumeration", "n"),
    ("http://schemas.microsoft.com/powershell", "pwsh"),
    ("http://www.w3.org/XML/1998/namespace", "xml"),
    ("http://schemas.microsoft.com/powershell/2004/04", "ps"),
];

/// What an envelope says. PSRP fragments in it are told apart from it.
pub(crate) fn of_envelope(document: &Document<'_>, has_fragments: bool) -> Vec<Fact> {
    let mut facts = Vec::new();
    let reader = Reader {
        types: HashMap::new(),
        has_fragments,
        is_clixml: false,
    };
    reader.element(document.root_element(), "", &mut facts);
    facts
}

/// What CLIXML says.
pub(crate) fn of_clixml(xml: &str) -> Result<Vec<Fact>, String> {
    let document = Document::parse(xml).map_err(|error| format!("{error}: {xml}"))?;
    let types = document
        .descendants()
        .filter(|node| node.has_tag_name("TN"))
        .filter_map(|node| Some((node.attribute("RefId")?.to_owned(), type_names(node))));
    let reader = Reader {
        types: types.collect(),
        has_fragments: false,
        is_clixml: true,
    };
    let mut facts = Vec::new();
    reader.element(document.root_element(), "", &mut facts);
    Ok(facts)
}

struct Reader {
    /// Type names by the ids under which later objects refer to them.
    types: HashMap<String, String>,
    has_fragments: bool,
    is_clixml: bool,
}

impl Reader {
    fn element(&self, node: Node<'_, '_>, parent: &str, facts: &mut Vec<Fact>) {
        let path = format!("{parent}/{}", step(node));
        let mut say = |path: String, value: &str| {
            facts.push(Fact {
                path,
                value: value.to_owned(),
            });
        };
        match node.tag_name().name() {
            "TN" => return say(format!("{parent}/types"), &type_names(node)),
            "TNRef" => {
                let types = node.attribute("RefId").and_then(|id| self.types.get(id));
                return say(
                    format!("{parent}/types"),
                    types.map_or("unknown", |types| types),
                );
            }
            _ => {}
        }
        for attribute in node.attributes() {
            if matches!(attribute.name(), "Name" | "N" | "RefId") {
                continue;
            }
            let name = qualified(attribute.namespace(), attribute.name());
            say(format!("{path}/@{name}"), attribute.value());
        }
        let mut children = node.children().filter(Node::is_element).peekable();
        if children.peek().is_none() {
            let text = node.text().unwrap_or_default();
            if self.has_fragments && holds_fragments(node) {
                say(path, "(fragments)");
            } else if self.is_clixml {
                say(path, &unescaped(text));
            } else {
                say(path, text);
            }
            return;
        }
        for child in children {
            self.element(child, &path, facts);
        }
    }
}

/// An element's own part of the path: with its name where it has one, else with its place among those that are
/// called the same, or in a list.
fn step(node: Node<'_, '_>) -> String {
    let name = qualified(node.tag_name().namespace(), node.tag_name().name());
    if let Some(key) = node.attribute("N").or_else(|| node.attribute("Name")) {
        return format!("{name}[{key}]");
    }
    let Some(parent) = node.parent_element() else {
        return name;
    };
    let in_list = matches!(
        parent.tag_name().name(),
        "LST" | "IE" | "STK" | "QUE" | "DCT"
    );
    let siblings: Vec<_> = parent
        .children()
        .filter(|other| other.is_element() && (in_list || other.tag_name() == node.tag_name()))
        .collect();
    match siblings.iter().position(|other| *other == node) {
        Some(place) if siblings.len() > 1 => format!("{name}[{place}]"),
        _ => name,
    }
}

fn qualified(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        None | Some("") => name.to_owned(),
        Some(uri) => {
            let short = NAMESPACES.iter().find(|(known, _)| *known == uri);
            format!("{}:{name}", short.map_or(uri, |(_, short)| short))
        }
    }
}

/// Whether an element's text is PSRP fragments.
pub(crate) fn holds_fragments(node: Node<'_, '_>) -> bool {
    matches!(
        node.tag_name().name(),
        "creationXml" | "connectXml" | "connectResponseXml" | "Arguments" | "Stream"
    )
}

fn type_names(node: Node<'_, '_>) -> String {
    let names = node.children().filter_map(|name| name.text());
    names.collect::<Vec<_>>().join(" < ")
}

/// Text with the escapes of CLIXML resolved: what need not be escaped may be.
fn unescaped(text: &str) -> String {
    let mut units = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let escape = rest
            .strip_prefix("_x")
            .and_then(|rest| rest.split_at_checked(4))
            .filter(|(_, rest)| rest.starts_with('_'))
            .and_then(|(digits, _)| u16::from_str_radix(digits, 16).ok());
        if let Some(unit) = escape {
            units.push(unit);
            rest = &rest[7..];
        } else {
            units.extend(next.encode_utf16(&mut [0; 2]).iter());
            rest = &rest[next.len_utf8()..];
        }
    }
    String::from_utf16_lossy(&units)
}

/// Where two documents do not say the same.
pub(crate) fn differences(recorded: &[Fact], ours: &[Fact]) -> Vec<Difference> {
    let mut paths: BTreeMap<&str, (Option<String>, Option<String>)> = BTreeMap::new();
    for fact in recorded {
        paths.entry(&fact.path).or_default().0 = Some(fact.value.clone());
    }
    for fact in ours {
        paths.entry(&fact.path).or_default().1 = Some(fact.value.clone());
    }
    paths
        .into_iter()
        .filter(|(_, (recorded, ours))| recorded != ours)
        .map(|(path, (recorded, ours))| Difference {
            path: path.to_owned(),
            recorded,
            ours,
        })
        .collect()
}
