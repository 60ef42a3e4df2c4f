//! [`changes`]: the splices that give keys their values and touch nothing else.

use super::document::{Attribute, Document, Entry, Kind, Settings, Span};
use super::{KeyDifference, Occurrence, Position, Splice};

/// Compares `document` with the wanted keys; gives what differs, and the splices (in order, not
/// overlapping) that remove the difference.
pub(super) fn changes(
    text: &str,
    document: &Document,
    wanted: &[(&str, &str)],
) -> (Vec<KeyDifference>, Vec<Splice>) {
    let mut differences = Vec::new();
    let mut splices = Vec::new();
    let mut missing = Vec::new();
    for &(key, value) in wanted {
        let adds = document
            .settings
            .as_ref()
            .map(|s| adds_of(s, key))
            .unwrap_or_default();
        let effective = adds.last().filter(|add| !add.void);
        let holds = effective.is_some_and(|add| add.text().eq_ignore_ascii_case(value));
        if holds && adds.len() == 1 {
            continue;
        }
        differences.push(KeyDifference {
            key: key.into(),
            actual: adds.iter().map(|add| add.text().into()).collect(),
            desired: value.into(),
        });
        let superfluous = adds.len() - usize::from(effective.is_some());
        splices.extend(
            adds.iter()
                .take(superfluous)
                .map(|add| removal(text, &add.entry.span)),
        );
        match effective {
            None => missing.push((key, value)),
            Some(add) if !holds => splices.push(add.give(text, value)),
            Some(_) => {}
        }
    }
    if !missing.is_empty() {
        splices.extend(match &document.settings {
            Some(settings) => into_settings(text, document, settings, &missing),
            None => new_settings(text, document, &missing),
        });
    }
    splices.sort_by_key(|splice| (splice.span.start, splice.span.end));
    (differences, splices)
}

/// Every `add` of one of `keys` in `appSettings`, of effect or not.
pub(super) fn occurrences(text: &str, document: &Document, keys: &[&str]) -> Vec<Occurrence> {
    let adds = |key: &&str| {
        document
            .settings
            .as_ref()
            .map(|settings| adds_of(settings, key))
            .unwrap_or_default()
    };
    keys.iter()
        .flat_map(adds)
        .map(|add| Occurrence {
            key: add.key.value.clone(),
            place: "configuration/appSettings".into(),
            at: Position::of(text, add.entry.span.start),
        })
        .collect()
}

/// An `add` of one key.
struct Add<'d> {
    entry: &'d Entry,
    key: &'d Attribute,
    value: Option<&'d Attribute>,
    /// Whether a later `remove` or `clear` takes its effect away.
    void: bool,
}

impl Add<'_> {
    fn text(&self) -> &str {
        self.value.map_or("", |value| &value.value)
    }

    /// Only the characters of the value change; a missing value is put behind the key.
    fn give(&self, text: &str, value: &str) -> Splice {
        if let Some(attribute) = self.value {
            let quote = quote_before(text, attribute.span.start);
            return Splice {
                span: attribute.span.clone(),
                text: escape(value, quote),
            };
        }
        let quote = quote_before(text, self.key.span.start);
        let behind = self.key.span.end + 1;
        Splice {
            span: behind..behind,
            text: format!(" value={quote}{}{quote}", escape(value, quote)),
        }
    }
}

/// The `add`s of `key`, in order. .NET compares keys without regard to case; the last `add`
/// that nothing voids decides.
fn adds_of<'d>(settings: &'d Settings, key: &str) -> Vec<Add<'d>> {
    let mut adds: Vec<Add<'d>> = Vec::new();
    for entry in &settings.entries {
        match &entry.kind {
            Kind::Add { key: name, value } if name.value.eq_ignore_ascii_case(key) => {
                adds.push(Add {
                    entry,
                    key: name,
                    value: value.as_ref(),
                    void: false,
                });
            }
            Kind::Remove(name) if !name.eq_ignore_ascii_case(key) => {}
            Kind::Remove(_) | Kind::Clear => adds.iter_mut().for_each(|add| add.void = true),
            Kind::Add { .. } | Kind::Other => {}
        }
    }
    adds
}

fn quote_before(text: &str, offset: usize) -> char {
    if text
        .get(..offset)
        .is_some_and(|before| before.ends_with('\''))
    {
        '\''
    } else {
        '"'
    }
}

