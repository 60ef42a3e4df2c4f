//! The steps, against answers made by hand: no host, no session, no engine.

mod bench;
mod certificate;
mod certificate_import;
mod commands;
mod directories;
mod lync;
mod lync_names;
mod lync_users;
mod misplaced;
mod pki;
mod preflight;
mod recycle;
mod reference;
mod trust;
mod ucma;
mod users;
mod verify;
mod web_config;
