//! [`Tap`]: a stream that keeps what the server said first, and what its `ServerHello` says.
//!
//! Neither library tells the same of a finished handshake, and the system's on Windows nothing at
//! all; what was agreed goes in clear through every stream.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use tls_parser::{
    TlsExtension, TlsMessage, TlsMessageHandshake, TlsServerHelloContents, TlsVersion,
    parse_tls_server_hello_extensions, tls_parser_many,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::dial::Stream;

/// How many octets are kept: what a server says before it waits for an answer.
const KEPT: usize = 1 << 16;

/// What a server said first.
#[derive(Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<u8>>>);

/// A stream through which everything passes as it is.
pub(crate) struct Tap {
    stream: Stream,
    /// Gone as soon as nobody asks any more.
    heard: Weak<Mutex<Vec<u8>>>,
}

impl Tap {
    pub(crate) fn new(stream: Stream) -> (Self, Heard) {
        let heard = Heard::default();
        let tap = Self {
            stream,
            heard: Arc::downgrade(&heard.0),
        };
        (tap, heard)
    }
}

impl Heard {
    /// Asks `look` about each message that went in clear: with TLS 1.2 and older all of the server's first ones, with
    /// TLS 1.3 the `ServerHello` alone.
    pub(crate) fn find<T>(
        &self,
        look: impl FnMut(TlsMessageHandshake<'_>) -> Option<T>,
    ) -> Option<T> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, records) = tls_parser_many(&kept).ok()?;
        let messages = records.into_iter().flat_map(|record| record.msg);
        messages
            .filter_map(|message| match message {
                TlsMessage::Handshake(message) => Some(message),
                _ => None,
            })
            .find_map(look)
    }

    /// Whether the server has asked for a certificate of the client.
    pub(crate) fn asks_for_certificate(&self) -> bool {
        self.find(|message| {
            matches!(message, TlsMessageHandshake::CertificateRequest(_)).then_some(())
        })
        .is_some()
    }

    /// Version and cipher suite that the server chose; `None` if it chose none.
    pub(crate) fn agreed(&self) -> Option<(&'static str, String)> {
        self.find(|message| match message {
            TlsMessageHandshake::ServerHello(hello) => agreed(&hello),
            _ => None,
        })
    }
}

fn agreed(hello: &TlsServerHelloContents<'_>) -> Option<(&'static str, String)> {
    let extensions = hello
        .ext
        .and_then(|ext| parse_tls_server_hello_extensions(ext).ok());
    let selected = extensions.and_then(|(_, extensions)| {
        extensions
            .into_iter()
            .find_map(|extension| match extension {
                TlsExtension::SupportedVersions(versions) => versions.first().copied(),
                _ => None,
            })
    });
    let version = match selected.unwrap_or(hello.version) {
        TlsVersion::Tls10 => "TLS 1.0",
        TlsVersion::Tls11 => "TLS 1.1",
        TlsVersion::Tls12 => "TLS 1.2",
        TlsVersion::Tls13 => "TLS 1.3",
        _ => return None,
    };
    let suite = match hello.cipher.get_ciphersuite() {
        Some(suite) => suite.name.to_owned(),
        None => format!("0x{:04x}", hello.cipher.0),
    };
    Some((version, suite))
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(heard) = self.heard.upgrade() {
            let mut kept = heard.lock().unwrap_or_else(PoisonError::into_inner);
            let came = buf.filled().get(before..).unwrap_or_default();
            let room = KEPT.saturating_sub(kept.len());
            kept.extend_from_slice(came.get(..room).unwrap_or(came));
        }
        polled
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
