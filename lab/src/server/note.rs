//! [`Note`]: the line of `requests.ndjson` about one HTTP request.

use std::sync::Arc;

use hyper::StatusCode;
use jiff::Timestamp;
use owaim_inventory::{EndpointKind, HostName};
use serde::Serialize;

use super::{Listener, Wire};

/// A line that is written when it is dropped: a request whose client went away in the middle is
/// noted too.
pub(super) struct Note {
    wire: Arc<Wire>,
    listener: Arc<Listener>,
    time: Timestamp,
    connection: u64,
    pub(super) action: Option<&'static str>,
    pub(super) logon: Option<Logon>,
    pub(super) auth: Option<&'static str>,
    pub(super) bytes_in: usize,
    pub(super) bytes_out: usize,
    pub(super) status: Option<StatusCode>,
}

/// What stands in the line.
#[derive(Debug, Serialize)]
struct Record<'a> {
    /// When it had arrived, its body too.
    time: Timestamp,
    /// When its answer was ready, or the connection gone.
    ended: Timestamp,
    host: &'a HostName,
    endpoint: EndpointKind,
    connection: u64,
    tls: bool,
    /// `null` where there is no envelope, as in a logon.
    action: Option<&'a str>,
    /// What became of the token, where the request carried one.
    logon: Option<Logon>,
    /// By what the sender is known, or tried to be.
    auth: Option<&'a str>,
    bytes_in: usize,
    bytes_out: usize,
    /// `null` where no answer was sent.
    status: Option<u16>,
}

/// What became of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Logon {
    Challenged,
    Accepted,
    Refused,
}

impl Note {
    /// A line about a request that has just arrived.
    pub(super) fn new(wire: &Arc<Wire>, listener: &Arc<Listener>, connection: u64) -> Self {
        Self {
            wire: Arc::clone(wire),
            listener: Arc::clone(listener),
            time: Timestamp::now(),
            connection,
            action: None,
            logon: None,
            auth: None,
            bytes_in: 0,
            bytes_out: 0,
            status: None,
        }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.wire.requests.write(&Record {
            time: self.time,
            ended: Timestamp::now(),
            host: &self.listener.host,
            endpoint: self.listener.kind,
            connection: self.connection,
            tls: self.listener.tls.is_some(),
            action: self.action,
            logon: self.logon,
            auth: self.auth,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            status: self.status.map(|status| status.as_u16()),
        });
    }
}
