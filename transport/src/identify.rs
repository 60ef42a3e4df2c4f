//! [`identify`] and [`max_envelope_size`]: what a service says of itself.

use owaim_proto::wsman::{self, Identity};
use owaim_proto::xml::Limits;
use uuid::Uuid;

use crate::client::ClientOptions;
use crate::error::action;
use crate::service::Service;
use crate::{Connection, Endpoint, Tickets, Timeouts, TransportError};

/// Asks a service what it is: vendor, version, protocol. Nobody logs on for it, so that the
/// endpoint's credentials are not shown, and the version leaves the system out. A server may want a
/// logon all the same: HTTP status 401.
pub async fn identify(endpoint: &Endpoint, timeouts: Timeouts) -> Result<Identity, TransportError> {
    let action = action::IDENTIFY;
    let connection = Connection::open(endpoint, timeouts)?;
    let answer = connection.identify(action, wsman::identify()).await?;
    Identity::decode(&answer, &Limits::default()).map_err(|error| TransportError::Protocol {
        taken: true,
        action,
        url: endpoint.url.clone(),
        detail: error.to_string(),
    })
}

/// The largest envelope that a service takes, in bytes, for [`ClientOptions::send_limit`]. Only
/// administrators may ask; others get a fault (access denied), and do with the default.
pub async fn max_envelope_size(
    endpoint: &Endpoint,
    options: ClientOptions,
    tickets: &Tickets,
) -> Result<u32, TransportError> {
    Service::new(endpoint, options, None, tickets, Uuid::new_v4(), 2)
        .max_envelope_size()
        .await
}
