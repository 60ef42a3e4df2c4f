//! A server for one connection, octet by octet, so that it can misbehave: HTTP by hand, the
//! server half of NTLM by `sspi`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use owaim_proto::multipart::{self, Delimiter, SOAP, SPNEGO, SealedMessage};
use sspi::{
    AuthIdentity, BufferType, DataRepresentation, EncryptionFlags, Ntlm, SecurityBuffer,
    SecurityBufferRef, ServerRequestFlags, Sspi, SspiEx, SspiImpl, Username,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The one password that the peer accepts, whatever the user's name.
pub(crate) const PASSWORD: &str = "S3cret-canary-42!";

pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn token(&self) -> Vec<u8> {
        let value = self
            .header("authorization")
            .expect("a request with Authorization");
        STANDARD
            .decode(value.strip_prefix("Negotiate ").unwrap())
            .unwrap()
    }
}

pub(crate) trait Octets: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Octets for T {}

pub(crate) struct Peer {
    stream: Box<dyn Octets>,
    ntlm: Ntlm,
}

impl Peer {
    pub(crate) fn new(stream: impl Octets + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            ntlm: Ntlm::new(),
        }
    }

    /// What lies below, for who goes on with it otherwise.
    pub(crate) fn into_stream(self) -> Box<dyn Octets> {
        self.stream
    }

    /// The next request; `None` when the client has closed the connection.
    pub(crate) async fn read(&mut self) -> Option<Request> {
        let mut octets = Vec::new();
        let end = loop {
            if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            if self.stream.read_buf(&mut octets).await.unwrap_or(0) == 0 {
                return None;
            }
        };
        let head = String::from_utf8(octets[..end].to_vec()).unwrap();
        let mut request = Request {
            head,
            body: octets[end + 4..].to_vec(),
        };
        let length: usize = request
            .header("content-length")
            .unwrap_or("0")
            .parse()
            .unwrap();
        while request.body.len() < length {
            assert_ne!(self.stream.read_buf(&mut request.body).await.unwrap(), 0);
        }
        Some(request)
    }

    pub(crate) async fn write(&mut self, status: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&[name, ": ", value, "\r\n"].concat());
        }
        head += "\r\n";
        self.write_raw(&[head.as_bytes(), body].concat()).await;
    }

    pub(crate) async fn write_raw(&mut self, octets: &[u8]) {
        // The client may be gone already; that is for the test to see from the client's side.
        let _ = self.stream.write_all(octets).await;
    }

    /// Takes the client's first token and answers it, with `headers` besides.
    pub(crate) async fn challenge(&mut self, headers: &[(&str, &str)]) {
        let first = self.read().await.unwrap();
        assert!(
            first.body.is_empty(),
            "nothing but a token travels unsealed"
        );
        assert_eq!(first.header("content-length"), Some("0"));
        let challenge = self.accept(first.token()).unwrap();
        let value = format!("Negotiate {}", STANDARD.encode(challenge));
        let headers = [&[("WWW-Authenticate", value.as_str())], headers].concat();
        self.write("401 Unauthorized", &headers, b"").await;
    }

    /// Takes the client's tokens and gives the request that carried the second one, or `None` if
    /// the password is not [`PASSWORD`].
    pub(crate) async fn log_on(&mut self) -> (Request, Option<Vec<u8>>) {
        let (second, known) = self.log_on_bound(None).await;
        let envelope = known.then(|| self.unseal(&second));
        (second, envelope)
    }

    /// The same, and whether the password is right, without a look at the message. A logon that is
    /// bound to another channel than `binding` is refused.
    pub(crate) async fn log_on_bound(&mut self, binding: Option<&[u8]>) -> (Request, bool) {
        self.ntlm = Ntlm::new();
        if let Some(binding) = binding {
            self.ntlm.set_channel_bindings(binding);
        }
        self.challenge(&[]).await;
        let second = self.read().await.unwrap();
        if self.accept(second.token()).is_err() {
            return (second, false);
        }
        let username = Username::parse("whoever").unwrap();
        let identity = AuthIdentity {
            username,
            password: PASSWORD.to_owned().into(),
        };
        self.ntlm.custom_set_auth_identity(identity).unwrap();
        let known = self.ntlm.complete_auth_token(&mut []).is_ok();
        (second, known)
    }

    fn accept(&mut self, token: Vec<u8>) -> sspi::Result<Vec<u8>> {
        let mut input = [SecurityBuffer::new(token, BufferType::Token)];
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut nobody = None;
        let builder = self
            .ntlm
            .accept_security_context()
            .with_credentials_handle(&mut nobody)
            .with_context_requirements(ServerRequestFlags::CONFIDENTIALITY)
            .with_target_data_representation(DataRepresentation::Native)
            .with_input(&mut input)
            .with_output(&mut output);
        self.ntlm
            .accept_security_context_impl(builder)?
            .resolve_to_result()?;
        Ok(std::mem::take(&mut output[0].buffer))
    }

    pub(crate) fn unseal(&mut self, request: &Request) -> Vec<u8> {
        let content_type = request.header("content-type").unwrap();
        let mut message = SealedMessage::decode(SPNEGO, content_type, &request.body).unwrap();
        let mut buffers = [
            SecurityBufferRef::token_buf(&mut message.signature),
            SecurityBufferRef::data_buf(&mut message.sealed),
        ];
        self.ntlm.decrypt_message(&mut buffers).unwrap();
        message.check_length(message.sealed.len()).unwrap();
        message.sealed
    }

    pub(crate) fn seal(&mut self, envelope: &[u8], delimiter: Delimiter) -> Vec<u8> {
        let mut message = SealedMessage {
            original_type: SOAP.into(),
            original_length: envelope.len(),
            signature: vec![0; 16],
            sealed: envelope.to_vec(),
        };
        let mut buffers = [
            SecurityBufferRef::token_buf(&mut message.signature),
            SecurityBufferRef::data_buf(&mut message.sealed),
        ];
        self.ntlm
            .encrypt_message(EncryptionFlags::empty(), &mut buffers)
            .unwrap();
        message.encode(SPNEGO, delimiter)
    }

    /// Answers with `body`, said to be sealed.
    pub(crate) async fn write_sealed(&mut self, status: &str, body: &[u8]) {
        let kind = multipart::content_type(SPNEGO);
        self.write(status, &[("Content-Type", &kind)], body).await;
    }

    /// Answers as a well-behaved server does.
    pub(crate) async fn reply(&mut self, envelope: &[u8]) {
        let body = self.seal(envelope, Delimiter::Plain);
        self.write_sealed("200 OK", &body).await;
    }
}
