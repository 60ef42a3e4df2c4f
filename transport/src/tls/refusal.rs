//! [`TlsReason`]: why a TLS connection did not come about, and what to do about it.

/// Why a TLS connection did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsReason {
    /// The time of the server's certificate is over.
    #[error("the server's certificate expired on {since}")]
    Expired {
        /// When.
        since: String,
    },
    /// The time of the server's certificate has not begun.
    #[error("the server's certificate is not valid before {from}")]
    NotYetValid {
        /// When it begins.
        from: String,
    },
    /// The server's certificate is for other names.
    #[error("the server's certificate is not for {host}, but for {}", list(names))]
    WrongName {
        /// The host of the URL.
        host: String,
        /// The names that it has.
        names: Vec<String>,
    },
    /// The server's certificate vouches for itself, and is none of those that are trusted.
    #[error("the server's certificate is self-signed and not trusted")]
    SelfSigned,
    /// Nobody who is trusted vouches for the server's certificate.
    #[error("the server's certificate was issued by {issuer}, which is not trusted")]
    UnknownAuthority {
        /// Who issued it.
        issuer: String,
    },
    /// The server's certificate is another than the one that it must have.
    #[error("the server's certificate has the SHA-256 {found}, expected {expected}")]
    Pin {
        /// SHA-256 that is configured, in hexadecimal digits.
        expected: String,
        /// SHA-256 that was found.
        found: String,
    },
    /// The server's certificate does not do for another reason: withdrawn, too weak, for another use.
    #[error("the server's certificate is not accepted")]
    Certificate,
    /// The two sides have no version of the protocol or no cipher suite in common.
    #[error("the two sides have no protocol version or cipher suite in common")]
    NothingInCommon,
    /// The server wants a certificate of the client, or another one.
    #[error("{}", if *sent { "the server refuses the client's certificate" } else { "the server wants a certificate of the client" })]
    ClientCertificate {
        /// Whether it was given one.
        sent: bool,
    },
    /// This system's TLS would not forget the key of a client's certificate.
    #[error(
        "no certificate of the client is shown from Windows: its key would stay behind on this machine"
    )]
    NoClientCertificates,
    /// The server closed the connection in the middle of the handshake.
    #[error("the server closed the connection during the handshake")]
    Dropped,
    /// What listens there speaks something else.
    #[error("what listens there does not speak TLS")]
    NotTls,
    /// The certificates or keys that are configured cannot be used.
    #[error("the configured certificates or keys cannot be used")]
    Configuration,
    /// Anything else.
    #[error("the handshake failed")]
    Other,
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "no name at all".into()
    } else {
        names.join(", ")
    }
}

impl TlsReason {
    /// What an administrator can do about it: a sentence without its full stop.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Expired { .. } => {
                "renew the server's certificate and bind the new one to the listener; check the clock here"
            }
            Self::NotYetValid { .. } => "check the clocks here and on the authority that issued it",
            Self::WrongName { .. } => {
                "use one of the certificate's names in the URL, or give the server a certificate with this name"
            }
            Self::SelfSigned => {
                "give the server a certificate of an authority, or pin this one (pin, its SHA-256) after comparing it on the server"
            }
            Self::UnknownAuthority { .. } => {
                "name the certificate of that authority (ca), or let this system trust it; the server has to send those in between"
            }
            Self::Pin { .. } => {
                "compare with the certificate on the server: if it was renewed, change the pin; if not, somebody is in between"
            }
            Self::Certificate => {
                "replace the server's certificate: see what is said of it, and compare with the server"
            }
            Self::NothingInCommon => {
                "update the server's TLS; for an old one that cannot be updated, allow its version for this host (min_tls)"
            }
            Self::ClientCertificate { sent: false } => {
                "give this endpoint a client certificate, or stop the server from requiring one (netsh http show sslcert)"
            }
            Self::ClientCertificate { sent: true } => {
                "check that the server trusts the authority of the client's certificate, that it has not expired and is for client authentication"
            }
            Self::NoClientCertificates => {
                "use another auth for this endpoint (negotiate or kerberos, with logon = true if you like), or run this on Linux"
            }
            Self::Dropped => {
                "run again; if it stays, the server may allow none of our TLS versions or suites (Schannel events 36874 and 36888 there), or have no certificate bound to the port"
            }
            Self::NotTls => "check scheme and port of the URL: 5985 is HTTP, 5986 is HTTPS",
            Self::Configuration => "check the files of ca and of the client's certificate and key",
            Self::Other => "see what is said, and the Schannel events on the server",
        }
    }
}
