//! Client against server in memory, recorded messages, hostile streams.
