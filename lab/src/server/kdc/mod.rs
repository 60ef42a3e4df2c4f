//! [`Realm`]: the key distribution centre of the simulated site (RFC 4120).
//!
//! Its users are the accounts of the lab, its services those of the site's hosts. [`Realm::answer`]
//! turns requests into answers; `door` is the sockets. No replicas, no referrals, no renewal, and nothing but
//! padding where tickets of Active Directory have a PAC: whoever may do what, the lab knows by the account.

mod door;
mod error;
mod initial;
mod parts;
#[cfg(test)]
mod tests;
mod ticket;
mod ticket_granting;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use owaim_inventory::HostName;
use picky_krb::crypto::CipherSuite;
use picky_krb::data_types::PrincipalName;
use picky_krb::messages::{AsReq, KdcReq, TgsReq};
use rand::Rng as _;
use serde::Serialize;

use super::accounts::{Account, Accounts};
pub(crate) use door::Kdc;
use error::KdcError;
pub(super) use parts::unseal;

/// Time by which clocks may differ: what every implementation allows.
pub(crate) const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// How long a ticket is good: the default of Windows.
const LIFETIME: SignedDuration = SignedDuration::from_hours(10);

/// Classes of services that every host has; `host` as MIT's library spells it.
const CLASSES: [&str; 4] = ["HTTP", "HOST", "host", "WSMAN"];

/// Names of this machine, by which every host of the site is reached here.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "::1", "localhost"];

/// A realm with its keys, which are made anew for each.
pub(crate) struct Realm {
    name: String,
    accounts: Arc<Accounts>,
    hosts: Vec<HostName>,
    /// Of the ticket-granting service.
    granting_key: Vec<u8>,
    /// Of every service of every host.
    service_key: Vec<u8>,
    /// Keys of users, made when they are first asked for: that takes its time on purpose.
    user_keys: Mutex<HashMap<(String, usize), Vec<u8>>>,
}

