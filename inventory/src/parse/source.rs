//! [`Source`] and [`Place`]: where in a text something stands, and the text as it may be shown.

use std::ops::Range;

/// What stands in for a secret wherever a text is shown.
pub(super) const MASK: &str = "***";

/// A text that was parsed: the site file, or one `--set`.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Name for messages.
    pub(super) name: String,
    /// The text, without byte order mark.
    pub(super) text: String,
}

/// A stretch of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the source.
    pub(super) source: usize,
    /// Bytes of its text.
    pub(super) span: Range<usize>,
}

impl Place {
    /// Whether the two share a byte.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.source == other.source
            && self.span.start < other.span.end
            && other.span.start < self.span.end
    }
}

impl Source {
    /// Line and column (in characters) of the byte `offset`, both from 1.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.floor(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }

    /// The first line of the text at `span`, shortened, with what cannot be seen made visible.
    pub(super) fn excerpt(&self, span: &Range<usize>) -> String {
        const LONGEST: usize = 60;
        let text = &self.text[self.floor(span.start)..self.floor(span.end.max(span.start))];
        let line = text.lines().next().unwrap_or_default();
        let mut excerpt = String::new();
        for (count, c) in line.chars().enumerate() {
            if count == LONGEST {
                excerpt.push('…');
                break;
            }
            if is_invisible(c) {
                excerpt.extend(c.escape_unicode());
            } else {
                excerpt.push(c);
            }
        }
        excerpt
    }

    /// The nearest character boundary at or before `offset`.
    fn floor(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }
}

/// Whether `c` is a control character or one of the marks of writing direction that copied texts
/// bring along.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A source's text with its secrets masked, and the way from old offsets to new ones.
#[derive(Debug, Clone)]
pub(super) struct Masked {
    /// What may be shown.
    pub(super) text: String,
    /// Every masked stretch with the stretch that took its place, in order.
    moved: Vec<(Range<usize>, Range<usize>)>,
}

impl Masked {
    /// Masks `secrets` in `source`. Line breaks inside a secret stay, so that lines keep their
    /// numbers; its length does not.
    pub(super) fn new(source: &Source, secrets: impl Iterator<Item = Range<usize>>) -> Self {
        let mut stretches: Vec<Range<usize>> = secrets
            .map(|span| source.floor(span.start)..source.floor(span.end))
            .filter(|s| !s.is_empty())
            .collect();
        stretches.sort_by_key(|span| (span.start, span.end));
        let mut masked = Self {
            text: String::new(),
            moved: Vec::new(),
        };
        let mut done = 0;
        for span in stretches {
            if span.end <= done {
                continue;
            }
            let start = span.start.max(done);
            masked.text.push_str(&source.text[done..start]);
            let at = masked.text.len();
            masked.text.push_str(MASK);
            masked
                .text
                .extend(source.text[start..span.end].chars().filter(|&c| c == '\n'));
            masked.moved.push((start..span.end, at..masked.text.len()));
            done = span.end;
        }
        masked.text.push_str(&source.text[done..]);
        masked
    }

    /// Where `span` of the source stands in the masked text.
    pub(super) fn span(&self, span: &Range<usize>) -> Range<usize> {
        let limit = self.text.len();
        let start = self.offset(span.start, false).min(limit);
        start..self.offset(span.end, true).clamp(start, limit)
    }

    fn offset(&self, offset: usize, is_end: bool) -> usize {
        let mut new = offset;
        for (old, mask) in &self.moved {
            if old.end <= offset {
                new = mask.end + (offset - old.end);
            } else if old.start < offset {
                return if is_end { mask.end } else { mask.start };
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn source(text: &str) -> Source {
        Source {
            name: "f".into(),
            text: text.into(),
        }
    }

    #[test]
    fn positions_count_lines_and_characters() {
        let text = source("aé\r\nbc\n");
        for (offset, expected) in [
            (0, (1, 1)),
            (3, (1, 3)),
            (5, (2, 1)),
            (6, (2, 2)),
            (8, (3, 1)),
            (99, (3, 1)),
        ] {
            assert_eq!(text.position(offset), expected, "{offset}");
        }
    }

    #[test]
    fn masks_hide_text_and_length_and_keep_lines() {
        let cases: [(&str, &[&str], &str); 5] = [
            ("a = secret # x", &["secret"], "a = *** # x"),
            ("one two", &["one", "two"], "*** ***"),
            ("a long\nsecret\nend", &["long\nsecret\n"], "a ***\n\nend"),
            ("overlap", &["over", "verlap"], "******"),
            ("plain", &[], "plain"),
        ];
        for (text, secrets, expected) in cases {
            let source = source(text);
            let spans = secrets.iter().map(|secret| {
                let start = text.find(secret).unwrap();
                start..start + secret.len()
            });
            assert_eq!(Masked::new(&source, spans).text, expected);
        }
    }

    #[test]
    fn spans_move_with_the_masks() {
        let text = "k = secret; next = 1";
        let masked = Masked::new(&source(text), std::iter::once(4..10));
        for (part, expected) in [
            ("k", "k"),
            ("secret", "***"),
            ("cre", "***"),
            ("next", "next"),
            ("1", "1"),
        ] {
            let start = text.find(part).unwrap();
            assert_eq!(
                &masked.text[masked.span(&(start..start + part.len()))],
                expected,
                "{part}"
            );
        }
    }

    #[test]
    fn excerpts_are_one_short_visible_line() {
        let long = "x".repeat(61);
        let cases = [
            ("a\nb", "a".to_owned()),
            ("\u{200e}EA", "\\u{200e}EA".into()),
            (&long, "x".repeat(60) + "…"),
        ];
        for (text, expected) in cases {
            assert_eq!(source(text).excerpt(&(0..text.len())), expected);
        }
    }
}
