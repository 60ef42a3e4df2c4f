//! [`Drift`]: what has to be done about the trusted application pools of a topology.

use owaim_inventory::HostName;

use super::decision::{PoolDecision, PoolNeed, listed};
use super::pool::Pool;
use crate::front_end::bare_id;
use crate::{Context, Difference, Problem};

/// One thing to be done.
pub(super) enum Drift<'a, 'b> {
    /// The pool of the site file is missing.
    Missing,
    /// It has a single computer of its own name, and others cannot be added to such a pool: it is
    /// made anew.
    Single(&'b Pool<'a>),
    /// It lacks a computer of the site file.
    NoComputer(&'b HostName),
    /// Properties are not as they have to be.
    Properties(&'b Pool<'a>, Vec<(&'static str, bool)>),
    /// The pool must not exist.
    NotWanted(&'b Pool<'a>),
    /// The computer must not be in a pool that may stay.
    Computer(&'b Pool<'a>, &'b str),
}

/// The computers that the pool of the site file is to have, without those that Lync finds by
/// itself; none: one with the pool's own name.
pub(super) fn computers<'s>(cx: Context<'s>, decision: &PoolDecision) -> Vec<&'s HostName> {
    let of_file = &cx.site.lync.trusted_application.computers;
    let may_be = |name: &&HostName| !decision.is_discovered(name.as_str());
    of_file.iter().filter(may_be).collect()
}

/// Those of them that may be added now: a second entry for a server whose Unified Messaging was not
/// looked at could break messaging there.
pub(super) fn joining<'s>(cx: Context<'s>, decision: &PoolDecision) -> Vec<&'s HostName> {
    let mut names = computers(cx, decision);
    names.retain(|name| !waits(decision, name));
    names
}

/// Whether it is not known of `name` whether Lync finds it by itself.
fn waits(decision: &PoolDecision, name: &HostName) -> bool {
    decision.with(PoolNeed::NotKnown).any(|open| open == name)
}

/// Computers that are not added before it is known whether Lync finds them by itself, for people.
pub(super) fn waiting(
    cx: Context<'_>,
    decision: &PoolDecision,
    pools: &[Pool<'_>],
) -> Option<String> {
    let rule = &cx.site.lync.trusted_application;
    let pool = pools.iter().find(|pool| pool.is(&rule.pool));
    let is_missing = |name: &&HostName| pool.is_none_or(|pool| !pool.has(name.as_str()));
    let names = computers(cx, decision).into_iter();
    let names = listed(
        names
            .filter(|name| waits(decision, name))
            .filter(is_missing),
    );
    (!names.is_empty()).then(|| {
        format!(
            "not added to the trusted application pool {} before their Unified Messaging has been looked at: {names}",
            rule.pool
        )
    })
}

/// Everything to be done; an error is what people have to solve first.
pub(super) fn all<'a, 'b>(
    cx: Context<'b>,
    decision: &PoolDecision,
    pools: &'b [Pool<'a>],
) -> Result<Vec<Drift<'a, 'b>>, Problem> {
    let wanted = &cx.site.lync.trusted_application.pool;
    if decision.is_required() && decision.is_discovered(wanted.as_str()) {
        return Err(Problem::new(
            format!("decide whether the trusted application pool {wanted} has to exist"),
            format!(
                "a conflict: {wanted} is found by Lync itself and must not be in the topology, while {} need the pool",
                listed(decision.with(PoolNeed::Required))
            ),
            "give the pool a name that is no server's, on the certificates too",
        ));
    }
    let mut drifts = Vec::new();
    for pool in pools {
        let not_wanted = pool.is(wanted) && !decision.is_required() && !decision.is_open();
        if not_wanted || decision.is_discovered(&pool.fqdn) {
            removable(pool)?;
            if !decision.is_discovered(&pool.fqdn) {
                // Under a name of its own it is nobody's second entry.
                let what = format!("remove the trusted application pool {}", pool.fqdn);
                ours_alone(cx, pool, what)?;
            }
            drifts.push(Drift::NotWanted(pool));
            continue;
        }
        let doubled = pool
            .computers
            .iter()
            .filter(|name| decision.is_discovered(name));
        drifts.extend(doubled.map(|name| Drift::Computer(pool, name)));
    }
    if !decision.is_required() {
        return Ok(drifts);
    }
    match pools.iter().find(|pool| pool.is(wanted)) {
        None => {
            not_doubled(decision, wanted)?;
            some_computer(cx, decision, &joining(cx, decision))?;
            drifts.push(Drift::Missing);
        }
        Some(pool) => own(cx, decision, pool, &mut drifts)?,
    }
    Ok(drifts)
}

