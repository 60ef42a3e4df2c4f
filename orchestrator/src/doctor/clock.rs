//! The server's clock against ours, by the `Date` that its HTTP answers have.

use jiff::{SignedDuration, Timestamp};
use owaim_transport::Greeting;

use super::Check;

/// From here on Kerberos refuses, unless a domain allows more.
const REFUSED: SignedDuration = SignedDuration::from_mins(5);

/// From here on it is worth a word; `Date` tells whole seconds.
const NOTICED: SignedDuration = SignedDuration::from_secs(30);

/// What `greeting` tells at `now`, if it tells the time.
pub(super) fn check(greeting: &Greeting, now: Timestamp) -> Option<Check> {
    let date = greeting.date.as_deref()?;
    let there = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let ahead = there.duration_since(now);
    let seconds = ahead.as_secs().unsigned_abs();
    let found = match ahead.signum() {
        _ if seconds < 2 => "as here".to_owned(),
        1 => format!("{seconds} s ahead of this machine's"),
        _ => format!("{seconds} s behind this machine's"),
    };
    let advice = "set the clocks by the domain's time (w32tm /resync; here too): Kerberos refuses what is 5 minutes apart, and files and events are dated by them";
    Some(if ahead.abs() >= REFUSED {
        Check::bad("clock", found, advice)
    } else if ahead.abs() >= NOTICED {
        Check::warning("clock", found, advice)
    } else {
        Check::good("clock", found)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn clocks_that_differ_are_named() {
        let now: Timestamp = "2026-11-27T20:00:00Z".parse().unwrap();
        for (date, verdict, words) in [
            ("Fri, 27 Nov 2026 20:00:01 GMT", Verdict::Good, "as here"),
            (
                "Fri, 27 Nov 2026 20:01:00 GMT",
                Verdict::Warning,
                "60 s ahead",
            ),
            (
                "Fri, 27 Nov 2026 19:50:00 GMT",
                Verdict::Bad,
                "600 s behind",
            ),
        ] {
            let greeting = Greeting {
                date: Some(date.into()),
                ..Greeting::default()
            };
            let check = check(&greeting, now).unwrap();
            assert_eq!(check.verdict, verdict, "{date}");
            assert!(check.found.contains(words), "{}", check.found);
        }
        let silent = Greeting {
            date: Some("yesterday".into()),
            ..Greeting::default()
        };
        assert_eq!(check(&silent, now), None);
    }
}
