//! The engine: probe, assess, remedy, probe, assess; in parallel where the graph allows.

/// What the user asks of a run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Run id; also the name of the run directory.
    pub run: String,
    /// Whether an unknown counts as drift.
    pub strict: bool,
    /// Steps at work at once, in place of the site file's limit.
    pub parallel: Option<usize>,
}
