//! A tunnel through an HTTP proxy (`CONNECT`, RFC 9110, section 9.3.6).

use std::time::Duration;

use ::http::header::{HOST, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, USER_AGENT};
use ::http::{Method, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use url::Url;

use crate::http::{USER_AGENT_NAME, builder};

/// Why a proxy gives no tunnel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    /// It says no.
    #[error("HTTP status {status}{}", asks(schemes))]
    Refused {
        status: StatusCode,
        /// How it wants to be shown who asks.
        schemes: Vec<String>,
    },
    /// The connection to it was lost, or it speaks no HTTP.
    #[error("{0}")]
    Lost(#[from] hyper::Error),
    /// It does not answer.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// What is to be asked cannot be written.
    #[error("{0}")]
    Request(#[from] http::Error),
}

fn asks(schemes: &[String]) -> String {
    if schemes.is_empty() {
        String::new()
    } else {
        format!(", it asks for {}", schemes.join(", "))
    }
}

/// A tunnel to `authority` through `stream`, which leads to `proxy`.
pub(crate) async fn tunnel(
    stream: TcpStream,
    proxy: &Url,
    authority: &str,
) -> Result<TokioIo<Upgraded>, ProxyError> {
    let (mut sender, connection) = builder().handshake(TokioIo::new(stream)).await?;
    // It ends with the tunnel.
    tokio::spawn(async { drop(connection.with_upgrades().await) });
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(authority)
        .header(HOST, authority)
        .header(USER_AGENT, USER_AGENT_NAME);
    if let Some(authorization) = authorization(proxy) {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    let response = sender
        .send_request(request.body(Empty::<Bytes>::new())?)
        .await?;
    if response.status().is_success() {
        return Ok(TokioIo::new(hyper::upgrade::on(response).await?));
    }
    let schemes = response.headers().get_all(PROXY_AUTHENTICATE).iter();
    Err(ProxyError::Refused {
        status: response.status(),
        schemes: schemes
            .filter_map(|value| value.to_str().ok()?.split(' ').next())
            .map(str::to_owned)
            .collect(),
    })
}

/// Basic, if the proxy's URL has a user name.
fn authorization(proxy: &Url) -> Option<HeaderValue> {
    if proxy.username().is_empty() {
        return None;
    }
    let mut account: Vec<u8> = percent_decode_str(proxy.username()).collect();
    account.push(b':');
    account.extend(percent_decode_str(proxy.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(account))).ok()?;
    value.set_sensitive(true);
    Some(value)
}
