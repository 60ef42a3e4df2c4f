//! Secrets that nobody told the run, known by the names they have in files: `validationKey="…"`,
//! `…;Password=…;…` in a connection string, `<add key="ApiSecret" value="…" />`.
//!
//! A name says little: rather too much is blanked than too little. Where a value ends is never beyond the attribute
//! that it is in, so that XML stays XML.

use std::borrow::Cow;

use crate::redact::REDACTED;

/// How the name of a secret ends, in lower case.
const ENDINGS: [&str; 6] = ["key", "passphrase", "passwd", "password", "pwd", "secret"];
/// What quotes a value, as it stands in text and in XML.
const QUOTES: [&str; 6] = ["\"", "'", "&quot;", "&apos;", "&#34;", "&#39;"];
/// Characters of XML that end in what would end a value.
const ENTITIES: [&str; 7] = [
    "&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#34;", "&#39;",
];

/// `text` with the values blanked whose names say that they are secrets.
pub(super) fn blanked(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut done = 0;
    for (at, _) in text.match_indices('=') {
        if at < done {
            continue;
        }
        let (before, after) = (&text[..at], &text[at + 1..]);
        let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
        let name = last_name(before);
        let secret =
            is_secret(name) || name.eq_ignore_ascii_case("value") && tag_is_secret(text, at);
        if !secret {
            continue;
        }
        let (quote, length) = value(before, &after[blanks..]);
        if length > 0 {
            let start = at + 1 + blanks + quote;
            clean.push_str(&text[done..start]);
            clean.push_str(REDACTED);
            done = start + length;
        }
    }
    if done == 0 {
        return text.into();
    }
    clean.push_str(&text[done..]);
    clean.into()
}

/// `key` alone names the settings of a file, not a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name != "key" && ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn last_name(before: &str) -> &str {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let before = before.trim_end();
    before.rsplit(|c| !part(c)).next().unwrap_or_default()
}

/// Whether the tag around `at` is of a setting with the name of a secret.
fn tag_is_secret(text: &str, at: usize) -> bool {
    let start = text[..at].rfind('<').unwrap_or(at);
    let end = text[at..].find('>').map_or(text.len(), |end| at + end);
    let tag = &text[start..end];
    tag.match_indices('=').any(|(at, _)| {
        let named = last_name(&tag[..at]);
        let value = tag[at + 1..].trim_start().get(1..).unwrap_or_default();
        let value = value.split(['"', '\'']).next().unwrap_or_default();
        matches!(named.to_ascii_lowercase().as_str(), "key" | "name") && is_secret(value)
    })
}

/// How long the opening quote of a value is, and how long the value behind it.
fn value(before: &str, after: &str) -> (usize, usize) {
    let enclosing = enclosing_quote(before);
    let end = enclosing.and_then(|quote| after.find(quote));
    let after = &after[..end.unwrap_or(after.len())];
    if let Some(quote) = QUOTES.iter().find(|quote| after.starts_with(**quote)) {
        let inner = &after[quote.len()..];
        let mut length = 0;
        // A quote that stands twice is part of the value.
        while let Some(end) = inner[length..].find(quote) {
            length += end;
            if !inner[length + quote.len()..].starts_with(quote) {
                return (quote.len(), length);
            }
            length += 2 * quote.len();
        }
        return (quote.len(), inner.len());
    }
    let ends: &[char] = match enclosing {
        Some(_) => &[';'],
        None => &[';', '<', '\r', '\n'],
    };
    let mut length = 0;
    while let Some(c) = after[length..].chars().next() {
        let rest = &after[length..];
        if let Some(entity) = ENTITIES.iter().find(|entity| rest.starts_with(**entity)) {
            length += entity.len();
        } else if ends.contains(&c) {
            break;
        } else {
            length += c.len_utf8();
        }
    }
    (0, after[..length].trim_end().len())
}

/// The quote of the attribute that `before` ends in.
fn enclosing_quote(before: &str) -> Option<char> {
    let tag = &before[before.rfind('<')?..];
    let open = tag.rfind("=\"").max(tag.rfind("='"))?;
    let quote = tag[open + 1..].chars().next()?;
    (!tag[open + 2..].contains(quote)).then_some(quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_the_names_of_secrets_are_blanked() {
        let cases = [
            (
                r#"<machineKey validationKey="0A1B" decryptionKey='2C' validation="SHA1" />"#,
                r#"<machineKey validationKey="[redacted]" decryptionKey='[redacted]' validation="SHA1" />"#,
            ),
            (
                r#"connectionString="Server=db;User ID=sa;Password=p&amp;q'r;Pooling=true" x="y""#,
                r#"connectionString="Server=db;User ID=sa;Password=[redacted];Pooling=true" x="y""#,
            ),
            (
                r#"<add connectionString="Server=db;PWD=last" providerName="x" />"#,
                r#"<add connectionString="Server=db;PWD=[redacted]" providerName="x" />"#,
            ),
            (
                r#"<add connectionString="a=&quot;Server=db;Password=&quot;x;y&quot;&quot;" b="c" />"#,
                r#"<add connectionString="a=&quot;Server=db;Password=&quot;[redacted]" b="c" />"#,
            ),
            (
                "Password = 'it''s;mine'; Server=db",
                "Password = '[redacted]'; Server=db",
            ),
            (
                "AccountKey=abc+/==;EndpointSuffix=x\nnext",
                "AccountKey=[redacted];EndpointSuffix=x\nnext",
            ),
            (
                r#"<add key="IMPoolName" value="a" /><add value="b" key="ApiSecret" />"#,
                r#"<add key="IMPoolName" value="a" /><add value="[redacted]" key="ApiSecret" />"#,
            ),
            (r#"password="open"#, r#"password="[redacted]"#),
            (r#"password="" key="x" a=b"#, r#"password="" key="x" a=b"#),
        ];
        for (text, expected) in cases {
            assert_eq!(blanked(text), expected, "{text}");
        }
    }
}
