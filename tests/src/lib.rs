//! Helpers that the integration tests share.

pub mod decoders;
pub mod interop;
pub mod stores;
