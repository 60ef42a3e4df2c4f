//! What is known of a server without anything asked of it: [`Greeting`], and [`Authenticated`]. For those who look for
//! what is wrong.

use std::fmt;

/// How a connection was authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authenticated {
    /// What proved who we are: `Kerberos`, `NTLM`, `Basic`, …
    pub package: &'static str,
    /// Whether messages are sealed; in TLS they need not be.
    pub sealed: bool,
    /// Whether they travel in TLS.
    pub tls: bool,
}

impl fmt::Display for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match (self.sealed, self.tls) {
            (true, _) => "messages sealed",
            (false, true) => "messages in TLS",
            (false, false) => "messages readable for all",
        };
        write!(f, "{}, {way}", self.package)
    }
}

/// What a server says to somebody who does not say who they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Greeting {
    /// HTTP status: 401 where one has to say so.
    pub status: u16,
    /// Schemes of authentication that it offers, in its order.
    pub offered: Vec<String>,
    /// What it calls itself: `Microsoft-HTTPAPI/2.0`.
    pub server: Option<String>,
    /// Its clock, as HTTP writes dates.
    pub date: Option<String>,
}
