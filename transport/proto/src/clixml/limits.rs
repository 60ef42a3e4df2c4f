//! [`Limits`]: how much a peer may make the decoder read, build and follow.

/// Bounds on one decoding. Whatever the input, the decoder stops with a typed error before it
/// passes one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Levels of values within values, references followed; never more than
    /// [`Limits::DEEPEST`], whatever is set. Default 64: PowerShell itself writes and reads 50
    /// below the top.
    pub depth: usize,
    /// Bytes of input. Default 64 MiB, six times what a PowerShell endpoint lets one object
    /// have (10 MB, `MaximumReceivedObjectSizeMB`).
    pub input: usize,
    /// Elements of any kind, which bounds the memory: a decoded element takes some 200 bytes
    /// at the most, besides its text. Default 1 000 000.
    pub nodes: usize,
    /// `<Ref>` and `<TNRef>` elements together. Default 250 000.
    pub references: usize,
    /// Bytes that the input would have with every reference replaced by what it refers to.
    /// Objects behind references are shared, not copied, but whoever walks through the value
    /// (to compare, print or search it) visits them once per reference. Default 256 MiB.
    pub expanded: u64,
}

impl Limits {
    /// The largest [`depth`](Self::depth) that is honoured: decoding, comparing and dropping
    /// recurse, and a thread's stack must hold that many levels.
    pub const DEEPEST: usize = 128;

    /// The depth in force.
    pub(super) fn effective_depth(&self) -> usize {
        self.depth.min(Self::DEEPEST)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 64,
            input: 64 << 20,
            nodes: 1_000_000,
            references: 250_000,
            expanded: 256 << 20,
        }
    }
}
