//! Scenarios of the client's host.

use crate::server::Server;

pub(crate) async fn methods(server: Server) {
    let _ = server;
}

pub(crate) async fn user_interface(server: Server) {
    let _ = server;
}

pub(crate) async fn raw_user_interface(server: Server) {
    let _ = server;
}
