//! [`Diagnostics`]: every mistake of a site file, and how it is shown.

use std::fmt;
use std::ops::Range;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};
use serde::Serialize;

use super::source::Masked;

/// One mistake. No field ever holds a secret of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The site file, or `--set` with its key.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The offending text, shortened; empty where something is missing.
    pub text: String,
    /// What was expected instead.
    pub expected: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it, where that is not plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(skip)]
    pub(super) shown: Shown,
}

/// Where a mistake stands in the masked text of its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) source: usize,
    pub(super) span: Range<usize>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            message,
            expected,
            help,
            ..
        } = self;
        write!(f, "{file}:{line}:{column}: {message}; expected {expected}")?;
        match help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// How [`Diagnostics::render`] draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// One line per mistake: `file:line:column: what is wrong; expected what`.
    Plain,
    /// With the line of the file and a pointer below it.
    Graphical {
        /// Columns of the terminal.
        width: usize,
        /// Whether it shows colours.
        colour: bool,
    },
}

/// All mistakes of a site file, in the order of the text; never empty.
#[derive(Debug, Clone)]
pub struct Diagnostics {
    mistakes: Vec<Mistake>,
    sources: Vec<(String, Masked)>,
}

impl Diagnostics {
    pub(super) fn new(mistakes: Vec<Mistake>, sources: Vec<(String, Masked)>) -> Self {
        Self { mistakes, sources }
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.mistakes.len()
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Mistake> {
        self.mistakes.iter()
    }

    /// All of them for people, ending in a line break.
    pub fn render(&self, look: Look) -> String {
        match look {
            Look::Plain => self.mistakes.iter().fold(String::new(), |out, mistake| {
                out + &mistake.to_string()
                    + "
"
            }),
            Look::Graphical { width, colour } => {
                let theme = if colour {
                    GraphicalTheme::unicode()
                } else {
                    GraphicalTheme::unicode_nocolor()
                };
                let handler = GraphicalReportHandler::new_themed(theme)
                    .with_links(false)
                    .with_width(width.clamp(40, 160));
                let mut out = String::new();
                for mistake in &self.mistakes {
                    let report = Report::new(mistake, &self.sources);
                    if handler.render_report(&mut out, &report).is_err() {
                        out.push_str(&mistake.to_string());
                    }
                    out.push('\n');
                }
                out
            }
        }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(Look::Plain).trim_end())
    }
}

impl std::error::Error for Diagnostics {}

impl<'d> IntoIterator for &'d Diagnostics {
    type Item = &'d Mistake;
    type IntoIter = std::slice::Iter<'d, Mistake>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A mistake as `miette` wants it.
#[derive(Debug)]
struct Report<'d> {
    mistake: &'d Mistake,
    code: Option<OwnLines<'d>>,
}

/// The lines of a source that a span touches, and none beside them: a comment next to a mistake
/// is nobody's business.
#[derive(Debug)]
struct OwnLines<'d> {
    name: &'d str,
    text: &'d str,
}

impl SourceCode for OwnLines<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        _before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let end = span.offset().saturating_add(span.len());
        let (Some(before), Some(after)) = (self.text.get(..span.offset()), self.text.get(end..))
        else {
            return Err(MietteError::OutOfBounds);
        };
        let from = before.rfind('\n').map_or(0, |newline| newline + 1);
        let to = end + after.find('\n').unwrap_or(after.len());
        let lines = &self.text[from..to];
        let contents = MietteSpanContents::new_named(
            self.name.to_owned(),
            lines.as_bytes(),
            SourceSpan::from(from..to),
            before.matches('\n').count(),
            before[from..].chars().count(),
            lines.matches('\n').count() + 1,
        );
        Ok(Box::new(contents))
    }
}

impl<'d> Report<'d> {
    fn new(mistake: &'d Mistake, sources: &'d [(String, Masked)]) -> Self {
        let code = sources
            .get(mistake.shown.source)
            .map(|(name, masked)| OwnLines {
                name,
                text: &masked.text,
            });
        Self { mistake, code }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mistake.message)
    }
}

impl std::error::Error for Report<'_> {}

impl Diagnostic for Report<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.code.as_ref().map(|code| code as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Range { start, end } = self.mistake.shown.span;
        let label = LabeledSpan::new_primary_with_span(
            Some(format!("expected {}", self.mistake.expected)),
            start..end,
        );
        Some(Box::new(std::iter::once(label)))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.mistake
            .help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
}
