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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::AsyncReadExt as _;

    use super::{KEPT, Tap};

    /// A `ServerHello` of `version` in the record, with `suite` and `extensions`.
    fn hello(version: u8, suite: [u8; 2], extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, version];
        body.extend_from_slice(&[7; 32]);
        body.push(0);
        body.extend_from_slice(&suite);
        body.push(0);
        if !extensions.is_empty() {
            body.extend_from_slice(&[0, u8::try_from(extensions.len()).unwrap()]);
            body.extend_from_slice(extensions);
        }
        let length = u8::try_from(body.len()).unwrap();
        let mut record = vec![0x16, 3, version, 0, length + 4, 2, 0, 0, length];
        record.append(&mut body);
        record
    }

    /// What is known after a server has said `octets`, in pieces of `piece`.
    async fn heard(octets: &[u8], piece: usize) -> Option<(&'static str, String)> {
        let (tap, heard) = Tap::new(Box::new(tokio::io::join(
            std::io::Cursor::new(octets.to_vec()),
            tokio::io::sink(),
        )));
        let mut tap = tap;
        let mut through = Vec::new();
        let mut buffer = vec![0; piece];
        loop {
            let read = tap.read(&mut buffer).await.unwrap();
            if read == 0 {
                break;
            }
            through.extend_from_slice(&buffer[..read]);
        }
        assert_eq!(through, octets, "everything passes as it is");
        assert!(heard.0.lock().unwrap().len() <= KEPT);
        heard.agreed()
    }

    #[tokio::test]
    async fn version_and_suite_are_read() {
        let cases = [
            (
                hello(1, [0, 0x2f], &[]),
                "TLS 1.0",
                "TLS_RSA_WITH_AES_128_CBC_SHA",
            ),
            (
                hello(2, [0, 0x35], &[]),
                "TLS 1.1",
                "TLS_RSA_WITH_AES_256_CBC_SHA",
            ),
            (
                hello(3, [0xc0, 0x28], &[]),
                "TLS 1.2",
                "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
            ),
            (
                hello(3, [0xc0, 0x28], &[0xff, 1, 0, 1, 0]),
                "TLS 1.2",
                "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
            ),
            (
                hello(3, [0x13, 0x02], &[0, 43, 0, 2, 3, 4]),
                "TLS 1.3",
                "TLS_AES_256_GCM_SHA384",
            ),
            (hello(3, [0xee, 0xee], &[]), "TLS 1.2", "0xeeee"),
        ];
        for (mut octets, version, suite) in cases {
            // Whatever comes behind.
            octets.extend_from_slice(&[0x17, 3, 3, 0, 4, 1, 2, 3, 4, 0x17, 3]);
            for piece in [1, 7, 100_000] {
                assert_eq!(heard(&octets, piece).await, Some((version, suite.into())));
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_handshake_says_nothing() {
        let whole = hello(3, [0x13, 0x02], &[0, 43, 0, 2, 3, 4]);
        for end in 0..whole.len() {
            assert_eq!(heard(&whole[..end], 64).await, None);
        }
        for position in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut broken = whole.clone();
                broken[position] = value;
                let _ = heard(&broken, 64).await;
            }
        }
        assert_eq!(heard(b"HTTP/1.1 400 Bad Request\r\n\r\n", 64).await, None);
        assert_eq!(heard(&vec![0x16; 3 * KEPT], 4096).await, None);
    }
}
