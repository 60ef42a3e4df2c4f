//! What must be true.
//!
//! One file per step. A [`Step`] says which read-only pipelines probe it, how to assess what
//! they gave, and which actions remedy a drift. It is pure: it never sees a session, a clock or
//! a file; the engine runs what it describes.

mod facts;
mod query;
mod step;
pub mod web_config;

pub use facts::{Certificate, Fact, Facts, WebConfigState};
pub use query::{Action, Observations, Place, Query, Saved};
pub use step::{
    Assessment, Context, Dependency, Difference, Exclusive, Problem, Scope, Step, StepId, Strength, Target, Verdict,
};
