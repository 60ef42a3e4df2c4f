//! [`Redactor`]: takes secrets out of events before anything is written.
//!
//! A secret is recognised as it is and in the forms that tools give it: base64, hexadecimal,
//! UTF-16, percent-encoded, escaped for XML, JSON or PowerShell. [`Redacting`] stands between the
//! bus and every consumer that writes, so that none of them ever sees a secret. Names that are
//! valid by construction (hosts, thumbprints, paths) are left alone: a record must stay readable.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use owaim_steps::{Difference, Fact, Problem};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::bus::Consumer;
use crate::event::{AssessedState, Event, EventKind};
use crate::outcome::Outcome;

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Shortest run of base64 that is taken for a secret when the bytes around it are not known.
/// Anything shorter turns up in ordinary text.
const SHORTEST_BASE64: usize = 8;

/// RFC 3986 unreserved characters stay.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// What JavaScript's `encodeURIComponent` and .NET's `WebUtility` leave alone.
const COMPONENT: &AsciiSet = &UNRESERVED
    .remove(b'!')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Replaces secrets. It holds them, so it has no `Debug`.
#[derive(Clone)]
pub struct Redactor(Option<AhoCorasick>);

impl Redactor {
    /// For these secrets; empty ones are ignored.
    ///
    /// # Errors
    /// If the secrets are too many or too long to be searched for.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> io::Result<Self> {
        let forms: BTreeSet<String> = secrets
            .into_iter()
            .flat_map(|secret| forms(secret.as_ref()))
            .collect();
        if forms.is_empty() {
            return Ok(Self(None));
        }
        AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(forms)
            .map(|search| Self(Some(search)))
            .map_err(|_| io::Error::other("the secrets are too long to be searched for"))
    }

    /// `text` without secrets; borrowed if there was none.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(search) = &self.0 else {
            return Cow::Borrowed(text);
        };
        if !search.is_match(text) {
            return Cow::Borrowed(text);
        }
        let mut clean = String::with_capacity(text.len());
        search.replace_all_with(text, &mut clean, |_, _, clean| {
            clean.push_str(REDACTED);
            true
        });
        Cow::Owned(clean)
    }

    /// `event` without secrets in any of its texts.
    pub fn event<'a>(&self, event: &'a Event) -> Cow<'a, Event> {
        if self.0.is_none() {
            return Cow::Borrowed(event);
        }
        let mut event = event.clone();
        self.kind(&mut event.kind);
        Cow::Owned(event)
    }

    fn clean(&self, text: &mut String) {
        if let Cow::Owned(clean) = self.text(text) {
            *text = clean;
        }
    }

    fn clean_all<'a>(&self, texts: impl IntoIterator<Item = &'a mut String>) {
        for text in texts {
            self.clean(text);
        }
    }

    fn kind(&self, kind: &mut EventKind) {
        match kind {
            EventKind::RunStarted {
                nodes, warnings, ..
            } => {
                self.clean_all(warnings);
                for node in nodes {
                    self.clean(&mut node.title);
                    self.clean_all(&mut node.object);
                }
            }
            EventKind::SessionOpened { url, username, .. } => self.clean_all([url, username]),
            EventKind::PipelineSent { statements, .. } => {
                for command in statements.iter_mut().flatten() {
                    self.clean(&mut command.name);
                    for (name, value) in &mut command.parameters {
                        self.clean_all([name, value]);
                    }
                }
            }
            EventKind::PipelineReturned { records, .. } => {
                self.clean_all(records.iter_mut().map(|record| &mut record.text));
            }
            EventKind::PipelineLost { error, .. } => self.clean(error),
            EventKind::Assessed {
                state,
                facts,
                warnings,
                remedy,
                ..
            } => {
                match state {
                    AssessedState::InPlace => {}
                    AssessedState::Drifted(differences) => self.differences(differences),
                    AssessedState::NotApplicable(reason) | AssessedState::Unknown(reason) => {
                        self.clean(reason);
                    }
                    AssessedState::Broken(problem) => self.problem(problem),
                }
                for fact in facts {
                    self.fact(fact);
                }
                self.clean_all(warnings);
                for action in remedy {
                    self.clean_all([&mut action.summary, &mut action.powershell]);
                }
            }
            EventKind::ChangeStarting { summary, saved, .. } => {
                self.clean(summary);
                *saved = std::mem::take(saved)
                    .into_iter()
                    .map(|(origin, file)| (self.text(&origin).into_owned(), file))
                    .collect();
            }
            EventKind::ChangeDone { error, .. } => self.clean_all(error),
            EventKind::RetryScheduled { reason, .. } => self.clean(reason),
            EventKind::NodeFinished { outcome, .. } => self.outcome(outcome),
            EventKind::AttemptStarted { .. }
            | EventKind::Interrupted { .. }
            | EventKind::RunFinished { .. } => {}
        }
    }

    fn fact(&self, fact: &mut Fact) {
        match fact {
            Fact::Certificate(certificate) => self.clean(&mut certificate.subject),
            Fact::LyncTrust(trust) => {
                for authority in trust.roots.iter_mut().chain(&mut trust.intermediates) {
                    self.clean(&mut authority.subject);
                    self.clean_all(&mut authority.flaw);
                }
            }
            Fact::DomainController(text)
            | Fact::Torn(text)
            | Fact::LyncSite(text)
            | Fact::NextHopRefused(text)
            | Fact::RestartDue(text)
            | Fact::TopologyUnconfirmed(text)
            | Fact::RestartUnconfirmed { run: text, .. }
            | Fact::Pending(text) => self.clean(text),
            Fact::TrustedPool(decision) => {
                self.clean_all(decision.backends.iter_mut().map(|row| &mut row.why));
            }
            Fact::Mailbox(mailbox) => {
                self.clean(&mut mailbox.user);
                self.clean_all(&mut mailbox.principal);
                self.clean_all(&mut mailbox.sip_addresses);
            }
            Fact::PowerShell(_)
            | Fact::Exchange(_)
            | Fact::InstallRoot(_)
            | Fact::ServerTime(_)
            | Fact::WebConfig(_)
            | Fact::WorkerStarted(_)
            | Fact::SignOn(_)
            | Fact::UnifiedMessaging(_)
            | Fact::TopologyChanged => {}
        }
    }

    fn outcome(&self, outcome: &mut Outcome) {
        match outcome {
            Outcome::InPlace => {}
            Outcome::Changed { differences } | Outcome::Drifted { differences } => {
                self.differences(differences);
            }
            Outcome::NotApplicable { reason } | Outcome::Unknown { reason } => self.clean(reason),
            Outcome::Failed { problem, .. } => self.problem(problem),
            Outcome::Blocked { by, .. } => self.clean(by),
        }
    }

    fn problem(&self, problem: &mut Problem) {
        self.clean_all([&mut problem.action, &mut problem.found, &mut problem.advice]);
        self.clean_all(&mut problem.expected);
    }

    fn differences(&self, differences: &mut [Difference]) {
        for Difference {
            what,
            actual,
            desired,
            diff,
        } in differences
        {
            self.clean(what);
            self.clean_all([actual, desired, diff].into_iter().flatten());
        }
    }
}

