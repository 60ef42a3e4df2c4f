//! [`Binding`]: to which TLS channel a logon is bound (RFC 5929, [MS-NLMP] 2.2.2.1, RFC 4121 4.1.1.2).

use md5::{Digest as _, Md5};
use sha2::Sha256;
use sha2::digest::Digest;

use crate::overlay::Hardening;

/// What NTLM and Kerberos carry of a channel: the MD5 of its bindings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding(pub(crate) [u8; 16]);

impl Binding {
    /// `tls-server-end-point` of a server that shows `certificate`. The hash is that of the
    /// certificate's signature, which in this lab is SHA-256 always.
    pub(crate) fn of_certificate(certificate: &[u8]) -> Self {
        let data = [
            b"tls-server-end-point:",
            &*<Sha256 as Digest>::digest(certificate),
        ]
        .concat();
        // Both addresses are of no type and empty: four numbers that are 0.
        let mut bindings = vec![0; 16];
        // A prefix and a hash: some fifty octets.
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        bindings.extend_from_slice(&length.to_le_bytes());
        bindings.extend_from_slice(&data);
        Self(Md5::digest(&bindings).into())
    }

    /// A binding as a client gives it; zeros stand for none.
    pub(crate) fn given(value: &[u8]) -> Option<Self> {
        let hash: [u8; 16] = value.try_into().ok()?;
        (hash != [0; 16]).then_some(Self(hash))
    }
}

/// What a door asks of bindings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BindingPolicy {
    /// What it is bound to itself; `None` without TLS.
    pub(crate) own: Option<Binding>,
    pub(crate) hardening: Hardening,
}

impl BindingPolicy {
    /// Whether a logon that is bound to `given` passes.
    pub(crate) fn allows(&self, given: Option<Binding>) -> bool {
        match (self.own, self.hardening, given) {
            (None, ..) | (_, Hardening::None, _) | (_, Hardening::Relaxed, None) => true,
            (_, Hardening::Strict, None) => false,
            (Some(own), _, Some(given)) => own == given,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Binding = Binding([7; 16]);

    #[test]
    fn hardening_is_that_of_the_service() {
        let other = Binding([8; 16]);
        for (own, hardening, given, expected) in [
            (Some(OWN), Hardening::Relaxed, Some(OWN), true),
            (Some(OWN), Hardening::Relaxed, None, true),
            (Some(OWN), Hardening::Relaxed, Some(other), false),
            (Some(OWN), Hardening::Strict, Some(OWN), true),
            (Some(OWN), Hardening::Strict, None, false),
            (Some(OWN), Hardening::Strict, Some(other), false),
            (Some(OWN), Hardening::None, Some(other), true),
            (None, Hardening::Strict, None, true),
            (None, Hardening::Relaxed, Some(other), true),
        ] {
            let policy = BindingPolicy { own, hardening };
            assert_eq!(
                policy.allows(given),
                expected,
                "{own:?} {hardening:?} {given:?}"
            );
        }
    }
}
