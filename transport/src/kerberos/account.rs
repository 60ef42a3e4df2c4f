//! [`Account`]: who asks for tickets, and of which realm.

use std::net::IpAddr;

use picky_krb::crypto::CipherSuite;
use sspi::{AuthIdentityBuffers, CredentialsBuffers, KeytabIdentity, Username};

use super::error::KerberosError;
use super::keytab::{Keytab, MAX_FILE};
use super::krb5_conf::Krb5Conf;
use crate::{Identity, Kerberos};

/// Who asks for tickets, and of which realm.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Account {
    /// The name without its realm. One that has an `@` is looked up by userPrincipalName.
    pub(super) name: String,
    /// The realm, in capitals as Active Directory's are.
    pub(super) realm: String,
}

impl Account {
    /// The account that `kerberos` means at an endpoint of `host`.
    ///
    /// The realm is the one given, else that of the user name. Else it is `default_realm` of `krb5.conf`,
    /// or that which `krb5.conf` or DNS gives the host: whichever begins with the domain's short name, if the user
    /// name has one, or else the first there is.
    pub(super) fn of(
        kerberos: &Kerberos,
        host: &str,
        conf: &Krb5Conf,
    ) -> Result<Self, KerberosError> {
        let given = kerberos.identity.account();
        let (name, suffix) = match (given.split_once('\\'), given.rsplit_once('@')) {
            // The domain's short name is no realm; its DNS name is.
            (Some((domain, name)), _) => (name, Some(domain).filter(|domain| domain.contains('.'))),
            (None, Some((name, suffix))) => (name, Some(suffix)),
            (None, None) => (given, None),
        };
        let wrong = |expected| KerberosError::Name {
            name: given.into(),
            expected,
        };
        if name.is_empty() || name.contains('\\') {
            return Err(wrong("an account is user@REALM, DOMAIN\\user or user"));
        }
        let realm = match (&kerberos.realm, suffix) {
            (Some(realm), _) => realm.as_str(),
            (None, Some(suffix)) => suffix,
            (None, None) => {
                let known = [
                    conf.default_realm.as_deref(),
                    conf.realm_of(host),
                    domain(host),
                ];
                // Of `DOMAIN\user` the realm is more likely DOMAIN.EXAMPLE.COM than another.
                let short = given.split_once('\\').map(|(short, _)| short);
                let is_named = |realm: &&str| {
                    let label = realm.split('.').next().unwrap_or_default();
                    short.is_some_and(|short| short.eq_ignore_ascii_case(label))
                };
                let mut realms = known.into_iter().flatten();
                let named = realms.clone().find(is_named);
                named
                    .or_else(|| realms.next())
                    .ok_or_else(|| KerberosError::NoRealm {
                        account: given.into(),
                        host: host.into(),
                    })?
            }
        };
        let realm = realm.to_uppercase();
        // A suffix that is not the realm makes it a userPrincipalName, which only the realm's
        // directory can resolve.
        let is_principal = suffix.is_none_or(|suffix| suffix.eq_ignore_ascii_case(&realm));
        let name = if is_principal || given.contains('\\') {
            name
        } else {
            given
        };
        if !name.is_ascii() || !realm.is_ascii() {
            return Err(wrong(
                "names of Kerberos are spoken here in ASCII only; an account with other letters may log on by NTLM",
            ));
        }
        Ok(Self {
            name: name.into(),
            realm,
        })
    }

    /// What proves it, as `sspi` takes it. A keytab is read here.
    pub(super) fn credentials(
        &self,
        identity: &Identity,
    ) -> Result<CredentialsBuffers, KerberosError> {
        match identity {
            Identity::Password(credential) => {
                let password = credential.password.expose();
                let buffers = AuthIdentityBuffers::from_utf8(&self.name, &self.realm, password);
                Ok(CredentialsBuffers::AuthIdentity(buffers))
            }
            Identity::Keytab { path, .. } => {
                let wrong = |detail: String| KerberosError::Keytab {
                    path: path.clone(),
                    principal: format!("{}@{}", self.name, self.realm),
                    detail,
                };
                let length = std::fs::metadata(path)
                    .map_err(|error| wrong(error.to_string()))?
                    .len();
                if length > MAX_FILE {
                    return Err(wrong(format!(
                        "expected at most {MAX_FILE} octets, found {length}"
                    )));
                }
                let octets = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
                let octets = zeroize::Zeroizing::new(octets);
                let keytab = Keytab::parse(&octets).map_err(|error| wrong(error.to_string()))?;
                let (cipher, entry) = keytab.key(&self.name, &self.realm).map_err(wrong)?;
                self.keyed(cipher, entry.key.to_vec())
            }
            Identity::TicketCache => Err(KerberosError::NoTicketCache),
        }
    }

