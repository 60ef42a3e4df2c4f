//! What the doctor found, for people.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{Examination, Verdict};
use crate::report::printable;
use crate::report::text::Paint;

/// Writes every endpoint with its checks.
pub(crate) fn write(
    out: &mut dyn Write,
    examinations: &[Examination],
    paint: Paint,
) -> io::Result<()> {
    for examination in examinations {
        let Examination {
            host,
            endpoint,
            url,
            checks,
        } = examination;
        let heading = format!("{host} {endpoint} {url}");
        writeln!(out, "{}", paint.heading(&printable(&heading)))?;
        for check in checks {
            let word = paint.on(style(check.verdict), &format!("{:7}", word(check.verdict)));
            writeln!(
                out,
                "  {word} {:10} {}",
                check.name,
                printable(&check.found)
            )?;
            if let Some(advice) = &check.advice {
                writeln!(out, "          what to do: {}", printable(advice))?;
            }
        }
    }
    let bad = examinations.iter().filter(|one| one.is_bad()).count();
    writeln!(
        out,
        "{} endpoints, {} of them without a way to a session",
        examinations.len(),
        if bad == 0 {
            "none".into()
        } else {
            bad.to_string()
        }
    )
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "ok",
        Verdict::Warning => "warning",
        Verdict::Bad => "failed",
        Verdict::Untried => "-",
    }
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Good => AnsiColor::Green.on_default(),
        Verdict::Warning => AnsiColor::Yellow.on_default(),
        Verdict::Bad => AnsiColor::Red.on_default(),
        Verdict::Untried => Style::new().dimmed(),
    }
}
