//! [`EndpointBook`]: at which URL, in which way, and as whom each endpoint of the site is reached.

use std::collections::BTreeMap;
use std::path::PathBuf;

use owaim_inventory::{
    Auth, ConnectionRule, Credential, EndpointKind, ExchangeVersion, Fingerprint, Host, MinTls,
    Role, Site,
};
use owaim_lab::{AuthScheme, EndpointEntry, EndpointsFile};
use owaim_steps::{Place, Problem};
use owaim_transport::{
    Authentication, ClientCertificate, Endpoint, Identity, Kerberos, Secret, Tls, TlsVersion,
};

use crate::client_certificate::{self, ClientCertificateError};
use crate::secret_source::{SecretError, read_secret};

/// The endpoints of a site, with credentials.
#[derive(Debug, Clone)]
pub struct EndpointBook {
    endpoints: BTreeMap<Place, Endpoint>,
    origin: String,
}

/// What the site file refers to for its endpoints cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// A password.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A certificate of the client.
    #[error(transparent)]
    Certificate(#[from] ClientCertificateError),
    /// The certificates of authorities.
    #[error("the certificates to trust cannot be read from {}: {detail}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What came back.
        detail: String,
    },
}

/// What an endpoint file stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// The simulated site: what the site file says of the real servers' certificates does not hold for it.
    Lab,
    /// A file of that name.
    File(&'a str),
}

/// What shows who asks, read once.
#[derive(Debug, Clone)]
enum Proof {
    Identity(Identity),
    Certificate(ClientCertificate),
    Logon,
}

/// The endpoints that `host` offers, by its roles and by what the site file says of it.
fn kinds<'a>(site: &Site, host: &'a Host) -> impl Iterator<Item = EndpointKind> + 'a {
    let version = site.exchange_version(host);
    let exchange =
        host.is(Role::Cas) || host.is(Role::Backend) && version >= ExchangeVersion::E2016;
    EndpointKind::ALL.into_iter().filter(move |kind| {
        host.endpoints.contains_key(kind)
            || match kind {
                EndpointKind::Windows => true,
                EndpointKind::Exchange => exchange,
                EndpointKind::Lync => host.is(Role::LyncFrontEnd),
                EndpointKind::LyncLocal => false,
            }
    })
}

impl EndpointBook {
    /// The endpoints that the site file names; every password and file that it refers to is read now, once.
    pub fn from_site(site: &Site) -> Result<Self, EndpointError> {
        let mut known: Vec<(&Credential, Proof)> = Vec::new();
        let mut authorities = Authorities::default();
        let mut endpoints = BTreeMap::new();
        for host in &site.hosts {
            for kind in kinds(site, host) {
                let credential = site.credentials.for_endpoint(&host.name, kind);
                let before = known.iter().find(|(known, _)| *known == credential);
                let proof = if let Some((_, proof)) = before {
                    proof.clone()
                } else {
                    let proof = prove(credential)?;
                    known.push((credential, proof.clone()));
                    proof
                };
                let rule = site.connections.for_endpoint(Some(host), kind);
                let own = host.endpoints.get(&kind).cloned().unwrap_or_default();
                let kerberos = Tickets {
                    realm: site.kerberos.realm.clone(),
                    kdcs: site.kerberos.kdc.clone(),
                };
                let auth = rule.auth.unwrap_or_else(|| kind.default_auth());
                endpoints.insert(
                    Place {
                        host: host.name.clone(),
                        kind,
                    },
                    Endpoint {
                        host: host.name.to_string(),
                        url: own.url.unwrap_or_else(|| kind.default_url(&host.name)),
                        configuration: own
                            .configuration
                            .unwrap_or_else(|| kind.default_configuration().into()),
                        authentication: authentication(auth, proof, &rule, kerberos),
                        tls: tls(&rule, authorities.read(&rule)?),
                        proxy: rule.proxy,
                    },
                );
            }
        }
        Ok(Self {
            endpoints,
            origin: "the site file".into(),
        })
    }

