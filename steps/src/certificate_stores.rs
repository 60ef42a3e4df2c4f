//! [`Stores`]: the certificate stores of one machine, read in one pipeline.
//!
//! Only the DER, and whether there is a private key, count; what else the server says of a
//! certificate does not. Which store a certificate lies in is told by its `PSParentPath`.

use jiff::Timestamp;
use owaim_inventory::HostName;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline};

use crate::authority::Authority;
use crate::x509::{self, X509};
use crate::{Observations, Place, Problem, Query, read};

/// Name of the query.
const STORES: &str = "stores";
/// A machine's own certificates, what it can send along, and whom it trusts.
const PATHS: [&str; 3] = [
    r"Cert:\LocalMachine\My",
    r"Cert:\LocalMachine\CA",
    r"Cert:\LocalMachine\Root",
];
/// What is taken from each certificate: whole objects are many times that size.
const PROPERTIES: [&str; 3] = ["RawData", "HasPrivateKey", "PSParentPath"];
/// Certificates of one kind that a warning lists by name.
const LISTED: usize = 5;

/// What is in the stores.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    /// `My`, in the order of the store.
    pub(crate) own: Vec<Own>,
    /// What may be sent along with one of them: all of `CA` and `Root`.
    pub(crate) others: Vec<X509>,
    /// `Root`, as far as it is one: what other machines may be trusted by.
    pub(crate) roots: Vec<Authority>,
    /// What is not as it should be, for people.
    pub(crate) warnings: Vec<String>,
}

/// A certificate of `My`.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) x509: X509,
    pub(crate) has_private_key: bool,
}

/// All stores of `host`.
pub(crate) fn query(host: &HostName) -> Query {
    let texts = |texts: [&str; 3]| Value::from(texts.map(Value::from).to_vec());
    let list = Command::new("Get-ChildItem").with("LiteralPath", texts(PATHS));
    let select = Command::new("Select-Object").with("Property", texts(PROPERTIES));
    Query {
        name: STORES,
        place: Place::windows(host),
        pipeline: Pipeline::new(list).pipe(select),
    }
}

/// Text with how many there are where not all are listed.
pub(crate) fn listed(all: &[String]) -> String {
    let shown = all[..all.len().min(LISTED)].join(", ");
    match all.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown}, and {more} more"),
    }
}

impl Stores {
    /// What `query` gave for `host`, whose clock shows `now`.
    pub(crate) fn read(
        seen: &Observations,
        host: &HostName,
        now: Timestamp,
        action: &str,
    ) -> Result<Self, Problem> {
        let mut stores = Self::default();
        let (mut unreadable, mut misplaced) = (Vec::new(), Vec::new());
        for object in read::clean(seen, STORES, action)?.objects() {
            let store = read::text(object, "PSParentPath").unwrap_or_default();
            let store = store.rsplit('\\').next().unwrap_or_default();
            let store = ["My", "CA", "Root"]
                .into_iter()
                .find(|known| store.eq_ignore_ascii_case(known))
                .ok_or_else(|| {
                    let found = format!("a certificate in the store {store:?}");
                    Problem::new(action, found, read::REPORT).expecting("My, CA or Root")
                })?;
            let Some(der) = object.get("RawData").and_then(Value::as_bytes) else {
                unreadable.push(format!("one without bytes in {store}"));
                continue;
            };
            let x509 = match X509::parse(&der) {
                Ok(x509) => x509,
                Err(error) => {
                    let thumbprint = x509::thumbprint(&der);
                    unreadable.push(format!("{thumbprint} in {store} ({error})"));
                    continue;
                }
            };
            if store == "My" {
                let key = object.get("HasPrivateKey").and_then(read::flag);
                stores.own.push(Own {
                    x509,
                    has_private_key: key == Some(true),
                });
                continue;
            }
            if store == "Root" {
                if x509.is_self_issued() {
                    stores.roots.push(Authority::of(&x509, now));
                } else {
                    misplaced.push(x509.described());
                }
            }
            stores.others.push(x509);
        }
        if !unreadable.is_empty() {
            stores.warnings.push(format!(
                "certificates on {host} that cannot be read: {}",
                listed(&unreadable)
            ));
        }
        if !misplaced.is_empty() {
            stores.warnings.push(format!(
                "certificates in LocalMachine\\Root of {host} that are no roots: {}: they belong into CA, and where they \
                 are they may make Windows refuse certificates of other machines",
                listed(&misplaced)
            ));
        }
        Ok(stores)
    }

    /// The authorities of `CA` and `Root` that lead to a root of this machine at `now`.
    pub(crate) fn trusted(&self, now: Timestamp) -> Vec<Authority> {
        Authority::led_to(&self.others, &self.roots, now)
    }
}
