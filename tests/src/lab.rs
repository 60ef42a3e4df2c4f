//! The lab's endpoints as a client sees them.

use owaim_lab::EndpointEntry;
use owaim_transport::{Authentication, Credential, Endpoint, Secret};

/// The endpoint of `entry`, with its account, by NTLM.
pub fn by_ntlm(entry: &EndpointEntry) -> Endpoint {
    Endpoint::new(
        entry.host.as_str(),
        entry.url.as_str(),
        entry.configuration.as_str(),
        Authentication::Ntlm(Credential {
            username: entry.username.clone(),
            password: Secret::new(entry.password.expose().into()),
        }),
    )
}
