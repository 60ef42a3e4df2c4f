//! [`Findings`]: what a step that only reports has found, and what it says of it.

use crate::{Assessment, Difference, Verdict};

/// What differs, what to do about it, and what could not be looked at.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) differences: Vec<Difference>,
    /// Advice, and whatever else is worth saying.
    pub(crate) told: Vec<String>,
}

impl Findings {
    /// Notes a difference, with the advice that goes with it.
    pub(crate) fn add(
        &mut self,
        what: String,
        actual: Option<String>,
        desired: String,
        advice: String,
    ) {
        self.differences.push(Difference {
            what,
            actual,
            desired: Some(desired),
            diff: None,
        });
        self.told.push(advice);
    }

    /// In place if nothing differs, else drifted; what was told are warnings.
    pub(crate) fn assessment(self) -> Assessment {
        Assessment::of(Verdict::from_differences(self.differences)).with_warnings(self.told)
    }
}