    /// The endpoints of an endpoint file, in place of the URLs, authorities and credentials of the site file.
    pub fn from_file(
        file: &EndpointsFile,
        site: &Site,
        origin: Origin<'_>,
    ) -> Result<Self, EndpointError> {
        let mut authorities = Authorities::default();
        let mut endpoints = BTreeMap::new();
        for entry in &file.endpoints {
            let host = site.host(&entry.host);
            let mut rule = site.connections.for_endpoint(host, entry.kind);
            if origin == Origin::Lab {
                // The process that made its certificate need not ask anybody about it.
                rule.pin = entry.fingerprint.map(Fingerprint);
                rule.proxy = None;
                rule.insecure_skip_verify = None;
            }
            let ca = match &file.ca {
                Some(ca) => Some(ca.clone()),
                None => authorities.read(&rule)?,
            };
            let place = Place {
                host: entry.host.clone(),
                kind: entry.kind,
            };
            endpoints.insert(place, entry_endpoint(entry, file, rule, ca, site));
        }
        Ok(Self {
            endpoints,
            origin: match origin {
                Origin::Lab => "the simulated site".into(),
                Origin::File(name) => name.into(),
            },
        })
    }

    /// The endpoint at `place`.
    pub fn get(&self, place: &Place) -> Result<&Endpoint, Problem> {
        self.endpoints.get(place).ok_or_else(|| Problem {
            action: format!("find the {} endpoint of {}", place.kind.name(), place.host),
            expected: None,
            found: format!("{} has no such endpoint", self.origin),
            advice: "add the host, or the endpoint, to it".into(),
            retry: false,
        })
    }

    /// Every endpoint, with its place.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Endpoint)> {
        self.endpoints.iter()
    }

    /// The places there are at a host of that name (full, or its first label).
    pub fn places_of<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Place> {
        self.endpoints.keys().filter(move |place| {
            place.host.as_str().eq_ignore_ascii_case(host)
                || place.host.short().eq_ignore_ascii_case(host)
        })
    }

    /// Every password, for redaction.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets: Vec<Secret> = Vec::new();
        for endpoint in self.endpoints.values() {
            let secret = endpoint.authentication.secret();
            secrets.extend(secret.filter(|secret| !secrets.contains(secret)).cloned());
        }
        secrets
    }
}

/// The realm that tickets come from.
struct Tickets {
    realm: Option<String>,
    kdcs: Vec<String>,
}

/// The endpoint of an entry: the way that the site file asks for, else the best that the entry offers.
fn entry_endpoint(
    entry: &EndpointEntry,
    file: &EndpointsFile,
    mut rule: ConnectionRule,
    ca: Option<String>,
    site: &Site,
) -> Endpoint {
    let kerberos = match &file.kerberos {
        Some(realm) => Tickets {
            realm: Some(realm.realm.clone()),
            kdcs: vec![realm.kdc.clone()],
        },
        None => Tickets {
            realm: site.kerberos.realm.clone(),
            kdcs: site.kerberos.kdc.clone(),
        },
    };
    let auth = rule.auth.unwrap_or(match entry.auth.first() {
        Some(AuthScheme::Kerberos) => Auth::Kerberos,
        // In an endpoint file it means that NTLM is in it.
        Some(AuthScheme::Negotiate) | None => Auth::Ntlm,
        Some(AuthScheme::Credssp) => Auth::CredSsp,
        Some(AuthScheme::Basic) => Auth::Basic,
        Some(AuthScheme::Certificate) => Auth::Certificate,
    });
    let proof = match (&entry.certificate, auth) {
        (Some(certificate), Auth::Certificate) => Proof::Certificate(ClientCertificate {
            name: entry.username.clone(),
            chain: certificate.certificate.clone(),
            key: Secret::new(certificate.key.expose().into()),
        }),
        _ => Proof::Identity(Identity::Password(owaim_transport::Credential {
            username: entry.username.clone(),
            password: Secret::new(entry.password.expose().into()),
        })),
    };
    if entry.service.is_some() {
        rule.service.clone_from(&entry.service);
    }
    Endpoint {
        host: entry.host.to_string(),
        url: entry.url.clone(),
        configuration: entry.configuration.clone(),
        authentication: authentication(auth, proof, &rule, kerberos),
        tls: tls(&rule, ca),
        proxy: rule.proxy,
    }
}