/// Hands events on to other consumers, without their secrets.
pub struct Redacting {
    redactor: Redactor,
    consumers: Vec<Box<dyn Consumer>>,
}

impl Redacting {
    /// In front of `consumers`; each event reaches them in this order.
    pub fn new(redactor: Redactor, consumers: Vec<Box<dyn Consumer>>) -> Self {
        Self {
            redactor,
            consumers,
        }
    }
}

impl Consumer for Redacting {
    fn consume(&mut self, event: &Event) -> io::Result<()> {
        let event = self.redactor.event(event);
        let mut result = Ok(());
        for consumer in &mut self.consumers {
            let consumed = consumer.consume(&event);
            result = result.and(consumed);
        }
        result
    }
}

/// Every form of `secret` that is searched for.
fn forms(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    if secret.is_empty() {
        return forms;
    }
    let utf16: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let interleaved: String = secret.chars().flat_map(|c| [c, '\0']).collect();
    forms.extend([secret.to_owned(), interleaved, secret.replace('\'', "''")]);
    for bytes in [secret.as_bytes(), &utf16] {
        forms.extend([hex::encode(bytes), hex::encode_upper(bytes)]);
        base64_forms(bytes, &mut forms);
    }
    json_forms(secret, &mut forms);
    for set in [NON_ALPHANUMERIC, UNRESERVED, COMPONENT] {
        let upper = utf8_percent_encode(secret, set).to_string();
        let lower = lower_percent(&upper);
        forms.extend([
            upper.replace("%20", "+"),
            lower.replace("%20", "+"),
            upper,
            lower,
        ]);
    }
    let escaped = quick_xml::escape::escape(secret).into_owned();
    forms.extend([
        escaped
            .replace("&apos;", "&#39;")
            .replace("&quot;", "&#34;"),
        escaped
            .replace("&apos;", "&#x27;")
            .replace("&quot;", "&#x22;"),
        escaped.replace("&apos;", "'"),
        escaped,
        quick_xml::escape::partial_escape(secret).into_owned(),
        quick_xml::escape::minimal_escape(secret).into_owned(),
    ]);
    forms
}

/// The base64 of `bytes` by themselves and within other data, at each of the three alignments:
/// there the characters that also hold bits of a neighbour are left out.
fn base64_forms(bytes: &[u8], forms: &mut BTreeSet<String>) {
    for alphabet in [&alphabet::STANDARD, &alphabet::URL_SAFE] {
        let engine = GeneralPurpose::new(alphabet, NO_PAD);
        let alone = engine.encode(bytes);
        if alone.len() >= 4 {
            forms.insert(alone);
        }
        for shift in 0..3usize {
            let mut shifted = vec![0; shift];
            shifted.extend_from_slice(bytes);
            let text = engine.encode(&shifted);
            // `shift` bytes fill 8 * shift bits: the characters they touch belong to a neighbour.
            let start = (shift * 8).div_ceil(6);
            let end = shifted.len() * 8 / 6;
            if let Some(core) = text.get(start..end)
                && core.len() >= SHORTEST_BASE64
            {
                forms.insert(core.to_owned());
            }
        }
    }
}

