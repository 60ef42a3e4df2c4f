//! Helpers that the integration tests share.

pub mod decoders;
pub mod foreign;
pub mod interop;
pub mod kdc;
pub mod lab;
pub mod peer;
pub mod pypsrp;
pub mod pywinrm;
pub mod stores;
