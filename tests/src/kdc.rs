//! [`Kdc`]: MIT's key distribution centre, started for one test.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a panic is how a fault is reported"
)]

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::peer::{LIMIT, Peer};

/// The realm.
pub const REALM: &str = "LITWAREINC.COM";

/// The host whose services have keys, besides `localhost` and `127.0.0.1`.
pub const HOST: &str = "server.litwareinc.com";

/// The password of every user.
pub const PASSWORD: &str = "S3cret-canary-42! \u{e4}\u{20ac}";

/// A key distribution centre on loopback, which ends with this value. `tests/python/kdc.py` says
/// who its users and services are.
///
/// ```no_run
/// let kdc = owaim_tests::kdc::Kdc::start();
/// let kdcs = vec![kdc.address("udp")];
/// ```
#[derive(Debug)]
pub struct Kdc {
    // Lives as long as this does.
    _peer: Peer,
    /// Its port, for UDP and for TCP.
    pub port: u16,
    /// `krb5.conf` of its clients.
    pub krb5_conf: PathBuf,
    /// The keys of the services.
    pub keytab: PathBuf,
    /// The key of the user `owaim`.
    pub user_keytab: PathBuf,
}

/// How a centre differs from an ordinary one.
#[derive(Debug, Clone, Copy)]
pub struct KdcOptions {
    /// Seconds by which its clock is ahead.
    pub clock: i32,
    /// Most bytes of an answer over UDP.
    pub max_datagram: u32,
}

impl Default for KdcOptions {
    fn default() -> Self {
        Self {
            clock: 0,
            max_datagram: 4096,
        }
    }
}

impl Kdc {
    /// Starts an ordinary one.
    pub fn start() -> Self {
        Self::start_with(KdcOptions::default())
    }

    /// Starts one.
    pub fn start_with(options: KdcOptions) -> Self {
        let job = json!({
            "realm": REALM,
            "password": PASSWORD,
            "host": HOST,
            "clock": options.clock,
            "max_datagram": options.max_datagram,
            "limit": LIMIT,
        });
        let (peer, ready) = Peer::start("kdc.py", &job);
        let path = |name: &str| PathBuf::from(ready[name].as_str().unwrap());
        Self {
            _peer: peer,
            port: ready["port"]
                .as_u64()
                .and_then(|port| port.try_into().ok())
                .unwrap(),
            krb5_conf: path("krb5_conf"),
            keytab: path("keytab"),
            user_keytab: path("user_keytab"),
        }
    }

    /// Where it is, over `udp` or `tcp`.
    pub fn address(&self, protocol: &str) -> String {
        format!("{protocol}://127.0.0.1:{}", self.port)
    }

    /// What the services need of it, for the job of a server.
    pub fn for_services(&self) -> Value {
        json!({ "krb5_conf": self.krb5_conf, "keytab": self.keytab })
    }
}
