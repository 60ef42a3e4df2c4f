//! [`Section`]: reads a table key by key; what was never asked for is unknown.

use std::ops::RangeInclusive;

use super::checker::Checker;
use super::secrets::is_telling;
use super::source::Place;
use super::tree::{Entry, Node, Table};
use super::values::{nearest, one_of};
use crate::{HostName, NameError};

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Section<'t> {
    /// As it is written in a header: `[lync.trusted_application]`.
    title: String,
    table: &'t Table,
    place: Place,
    known: Vec<&'static str>,
}

impl<'t> Section<'t> {
    /// Begins to read `table`, which stands at `place`.
    pub(super) fn new(title: impl Into<String>, table: &'t Table, place: Place) -> Self {
        Self {
            title: title.into(),
            table,
            place,
            known: Vec::new(),
        }
    }

    /// Where mistakes about the whole section are shown.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Where `key` stands, or else the section.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.table
            .get(key)
            .map_or_else(|| self.place.clone(), |entry| entry.node.place.clone())
    }

    /// Every entry, for sections whose keys are names.
    pub(super) fn entries(&self) -> &'t [Entry] {
        &self.table.entries
    }

    /// The value of `key`, if it is there.
    pub(super) fn optional(&mut self, key: &'static str) -> Option<&'t Node> {
        self.known.push(key);
        self.table.get(key).map(|entry| &entry.node)
    }

    /// The value of `key`; a mistake if it is not there.
    pub(super) fn required(
        &mut self,
        cx: &mut Checker,
        key: &'static str,
        expected: &str,
    ) -> Option<&'t Node> {
        let node = self.optional(key);
        if node.is_none() {
            cx.whole(
                &self.place,
                format!("{} has no {key:?}", self.title),
                expected,
            );
        }
        node
    }

    /// The section below `key`, if it is there.
    pub(super) fn section(
        &mut self,
        cx: &mut Checker,
        key: &'static str,
        title: &str,
    ) -> Option<Section<'t>> {
        self.known.push(key);
        let entry = self.table.get(key)?;
        open(cx, entry, title)
    }

    /// The section below `key`; a mistake if it is not there.
    pub(super) fn required_section(
        &mut self,
        cx: &mut Checker,
        key: &'static str,
        title: &str,
        expected: &str,
    ) -> Option<Section<'t>> {
        if self.table.get(key).is_none() {
            self.known.push(key);
            cx.whole(
                &self.place,
                format!("there is no section {title}"),
                expected,
            );
            return None;
        }
        self.section(cx, key, title)
    }

    /// A host name that must be there.
    pub(super) fn host(&mut self, cx: &mut Checker, key: &'static str) -> Option<HostName> {
        self.required_name(cx, key, "a fully qualified host name")
    }

    /// A validated name that must be there.
    pub(super) fn required_name<T: TryFrom<String, Error = NameError>>(
        &mut self,
        cx: &mut Checker,
        key: &'static str,
        expected: &str,
    ) -> Option<T> {
        let node = self.required(cx, key, expected)?;
        cx.name(node, expected)
    }

    /// A validated name that may be left out.
    pub(super) fn optional_name<T: TryFrom<String, Error = NameError>>(
        &mut self,
        cx: &mut Checker,
        key: &'static str,
        expected: &str,
    ) -> Option<T> {
        let node = self.optional(key)?;
        cx.name(node, expected)
    }

    /// A whole number that may be left out.
    pub(super) fn number(
        &mut self,
        cx: &mut Checker,
        key: &'static str,
        range: RangeInclusive<u32>,
        default: u32,
    ) -> Option<u32> {
        match self.optional(key) {
            Some(node) => cx.whole_number(node, range),
            None => Some(default),
        }
    }

    /// Reports every key that was not asked for.
    pub(super) fn finish(self, cx: &mut Checker) {
        for entry in &self.table.entries {
            let place = &entry.node.place;
            let reported = cx.is_reported(place) || is_telling(&entry.key) && cx.is_secret(place);
            if reported || self.known.contains(&entry.key.as_str()) {
                continue;
            }
            cx.mistake(
                &entry.key_place,
                format!("unknown key {:?} in {}", entry.key, self.title),
                one_of(&self.known),
            );
            if let Some(nearest) = nearest(&entry.key, self.known.iter().copied()) {
                cx.help(format!("did you mean {nearest:?}?"));
            }
        }
    }
}

/// The section that `entry` holds.
pub(super) fn open<'t>(cx: &mut Checker, entry: &'t Entry, title: &str) -> Option<Section<'t>> {
    let table = entry.node.as_table();
    if table.is_none() {
        cx.wrong_kind(&entry.node, &format!("a section {title}"));
    }
    table.map(|table| Section::new(title, table, entry.key_place.clone()))
}