/// How a server is shown who asks. The parser has seen to it that way and proof fit together; of an endpoint
/// file's account there is always a password, which serves every way but that by certificate.
fn authentication(
    auth: Auth,
    proof: Proof,
    rule: &ConnectionRule,
    tickets: Tickets,
) -> Authentication {
    let identity = match proof {
        Proof::Logon => {
            return Authentication::CurrentLogon {
                service: rule.service.clone(),
            };
        }
        Proof::Certificate(certificate) => return Authentication::Certificate(certificate),
        Proof::Identity(identity) => identity,
    };
    let identity = match (auth, identity) {
        (Auth::Basic, Identity::Password(credential)) => {
            return Authentication::Basic {
                credential,
                allow_plaintext: rule.allow_plaintext == Some(true),
            };
        }
        (Auth::Ntlm, Identity::Password(credential)) => return Authentication::Ntlm(credential),
        (Auth::CredSsp, Identity::Password(credential)) => {
            return Authentication::CredSsp(credential);
        }
        (_, identity) => identity,
    };
    let kerberos = Kerberos {
        identity,
        realm: tickets.realm,
        kdcs: tickets.kdcs,
        service: rule.service.clone(),
        delegate: rule.delegate == Some(true),
    };
    match auth {
        Auth::Kerberos => Authentication::Kerberos(kerberos),
        _ => Authentication::Negotiate {
            kerberos,
            ntlm_fallback: rule.allow_ntlm_fallback == Some(true),
        },
    }
}

/// Which servers are trusted.
fn tls(rule: &ConnectionRule, ca: Option<String>) -> Tls {
    Tls {
        ca,
        pin: rule.pin.map(|pin| pin.0),
        min_version: match rule.min_tls {
            Some(MinTls::V1_0) => TlsVersion::V1_0,
            Some(MinTls::V1_1) => TlsVersion::V1_1,
            Some(MinTls::V1_2) | None => TlsVersion::V1_2,
            Some(MinTls::V1_3) => TlsVersion::V1_3,
        },
        insecure_skip_verify: rule.insecure_skip_verify == Some(true),
    }
}

/// The files of authorities, each read once.
#[derive(Debug, Default)]
struct Authorities {
    read: BTreeMap<PathBuf, String>,
}

impl Authorities {
    /// The file that `rule` names, if it names one.
    fn read(&mut self, rule: &ConnectionRule) -> Result<Option<String>, EndpointError> {
        let Some(path) = &rule.ca else {
            return Ok(None);
        };
        if let Some(text) = self.read.get(path) {
            return Ok(Some(text.clone()));
        }
        let fail = |detail: String| EndpointError::Authorities {
            path: path.clone(),
            detail,
        };
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        if !text.contains("-----BEGIN CERTIFICATE-----") {
            return Err(fail(
                "expected certificates as PEM (-----BEGIN CERTIFICATE-----), found none".into(),
            ));
        }
        self.read.insert(path.clone(), text.clone());
        Ok(Some(text))
    }
}

/// What `credential` refers to.
fn prove(credential: &Credential) -> Result<Proof, EndpointError> {
    Ok(match credential {
        Credential::Account { username, password } => {
            let password = read_secret(username, password)?;
            Proof::Identity(Identity::Password(owaim_transport::Credential {
                username: username.clone(),
                password,
            }))
        }
        Credential::Keytab { username, keytab } => Proof::Identity(Identity::Keytab {
            principal: username.clone(),
            path: keytab.clone(),
        }),
        Credential::TicketCache => Proof::Identity(Identity::TicketCache),
        Credential::Certificate { pfx, .. } if !owaim_transport::CLIENT_CERTIFICATES => {
            return Err(SecretError::NoClientCertificates { path: pfx.clone() }.into());
        }
        Credential::Certificate { pfx, password } => {
            Proof::Certificate(client_certificate::open(pfx, password)?)
        }
        Credential::Logon if owaim_transport::CURRENT_LOGON => Proof::Logon,
        Credential::Logon => return Err(SecretError::NoLogon.into()),
    })
}

#[cfg(test)]
mod tests {
    use owaim_inventory::{HostName, parse_with};

    use super::*;

    const SITE: &str = include_str!("../../examples/litware.toml");

    fn site(pairs: &[(&str, &str)]) -> Site {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        parse_with("site.toml", SITE, &pairs).unwrap()
    }

