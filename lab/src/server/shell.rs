//! [`Shells`]: the WS-Management service of the site's endpoints.
//!
//! Envelopes in, envelopes out: shells are created, pipelines run through [`World`], output waits
//! until a Receive takes it. HTTP, authentication and sealing have happened before.

use owaim_inventory::{EndpointKind, HostName};

use crate::world::World;

/// Where an authenticated request came in, and from whom.
#[derive(Debug, Clone)]
pub(crate) struct RequestOrigin {
    /// The host whose listener took it.
    pub(crate) host: HostName,
    /// The kind of the endpoint behind the URL path.
    pub(crate) endpoint: EndpointKind,
    /// The authenticated account, as `DOMAIN\user`.
    pub(crate) user: String,
    /// The URL path, for example `/wsman`.
    pub(crate) path: String,
}

/// The shells of all endpoints. One instance serves every listener of the site.
pub(crate) struct Shells {
    world: World,
}

impl Shells {
    /// A service without shells over `world`.
    pub(crate) fn new(world: World) -> Self {
        Self { world }
    }

    /// Answers the envelope `body`: HTTP status and envelope of the answer.
    ///
    /// May take as long as the OperationTimeout of the request: a Receive waits for output.
    pub(crate) async fn handle(&self, _origin: RequestOrigin, _body: Vec<u8>) -> (u16, Vec<u8>) {
        let _ = &self.world;
        (500, Vec::new())
    }
}
