//! [`Reply`]: an HTTP answer on its way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, SERVER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use super::note::Note;

/// An answer on its way.
pub(super) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    /// One without a body.
    pub(super) fn empty(status: StatusCode) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(SERVER, HeaderValue::from_static("Microsoft-HTTPAPI/2.0"));
        Self {
            status,
            headers,
            body: Vec::new(),
        }
    }

    /// One with a body of that type.
    pub(super) fn with_body(mut self, content_type: &str, body: Vec<u8>) -> Self {
        if let Ok(value) = HeaderValue::try_from(content_type) {
            self.headers.insert(CONTENT_TYPE, value);
        }
        self.body = body;
        self
    }

    /// Adds what a scheme says: its name alone, or with a token.
    pub(super) fn with_challenge(mut self, scheme: &str, token: Option<&[u8]>) -> Self {
        let value = match token {
            Some(token) => [scheme, " ", &STANDARD.encode(token)].concat(),
            None => scheme.to_owned(),
        };
        // Base64 is always a valid header value.
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.append(WWW_AUTHENTICATE, value);
        }
        self
    }

    /// The connection ends with it.
    pub(super) fn closing(mut self) -> Self {
        self.headers
            .insert(CONNECTION, HeaderValue::from_static("close"));
        self
    }

    /// The answer itself, with its numbers in the line of the record.
    pub(super) fn noted(self, note: &mut Note) -> Response<Full<Bytes>> {
        note.status = Some(self.status);
        note.bytes_out = self.body.len();
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
