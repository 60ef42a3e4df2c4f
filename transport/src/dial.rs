//! The way to a server: [`dial`] gives a [`Stream`] to its port on which nothing has been said yet.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use url::{Host, Url};

use crate::proxy::{self, ProxyError};
use crate::target::{Target, authority, port};

/// Octets both ways, whatever carries them.
pub(crate) trait Octets: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Octets for T {}

/// A stream to a server, through a tunnel or TLS or neither.
pub(crate) type Stream = Box<dyn Octets>;

/// Why there is no way to a server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// Nobody knows the name.
    #[error("{0}")]
    Unresolved(io::Error),
    /// None of its addresses takes a connection.
    #[error("{0}")]
    Unreachable(String),
    /// The proxy could be reached but gives no tunnel.
    #[error("{0}")]
    Proxy(#[from] ProxyError),
}

/// A stream to `target`, with `patience` for the connection and once more for a tunnel.
pub(crate) async fn dial(target: &Target, patience: Duration) -> Result<Stream, DialError> {
    let Some(proxy) = &target.proxy else {
        return Ok(Box::new(connect(&target.url, patience).await?));
    };
    let stream = connect(proxy, patience).await?;
    let authority = authority(&target.url);
    let tunnel = proxy::tunnel(stream, proxy, &authority);
    match timeout(patience, tunnel).await {
        Ok(tunnel) => Ok(Box::new(tunnel?)),
        Err(_) => Err(ProxyError::Silent(patience).into()),
    }
}

/// A TCP connection to the first address of the host of `url` that takes one.
///
/// `patience` is for all of them. An address that does not answer at all may take an even share of
/// what is left, so that the next ones get their turn.
async fn connect(url: &Url, patience: Duration) -> Result<TcpStream, DialError> {
    let deadline = Instant::now() + patience;
    let late = || DialError::Unreachable(format!("no connection within {patience:?}"));
    let port = port(url);
    let addresses: Vec<_> = match url.host() {
        Some(Host::Ipv4(address)) => vec![(address, port).into()],
        Some(Host::Ipv6(address)) => vec![(address, port).into()],
        Some(Host::Domain(name)) => timeout_at(deadline, lookup_host((name, port)))
            .await
            .map_err(|_| late())?
            .map_err(DialError::Unresolved)?
            .collect(),
        None => Vec::new(),
    };
    let mut failures = Vec::new();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
        left = left.saturating_sub(1);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Requests go out whole; waiting for more of them costs a round trip.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => failures.push(format!("{address}: {error}")),
            Err(_) => failures.push(format!("{address}: no connection within {share:.1?}")),
        }
    }
    if failures.is_empty() {
        let none = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        return Err(DialError::Unresolved(none));
    }
    Err(DialError::Unreachable(failures.join("; ")))
}
