//! [`Kdc`]: the sockets of the realm, UDP and TCP at one port (RFC 4120 7.2).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use super::Realm;
use crate::server::AFTER_FAILURE;

/// Longest request that is read: far beyond any without authorization data.
const MAX_REQUEST: usize = 1 << 16;

/// Longest answer in a datagram, as Windows and MIT's programs have it.
pub(super) const MAX_DATAGRAM: usize = 1465;

/// How long a connection may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ports that are tried for one that is free for both.
const ATTEMPTS: usize = 16;

/// The sockets, bound.
pub(crate) struct Kdc {
    datagrams: UdpSocket,
    streams: TcpListener,
    address: SocketAddr,
}

impl Kdc {
    /// Takes `address` for both; port 0: one that is free for both.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let mut attempt = 1;
        loop {
            let streams = TcpListener::bind(address).await?;
            let found = streams.local_addr()?;
            match UdpSocket::bind(found).await {
                Ok(datagrams) => {
                    return Ok(Self {
                        datagrams,
                        streams,
                        address: found,
                    });
                }
                Err(error) if address.port() != 0 || attempt == ATTEMPTS => return Err(error),
                Err(_) => attempt += 1,
            }
        }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is dropped.
    pub(crate) async fn run(self, realm: Arc<Realm>) {
        tokio::join!(
            serve_datagrams(self.datagrams, Arc::clone(&realm)),
            serve_streams(self.streams, realm)
        );
    }
}

async fn serve_datagrams(socket: UdpSocket, realm: Arc<Realm>) {
    let mut buffer = vec![0; MAX_REQUEST];
    loop {
        // An error is about an answer that somebody no longer waits for.
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else {
            tokio::time::sleep(AFTER_FAILURE).await;
            continue;
        };
        let request = buffer.get(..length).unwrap_or_default();
        let answer = realm.answer_within(MAX_DATAGRAM, request, Timestamp::now());
        let _ = socket.send_to(&answer, peer).await;
    }
}

async fn serve_streams(socket: TcpListener, realm: Arc<Realm>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(AFTER_FAILURE).await;
                    continue;
                };
                let realm = Arc::clone(&realm);
                connections.spawn(async move {
                    // How a connection ends is the client's affair.
                    let _ = tokio::time::timeout(PATIENCE, serve_stream(stream, &realm)).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_stream(mut stream: TcpStream, realm: &Realm) -> io::Result<()> {
    loop {
        let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
        if length > MAX_REQUEST {
            return Ok(());
        }
        let mut request = vec![0; length];
        stream.read_exact(&mut request).await?;
        let answer = realm.answer(&request, Timestamp::now());
        // An answer has some thousand octets.
        let length = u32::try_from(answer.len()).unwrap_or(u32::MAX);
        stream.write_all(&length.to_be_bytes()).await?;
        stream.write_all(&answer).await?;
    }
}
