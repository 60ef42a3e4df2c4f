//! [`Failure`]: why an attempt ended without an outcome, in words that say what to do.

use std::io;

use owaim_steps::{Difference, Place, Problem};
use owaim_transport::RetryClass;

use crate::outcome::FailureCause;
use crate::sessions::SessionError;

/// Why an attempt ended without an outcome.
pub(crate) struct Failure {
    pub(crate) problem: Problem,
    pub(crate) cause: FailureCause,
}

impl Failure {
    /// The step itself says what is wrong.
    pub(crate) fn of_step(problem: Problem) -> Self {
        Self {
            problem,
            cause: FailureCause::Step,
        }
    }

    /// A pipeline named `name` of `step` did not come back from `place`.
    pub(crate) fn lost(
        step: &str,
        name: &str,
        place: &Place,
        error: &SessionError,
        change_may_have_run: bool,
    ) -> Self {
        let action = format!(
            "{step} {name} on the {} endpoint of {}",
            place.kind.name(),
            place.host
        );
        let (retry, advice) = match error {
            SessionError::Transport(error) => (
                error.retry() != RetryClass::Never,
                error.advice().to_owned(),
            ),
            SessionError::NoEndpoint(problem) => (false, problem.advice.clone()),
            SessionError::AccountRefused { .. } => {
                (false, "correct the credentials, then run again".into())
            }
        };
        if change_may_have_run {
            return Self::of_step(Problem {
                action,
                expected: None,
                found: format!("{error}; the change may have been made"),
                advice: format!(
                    "run again: it looks first, and repeats nothing that is in place; {advice}"
                ),
                retry,
            });
        }
        let found = error.to_string();
        let problem = Problem {
            action,
            expected: None,
            found,
            advice,
            retry,
        };
        Self {
            problem,
            cause: FailureCause::Unreachable,
        }
    }

    /// No answer to a pipeline named `name` of `step` came from `place` in its time.
    pub(crate) fn timed_out(step: &str, name: &str, place: &Place, changes: bool) -> Self {
        let (found, advice, cause) = if changes {
            (
                "no answer within its time; it was not stopped and may still be under way",
                "give it time and look at the server, then run again: it looks first, and repeats nothing that is in \
                 place; a longer attempt_timeout can be set in the site file",
                FailureCause::Step,
            )
        } else {
            (
                "no answer within the time of the attempt",
                "see whether the server is overloaded; a longer attempt_timeout can be set in the site file",
                FailureCause::Unreachable,
            )
        };
        let problem = Problem {
            action: format!(
                "{step} {name} on the {} endpoint of {}",
                place.kind.name(),
                place.host
            ),
            expected: None,
            found: found.into(),
            advice: advice.into(),
            retry: true,
        };
        Self { problem, cause }
    }

    /// A remedy was accepted, and its effect does not show.
    pub(crate) fn not_visible(subject: &str, differences: &[Difference]) -> Self {
        Self::of_step(Problem {
            action: format!("verify {subject}"),
            expected: Some(wanted(differences)),
            found: format!("the change was accepted, but reading back gives {}", found(differences)),
            advice: "the change is not sent a second time; see whether something else undoes it, or whether it needs \
                     longer to take effect, then run again"
                .into(),
            retry: false,
        })
    }

    /// The answer to an action that must not happen twice was lost, and its effect does not show.
    pub(crate) fn not_repeated(subject: &str, action: &str, differences: &[Difference]) -> Self {
        Self::of_step(Problem {
            action: format!("{action} of {subject}"),
            expected: Some(wanted(differences)),
            found: format!("its answer was lost, and it does not show: {}", found(differences)),
            advice: "it is not sent a second time, since it may still be under way; look at the server, then run again"
                .into(),
            retry: false,
        })
    }

    /// What must be on disk before `action` cannot be written.
    pub(crate) fn unrecorded(action: &str, error: &io::Error) -> Self {
        Self::of_step(Problem {
            action: action.into(),
            expected: Some("a record of the change on disk before it is made".into()),
            found: format!("the run directory cannot be written: {error}"),
            advice: "nothing was sent; make room or choose another --run-dir, then run again"
                .into(),
            retry: false,
        })
    }
}

fn wanted(differences: &[Difference]) -> String {
    join(differences, |d| d.desired.as_deref())
}

fn found(differences: &[Difference]) -> String {
    join(differences, |d| d.actual.as_deref())
}

fn join<'d>(
    differences: &'d [Difference],
    side: impl Fn(&'d Difference) -> Option<&'d str>,
) -> String {
    let one = |d: &'d Difference| format!("{} = {}", d.what, side(d).unwrap_or("(absent)"));
    differences.iter().map(one).collect::<Vec<_>>().join(", ")
}