/// A pool with the name of a backend is not made before it is known that Lync does not find that
/// backend by itself.
fn not_doubled(decision: &PoolDecision, wanted: &HostName) -> Result<(), Problem> {
    if !decision.with(PoolNeed::NotKnown).any(|name| name == wanted) {
        return Ok(());
    }
    Err(Problem::new(
        format!("add the trusted application pool {wanted} to the topology"),
        "it has the name of a backend whose Unified Messaging was not looked at: if Lync finds that server by itself, \
         the pool would be a second entry for it, which breaks messaging",
        "run again when that server can be reached; or give the pool a name that is no server's",
    ))
}

/// What differs at the pool of the site file, which is there and has to be.
fn own<'a, 'b>(
    cx: Context<'b>,
    decision: &PoolDecision,
    pool: &'b Pool<'a>,
    drifts: &mut Vec<Drift<'a, 'b>>,
) -> Result<(), Problem> {
    check_registrar(cx, pool)?;
    let all = computers(cx, decision);
    some_computer(cx, decision, &all)?;
    let is_single = !all.is_empty() && pool.has(&pool.fqdn) && !all.iter().any(|c| pool.is(c));
    if is_single && all.iter().any(|name| waits(decision, name)) {
        return Ok(());
    }
    if is_single {
        let what = format!(
            "give the trusted application pool {} several computers",
            pool.fqdn
        );
        ours_alone(cx, pool, what)?;
        drifts.push(Drift::Single(pool));
        return Ok(());
    }
    let wrong = pool.wrong();
    if !wrong.is_empty() {
        drifts.push(Drift::Properties(pool, wrong));
    }
    let missing = joining(cx, decision)
        .into_iter()
        .filter(|name| !pool.has(name.as_str()));
    drifts.extend(missing.map(Drift::NoComputer));
    Ok(())
}

