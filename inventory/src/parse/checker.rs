//! [`Checker`]: collects mistakes and warnings, and knows what must not be shown.

use super::mistake::{Diagnostics, Mistake, Shown};
use super::source::{MASK, Masked, Place, Source};
use super::tree::Node;
use crate::{Site, Warning};

/// Whether a finding can be trusted when other parts of the file could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// It is so in whatever section it stands.
    Certain,
    /// It depends on its own place only.
    Local,
    /// It depends on other places, or says that something is not there.
    Whole,
}

#[derive(Debug)]
struct Finding {
    place: Place,
    reach: Reach,
    message: String,
    expected: String,
    help: Option<String>,
}

/// Everything found so far.
#[derive(Debug, Default)]
pub(super) struct Checker {
    sources: Vec<Source>,
    findings: Vec<Finding>,
    warnings: Vec<(Place, String)>,
    /// Stretches that must not be shown.
    secrets: Vec<Place>,
}

impl Checker {
    /// Adds a text that places may refer to; gives its index.
    pub(super) fn add_source(&mut self, source: Source) -> usize {
        self.sources.push(source);
        self.sources.len() - 1
    }

    /// The text at `place` for messages: shortened, and masked where it holds a secret.
    pub(super) fn excerpt(&self, place: &Place) -> String {
        if self.is_secret(place) {
            return MASK.into();
        }
        self.sources
            .get(place.source)
            .map(|source| source.excerpt(&place.span))
            .unwrap_or_default()
    }

    /// Marks `place` as not to be shown.
    pub(super) fn mask(&mut self, place: &Place) {
        self.secrets.push(place.clone());
    }

    /// Whether `place` touches a stretch that must not be shown.
    pub(super) fn is_secret(&self, place: &Place) -> bool {
        self.secrets.iter().any(|secret| secret.overlaps(place))
    }

    /// Whether a secret was reported at exactly `place`.
    pub(super) fn is_reported(&self, place: &Place) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.reach == Reach::Certain && finding.place == *place)
    }

    /// Notes a mistake that depends on its own place only.
    pub(super) fn mistake(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.push(place, Reach::Local, message.into(), expected.into(), None);
    }

    /// Notes a secret at `place`, under `key`.
    pub(super) fn secret(&mut self, place: &Place, key: &str, expected: &str, help: &str) {
        self.mask(place);
        let message = format!("{key:?} holds a secret");
        self.push(
            place,
            Reach::Certain,
            message,
            expected.into(),
            Some(help.into()),
        );
    }

    /// Notes a mistake that depends on other places too, or says that something is missing.
    pub(super) fn whole(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.push(place, Reach::Whole, message.into(), expected.into(), None);
    }

    /// Adds what to do to the newest mistake.
    pub(super) fn help(&mut self, help: impl Into<String>) {
        if let Some(finding) = self.findings.last_mut() {
            finding.help = Some(help.into());
        }
    }

    fn push(
        &mut self,
        place: &Place,
        reach: Reach,
        message: String,
        expected: String,
        help: Option<String>,
    ) {
        self.findings.push(Finding {
            place: place.clone(),
            reach,
            message,
            expected,
            help,
        });
    }

    /// Notes that the value at `node` is not what it should be.
    pub(super) fn unfit(&mut self, node: &Node, expected: impl Into<String>) {
        let message = format!("{} is not valid", self.excerpt(&node.place));
        self.mistake(&node.place, message, expected);
    }

    /// Notes something that is allowed and wants a look.
    pub(super) fn warn(&mut self, place: &Place, message: impl Into<String>) {
        self.warnings.push((place.clone(), message.into()));
    }

    /// The line of `place`, from 1.
    pub(super) fn line(&self, place: &Place) -> usize {
        self.position(place).1
    }

    /// Drops what may be the mere consequence of values being read into the wrong section.
    pub(super) fn drop_doubtful(&mut self) {
        self.findings
            .retain(|finding| finding.reach == Reach::Certain);
    }

    /// How many mistakes there are so far.
    pub(super) fn count(&self) -> usize {
        self.findings.len()
    }

    /// Drops what, after syntax errors at `broken`, may be their mere consequence: whatever says
    /// that something is missing, and whatever stands in one of their lines.
    pub(super) fn drop_consequences(&mut self, broken: &[Place]) {
        let line = |sources: &[Source], place: &Place| {
            (
                place.source,
                sources
                    .get(place.source)
                    .map(|source| source.position(place.span.start).0),
            )
        };
        let lines: Vec<_> = broken
            .iter()
            .map(|place| line(&self.sources, place))
            .collect();
        let sources = &self.sources;
        self.findings.retain(|finding| match finding.reach {
            Reach::Certain => true,
            Reach::Local => !lines.contains(&line(sources, &finding.place)),
            Reach::Whole => false,
        });
    }

    /// Ends with the site and its warnings, if nothing is wrong, or with all mistakes.
    pub(super) fn finish(mut self, site: Option<Site>) -> Result<Site, Diagnostics> {
        if self.findings.is_empty() {
            match site {
                Some(site) => {
                    return Ok(Site {
                        warnings: self.warnings(),
                        ..site
                    });
                }
                // Whoever gives `None` says why. Should one forget, this is an error all the same.
                None => self.whole(
                    &Place {
                        source: 0,
                        span: 0..0,
                    },
                    "the site is incomplete",
                    "every section",
                ),
            }
        }
        let mut findings = std::mem::take(&mut self.findings);
        findings.sort_by_key(|finding| {
            (
                finding.place.source,
                finding.place.span.start,
                finding.reach == Reach::Whole,
            )
        });
        let masked: Vec<Masked> = self
            .sources
            .iter()
            .enumerate()
            .map(|(index, source)| {
                let secrets = self.secrets.iter().filter(|secret| secret.source == index);
                Masked::new(source, secrets.map(|secret| secret.span.clone()))
            })
            .collect();
        let mut mistakes: Vec<Mistake> = Vec::new();
        for finding in findings {
            let mistake = self.mistake_at(finding, &masked);
            if !mistakes.contains(&mistake) {
                mistakes.push(mistake);
            }
        }
        let names = self.sources.into_iter().map(|source| source.name);
        Err(Diagnostics::new(mistakes, names.zip(masked).collect()))
    }

    fn mistake_at(&self, finding: Finding, masked: &[Masked]) -> Mistake {
        let Finding {
            place,
            message,
            expected,
            help,
            ..
        } = finding;
        let (file, line, column) = self.position(&place);
        let span = masked
            .get(place.source)
            .map_or(0..0, |masked| masked.span(&place.span));
        let text = self.excerpt(&place);
        Mistake {
            file,
            line,
            column,
            text,
            expected,
            message,
            help,
            shown: Shown {
                source: place.source,
                span,
            },
        }
    }

    /// The warnings, in the order of the text.
    fn warnings(&mut self) -> Vec<Warning> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.sort_by_key(|(place, _)| (place.source, place.span.start));
        let warning = |(place, message): (Place, String)| {
            let (file, line, column) = self.position(&place);
            Warning {
                file,
                line,
                column,
                message,
            }
        };
        warnings.into_iter().map(warning).collect()
    }

    fn position(&self, place: &Place) -> (String, usize, usize) {
        match self.sources.get(place.source) {
            Some(source) => {
                let (line, column) = source.position(place.span.start);
                (source.name.clone(), line, column)
            }
            None => (String::new(), 1, 1),
        }
    }
}
