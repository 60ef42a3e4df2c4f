//! [`WireOverlay`]: how the doors of the simulated site differ from those of a fresh one.

use std::collections::BTreeMap;

use owaim_inventory::{Auth, EndpointKind};
use serde::Deserialize;

use crate::endpoints::AuthScheme;
use crate::server::Quotas;

/// What differs on the wire. It holds for every start.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WireOverlay {
    /// Whether NTLM is taken at all.
    pub(crate) ntlm: bool,
    /// What becomes of a logon over TLS that is bound to another channel, or to none.
    pub(crate) channel_binding: Hardening,
    /// Whether messages in clear and Basic are taken without TLS.
    pub(crate) allow_unencrypted: bool,
    /// `MaxShellsPerUser`, at every endpoint.
    pub(crate) max_shells_per_user: Option<usize>,
    /// `MaxConcurrentCommandsPerShell`, at every endpoint.
    pub(crate) max_concurrent_commands_per_shell: Option<usize>,
    /// `MaxConcurrentOperationsPerUser`, at every endpoint.
    pub(crate) max_concurrent_operations_per_user: Option<usize>,
    /// By kind of endpoint.
    pub(crate) endpoints: BTreeMap<EndpointKind, DoorOverlay>,
}

/// What differs at the endpoints of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DoorOverlay {
    /// Whether it is an `https` endpoint.
    pub(crate) tls: Option<bool>,
    /// What it offers.
    pub(crate) auth: Option<Vec<AuthScheme>>,
}

/// `CbtHardeningLevel` of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Hardening {
    /// Bindings are not looked at.
    None,
    /// A wrong one is refused, none at all is fine.
    #[default]
    Relaxed,
    /// The right one is required.
    Strict,
}

impl Default for WireOverlay {
    fn default() -> Self {
        Self {
            ntlm: true,
            channel_binding: Hardening::default(),
            allow_unencrypted: false,
            max_shells_per_user: None,
            max_concurrent_commands_per_shell: None,
            max_concurrent_operations_per_user: None,
            endpoints: BTreeMap::new(),
        }
    }
}

impl WireOverlay {
    /// What the endpoints of a kind offer, best first: what the overlay says, or else what is usual, and
    /// `wanted`, which the site file uses there.
    pub(crate) fn auth(&self, kind: EndpointKind, wanted: Option<Auth>) -> Vec<AuthScheme> {
        let own = self.endpoints.get(&kind).and_then(|door| door.auth.clone());
        let mut offered = own.unwrap_or_else(|| {
            let usual = default_auth(kind).iter().copied();
            usual.chain(wanted.map(scheme)).collect()
        });
        offered.sort_unstable();
        offered.dedup();
        offered
    }

    /// Whether the endpoints of a kind have TLS, whatever the site file's URL says; `None`: as it
    /// says.
    pub(crate) fn tls(&self, kind: EndpointKind) -> Option<bool> {
        self.endpoints.get(&kind).and_then(|door| door.tls)
    }

    /// The quotas that differ.
    pub(crate) fn quotas(&self) -> Quotas {
        Quotas {
            shells: self.max_shells_per_user,
            commands: self.max_concurrent_commands_per_shell,
            operations: self.max_concurrent_operations_per_user,
        }
    }

    /// What is wrong with it, for people.
    pub(crate) fn mistake(&self) -> Option<String> {
        EndpointKind::ALL.into_iter().find_map(|kind| {
            let offered = self.auth(kind, None);
            let usable = |scheme: &AuthScheme| self.ntlm || *scheme != AuthScheme::Negotiate;
            (!offered.iter().any(usable)).then(|| {
                format!(
                    "wire: nobody could log on to the endpoints of the kind {}: expected auth with another scheme than negotiate where ntlm is false",
                    kind.name()
                )
            })
        })
    }
}

/// The scheme that a way of authentication goes by.
fn scheme(auth: Auth) -> AuthScheme {
    match auth {
        Auth::Basic => AuthScheme::Basic,
        Auth::Ntlm | Auth::Negotiate => AuthScheme::Negotiate,
        Auth::Kerberos => AuthScheme::Kerberos,
        Auth::Certificate => AuthScheme::Certificate,
        Auth::CredSsp => AuthScheme::Credssp,
    }
}

/// What a freshly installed endpoint offers. Exchange's virtual directory takes Kerberos alone.
fn default_auth(kind: EndpointKind) -> &'static [AuthScheme] {
    match kind {
        EndpointKind::Exchange => &[AuthScheme::Kerberos],
        EndpointKind::Windows | EndpointKind::Lync | EndpointKind::LyncLocal => {
            &[AuthScheme::Kerberos, AuthScheme::Negotiate]
        }
    }
}