fn escape(value: &str, quote: char) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' if quote == '"' => escaped.push_str("&quot;"),
            '\'' if quote == '\'' => escaped.push_str("&apos;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Takes an element away, with its line when it has that for itself.
fn removal(text: &str, span: &Span) -> Splice {
    let line_start = indentation(text, span.start).map(|indent| span.start - indent.len());
    let after = text.get(span.end..).unwrap_or_default();
    let blank = after.len() - after.trim_start_matches([' ', '\t']).len();
    let line_end =
        newline_at(text, span.end + blank).map(|newline| span.end + blank + newline.len());
    let span = match (line_start, line_end) {
        (Some(start), Some(end)) => start..end,
        _ => span.clone(),
    };
    Splice {
        span,
        text: String::new(),
    }
}

/// The blanks before `offset`, if nothing else is before it in its line and the line is not the
/// first one.
fn indentation(text: &str, offset: usize) -> Option<&str> {
    let before = text.get(..offset)?;
    let line = before.rfind(['\n', '\r'])? + 1;
    let indent = before.get(line..)?;
    indent
        .bytes()
        .all(|byte| byte == b' ' || byte == b'\t')
        .then_some(indent)
}

/// The line end that starts at `offset`.
fn newline_at(text: &str, offset: usize) -> Option<&'static str> {
    let rest = text.get(offset..)?;
    ["\r\n", "\n", "\r"]
        .into_iter()
        .find(|newline| rest.starts_with(newline))
}

/// The line end that ends at `offset`.
fn newline_before(text: &str, offset: usize) -> Option<&'static str> {
    let before = text.get(..offset)?;
    ["\r\n", "\n", "\r"]
        .into_iter()
        .find(|newline| before.ends_with(newline))
}

/// The first line end of the file; nothing in a file of one line.
fn first_newline(text: &str) -> &'static str {
    text.find(['\n', '\r'])
        .and_then(|at| newline_at(text, at))
        .unwrap_or_default()
}

/// How `add` elements are written.
struct Manner<'t> {
    newline: &'t str,
    indent: String,
    quote: char,
    /// Between the last attribute and the slash.
    blank: &'static str,
}

impl Manner<'_> {
    fn add(&self, key: &str, value: &str) -> String {
        let Self { quote, blank, .. } = self;
        let (key, value) = (escape(key, *quote), escape(value, *quote));
        format!("<add key={quote}{key}{quote} value={quote}{value}{quote}{blank}/>")
    }

    /// The elements, each on a line of its own that a line end opens.
    fn lines(&self, missing: &[(&str, &str)]) -> String {
        let mut lines = String::new();
        for (key, value) in missing {
            lines.push_str(self.newline);
            lines.push_str(&self.indent);
            lines.push_str(&self.add(key, value));
        }
        lines
    }
}

/// The manner of the last `add` in `settings`, if there is one.
fn neighbour<'t>(text: &'t str, settings: &Settings) -> (Option<&'t str>, char, &'static str) {
    let indent = settings
        .entries
        .last()
        .and_then(|entry| indentation(text, entry.span.start));
    let add = settings
        .entries
        .iter()
        .rev()
        .find_map(|entry| match &entry.kind {
            Kind::Add { key, .. } => Some((entry, key)),
            _ => None,
        });
    let Some((entry, key)) = add else {
        return (indent, '"', " ");
    };
    let source = text.get(entry.span.clone()).unwrap_or_default();
    let tight = source
        .strip_suffix("/>")
        .is_some_and(|tag| !tag.ends_with([' ', '\t', '\n', '\r']));
    (
        indent,
        quote_before(text, key.span.start),
        if tight { "" } else { " " },
    )
}

/// One step of indentation, by how far the root's children are indented.
fn unit<'t>(text: &'t str, document: &Document, child: &'t str) -> &'t str {
    let root = indentation(text, document.root.open.start).unwrap_or_default();
    child
        .strip_prefix(root)
        .filter(|unit| !unit.is_empty())
        .unwrap_or("  ")
}

