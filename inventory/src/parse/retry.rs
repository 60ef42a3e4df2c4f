//! The sections below `[retry]`.

use std::time::Duration;

use jiff::SignedDuration;

use super::checker::Checker;
use super::section::{Section, open};
use super::source::Place;
use super::tree::{Entry, Node};
use super::values::{nearest, one_of};
use crate::{PHASES, RetryPolicy, RetryRules, STEP_IDS};

/// Nothing in a run is worth waiting longer for.
const LONGEST: Duration = Duration::from_hours(24);

/// Reads `[retry]`.
pub(super) fn read(cx: &mut Checker, root: &mut Section<'_>) -> Option<RetryRules> {
    let mut rules = RetryRules::default();
    let Some(mut section) = root.section(cx, "retry", "[retry]") else {
        return Some(rules);
    };
    let before = cx.count();
    if let Some(inner) = section.section(cx, "default", "[retry.default]") {
        rules.default = read_policy(cx, inner, &RetryPolicy::default())?;
    }
    for entry in section
        .entries()
        .iter()
        .filter(|entry| entry.key != "default")
    {
        if !check_name(cx, entry) {
            continue;
        }
        let title = if entry.key.contains('.') {
            format!("[retry.{:?}]", entry.key)
        } else {
            format!("[retry.{}]", entry.key)
        };
        // What a step leaves out is its phase's only if that stands before it; so it is the
        // default's, for all of them alike.
        let policy =
            open(cx, entry, &title).and_then(|inner| read_policy(cx, inner, &rules.default));
        if let Some(policy) = policy {
            rules.by_name.insert(entry.key.clone(), policy);
        }
    }
    (cx.count() == before).then_some(rules)
}

/// Whether the key names a phase, or a step of one: `backend`, `backend.web-config`.
fn check_name(cx: &mut Checker, entry: &Entry) -> bool {
    let name = entry.key.as_str();
    if PHASES.contains(&name) || STEP_IDS.contains(&name) {
        return true;
    }
    let (phase, step) = match name.split_once('.') {
        Some((phase, step)) => (phase, Some(step)),
        None => (name, None),
    };
    let expected = || {
        format!(
            "\"default\", a phase ({}) or a step of one",
            one_of(&PHASES)
        )
    };
    if !PHASES.contains(&phase) {
        cx.mistake(
            &entry.key_place,
            format!("{name:?} names no phase and no step"),
            expected(),
        );
        let meant = match step {
            None => nearest(phase, PHASES.into_iter().chain(["default"])),
            Some(_) => nearest(name, STEP_IDS.into_iter()),
        };
        if let Some(meant) = meant {
            cx.help(format!("did you mean {meant:?}?"));
        }
        return false;
    }
    let of_phase = || {
        STEP_IDS
            .into_iter()
            .filter(|id| id.split_once('.').is_some_and(|(of, _)| of == phase))
    };
    let known: Vec<&str> = of_phase().collect();
    let expected = if known.is_empty() {
        format!("the phase itself, {phase:?}: it has no step yet")
    } else {
        one_of(&known)
    };
    cx.mistake(
        &entry.key_place,
        format!("{name:?} names no step"),
        expected,
    );
    // A step is compared with its phase's by its own part: they all begin alike.
    let own = |id: &'static str| id.split_once('.').map_or(id, |(_, step)| step);
    if let Some(meant) = nearest(step.unwrap_or_default(), of_phase().map(own)) {
        cx.help(format!("did you mean \"{phase}.{meant}\"?"));
    }
    false
}

fn read_policy(
    cx: &mut Checker,
    mut section: Section<'_>,
    default: &RetryPolicy,
) -> Option<RetryPolicy> {
    let before = cx.count();
    // More attempts than that are a loop.
    let attempts = section.number(cx, "attempts", 1..=100, default.attempts);
    let mut wait = |key, default, allow_zero| match section.optional(key) {
        Some(node) => read_duration(cx, node, allow_zero),
        None => Some(default),
    };
    let base_delay = wait("base_delay", default.base_delay, true);
    let max_delay = wait("max_delay", default.max_delay, true);
    let attempt_timeout = wait("attempt_timeout", default.attempt_timeout, false);
    let deadline = wait("deadline", default.deadline, false);
    let order = [("max_delay", "base_delay"), ("deadline", "attempt_timeout")];
    let places = order.map(|(upper, lower)| either_place(&section, upper, lower));
    explain_nested(cx, &section);
    section.finish(cx);
    if cx.count() > before {
        return None;
    }
    let policy = RetryPolicy {
        attempts: attempts?,
        base_delay: base_delay?,
        max_delay: max_delay?,
        attempt_timeout: attempt_timeout?,
        deadline: deadline?,
    };
    let pairs = [
        (policy.max_delay, policy.base_delay),
        (policy.deadline, policy.attempt_timeout),
    ];
    for (((upper, lower), (high, low)), place) in order.into_iter().zip(pairs).zip(places) {
        if high < low {
            cx.mistake(
                &place,
                format!("{upper} is shorter than {lower}"),
                format!("{upper} of at least {low:?}"),
            );
        }
    }
    (cx.count() == before).then_some(policy)
}

/// Where `upper` stands, else `lower`, else the section.
fn either_place(section: &Section<'_>, upper: &str, lower: &str) -> Place {
    let given = [upper, lower]
        .into_iter()
        .find(|key| section.entries().iter().any(|entry| entry.key == *key));
    section.place_of(given.unwrap_or(upper))
}

/// `[retry.backend.web-config]` without quotes makes a section in a section.
fn explain_nested(cx: &mut Checker, section: &Section<'_>) {
    for entry in section
        .entries()
        .iter()
        .filter(|entry| entry.node.as_table().is_some())
    {
        cx.mistake(
            &entry.key_place,
            format!("{:?} is a section of its own here", entry.key),
            "a step in quotes",
        );
        cx.help("write [retry.\"phase.step\"]: without quotes each dot begins a new section");
    }
}

fn read_duration(cx: &mut Checker, node: &Node, allow_zero: bool) -> Option<Duration> {
    let expected = if allow_zero {
        "a duration such as \"500ms\", \"30s\" or \"5m\", at most a day"
    } else {
        "a duration such as \"30s\" or \"5m\", more than zero and at most a day"
    };
    cx.parsed(node, expected, |text| {
        let duration = Duration::try_from(text.parse::<SignedDuration>().ok()?).ok()?;
        (duration <= LONGEST && (allow_zero || !duration.is_zero())).then_some(duration)
    })
}