impl Realm {
    /// The realm of `domain`.
    pub(crate) fn new(domain: &str, accounts: Arc<Accounts>, hosts: Vec<HostName>) -> Self {
        Self {
            name: domain.to_ascii_uppercase(),
            accounts,
            hosts,
            granting_key: random_key(&CipherSuite::Aes256CtsHmacSha196),
            service_key: random_key(&CipherSuite::Aes256CtsHmacSha196),
            user_keys: Mutex::default(),
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The key that tickets of services are sealed with.
    pub(crate) fn service_key(&self) -> &[u8] {
        &self.service_key
    }

    /// The accounts that are its users.
    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Whether a service of that name is anywhere in the site.
    fn is_service(&self, name: &PrincipalName) -> bool {
        self.hosts.iter().any(|host| is_service_of(host, name))
    }

    /// Whether `name` is the ticket-granting service, by whichever name of the realm.
    fn is_granting(&self, name: &PrincipalName) -> bool {
        let [class, realm] = &parts::strings(name)[..] else {
            return false;
        };
        class == "krbtgt" && self.is_called(realm)
    }

    /// Whether the realm goes by `name`: its own one in upper or lower case, or the domain of an
    /// account as it stands in `DOMAIN\user`.
    fn is_called(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(&self.name) || self.accounts.know_domain(name)
    }

    /// The key of a user for a cipher.
    fn user_key(&self, user: &User, cipher: &CipherSuite) -> Result<Vec<u8>, KdcError> {
        let index = (user.name.clone(), usize::from(cipher.clone()));
        let keys = || {
            self.user_keys
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(key) = keys().get(&index) {
            return Ok(key.clone());
        }
        let salt = self.salt(user);
        let key = cipher
            .cipher()
            .generate_key_from_password(user.password.as_bytes(), salt.as_bytes())?;
        keys().insert(index, key.clone());
        Ok(key)
    }

    /// What the key of a user is salted with.
    fn salt(&self, user: &User) -> String {
        [&*self.name, &*user.name].concat()
    }

    /// The user of that name in the realm that the client calls by `realm`.
    fn user(&self, name: &PrincipalName, realm: &str) -> Result<User, KdcError> {
        let unknown = || KdcError::ClientUnknown {
            name: parts::strings(name).join("/"),
        };
        let names = parts::strings(name);
        let [whole] = &names[..] else {
            return Err(unknown());
        };
        let (user, domain) = match whole.rsplit_once('@') {
            Some((user, domain)) if parts::is_enterprise(name) => (user, domain),
            _ => (&**whole, realm),
        };
        let account = self.accounts.find_principal(user, domain);
        let account = account.filter(|account| {
            // The ticket says the realm, not the domain: both must lead to the same account.
            let found = self.accounts.find_principal(user, &self.name);
            found.is_some_and(|found| found.name == account.name)
                && (self.is_called(domain) || account.name.eq_ignore_ascii_case(whole))
        });
        let (name, password) = account.and_then(Account::user).ok_or_else(unknown)?;
        Ok(User { name, password })
    }

    /// The answer to a request, which may be anything at all.
    pub(crate) fn answer(&self, request: &[u8], now: Timestamp) -> Vec<u8> {
        self.answer_within(usize::MAX, request, now)
    }

    /// The same in no more than `room` bytes: a ticket that does not fit is to be asked for elsewhere.
    fn answer_within(&self, room: usize, request: &[u8], now: Timestamp) -> Vec<u8> {
        let (answer, request) = match Question::decode(request) {
            Some(Question::Initial(request)) => {
                let answer = self.initial(&request, now);
                (answer.and_then(|answer| encode(&answer)), Some(request))
            }
            Some(Question::Granting(request)) => {
                let answer = self.grant(&request, now);
                (answer.and_then(|answer| encode(&answer)), Some(request))
            }
            None => (Err(KdcError::NoRequest), None),
        };
        let answer = answer.and_then(|answer| {
            let length = answer.len();
            if length > room {
                Err(KdcError::TooBig { length })
            } else {
                Ok(answer)
            }
        });
        answer.unwrap_or_else(|error| {
            // What is encoded is made here; an error without its answer is a silent one.
            self.refusal(&error, request.as_ref(), now)
                .and_then(|refusal| encode(&refusal))
                .unwrap_or_default()
        })
    }
}

/// A user of the realm.
struct User {
    /// As the site file spells it, without its domain.
    name: String,
    password: String,
}

/// One of the two kinds of requests.
enum Question {
    Initial(KdcReq),
    Granting(KdcReq),
}

impl Question {
    fn decode(request: &[u8]) -> Option<Self> {
        if let Ok(request) = picky_asn1_der::from_bytes::<AsReq>(request) {
            return Some(Self::Initial(request.0));
        }
        let request = picky_asn1_der::from_bytes::<TgsReq>(request).ok()?;
        Some(Self::Granting(request.0))
    }
}

/// Whether a ticket for `name` is one for `host`.
pub(super) fn is_service_of(host: &HostName, name: &PrincipalName) -> bool {
    let [class, place] = &parts::strings(name)[..] else {
        return false;
    };
    names_of_services(host)
        .any(|(own, name)| own.eq_ignore_ascii_case(class) && name.eq_ignore_ascii_case(place))
}

/// Class and host of every service of `host`, which goes by its name in full, by its first label and
/// as this machine.
pub(super) fn names_of_services(host: &HostName) -> impl Iterator<Item = (&'static str, &str)> {
    let names = [host.as_str(), host.short()].into_iter().chain(LOOPBACK);
    names.flat_map(|name| CLASSES.map(|class| (class, name)))
}

fn random_key(cipher: &CipherSuite) -> Vec<u8> {
    let mut key = vec![0; cipher.cipher().key_size()];
    rand::rng().fill_bytes(&mut key);
    key
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, KdcError> {
    Ok(picky_asn1_der::to_vec(value)?)
}