/// Computers of the pool of the site file that the site file does not name, for people.
pub(super) fn surplus(
    cx: Context<'_>,
    decision: &PoolDecision,
    pools: &[Pool<'_>],
) -> Option<String> {
    let rule = &cx.site.lync.trusted_application;
    let wanted = computers(cx, decision);
    let pool = pools.iter().find(|pool| pool.is(&rule.pool))?;
    let named = |name: &&String| wanted.iter().any(|c| name.eq_ignore_ascii_case(c.as_str()));
    let others: Vec<&str> = pool
        .computers
        .iter()
        .filter(|name| !named(name) && !decision.is_discovered(name))
        .filter(|name| !name.eq_ignore_ascii_case(&pool.fqdn))
        .map(String::as_str)
        .collect();
    (!wanted.is_empty() && !others.is_empty()).then(|| {
        format!(
            "the trusted application pool {} has computers besides those of the site file, which are left alone: {}",
            pool.fqdn,
            others.join(", ")
        )
    })
}

/// A pool without registrar cannot be removed.
fn removable(pool: &Pool<'_>) -> Result<(), Problem> {
    if pool.registrar.is_some() {
        return Ok(());
    }
    Err(Problem::new(
        format!("remove the trusted application pool {}", pool.fqdn),
        "it has no registrar, and such a pool cannot be removed",
        "give it one with Set-CsTrustedApplicationPool -Registrar, then run again",
    ))
}

/// A pool that others use too is not taken away from under them.
fn ours_alone(cx: Context<'_>, pool: &Pool<'_>, action: String) -> Result<(), Problem> {
    let own = bare_id(cx.site.lync.trusted_application.id.as_str());
    let others: Vec<&str> = pool
        .applications
        .iter()
        .filter(|application| application.id != own)
        .map(|application| application.id.as_str())
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(Problem::new(
        action,
        format!(
            "that takes the pool away with all that is in it, and other applications are: {}",
            others.join(", ")
        ),
        "give Outlook Web App a pool of its own in the site file, or change this one by hand",
    ))
}

/// A pool of several computers that would have none is not what was meant.
fn some_computer(
    cx: Context<'_>,
    decision: &PoolDecision,
    left: &[&HostName],
) -> Result<(), Problem> {
    let rule = &cx.site.lync.trusted_application;
    if rule.computers.is_empty() || !left.is_empty() {
        return Ok(());
    }
    Err(Problem::new(
        format!(
            "choose the computers of the trusted application pool {}",
            rule.pool
        ),
        format!(
            "none of those in the site file may be in it now ({}), while {} need the pool",
            listed(rule.computers.iter()),
            listed(decision.with(PoolNeed::Required))
        ),
        "list the servers that need it as computers of [lync.trusted_application]",
    ))
}

fn check_registrar(cx: Context<'_>, pool: &Pool<'_>) -> Result<(), Problem> {
    let wanted = cx.site.lync.pool.as_str();
    let found = pool.registrar.as_deref();
    if found.is_some_and(|name| name.eq_ignore_ascii_case(wanted)) {
        return Ok(());
    }
    Err(Problem::new(
        format!("compare the registrar of the trusted application pool {}", pool.fqdn),
        found.unwrap_or("none"),
        "a change of the registrar orphans the pool's contacts, so that it is left to people: change it with \
         Set-CsTrustedApplicationPool -Registrar if nothing else uses the pool, or correct lync.pool in the site file",
    )
    .expecting(wanted))
}

impl Drift<'_, '_> {
    /// How it looks to people.
    pub(super) fn differences(&self, cx: Context<'_>, decision: &PoolDecision) -> Vec<Difference> {
        let own = &cx.site.lync.trusted_application.pool;
        let difference = |what: String, actual: Option<&str>, desired: Option<String>| Difference {
            what,
            actual: actual.map(Into::into),
            desired,
            diff: None,
        };
        let in_topology = Some("in the topology");
        let found = || decision.reasons(PoolNeed::MustNotExist);
        match self {
            Self::Missing => vec![difference(
                format!("trusted application pool {own}"),
                None,
                Some(format!(
                    "with the registrar {} ({})",
                    cx.site.lync.pool,
                    decision.reasons(PoolNeed::Required)
                )),
            )],
            Self::Single(pool) => vec![difference(
                format!("computers of the trusted application pool {own}"),
                Some(&pool.fqdn),
                Some(format!(
                    "{}; the pool and its application are removed and made anew",
                    listed(joining(cx, decision).into_iter())
                )),
            )],
            Self::NoComputer(name) => vec![difference(
                format!("computer {name} of the trusted application pool {own}"),
                None,
                in_topology.map(Into::into),
            )],
            Self::Properties(pool, wrong) => wrong
                .iter()
                .map(|(name, wanted)| {
                    let spelled = |flag: bool| if flag { "True" } else { "False" };
                    difference(
                        format!("{}: {name}", pool.fqdn),
                        Some(spelled(!wanted)),
                        Some(spelled(*wanted).into()),
                    )
                })
                .collect(),
            Self::NotWanted(pool) => vec![difference(
                format!("trusted application pool {} ({})", pool.fqdn, found()),
                in_topology,
                None,
            )],
            Self::Computer(pool, name) => vec![difference(
                format!(
                    "computer {name} of the trusted application pool {} ({})",
                    pool.fqdn,
                    found()
                ),
                in_topology,
                None,
            )],
        }
    }
}
