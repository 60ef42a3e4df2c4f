//! What several of the integration tests need.

pub(crate) mod conversation;
pub(crate) mod tree;
