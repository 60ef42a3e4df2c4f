//! The current logon, where the system has none that servers could be shown.

use std::future::{Ready, ready};

use crate::security::{Leg, SecurityError};
use crate::tls::ChannelBinding;

/// Whether there is a logon that servers can be shown.
pub const CURRENT_LOGON: bool = false;

/// There is none.
pub(crate) enum Logon {}

impl Logon {
    /// Says so.
    pub(crate) fn begin(
        _service: String,
        _binding: Option<ChannelBinding>,
    ) -> Ready<Result<(Self, Vec<u8>), SecurityError>> {
        ready(Err(SecurityError::NoLogon))
    }

    pub(crate) fn step(&mut self, _token: &[u8]) -> Result<Leg, SecurityError> {
        match *self {}
    }

    pub(crate) fn seal(&mut self, _envelope: &[u8]) -> Result<Vec<u8>, SecurityError> {
        match *self {}
    }

    pub(crate) fn unseal(
        &mut self,
        _content_type: &str,
        _body: &[u8],
    ) -> Result<Vec<u8>, SecurityError> {
        match *self {}
    }
}
