//! The decision about the trusted application pool, as part of a report: one line for each reason,
//! with the backends that it is about.

use std::io::{self, Write};

use owaim_steps::{Fact, PoolDecision};

use super::text::Paint;
use super::{RunView, one_line};

/// The decision that the run came to, if it is about the pool at all.
pub(super) fn of(view: &RunView) -> Option<&PoolDecision> {
    let facts = view.nodes.iter().flat_map(|node| &node.facts);
    facts.into_iter().find_map(|fact| match fact {
        Fact::TrustedPool(decision) => Some(decision),
        _ => None,
    })
}

/// Writes it.
pub(super) fn write(out: &mut dyn Write, view: &RunView, paint: Paint) -> io::Result<()> {
    let Some(decision) = of(view) else {
        return Ok(());
    };
    writeln!(
        out,
        "\n{}",
        paint.heading("trusted application pool, by backend")
    )?;
    for (need, why, backends) in decision.groups() {
        let names: Vec<&str> = backends.iter().map(|name| name.as_str()).collect();
        writeln!(out, "  {:<14}  {}", need.words(), names.join(", "))?;
        writeln!(out, "  {:<14}    {}", "", one_line(why))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use owaim_steps::{BackendDecision, PoolNeed};

    use super::*;
    use crate::canned;

    #[test]
    fn backends_of_one_reason_stand_together() {
        let row = |name, need, why: &str| BackendDecision {
            backend: canned::host(name),
            need,
            why: why.into(),
        };
        let backends = vec![
            row("atl-mbx-001", PoolNeed::Required, "no Unified Messaging"),
            row("atl-mbx-002", PoolNeed::MustNotExist, "found by Lync"),
            row("atl-mbx-003", PoolNeed::Required, "no Unified Messaging"),
        ];
        let mut view = canned::view(&canned::plan());
        let mut out = Vec::new();
        write(&mut out, &view, Paint(false)).unwrap();
        assert!(out.is_empty(), "a run that decides nothing");
        view.nodes[0].facts = vec![Fact::TrustedPool(PoolDecision { backends })];
        write(&mut out, &view, Paint(false)).unwrap();
        let expected = "\ntrusted application pool, by backend\n  \
            required        atl-mbx-001.litwareinc.com, atl-mbx-003.litwareinc.com\n                    \
            no Unified Messaging\n  \
            must not exist  atl-mbx-002.litwareinc.com\n                    found by Lync\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
