//! [`Listener`]: one endpoint of one host, and the connections to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use owaim_inventory::{EndpointKind, HostName};
use owaim_proto::multipart::Delimiter;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::peer::{self, Shown};
use super::tls::TlsDoor;
use super::{AFTER_FAILURE, Wire};
use crate::endpoints::AuthScheme;
use crate::overlay::Hardening;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// One endpoint of one host.
pub(crate) struct Listener {
    /// The host it plays.
    pub(crate) host: HostName,
    /// The kind of endpoint.
    pub(crate) kind: EndpointKind,
    /// The path that it answers on; others are not found.
    pub(crate) path: String,
    /// TLS, where it has that.
    pub(crate) tls: Option<TlsDoor>,
    /// What it offers, best first.
    pub(crate) offers: Vec<AuthScheme>,
    /// Whether NTLM is taken in `Negotiate`.
    pub(crate) ntlm: bool,
    /// What it asks of channel bindings.
    pub(crate) hardening: Hardening,
    /// Whether messages in clear and Basic are taken without TLS.
    pub(crate) allow_unencrypted: bool,
}

/// A port at `address` that is taken and on which nobody listens: connecting is refused.
pub(crate) fn reserve(address: SocketAddr) -> std::io::Result<(TcpSocket, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A lab that starts again takes the ports of its last run although old connections linger.
    socket.set_reuseaddr(cfg!(unix) && address.port() != 0)?;
    socket.bind(address)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

impl Listener {
    /// Takes connections until it is dropped; they end with it.
    pub(crate) async fn run(self, socket: TcpListener, wire: Arc<Wire>) {
        let listener = Arc::new(self);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = socket.accept() => {
                    // A failed accept is the client's or the moment's (no descriptors left).
                    let Ok((stream, _)) = accepted else {
                        tokio::time::sleep(AFTER_FAILURE).await;
                        continue;
                    };
                    connections.spawn(connection(Arc::clone(&listener), stream, Arc::clone(&wire)));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    /// What a client can use of what it offers.
    pub(crate) fn usable(&self) -> Vec<AuthScheme> {
        let usable = |scheme: &AuthScheme| match scheme {
            AuthScheme::Negotiate => self.ntlm,
            AuthScheme::Basic => self.takes_clear(),
            AuthScheme::Certificate => self.tls.is_some(),
            AuthScheme::Kerberos | AuthScheme::Credssp => true,
        };
        let offers = self.offers.iter().copied();
        offers.filter(usable).collect()
    }

    /// Whether it offers `scheme`.
    pub(super) fn offers(&self, scheme: AuthScheme) -> bool {
        self.offers.contains(&scheme)
    }

    /// Whether messages may come and go as they are.
    pub(super) fn takes_clear(&self) -> bool {
        self.tls.is_some() || self.allow_unencrypted
    }

    /// Exchange's endpoints write a blank into the delimiter of sealed messages.
    pub(super) fn delimiter(&self) -> Delimiter {
        match self.kind {
            EndpointKind::Exchange => Delimiter::Spaced,
            EndpointKind::Windows | EndpointKind::Lync | EndpointKind::LyncLocal => {
                Delimiter::Plain
            }
        }
    }
}

async fn connection(listener: Arc<Listener>, stream: TcpStream, wire: Arc<Wire>) {
    // Small answers go out at once; a socket that cannot be told so works all the same.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &listener.tls else {
        peer::serve(listener, wire, stream, Shown::default()).await;
        return;
    };
    let handshake = TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream);
    // A handshake that fails, or never ends, is the client's affair.
    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, handshake).await {
        let certificates = stream.get_ref().1.peer_certificates();
        let shown = Shown::new(certificates.unwrap_or_default());
        peer::serve(listener, wire, stream, shown).await;
    }
}
