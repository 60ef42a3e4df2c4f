//! [`Target`]: where a connection goes and by which way, out of an [`Endpoint`] that can be gone to.

use url::Url;

use crate::{Authentication, Endpoint, TransportError};

/// Where a connection goes, and by which way.
pub(crate) struct Target {
    /// `http` or `https`, with a host and without an account.
    pub(crate) url: Url,
    /// `http`, with a host.
    pub(crate) proxy: Option<Url>,
}

impl Target {
    /// That of `endpoint`, unless its URLs lead nowhere or it would give a secret away.
    pub(crate) fn of(endpoint: &Endpoint) -> Result<Self, TransportError> {
        let url = parse(&endpoint.url, || {
            format!("the endpoint of {}", endpoint.host)
        })?;
        let named = !url.username().is_empty() || url.password().is_some();
        if named || !matches!(url.scheme(), "http" | "https") {
            let detail = if named {
                "expected a URL without user name and password".into()
            } else {
                format!("expected the scheme http or https, found {}", url.scheme())
            };
            let url = bare(url);
            return Err(TransportError::UnusableUrl { url, detail });
        }
        let proxy = endpoint.proxy.as_deref();
        let proxy = proxy
            .map(|proxy| parse(proxy, || format!("the proxy of {}", endpoint.host)))
            .transpose()?;
        if let Some(proxy) = &proxy
            && proxy.scheme() != "http"
        {
            return Err(TransportError::UnusableUrl {
                detail: format!("expected a proxy with http, found {}", proxy.scheme()),
                url: bare(proxy.clone()),
            });
        }
        if let Some(detail) = insecure(endpoint, url.scheme() == "https") {
            let url = endpoint.url.clone();
            return Err(TransportError::Insecure { url, detail });
        }
        Ok(Self { url, proxy })
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The name that the server goes by. An IPv6 address has no brackets here.
    pub(crate) fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

/// Host and port of `url`, as `CONNECT` and messages have them: an IPv6 address with its brackets.
pub(crate) fn authority(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), port(url))
}

/// The port of `url`, which has a scheme with a known one.
pub(crate) fn port(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or_default()
}

/// `text` as a URL with a host; `whose` says whose it is.
fn parse(text: &str, whose: impl Fn() -> String) -> Result<Url, TransportError> {
    let url = Url::parse(text).map_err(|error| error.to_string());
    let with_host = url.and_then(|url| match url.host_str() {
        Some(_) => Ok(url),
        None => Err("there is no host in it".into()),
    });
    // What is no URL may hold a password at any place: it is not repeated.
    with_host.map_err(|error| TransportError::UnusableUrl {
        url: whose(),
        detail: format!("its URL is none: {error}"),
    })
}

/// `url` without user name and password.
fn bare(mut url: Url) -> String {
    // Both fail only for URLs that cannot have them.
    let _ = (url.set_password(None), url.set_username(""));
    url.into()
}

/// What would give a secret away, with the keys of the site file that say so.
fn insecure(endpoint: &Endpoint, tls: bool) -> Option<&'static str> {
    match &endpoint.authentication {
        Authentication::Basic {
            allow_plaintext: false,
            ..
        } if !tls => Some(
            "auth = \"basic\" would show the password to all in between: use a URL with https, or allow_plaintext = true",
        ),
        Authentication::Basic { .. } if endpoint.tls.insecure_skip_verify => Some(
            "auth = \"basic\" with insecure_skip_verify = true would give the password to whoever answers",
        ),
        Authentication::Certificate(_) if !tls => Some(
            "auth = \"certificate\" shows the certificate in the TLS handshake: use a URL with https",
        ),
        _ => None,
    }
}
