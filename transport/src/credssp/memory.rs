//! [`Memory`]: a stream without a socket, for TLS that travels in headers of HTTP.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose other end is in the same hands: what comes is put in, what leaves is taken out.
/// Where nothing has come it waits, without ever waking anyone: whoever puts something in goes on.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Octets>>);

#[derive(Default)]
struct Octets {
    coming: VecDeque<u8>,
    leaving: Vec<u8>,
}

impl Memory {
    fn octets(&self) -> MutexGuard<'_, Octets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `octets` come.
    pub(super) fn put(&self, octets: &[u8]) {
        self.octets().coming.extend(octets);
    }

    /// What has left since the last time.
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.octets().leaving)
    }
}

impl AsyncRead for Memory {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let coming = &mut self.octets().coming;
        if coming.is_empty() {
            return Poll::Pending;
        }
        let length = coming.len().min(buf.remaining());
        let octets: Vec<u8> = coming.drain(..length).collect();
        buf.put_slice(&octets);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.octets().leaving.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
