//! The orchestrator of `owaim`.
//!
//! The way of the data: site file, [`owaim_inventory::Site`], steps, [`graph::Plan`],
//! [`engine`], [`event::Event`], consumers (journal, transcript, reporters).

pub mod bus;
pub mod engine;
pub mod event;
pub mod outcome;
