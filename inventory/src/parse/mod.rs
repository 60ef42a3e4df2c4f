//! The site file: TOML in, a validated [`Site`] or every mistake out.
//!
//! The file becomes a tree with places, `--set` values are grafted in, secrets are searched for,
//! then each section is read and the parts are compared with each other. Nothing stops at its
//! first mistake. Derived deserialization would; so sections are read key by key, and a key that
//! nobody asked for is unknown.

mod checker;
mod checks;
mod connections;
mod credentials;
mod hosts;
mod mistake;
mod overrides;
mod products;
mod retry;
mod secrets;
mod section;
mod source;
mod tree;
mod values;

use toml::de::DeTable;

pub use mistake::{Diagnostics, Look, Mistake};

use self::checker::Checker;
use self::section::Section;
use self::source::{Place, Source};
use self::tree::Table;
use crate::{Limits, Site};

/// Parses the site file `text`; `name` is what messages call it.
pub fn parse(name: &str, text: &str) -> Result<Site, Diagnostics> {
    parse_with(name, text, &[])
}

/// Parses the site file `text` after setting each `(key, value)` of `overrides` in it.
///
/// A key is dotted (`lync.trusted_application.port`, `hosts."srv.example.com".group`); a value is
/// TOML, or else a text without quotes.
pub fn parse_with(
    name: &str,
    text: &str,
    overrides: &[(String, String)],
) -> Result<Site, Diagnostics> {
    let mut cx = Checker::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = cx.add_source(Source {
        name: name.into(),
        text: text.into(),
    });

    let (document, errors) = DeTable::parse_recoverable(text);
    let mut root = Table::from_toml(document.get_ref(), source, 0);
    for (key, value) in overrides {
        overrides::apply(&mut cx, &mut root, key, value);
    }
    secrets::scan(&mut cx, &root);
    let site = read(&mut cx, &root, Place { source, span: 0..0 });
    report_syntax(&mut cx, source, text, &errors);
    cx.finish(site)
}

fn read(cx: &mut Checker, root: &Table, place: Place) -> Option<Site> {
    let mut root = Section::new("the file", root, place);
    let name = read_name(cx, &mut root);
    let lync = products::read_lync(cx, &mut root);
    let exchange = products::read_exchange(cx, &mut root);
    let certificate = products::read_certificate(cx, &mut root);
    let policies = products::read_policies(cx, &mut root);
    let sample_users = products::read_users(cx, &mut root);
    let unified_messaging = products::read_unified_messaging(cx, &mut root);
    let lab_overlay = products::read_lab(cx, &mut root);
    let hosts = hosts::read(cx, &mut root);
    let connections = connections::read(cx, &mut root);
    let kerberos = connections::read_kerberos(cx, &mut root);
    let credentials = credentials::read(cx, &mut root);
    let retry = retry::read(cx, &mut root);
    let limits = read_limits(cx, &mut root);
    let end = root.place().clone();
    root.finish(cx);

    checks::hosts(cx, &hosts, &end);
    checks::versions(cx, &lync, &exchange, &hosts);
    checks::names(cx, &lync, &certificate);
    checks::known_hosts(cx, &exchange, &credentials, &hosts);
    checks::computers(cx, &lync, &hosts);
    checks::connections(cx, &hosts, &connections, &credentials);

    let hosts = hosts.complete()?;
    Some(Site {
        name: name?,
        exchange: exchange.complete(&hosts)?,
        certificate: certificate.complete(&lync)?,
        lync: lync.complete()?,
        hosts,
        policies: policies?,
        sample_users: sample_users?,
        unified_messaging,
        lab_overlay,
        connections: connections.complete(),
        kerberos,
        credentials: credentials.complete()?,
        retry: retry?,
        limits: limits?,
        warnings: Vec::new(),
    })
}

fn read_name(cx: &mut Checker, root: &mut Section<'_>) -> Option<String> {
    const EXPECTED: &str = "a name for folders: letters, digits, hyphens, dots and underscores";
    let mut section = root.required_section(cx, "site", "[site]", "[site] with a name")?;
    let node = section.required(cx, "name", EXPECTED);
    let name = node.and_then(|node| {
        cx.parsed(node, EXPECTED, |text| {
            is_folder_name(text).then(|| text.to_owned())
        })
    });
    section.finish(cx);
    name
}

/// Whether `text` is a folder name on every system, Windows with its device names included.
fn is_folder_name(text: &str) -> bool {
    const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
    const LONGEST: usize = 64;
    let stem = text
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let numbered = stem
        .strip_prefix("com")
        .or_else(|| stem.strip_prefix("lpt"));
    let device = DEVICES.contains(&stem.as_str())
        || numbered
            .is_some_and(|digit| digit.len() == 1 && digit.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= LONGEST
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !text.ends_with('.')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !device
}

fn read_limits(cx: &mut Checker, root: &mut Section<'_>) -> Option<Limits> {
    let default = Limits::default();
    let Some(mut section) = root.section(cx, "limits", "[limits]") else {
        return Some(default);
    };
    // Above that, sessions and sockets of one workstation run out before anything gets faster.
    let mut read = |key, range, default: usize| {
        let default = u32::try_from(default).unwrap_or(u32::MAX);
        section
            .number(cx, key, range, default)
            .and_then(|number| usize::try_from(number).ok())
    };
    let parallel = read("parallel", 1..=256, default.parallel);
    let per_host = read("per_host", 1..=16, default.per_host);
    let recycles = read("recycles", 1..=64, default.recycles);
    section.finish(cx);
    Some(Limits {
        parallel: parallel?,
        per_host: per_host?,
        recycles: recycles?,
    })
}

/// Adds the syntax errors, and takes away what may merely follow from them.
fn report_syntax(cx: &mut Checker, source: usize, text: &str, errors: &[toml::de::Error]) {
    if errors.is_empty() {
        return;
    }
    secrets::mask_text(cx, source, text);
    let places: Vec<Place> = errors
        .iter()
        .map(|error| Place {
            source,
            span: error.span().unwrap_or(0..0),
        })
        .collect();
    // A broken header or an open quotation moves everything after it into the wrong section.
    let derails = |place: &Place| {
        let start = text.floor_char_boundary(place.span.start);
        let line = text[..start]
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .trim_start();
        let rest = text[start..]
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start();
        line.starts_with('[') || line.is_empty() && rest.starts_with('[')
    };
    if text.contains("\"\"\"") || text.contains("'''") || places.iter().any(derails) {
        cx.drop_doubtful();
    } else {
        cx.drop_consequences(&places);
    }
    for (error, place) in errors.iter().zip(&places) {
        let (message, expected) = error
            .message()
            .split_once(", expected ")
            .unwrap_or((error.message(), "valid TOML"));
        cx.mistake(place, message, expected);
        if message.contains("escape") {
            cx.help(
                "between double quotes a backslash is special: put the text between single quotes",
            );
        }
    }
}
