//! [`ConnectionRule`]: how an endpoint is reached, proves itself and is shown who asks.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::{EndpointKind, Host};

/// How an endpoint is reached. What is `None` here is left to a rule for more endpoints, and in the end to the
/// defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionRule {
    /// How it is shown who asks; by default as [`EndpointKind::default_auth`] says.
    pub auth: Option<Auth>,
    /// Whether NTLM may be used where Kerberos cannot. Default: no.
    pub allow_ntlm_fallback: Option<bool>,
    /// Whether a password may travel over plain HTTP for all to read. Default: no.
    pub allow_plaintext: Option<bool>,
    /// The service's principal. Default: `HTTP/` with the host's name.
    pub service: Option<String>,
    /// Whether the server gets a ticket to go on with from there. Default: no.
    pub delegate: Option<bool>,
    /// File of certificates (PEM) of authorities that are trusted besides those of the system.
    pub ca: Option<PathBuf>,
    /// SHA-256 of the one certificate that the server must have.
    pub pin: Option<Fingerprint>,
    /// The oldest version of TLS that will do. Default: 1.2.
    pub min_tls: Option<MinTls>,
    /// Whether any certificate will do. Default: no.
    pub insecure_skip_verify: Option<bool>,
    /// URL of the HTTP proxy on the way. Default: none.
    pub proxy: Option<String>,
}

impl ConnectionRule {
    /// This rule, completed by `wider` where it says nothing.
    #[must_use]
    pub fn or(&self, wider: &Self) -> Self {
        Self {
            auth: self.auth.or(wider.auth),
            allow_ntlm_fallback: self.allow_ntlm_fallback.or(wider.allow_ntlm_fallback),
            allow_plaintext: self.allow_plaintext.or(wider.allow_plaintext),
            service: self.service.as_ref().or(wider.service.as_ref()).cloned(),
            delegate: self.delegate.or(wider.delegate),
            ca: self.ca.as_ref().or(wider.ca.as_ref()).cloned(),
            pin: self.pin.or(wider.pin),
            min_tls: self.min_tls.or(wider.min_tls),
            insecure_skip_verify: self.insecure_skip_verify.or(wider.insecure_skip_verify),
            proxy: self.proxy.as_ref().or(wider.proxy.as_ref()).cloned(),
        }
    }
}

/// How endpoints are reached; the most specific rule wins, key by key: host, then kind, then all.
#[derive(Debug, Clone, Default)]
pub struct ConnectionRules {
    /// For every endpoint.
    pub all: ConnectionRule,
    /// By kind.
    pub by_kind: BTreeMap<EndpointKind, ConnectionRule>,
}

impl ConnectionRules {
    /// The rule that holds for `kind` at `host`.
    pub fn for_endpoint(&self, host: Option<&Host>, kind: EndpointKind) -> ConnectionRule {
        let own = host.and_then(|host| host.endpoints.get(&kind));
        let wider = match self.by_kind.get(&kind) {
            Some(rule) => rule.or(&self.all),
            None => self.all.clone(),
        };
        own.map_or_else(|| wider.clone(), |rule| rule.connection.or(&wider))
    }
}

/// How a server is shown who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Auth {
    /// User name and password as they are.
    Basic,
    /// NTLM under `Negotiate`.
    Ntlm,
    /// Kerberos under `Negotiate`, and NTLM where that is allowed.
    Negotiate,
    /// Kerberos under `Kerberos`.
    Kerberos,
    /// Certificate of the client.
    Certificate,
    /// CredSSP.
    CredSsp,
}

impl Auth {
    /// Every way.
    pub const ALL: [Self; 6] = [
        Self::Basic,
        Self::Ntlm,
        Self::Negotiate,
        Self::Kerberos,
        Self::Certificate,
        Self::CredSsp,
    ];

    /// The name in site files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Ntlm => "ntlm",
            Self::Negotiate => "negotiate",
            Self::Kerberos => "kerberos",
            Self::Certificate => "certificate",
            Self::CredSsp => "credssp",
        }
    }

    /// Whether it can be Kerberos.
    pub fn takes_tickets(self) -> bool {
        matches!(self, Self::Negotiate | Self::Kerberos)
    }
}

/// The oldest version of TLS that will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MinTls {
    /// TLS 1.0, which is broken.
    V1_0,
    /// TLS 1.1, which is broken.
    V1_1,
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl MinTls {
    /// Every version, the oldest first.
    pub const ALL: [Self; 4] = [Self::V1_0, Self::V1_1, Self::V1_2, Self::V1_3];

    /// The name in site files.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }
}

/// SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Reads 64 hexadecimal digits, with or without colons or blanks between them and `sha256:` before them.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim();
        let digits = match digits.split_at_checked(7) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("sha256:") => rest,
            _ => digits,
        };
        let digits: Vec<u8> = digits
            .bytes()
            .filter(|byte| !matches!(byte, b':' | b' '))
            .collect();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where tickets come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KerberosRule {
    /// The realm of the accounts. Default: that of the user name, of `krb5.conf`, or the domain of the servers.
    pub realm: Option<String>,
    /// Its key distribution centres in the order in which they are asked: `host`, `host:port`, either with
    /// `tcp://` or `udp://` before it. Default: those of `krb5.conf`, then those that DNS names.
    pub kdc: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_tools_write_them() {
        let hex = "0f".repeat(32);
        let colons = vec!["0F"; 32].join(":");
        for text in [
            hex.clone(),
            colons,
            format!("SHA256:{hex}"),
            format!(" {hex} "),
        ] {
            let read = Fingerprint::parse(&text).expect("a fingerprint");
            assert_eq!(read.to_string(), format!("sha256:{hex}"));
        }
        for text in [
            "",
            "0f",
            &"0g".repeat(32),
            &"+f".repeat(32),
            &"é".repeat(32),
            "sha256",
        ] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_more_specific_rule_wins_key_by_key() {
        let own = ConnectionRule {
            auth: Some(Auth::Ntlm),
            ..ConnectionRule::default()
        };
        let wider = ConnectionRule {
            auth: Some(Auth::Basic),
            allow_plaintext: Some(true),
            ..ConnectionRule::default()
        };
        let both = own.or(&wider);
        assert_eq!(both.auth, Some(Auth::Ntlm));
        assert_eq!(both.allow_plaintext, Some(true));
    }
}