    fn place(kind: EndpointKind) -> Place {
        Place {
            host: HostName::new("atl-cas-001.litwareinc.com").unwrap(),
            kind,
        }
    }

    fn file(auth: &str) -> EndpointsFile {
        let text = format!(
            r#"{{"endpoints": [{{
                "host": "atl-cas-001.litwareinc.com", "kind": "exchange", "url": "https://127.0.0.1:1/PowerShell/",
                "auth": [{auth}], "username": "LITWAREINC\\owaim", "password": "p", "configuration": "Microsoft.Exchange",
                "service": "HTTP/atl-cas-001"
            }}], "ca": "CA", "kerberos": {{"realm": "LITWAREINC.COM", "kdc": "127.0.0.1:2"}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn from_file(auth: &str, site: &Site, origin: Origin<'_>) -> Endpoint {
        let book = EndpointBook::from_file(&file(auth), site, origin).unwrap();
        book.get(&place(EndpointKind::Exchange)).unwrap().clone()
    }

    #[test]
    fn an_endpoint_file_says_what_it_offers_and_the_site_file_what_it_wants() {
        let none = site(&[]);
        let endpoint = from_file(r#""kerberos", "negotiate""#, &none, Origin::Lab);
        let Authentication::Kerberos(kerberos) = &endpoint.authentication else {
            panic!("{endpoint:?}")
        };
        assert_eq!(kerberos.realm.as_deref(), Some("LITWAREINC.COM"));
        assert_eq!(kerberos.kdcs, ["127.0.0.1:2"]);
        assert_eq!(kerberos.service.as_deref(), Some("HTTP/atl-cas-001"));
        assert_eq!(endpoint.tls.ca.as_deref(), Some("CA"));
        let endpoint = from_file(r#""negotiate""#, &none, Origin::Lab);
        assert!(matches!(endpoint.authentication, Authentication::Ntlm(_)));
        let wanted = site(&[("endpoints.exchange.auth", "negotiate")]);
        let endpoint = from_file(r#""kerberos""#, &wanted, Origin::Lab);
        let negotiate = Authentication::Negotiate {
            kerberos: kerberos.clone(),
            ntlm_fallback: false,
        };
        assert_eq!(endpoint.authentication, negotiate);
    }

    #[test]
    fn what_is_known_of_real_certificates_does_not_hold_for_the_simulated_site() {
        let pin = "0f".repeat(32);
        let site = site(&[("endpoints.pin", &pin)]);
        assert_eq!(from_file(r#""basic""#, &site, Origin::Lab).tls.pin, None);
        let endpoint = from_file(r#""basic""#, &site, Origin::File("endpoints.json"));
        assert_eq!(endpoint.tls.pin, Some([0x0f; 32]));
    }

    #[test]
    fn the_site_file_alone_gives_kerberos_and_no_way_round_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "S3cret-canary-42!").unwrap();
        let source = format!("{{ file = {:?} }}", path.to_str().unwrap());
        let site = site(&[("credentials.default.password", &source)]);
        let book = EndpointBook::from_site(&site).unwrap();
        let authentication = |kind| &book.get(&place(kind)).unwrap().authentication;
        assert!(matches!(
            authentication(EndpointKind::Exchange),
            Authentication::Kerberos(_)
        ));
        assert!(matches!(
            authentication(EndpointKind::Windows),
            Authentication::Negotiate {
                ntlm_fallback: false,
                ..
            }
        ));
        assert_eq!(book.secrets().len(), 1);
        assert!(!format!("{book:?}").contains("canary"));
    }

    #[test]
    fn authorities_that_cannot_be_read_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut site = site(&[("endpoints.ca", "ca.pem")]);
        site.resolve_paths(folder.path());
        let file = EndpointsFile {
            ca: None,
            ..file(r#""basic""#)
        };
        let said = |site: &Site| {
            let error = EndpointBook::from_file(&file, site, Origin::File("e.json")).unwrap_err();
            error.to_string()
        };
        assert!(said(&site).contains("ca.pem: "), "{}", said(&site));
        std::fs::write(folder.path().join("ca.pem"), "nothing").unwrap();
        assert!(said(&site).contains("expected certificates as PEM"));
    }
}
