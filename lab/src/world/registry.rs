//! [`Registry`]: keys and values below `HKEY_LOCAL_MACHINE`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A server's registry. Keys of the map are paths in lower case, without the hive.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Registry {
    keys: BTreeMap<String, Key>,
}

/// A key with its values.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Key {
    /// Path below the hive as it was written.
    pub(crate) path: String,
    /// Values, in order of creation.
    pub(crate) values: Vec<(String, Data)>,
}

/// The data of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Data {
    /// `REG_DWORD`
    Number(i32),
    /// `REG_SZ`
    Text(String),
}

impl From<&str> for Data {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<i32> for Data {
    fn from(number: i32) -> Self {
        Self::Number(number)
    }
}

impl Registry {
    /// The key at `path`.
    pub(crate) fn key(&self, path: &str) -> Option<&Key> {
        self.keys
            .get(&super::filesystem::normal(path).to_lowercase())
    }

    /// The value `name` of the key at `path`.
    pub(crate) fn value(&self, path: &str, name: &str) -> Option<&Data> {
        self.key(path)?
            .values
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, data)| data)
    }

    /// Sets a value; makes the key and those above it.
    pub(crate) fn set(&mut self, path: &str, name: &str, data: impl Into<Data>) {
        let values = &mut self.make(path).values;
        let data = data.into();
        match values
            .iter_mut()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
        {
            Some(old) => old.1 = data,
            None => values.push((name.into(), data)),
        }
    }

    /// Makes the key at `path` and those above it.
    pub(crate) fn make(&mut self, path: &str) -> &mut Key {
        let path = super::filesystem::normal(path);
        for (at, _) in path.match_indices('\\') {
            let above = &path[..at];
            self.keys
                .entry(above.to_lowercase())
                .or_insert_with(|| Key {
                    path: above.into(),
                    values: Vec::new(),
                });
        }
        self.keys.entry(path.to_lowercase()).or_insert_with(|| Key {
            path,
            values: Vec::new(),
        })
    }

    /// Removes a value; `false` if there is none.
    pub(crate) fn remove_value(&mut self, path: &str, name: &str) -> bool {
        let Some(key) = self
            .keys
            .get_mut(&super::filesystem::normal(path).to_lowercase())
        else {
            return false;
        };
        let before = key.values.len();
        key.values.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        key.values.len() < before
    }

    /// Removes the key at `path` and those below it; `false` if there is none.
    pub(crate) fn remove(&mut self, path: &str) -> bool {
        let path = super::filesystem::normal(path).to_lowercase();
        let below = format!("{path}\\");
        let before = self.keys.len();
        self.keys
            .retain(|key, _| *key != path && !key.starts_with(&below));
        self.keys.len() < before
    }

    /// The keys directly below `path`.
    pub(crate) fn children(&self, path: &str) -> impl Iterator<Item = &Key> {
        let above = super::filesystem::normal(path).to_lowercase();
        self.keys
            .iter()
            .filter(move |(k, _)| super::filesystem::split(k).0 == above && **k != above)
            .map(|(_, key)| key)
    }
}
