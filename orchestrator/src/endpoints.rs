//! [`EndpointBook`]: at which URL, and as whom, each endpoint of the site is reached.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal};

use owaim_inventory::{Credential, EndpointKind, ExchangeVersion, Host, Role, SecretSource, Site};
use owaim_lab::EndpointsFile;
use owaim_steps::{Place, Problem};
use owaim_transport::{Authentication, Endpoint, Secret, Tls};

/// The endpoints of a site, with credentials.
#[derive(Debug, Clone)]
pub struct EndpointBook {
    endpoints: BTreeMap<Place, Endpoint>,
    origin: String,
}

/// A credential that the site file refers to cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Its password cannot be read.
    #[error("the password of {of} cannot be read: {detail}")]
    Unreadable {
        /// Account or file.
        of: String,
        /// What was tried and what came back.
        detail: String,
    },
    /// There is no logon that servers could be shown.
    #[error(
        "the site file says logon = true, but the current logon can be used on Windows only: give username and password, or run this there"
    )]
    NoLogon,
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
    /// The endpoints that the site file names; every password it refers to is read now, once.
    pub fn from_site(site: &Site) -> Result<Self, SecretError> {
        let mut known: Vec<(&Credential, Authentication)> = Vec::new();
        let mut endpoints = BTreeMap::new();
        for host in &site.hosts {
            for kind in kinds(site, host) {
                let credential = site.credentials.for_endpoint(&host.name, kind);
                let before = known.iter().find(|(known, _)| *known == credential);
                let authentication = if let Some((_, authentication)) = before {
                    authentication.clone()
                } else {
                    let authentication = authentication(credential)?;
                    known.push((credential, authentication.clone()));
                    authentication
                };
                let rule = host.endpoints.get(&kind).cloned().unwrap_or_default();
                endpoints.insert(
                    Place {
                        host: host.name.clone(),
                        kind,
                    },
                    Endpoint {
                        host: host.name.to_string(),
                        url: rule.url.unwrap_or_else(|| kind.default_url(&host.name)),
                        configuration: rule
                            .configuration
                            .unwrap_or_else(|| kind.default_configuration().into()),
                        authentication,
                        tls: Tls::default(),
                        proxy: None,
                    },
                );
            }
        }
        Ok(Self {
            endpoints,
            origin: "the site file".into(),
        })
    }

    /// The endpoints of an endpoint file, in place of those of the site file.
    pub fn from_file(file: &EndpointsFile, origin: &str) -> Self {
        let endpoints = file
            .endpoints
            .iter()
            .map(|entry| {
                let endpoint = Endpoint {
                    host: entry.host.to_string(),
                    url: entry.url.clone(),
                    configuration: entry.configuration.clone(),
                    authentication: Authentication::Ntlm(owaim_transport::Credential {
                        username: entry.username.clone(),
                        password: Secret::new(entry.password.expose().into()),
                    }),
                    tls: Tls::default(),
                    proxy: None,
                };
                (
                    Place {
                        host: entry.host.clone(),
                        kind: entry.kind,
                    },
                    endpoint,
                )
            })
            .collect();
        Self {
            endpoints,
            origin: origin.into(),
        }
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

/// What `credential` refers to, with its secret.
fn authentication(credential: &Credential) -> Result<Authentication, SecretError> {
    match credential {
        Credential::Account { username, password } => {
            let password = read_secret(username, password)?;
            Ok(Authentication::Ntlm(owaim_transport::Credential {
                username: username.clone(),
                password,
            }))
        }
        Credential::Logon if owaim_transport::CURRENT_LOGON => Ok(Authentication::CurrentLogon),
        Credential::Logon => Err(SecretError::NoLogon),
    }
}

/// Reads the password of `of` that `source` refers to.
pub(crate) fn read_secret(of: &str, source: &SecretSource) -> Result<Secret, SecretError> {
    let fail = |detail: String| SecretError::Unreadable {
        of: of.into(),
        detail,
    };
    let secret = match source {
        SecretSource::Env(name) => std::env::var(name).map_err(|error| {
            fail(format!(
                "environment variable {name}: {error}; set it, or name another source"
            ))
        })?,
        SecretSource::File(path) => {
            let file = std::fs::File::open(path)
                .map_err(|error| fail(format!("file {}: {error}", path.display())))?;
            let mut line = String::new();
            std::io::BufReader::new(file)
                .read_line(&mut line)
                .map_err(|error| fail(format!("file {}: {error}", path.display())))?;
            line.trim_end_matches(['\r', '\n'])
                .trim_start_matches('\u{feff}')
                .to_owned()
        }
        SecretSource::Prompt => {
            if !std::io::stdin().is_terminal() {
                return Err(fail(
                    "the site file says to ask for it, but there is no terminal to ask at".into(),
                ));
            }
            rpassword::prompt_password(format!("Password of {of}: "))
                .map_err(|error| fail(format!("prompt: {error}")))?
        }
    };
    if secret.is_empty() {
        return Err(fail(format!("{source} gives nothing")));
    }
    Ok(Secret::new(secret))
}
