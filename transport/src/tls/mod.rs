//! TLS between us and the server, and what it says about the server.

mod binding;

pub(crate) use binding::ChannelBinding;