fn into_settings(
    text: &str,
    document: &Document,
    settings: &Settings,
    missing: &[(&str, &str)],
) -> Vec<Splice> {
    let (sibling, quote, blank) = neighbour(text, settings);
    let open = &settings.element.open;
    let own = indentation(text, open.start);
    let Some(close) = settings.element.close.clone() else {
        // <appSettings/>: the slash gives way to a start tag's end.
        let tag = text.get(open.clone()).unwrap_or_default();
        let name = tag.trim_end_matches("/>").trim_end();
        let body = body(text, document, own, missing);
        let text = format!(">{body}</appSettings>");
        return vec![Splice {
            span: open.start + name.len()..open.end,
            text,
        }];
    };
    let at_close = |text: String| {
        vec![Splice {
            span: close.start..close.start,
            text,
        }]
    };
    if let Some(closing) =
        indentation(text, close.start).filter(|i| open.end <= close.start - i.len())
    {
        // The end tag has its own line: the new ones go before that line.
        let line = close.start - closing.len();
        let newline = newline_before(text, line).unwrap_or("\n");
        let indent = sibling.map_or_else(
            || format!("{closing}{}", unit(text, document, closing)),
            String::from,
        );
        let manner = Manner {
            newline,
            indent,
            quote,
            blank,
        };
        let lines = missing
            .iter()
            .map(|(key, value)| format!("{}{}{newline}", manner.indent, manner.add(key, value)));
        return vec![Splice {
            span: line..line,
            text: lines.collect(),
        }];
    }
    if let (Some(indent), Some(last)) = (sibling, settings.entries.last()) {
        let line = last.span.start - indent.len();
        let newline = newline_before(text, line).unwrap_or("\n");
        return at_close(
            Manner {
                newline,
                indent: indent.into(),
                quote,
                blank,
            }
            .lines(missing),
        );
    }
    if settings.entries.is_empty() {
        return at_close(body(text, document, own, missing));
    }
    at_close(
        Manner {
            newline: "",
            indent: String::new(),
            quote,
            blank,
        }
        .lines(missing),
    )
}

/// The content of an `appSettings` that had none: lines of their own if the element has one
/// (`own` is its indentation), else no blanks at all.
fn body(text: &str, document: &Document, own: Option<&str>, missing: &[(&str, &str)]) -> String {
    let Some(own) = own else {
        return Manner {
            newline: "",
            indent: String::new(),
            quote: '"',
            blank: " ",
        }
        .lines(missing);
    };
    let newline = first_newline(text);
    let indent = format!("{own}{}", unit(text, document, own));
    let lines = Manner {
        newline,
        indent,
        quote: '"',
        blank: " ",
    }
    .lines(missing);
    format!("{lines}{newline}{own}")
}

/// A whole `appSettings`, behind `configSections` or as the first child of the root.
fn new_settings(text: &str, document: &Document, missing: &[(&str, &str)]) -> Vec<Splice> {
    let root = &document.root;
    let root_indent = indentation(text, root.open.start).unwrap_or_default();
    let place = document.sections_end.unwrap_or(root.open.end);
    let child = document
        .first_child
        .and_then(|start| indentation(text, start));
    let by_lines = match document.first_child {
        Some(_) => child.is_some(),
        None => !first_newline(text).is_empty(),
    };
    let element = if by_lines {
        let newline = newline_at(text, place).unwrap_or_else(|| first_newline(text));
        let child = child.map_or_else(|| format!("{root_indent}  "), String::from);
        let indent = format!("{child}{}", unit(text, document, &child));
        let lines = Manner {
            newline,
            indent,
            quote: '"',
            blank: " ",
        }
        .lines(missing);
        format!("{newline}{child}<appSettings>{lines}{newline}{child}</appSettings>")
    } else {
        let adds = Manner {
            newline: "",
            indent: String::new(),
            quote: '"',
            blank: " ",
        }
        .lines(missing);
        format!("<appSettings>{adds}</appSettings>")
    };
    let newline = if by_lines { first_newline(text) } else { "" };
    let span_text = match &root.close {
        Some(close) if close.start == place => (place..place, format!("{element}{newline}")),
        Some(_) => (place..place, element),
        None => {
            // <configuration/>: the slash gives way to a start tag's end.
            let tag = text.get(root.open.clone()).unwrap_or_default();
            let name = tag.trim_end_matches("/>").trim_end();
            (
                root.open.start + name.len()..root.open.end,
                format!(">{element}{newline}{root_indent}</configuration>"),
            )
        }
    };
    vec![Splice {
        span: span_text.0,
        text: span_text.1,
    }]
}
