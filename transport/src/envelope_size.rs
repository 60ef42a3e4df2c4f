//! [`envelope_size`]: how large an envelope a service takes.

use owaim_proto::wsman::{self, RequestBody, Resource, ResponseBody};
use uuid::Uuid;

use crate::client::ClientOptions;
use crate::error::action;
use crate::service::{Call, Service};
use crate::{Endpoint, Tickets, TransportError};

/// The largest envelope that the service takes, in bytes, by its own configuration: worth asking before much
/// is sent, as [`ClientOptions::send_limit`]. It tells administrators only, others meet a fault.
pub async fn envelope_size(
    endpoint: &Endpoint,
    options: &ClientOptions,
    tickets: &Tickets,
) -> Result<u32, TransportError> {
    let action = action::GET;
    let service = Service::new(endpoint, *options, None, tickets, Uuid::new_v4(), 1);
    let call = Call {
        action,
        resource_uri: wsman::CONFIG,
        shell: None,
        options: &[],
        body: RequestBody::Get,
    };
    match service.exchange(call).await? {
        ResponseBody::Got(resource) => match *resource {
            Resource::Config(config) => Ok(config.max_envelope_kib.saturating_mul(1024)),
            Resource::Shell(_) => Err(service.unexpected(action)),
        },
        _ => Err(service.unexpected(action)),
    }
}
