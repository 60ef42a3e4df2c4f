//! The steps, against answers made by hand: no host, no session, no engine.

mod bench;
mod certificate;
mod certificate_import;
mod commands;
mod dial_plans;
mod directories;
mod lync;
mod lync_names;
mod lync_users;
mod misplaced;
mod pki;
mod preflight;
mod recycle;
mod reference;
mod topology;
mod trust;
mod trusted_pool;
mod ucma;
mod users;
mod verify;
mod web_config;
