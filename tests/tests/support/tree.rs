//! [`Tree`]: an XML document reduced to what must survive, read by `roxmltree`.

use std::collections::{BTreeMap, HashMap};

use roxmltree::{Document, Node};

/// An element: name, attributes in any order, children in order, text. White space between
/// elements is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    /// Local name.
    pub(crate) name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    children: Vec<Tree>,
}

impl Tree {
    /// The tree of a document.
    pub(crate) fn parse(xml: &str) -> Self {
        match Document::parse(xml) {
            Ok(document) => Self::of(document.root_element()),
            Err(error) => panic!("{error}: {xml}"),
        }
    }

    fn of(node: Node<'_, '_>) -> Self {
        let children: Vec<Self> = node
            .children()
            .filter(Node::is_element)
            .map(Self::of)
            .collect();
        let text: String = node
            .children()
            .filter(Node::is_text)
            .filter_map(|text| text.text())
            .collect();
        Self {
            name: node.tag_name().name().to_owned(),
            attributes: node
                .attributes()
                .map(|a| (a.name().to_owned(), a.value().to_owned()))
                .collect(),
            text: if children.is_empty() {
                text
            } else {
                text.trim().to_owned()
            },
            children,
        }
    }

    /// The same without what several spellings mean the same in: `RefId`s are numbered in
    /// order of their first appearance, objects and type names each for themselves, and
    /// floating-point numbers are as Rust writes them.
    pub(crate) fn normalized(mut self) -> Self {
        self.normalize(&mut HashMap::new());
        self
    }

    fn normalize(&mut self, numbers: &mut HashMap<(bool, String), usize>) {
        let is_type_name = self.name.starts_with("TN");
        if let Some(id) = self.attributes.get_mut("RefId") {
            let next = numbers
                .keys()
                .filter(|(kind, _)| *kind == is_type_name)
                .count();
            *id = numbers
                .entry((is_type_name, id.clone()))
                .or_insert(next)
                .to_string();
        }
        if matches!(self.name.as_str(), "Sg" | "Db")
            && let Ok(number) = self.text.parse::<f64>()
        {
            self.text = number.to_string();
        }
        for child in &mut self.children {
            child.normalize(numbers);
        }
    }
}
