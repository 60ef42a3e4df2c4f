//! What must be true.
//!
//! One file per step. A [`Step`] says which read-only pipelines probe it, how to assess what
//! they gave, and which actions remedy a drift. It is pure: it never sees a session, a clock or
//! a file; the engine runs what it describes.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod authority;
mod backend_certificate;
mod backend_recycle;
mod backend_ucma;
mod backend_virtual_directory_off;
mod backend_web_config;
mod base64_bytes;
mod candidates;
mod cas_owa_virtual_directory;
mod cas_owa_virtual_directory_off;
mod cas_web_config_clean;
mod catalog;
mod certificate_stores;
mod chain;
mod double_hop;
mod facts;
mod file;
mod filter;
mod findings;
mod front_end;
mod identity;
mod known_servers;
mod listeners;
mod lync_certificate;
mod lync_replication;
mod lync_site;
mod lync_topology;
mod lync_trusted_application;
mod lync_trusted_pool;
mod mailbox_lync_users;
mod mailbox_policy;
mod mailbox_users;
mod messaging;
mod owa_directory;
mod owa_events;
mod pfx;
mod preflight_host;
mod query;
mod read;
mod registrars;
mod step;
#[cfg(test)]
mod tests;
mod um_dial_plans;
mod verify_event_112;
mod verify_log_folder;
mod verify_lync_events;
pub mod web_config;
mod x509;

pub use authority::Authority;
pub use catalog::{
    DISABLE_STEP_IDS, PHASES, STEP_IDS, Sequel, disable_steps, phase_of, sequels, step_ids,
    steps_for,
};
pub use facts::{
    Certificate, Fact, Facts, LyncTrust, SampledMailbox, Shown, UnifiedMessaging, WebConfigState,
};
pub use lync_trusted_pool::decision::{BackendDecision, PoolDecision, PoolNeed};
pub use pfx::Pfx;
pub use query::{Action, Observations, Place, Query, Saved};
pub use step::{
    Assessment, Context, Dependency, Difference, Exclusive, Problem, Scope, Step, StepId, Strength,
    Target, Verdict,
};
