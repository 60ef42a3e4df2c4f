//! [`Tunnel`]: the TLS within CredSSP ([MS-CSSP] 3.1.5, step 1), which travels in headers and bodies of HTTP.
//!
//! TLS of the system over [`Memory`]. Nothing of it ever waits for a socket: what has come is all
//! there is, so each call goes as far as that leads.

use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};

use super::memory::Memory;
use crate::TlsVersion;
use crate::dial::Stream;
use crate::security::SecurityError;
use crate::tls::{self, TlsError, TlsInfo};

type Handshake = Pin<Box<dyn Future<Output = Result<(Stream, TlsInfo), TlsError>> + Send>>;

/// A handshake that waits for the other side.
pub(super) struct Opening {
    memory: Memory,
    // Never shared by two; the lock, which is never taken, tells the compiler.
    handshake: Mutex<Handshake>,
}

/// TLS with both sides done.
pub(super) struct Tunnel {
    memory: Memory,
    stream: Mutex<Stream>,
    pub(super) info: TlsInfo,
}

impl Opening {
    /// A handshake, and what opens it.
    pub(super) fn begin(min_version: TlsVersion) -> Result<(Self, Vec<u8>), SecurityError> {
        let memory = Memory::default();
        let handshake = tls::connect_unknown(Box::new(memory.clone()), min_version);
        let opening = Self {
            memory,
            handshake: Mutex::new(Box::pin(handshake)),
        };
        match opening.step(&[])? {
            Step::Waiting(opening, hello) => Ok((opening, hello)),
            Step::Done(_) => Err(SecurityError::OutOfTurn),
        }
    }

    /// Goes on with what has come.
    pub(super) fn step(mut self, octets: &[u8]) -> Result<Step, SecurityError> {
        self.memory.put(octets);
        let handshake = self
            .handshake
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match poll(handshake.as_mut()) {
            Poll::Pending => {
                let answer = self.memory.take();
                Ok(Step::Waiting(self, answer))
            }
            Poll::Ready(Ok((stream, info))) => Ok(Step::Done(Tunnel {
                memory: self.memory,
                stream: Mutex::new(stream),
                info,
            })),
            Poll::Ready(Err(error)) => Err(failed(&error.detail)),
        }
    }
}

/// Where a handshake is.
pub(super) enum Step {
    /// This goes to the other side.
    Waiting(Opening, Vec<u8>),
    /// At its end.
    Done(Tunnel),
}

impl Tunnel {
    fn stream(&mut self) -> Pin<&mut Stream> {
        let stream = self.stream.get_mut();
        Pin::new(stream.unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// What carries `octets` to the other side.
    pub(super) fn write(&mut self, octets: &[u8]) -> Result<Vec<u8>, SecurityError> {
        let mut stream = self.stream();
        let written = pin!(async {
            stream.write_all(octets).await?;
            stream.flush().await
        });
        match poll(written) {
            Poll::Ready(Ok(())) => Ok(self.memory.take()),
            Poll::Ready(Err(error)) => Err(failed(&error)),
            Poll::Pending => Err(failed(&"it waits for the other side")),
        }
    }

    /// What `octets` of the other side carry.
    pub(super) fn read(&mut self, octets: &[u8]) -> Result<Vec<u8>, SecurityError> {
        self.memory.put(octets);
        let mut carried = Vec::new();
        let mut room = vec![0; 16 << 10];
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let mut buffer = ReadBuf::new(&mut room);
            match self.stream().poll_read(&mut context, &mut buffer) {
                Poll::Pending => return Ok(carried),
                Poll::Ready(Err(error)) => return Err(failed(&error)),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    return Err(failed(&"the other side has closed it"));
                }
                Poll::Ready(Ok(())) => carried.extend_from_slice(buffer.filled()),
            }
        }
    }

    /// How many of the octets that carry `length` others are what Windows calls the trailer: what
    /// is behind the message in its record. It says the same of the whole record, and is told it so
    /// ([MS-WSMV] 2.2.9.1).
    pub(super) fn trailer(&self, length: usize) -> usize {
        let suite = self.info.cipher_suite.as_str();
        if suite.contains("_GCM_") || suite.ends_with("_POLY1305_SHA256") {
            return 16;
        }
        let hash = match suite.rsplit('_').next() {
            Some("SHA384") => 48,
            Some("SHA256") => 32,
            _ => 20,
        };
        let block = if suite.contains("_3DES_") { 8 } else { 16 };
        let padding = block - (length + hash) % block;
        hash + padding
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn failed(detail: &dyn std::fmt::Display) -> SecurityError {
    SecurityError::CredSsp(format!("its TLS: {detail}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Opening;
    use crate::TlsVersion;

    /// In TLS 1.3 the server would have the last word of the handshake too late for CredSSP.
    #[test]
    fn it_is_offered_by_tls_1_2_at_most() {
        for min_version in [TlsVersion::V1_2, TlsVersion::V1_3] {
            let (_, hello) = Opening::begin(min_version).unwrap();
            // The extension supported_versions (43) with TLS 1.3 as the first of its list.
            let offers = |octets: &[u8]| octets[..2] == [0, 43] && octets[5..] == [3, 4];
            assert!(!hello.windows(7).any(offers), "{min_version:?}");
            assert_eq!(hello.first(), Some(&22), "a record of the handshake");
        }
    }
}
