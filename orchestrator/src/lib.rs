//! The orchestrator of `owaim`.
//!
//! The way of the data: site file, [`owaim_inventory::Site`], steps, [`graph::Plan`],
//! [`engine`], [`event::Event`], consumers (journal, transcript, reporters).

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod accounts;
mod backoff;
pub mod bus;
#[cfg(test)]
mod canned;
pub mod certificate_file;
mod cli;
mod client_certificate;
pub mod commands;
mod doctor;
pub mod endpoints;
pub mod engine;
pub mod event;
mod executor;
mod failure;
pub mod gate;
pub mod graph;
pub mod history;
pub mod journal;
pub mod lock;
pub mod outcome;
pub mod queue;
pub mod recording;
pub mod recovery;
pub mod redact;
pub mod render;
pub mod report;
pub mod run;
pub mod run_dir;
pub mod secret_source;
pub mod selection;
pub mod sessions;
pub mod stop;
pub mod transcript;
pub mod typed_arguments;
