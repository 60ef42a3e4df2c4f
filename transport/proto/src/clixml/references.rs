//! [`ReferenceTable`]: what the `RefId`s of a text stand for.

use std::collections::HashMap;

/// Entries by id. Ids normally count up from 0, so the table is a vector; ids out of turn,
/// however large, go to a map.
#[derive(Debug)]
pub(super) struct ReferenceTable<T> {
    in_turn: Vec<T>,
    out_of_turn: HashMap<u64, T>,
}

/// What became of an insertion.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Insert {
    /// The id was free.
    Done,
    /// The id was taken; nothing changed.
    Taken,
}

impl<T> Default for ReferenceTable<T> {
    fn default() -> Self {
        Self {
            in_turn: Vec::new(),
            out_of_turn: HashMap::new(),
        }
    }
}

impl<T> ReferenceTable<T> {
    pub(super) fn get(&self, id: u64) -> Option<&T> {
        match usize::try_from(id) {
            Ok(index) if index < self.in_turn.len() => self.in_turn.get(index),
            _ => self.out_of_turn.get(&id),
        }
    }

    pub(super) fn insert(&mut self, id: u64, entry: T) -> Insert {
        if self.get(id).is_some() {
            return Insert::Taken;
        }
        if id == self.in_turn.len() as u64 {
            self.in_turn.push(entry);
        } else {
            self.out_of_turn.insert(id, entry);
        }
        Insert::Done
    }

    /// Puts `entry` in the place of the one that `id` has.
    pub(super) fn replace(&mut self, id: u64, entry: T) {
        let place = match usize::try_from(id) {
            Ok(index) if index < self.in_turn.len() => self.in_turn.get_mut(index),
            _ => self.out_of_turn.get_mut(&id),
        };
        if let Some(place) = place {
            *place = entry;
        }
    }
}
