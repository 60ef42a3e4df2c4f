//! Scenarios of the service itself: the largest envelope that it takes.

use owaim_transport::Tickets;

use crate::server::{Server, client};

async fn envelope(server: Server, size: u32) {
    let found =
        owaim_transport::max_envelope_size(&server.endpoint(), client(), &Tickets::default())
            .await
            .unwrap();
    assert_eq!(found, size);
}

pub(crate) async fn envelope_150(server: Server) {
    envelope(server, 150 << 10).await;
}

pub(crate) async fn envelope_500(server: Server) {
    envelope(server, 500 << 10).await;
}

pub(crate) async fn envelope_4096(server: Server) {
    envelope(server, 4096 << 10).await;
}