/// `secret` within a JSON string, with other characters than ASCII as they are and escaped.
fn json_forms(secret: &str, forms: &mut BTreeSet<String>) {
    // A string always has a JSON form.
    let Ok(quoted) = serde_json::to_string(secret) else {
        return;
    };
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    let ascii = |upper: bool| {
        let mut text = String::new();
        for c in inner.chars() {
            if c.is_ascii() {
                text.push(c);
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = if upper {
                    write!(text, "\\u{unit:04X}")
                } else {
                    write!(text, "\\u{unit:04x}")
                };
            }
        }
        text
    };
    forms.extend([
        inner.to_owned(),
        inner.replace('/', "\\/"),
        ascii(true),
        ascii(false),
    ]);
}

/// `text` with its percent escapes in lower case.
fn lower_percent(text: &str) -> String {
    let mut digits = 0;
    text.chars()
        .map(|c| {
            if c == '%' {
                digits = 2;
                return c;
            }
            if digits > 0 {
                digits -= 1;
                return c.to_ascii_lowercase();
            }
            c
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;
    use crate::canned;

    const SECRET: &str = "S3cret-canary-42!";
    const AWKWARD: &str = "a'b\"c<d>&e f/ü%\\+?";

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn every_form_of_a_secret_goes() {
        let redactor = Redactor::new([SECRET, AWKWARD, ""]).unwrap();
        for secret in [SECRET, AWKWARD] {
            let json = serde_json::to_string(secret).unwrap();
            let cases = [
                secret.to_owned(),
                STANDARD.encode(secret),
                URL_SAFE.encode(secret),
                STANDARD.encode(utf16(secret)),
                URL_SAFE.encode(utf16(secret)),
                hex::encode(utf16(secret)),
                hex::encode_upper(utf16(secret)),
                utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
                utf8_percent_encode(secret, NON_ALPHANUMERIC)
                    .to_string()
                    .replace("%20", "+"),
                lower_percent(&utf8_percent_encode(secret, UNRESERVED).to_string()),
                quick_xml::escape::escape(secret).into_owned(),
                quick_xml::escape::partial_escape(secret).into_owned(),
                json[1..json.len() - 1].to_owned(),
                secret.replace('\'', "''"),
                secret.chars().flat_map(|c| [c, '\0']).collect(),
            ];
            for form in cases {
                let clean = redactor
                    .text(&form)
                    .trim_end_matches(['=', '\0'])
                    .to_owned();
                assert_eq!(clean, REDACTED, "{form:?}");
                assert_eq!(
                    redactor
                        .text(&format!("x {form} y"))
                        .matches(REDACTED)
                        .count(),
                    1,
                    "{form:?}"
                );
            }
        }
    }

    #[test]
    fn base64_within_other_data_is_found_at_every_alignment() {
        let redactor = Redactor::new([SECRET]).unwrap();
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "z", "yz"] {
                let text = format!("{before}{SECRET}{after}");
                for encoded in [
                    STANDARD.encode(&text),
                    URL_SAFE.encode(&text),
                    STANDARD.encode(utf16(&text)),
                ] {
                    let clean = redactor.text(&encoded);
                    assert!(clean.contains(REDACTED), "{text}: {encoded}");
                    assert!(
                        clean.len() < encoded.len() + REDACTED.len() - 16,
                        "{text}: {clean}"
                    );
                }
            }
        }
    }

    #[test]
    fn text_without_secrets_is_borrowed() {
        for redactor in [
            Redactor::new([SECRET]).unwrap(),
            Redactor::new([""]).unwrap(),
            Redactor::new::<&str>([]).unwrap(),
        ] {
            assert!(matches!(
                redactor.text("IMServerName"),
                Cow::Borrowed("IMServerName")
            ));
        }
    }

    #[test]
    fn short_secrets_do_not_eat_ordinary_text() {
        let redactor = Redactor::new(["pw"]).unwrap();
        assert_eq!(
            redactor.text("the pw is here, not there"),
            "the [redacted] is here, not there"
        );
    }

    #[test]
    fn every_text_of_every_event_is_cleaned() {
        // The words of the canned events themselves serve as secrets: none may come back.
        for secret in [
            "MS-OCS-Pool",
            "IMServerName",
            "Set-Content",
            "refused",
            "D:\\Exchange",
            "expires",
        ] {
            let redactor = Redactor::new([secret]).unwrap();
            for event in canned::events() {
                let text = serde_json::to_value(redactor.event(&event).as_ref()).unwrap();
                let mut stack = vec![text];
                while let Some(value) = stack.pop() {
                    match value {
                        serde_json::Value::String(text) => {
                            assert!(!text.contains(secret), "{secret}: {text}");
                        }
                        serde_json::Value::Array(items) => stack.extend(items),
                        serde_json::Value::Object(map) => {
                            for (key, value) in map {
                                assert!(!key.contains(secret), "{secret}: {key}");
                                stack.push(value);
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}
