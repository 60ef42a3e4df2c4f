//! Secrets written into a site file: found before anything is shown, reported without being shown.
//!
//! Two ways. [`scan`] walks the tree and reports. [`mask_text`] looks at the bare text of a file
//! with syntax errors, whose tree cannot be relied on, and only masks; it may mask too much.

use super::checker::Checker;
use super::source::Place;
use super::tree::{Entry, Node, Table, Value};

/// What a key looks like whose value is a secret, in lower case and without separators.
const TELLING: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "pwd",
    "secret",
    "token",
    "apikey",
    "privatekey",
    "kennwort",
];

/// Keys of a reference to a secret, those of later versions included.
const REFERENCES: [&str; 5] = ["env", "file", "prompt", "keyring", "command"];

const EXPECTED: &str = "a reference such as { env = \"OWAIM_PASSWORD\" }";

/// Whether a value under `key` is probably a secret.
pub(super) fn is_telling(key: &str) -> bool {
    let plain: String = key
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | ' ' | '.'))
        .collect::<String>()
        .to_lowercase();
    plain == "pass" || TELLING.iter().any(|word| plain.contains(word))
}

/// Reports and masks every secret in `table`.
pub(super) fn scan(cx: &mut Checker, table: &Table) {
    for entry in &table.entries {
        let secret = is_telling(&entry.key);
        scan_node(cx, entry, &entry.node, secret);
    }
}

fn scan_node(cx: &mut Checker, entry: &Entry, node: &Node, secret: bool) {
    match &node.value {
        Value::Table(table) if secret => scan_reference(cx, table),
        Value::Table(table) => scan(cx, table),
        Value::List(items) => items
            .iter()
            .for_each(|item| scan_node(cx, entry, item, secret)),
        Value::Text(text) if text.is_empty() => {}
        Value::Text(_) | Value::Whole(_) | Value::Decimal | Value::Date if secret => {
            report(cx, &entry.key, node);
        }
        Value::Text(text) => {
            if has_userinfo(text) {
                report(cx, &entry.key, node);
            }
        }
        Value::Whole(_) | Value::Decimal | Value::Date | Value::Flag(_) => {}
    }
}

/// A table below a telling key: only the known kinds of reference are no secrets.
fn scan_reference(cx: &mut Checker, table: &Table) {
    for entry in &table.entries {
        if REFERENCES.contains(&entry.key.as_str()) {
            scan_node(cx, entry, &entry.node, false);
        } else if super::values::nearest(&entry.key, REFERENCES.into_iter()).is_some() {
            // A mistyped kind of reference is reported as an unknown key; who knows what it holds.
            cx.mask(&entry.node.place);
        } else {
            scan_node(cx, entry, &entry.node, true);
        }
    }
}

fn report(cx: &mut Checker, key: &str, node: &Node) {
    cx.secret(
        &node.place,
        key,
        EXPECTED,
        "take it out of the file, and change it: whoever could read the file knows it",
    );
}

/// Whether a URL in `text` carries a user name or password before its host.
fn has_userinfo(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        rest.split(['/', '?', '#'])
            .next()
            .is_some_and(|host| host.contains('@'))
    })
}

/// Masks whatever in the bare `text` of `source` could be a secret.
pub(super) fn mask_text(cx: &mut Checker, source: usize, text: &str) {
    let mut start = 0;
    let mut quote_open = None;
    for line in text.split_inclusive('\n') {
        let end = start + line.trim_end_matches(['\r', '\n']).len();
        let from = match quote_open {
            Some(_) => Some(0),
            None => secret_in(line),
        };
        if let Some(from) = from {
            cx.mask(&Place {
                source,
                span: start + from..end,
            });
            quote_open = open_quote(quote_open, line.get(from..).unwrap_or_default());
        }
        start += line.len();
    }
}

/// Where in `line` the part begins that could be a secret.
fn secret_in(line: &str) -> Option<usize> {
    let after_key = line.match_indices('=').find(|(at, _)| {
        let key = line[..*at]
            .rsplit([',', '{', '='])
            .next()
            .unwrap_or_default();
        is_telling(key.trim().trim_matches(['"', '\'']))
    });
    let in_url = line.find("://").filter(|at| line[*at..].contains('@'));
    after_key
        .map(|(at, _)| at + 1)
        .into_iter()
        .chain(in_url)
        .min()
}

/// The triple quote that is still open after `part`.
fn open_quote(before: Option<&'static str>, part: &str) -> Option<&'static str> {
    let quote = before.or_else(|| {
        ["\"\"\"", "'''"]
            .into_iter()
            .find(|quote| part.contains(quote))
    })?;
    let closings = part.matches(quote).count() + usize::from(before.is_some());
    (closings % 2 == 1).then_some(quote)
}