    fn keyed(
        &self,
        cipher: CipherSuite,
        key: Vec<u8>,
    ) -> Result<CredentialsBuffers, KerberosError> {
        // With the realm in the place of the domain's short name: as user@REALM it would be looked
        // up by userPrincipalName.
        let principal =
            Username::new(&self.name, Some(&self.realm)).map_err(|_| KerberosError::Name {
                name: self.name.clone(),
                expected: "an account is user@REALM, DOMAIN\\user or user",
            })?;
        Ok(CredentialsBuffers::Keytab(KeytabIdentity {
            principal,
            key: key.into(),
            key_enctype: cipher,
        }))
    }
}

/// The DNS domain that `host` is in.
fn domain(host: &str) -> Option<&str> {
    if host.parse::<IpAddr>().is_ok() {
        return None;
    }
    host.trim_end_matches('.')
        .split_once('.')
        .map(|(_, domain)| domain)
        .filter(|domain| !domain.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Account, KerberosError, Krb5Conf};
    use crate::{Credential, Identity, Kerberos, Secret};

    fn account(
        username: &str,
        realm: Option<&str>,
        default: Option<&str>,
        host: &str,
    ) -> Result<(String, String), KerberosError> {
        let kerberos = Kerberos {
            identity: Identity::Password(Credential {
                username: username.into(),
                password: Secret::new("S3cret-canary-42!".into()),
            }),
            realm: realm.map(str::to_owned),
            kdcs: Vec::new(),
            service: None,
            delegate: false,
        };
        let conf = Krb5Conf {
            default_realm: default.map(str::to_owned),
            ..Krb5Conf::default()
        };
        Account::of(&kerberos, host, &conf).map(|account| (account.name, account.realm))
    }

    #[test]
    fn the_realm_is_where_it_is_said_first() {
        for (username, realm, default, name, expected) in [
            (
                "owaim",
                Some("given.example"),
                Some("CONF.EXAMPLE"),
                "owaim",
                "GIVEN.EXAMPLE",
            ),
            (
                "owaim@own.example",
                None,
                Some("CONF.EXAMPLE"),
                "owaim",
                "OWN.EXAMPLE",
            ),
            (
                "OWN\\owaim",
                None,
                Some("CONF.EXAMPLE"),
                "owaim",
                "CONF.EXAMPLE",
            ),
            (
                "own.example\\owaim",
                None,
                Some("CONF.EXAMPLE"),
                "owaim",
                "OWN.EXAMPLE",
            ),
            ("owaim", None, None, "owaim", "LITWARE.EXAMPLE"),
            ("OWN\\owaim", None, None, "owaim", "LITWARE.EXAMPLE"),
            (
                "owaim@own.example",
                Some("OWN.EXAMPLE"),
                None,
                "owaim",
                "OWN.EXAMPLE",
            ),
            (
                "owaim@mail.example",
                Some("OWN.EXAMPLE"),
                None,
                "owaim@mail.example",
                "OWN.EXAMPLE",
            ),
        ] {
            let found = account(username, realm, default, "srv.litware.example").unwrap();
            assert_eq!(found, (name.into(), expected.into()), "{username}");
        }
    }

    #[test]
    fn what_has_no_realm_or_no_name_is_refused() {
        for host in ["10.0.0.1", "fd00::1", "srv"] {
            let error = account("owaim", None, None, host).unwrap_err();
            assert!(matches!(error, KerberosError::NoRealm { .. }), "{error}");
        }
        for username in ["", "@x.example", "A\\b\\c", "DOMAIN\\", "\u{e4}rger"] {
            let error = account(username, None, None, "srv.litware.example").unwrap_err();
            assert!(
                matches!(error, KerberosError::Name { .. }),
                "{username}: {error}"
            );
        }
    }
}
