//! [`Accounts`]: what a command has learnt of its accounts. Guessing would lock them.
//!
//! It outlives the sessions of one run: what a preview was refused, the run after it does not try again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use owaim_transport::{Authentication, Endpoint, Secret};
use tokio::sync::Mutex;

/// The accounts of a command; clones share them.
#[derive(Clone, Default)]
pub struct Accounts(Arc<StdMutex<HashMap<AccountKey, Arc<Account>>>>);

impl Accounts {
    /// The one that `endpoint` is logged on with.
    pub(crate) fn of(&self, endpoint: &Endpoint) -> Arc<Account> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(accounts.entry(AccountKey::of(endpoint)).or_default())
    }
}

/// An account as servers know it: a name without a domain is another account on every host, and
/// another password is another guess.
#[derive(PartialEq, Eq, Hash)]
struct AccountKey {
    name: String,
    secret: Option<Secret>,
    host: Option<String>,
}

impl AccountKey {
    fn of(endpoint: &Endpoint) -> Self {
        let authentication = &endpoint.authentication;
        let name = authentication.account();
        let local = match authentication {
            Authentication::Basic { .. } | Authentication::Ntlm(_) | Authentication::CredSsp(_) => {
                !name.contains(['\\', '@'])
            }
            Authentication::Certificate(_) => true,
            Authentication::Kerberos(_)
            | Authentication::Negotiate { .. }
            | Authentication::CurrentLogon { .. } => false,
        };
        Self {
            name: name.to_lowercase(),
            secret: authentication.secret().cloned(),
            host: local.then(|| endpoint.host.to_lowercase()),
        }
    }
}

/// What is known about an account. Guessing would lock it, so whoever does not know goes alone.
#[derive(Default)]
pub(crate) struct Account {
    /// Held by whoever goes alone.
    pub(crate) alone: Mutex<()>,
    standing: StdMutex<Standing>,
}

/// How servers have answered an account so far.
#[derive(Clone, Default)]
pub(crate) enum Standing {
    /// Nobody has asked.
    #[default]
    Unproven,
    /// The last answer was a yes.
    Proven,
    /// It was let in before, but refused since: it may have no right there, or have been locked
    /// meanwhile.
    Doubted,
    /// It was refused at that URL, and nobody has let it in since: it is not tried again.
    Refused(String),
}

impl Account {
    pub(crate) fn standing(&self) -> Standing {
        self.standing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes that it was let in, or refused at that URL.
    pub(crate) fn answered(&self, refused_at: Option<&str>) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        *standing = match (&*standing, refused_at) {
            (Standing::Refused(url), _) => Standing::Refused(url.clone()),
            (_, None) => Standing::Proven,
            (Standing::Proven, Some(_)) => Standing::Doubted,
            (Standing::Unproven | Standing::Doubted, Some(url)) => Standing::Refused(url.into()),
        };
    }
}
