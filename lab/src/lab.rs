//! [`Lab`]: a simulated site at work, from its start to its stop.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hyper::Uri;
use owaim_inventory::{
    Credential, EndpointKind, EndpointRule, ExchangeVersion, Host, HostName, Role, Site,
};
use tokio::net::TcpSocket;
use tokio::task::{self, JoinSet};
use uuid::Uuid;

use crate::endpoints::{AuthScheme, EndpointEntry, EndpointsFile, Password};
use crate::overlay::{Overlay, WireOverlay};
use crate::replay::{Replay, ReplayError};
use crate::server::{
    Accounts, Authority, FaultError, Faults, Kdc, Listener, Realm, Recorder, Services, Shells,
    TlsError, Wire, is_winrm, principal_name, reserve,
};
use crate::world::{World, WorldError};

/// Connections that wait to be accepted at one endpoint.
const BACKLOG: u32 = 128;

/// As whom an endpoint knows the one whose name the site file does not say: the current logon's, a ticket's, a
/// certificate's. The lab makes up a password for it too.
const LOGON: &str = "LAB\\owaim";

/// The local account that the service of Windows maps certificates to, on every server.
const MAPPED: &str = "owaim-certificate";

/// How a lab starts.
#[derive(Debug)]
pub struct LabOptions {
    /// Where the endpoints listen. Port 0: each at a free one; another port: the first endpoint
    /// there and the others at the next ones.
    pub listen: SocketAddr,
    /// Where the site's state and the records are kept; `None`: nowhere.
    pub state_dir: Option<PathBuf>,
    /// What differs from a freshly installed site.
    pub overlay: Overlay,
    /// Folder with a recording: its endpoints answer from it.
    pub replay: Option<PathBuf>,
    /// Time that every request is held back; `None`: as the overlay has it.
    pub latency: Option<Duration>,
}

impl Default for LabOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            state_dir: None,
            overlay: Overlay::default(),
            replay: None,
            latency: None,
        }
    }
}

/// Why a lab does not start, or did not keep its records.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// A port cannot be had.
    #[error("the lab cannot listen at {address} for the {kind} endpoint of {host}: {source}", kind = kind.name())]
    Listen {
        /// Where.
        address: SocketAddr,
        /// For which host.
        host: HostName,
        /// For which of its endpoints.
        kind: EndpointKind,
        /// Why.
        source: io::Error,
    },
    /// The port of the key distribution centre cannot be had.
    #[error("the lab's key distribution centre cannot listen at {address}: {source}")]
    Kdc {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A record cannot be kept.
    #[error("the lab cannot keep its record {path}: {source}")]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another lab is at work on the same state.
    #[error(
        "the lab cannot use {folder}: another simulated site that is running keeps its state there"
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A user name is of no form that Windows knows.
    #[error("account {username:?}: expected DOMAIN\\user, user@domain or user")]
    Account {
        /// The name.
        username: String,
    },
    /// The overlay asks for what the wire cannot do.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// There are no certificates for the endpoints.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A recording cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The program is ending.
    #[error("the lab was interrupted while it started")]
    Interrupted,
    /// The site cannot be set up.
    #[error(transparent)]
    World(#[from] WorldError),
}

/// A simulated site at work. It stops when it is dropped; [`stop`](Self::stop) waits for that.
#[derive(Debug)]
pub struct Lab {
    endpoints: EndpointsFile,
    /// With them goes all that runs for their clients.
    listeners: JoinSet<()>,
    world: World,
    /// Ports of hosts that are down: taken, so that nobody else listens there.
    _reserved: Vec<TcpSocket>,
    records: Vec<(PathBuf, Arc<Recorder>)>,
    /// Locked as long as this lab lives: its state has one writer.
    _lock: Option<File>,
}

impl Lab {
    /// Starts the simulated site for `site`. Once this returns, every listener accepts.
    pub async fn start(site: &Site, options: LabOptions) -> Result<Self, LabError> {
        let LabOptions {
            listen,
            state_dir,
            overlay,
            replay,
            latency,
        } = options;
        let lock = state_dir.as_deref().map(take).transpose()?;
        let replay = replay.as_deref().map(Replay::read).transpose()?;
        let mut records = Vec::new();
        let calls = recorder(state_dir.as_deref(), "calls.ndjson", &mut records)?;
        let requests = recorder(state_dir.as_deref(), "requests.ndjson", &mut records)?;
        let mut accounts = Accounts::default();
        for account in &overlay.accounts {
            add(&mut accounts, &account.username, &account.password)?;
        }
        let authority = Authority::open(state_dir.as_deref())?;
        let (entries, bound) = bind(site, listen, &overlay.wire, &authority, &mut accounts)?;
        let place = nth_port(listen, bound.len());
        let kdc = Kdc::bind(place).await;
        let kdc = kdc.map_err(|source| LabError::Kdc {
            address: place,
            source,
        })?;
        let accounts = Arc::new(accounts);
        let hosts = site.hosts.iter().map(|host| host.name.clone()).collect();
        let realm = Arc::new(Realm::new(domain(site), Arc::clone(&accounts), hosts));
        let kerberos = crate::Realm {
            realm: realm.name().into(),
            kdc: kdc.address().to_string(),
        };
        let faults = Faults::new(overlay.wire_faults())?;
        let offered = |one: &Bound| one.listener.offers.contains(&AuthScheme::Credssp);
        let credssp = bound.iter().any(offered).then(|| authority.credssp());
        let credssp = credssp.transpose()?;
        let quotas = overlay.wire.quotas();
        let latency = latency.unwrap_or_else(|| overlay.latency());
        let down: Vec<bool> = bound
            .iter()
            .map(|one| overlay.is_down(&one.listener.host))
            .collect();

        // The first start makes keys and certificates, and every start reads files.
        let inventory = site.clone();
        let world = task::spawn_blocking(move || {
            World::open(&inventory, &overlay, state_dir.as_deref(), calls)
        });
        let world = match world.await {
            Ok(world) => world?,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return Err(LabError::Interrupted),
        };

        let connections = AtomicU64::new(0);
        let service = Shells::new(world.clone(), site).with_quotas(quotas);
        let wire = Arc::new(Wire {
            service,
            replay: replay.unwrap_or_default(),
            accounts,
            credssp,
            services: Services::new(Arc::clone(&realm)),
            faults,
            latency,
            requests,
            connections,
        });
        let mut listeners = JoinSet::new();
        listeners.spawn(kdc.run(realm));
        let mut reserved = Vec::new();
        for (bound, down) in bound.into_iter().zip(down) {
            if down {
                reserved.push(bound.socket);
                continue;
            }
            let Bound {
                listener,
                socket,
                address,
            } = bound;
            let socket = socket.listen(BACKLOG).map_err(|source| LabError::Listen {
                address,
                host: listener.host.clone(),
                kind: listener.kind,
                source,
            })?;
            listeners.spawn(listener.run(socket, Arc::clone(&wire)));
        }
        let endpoints = EndpointsFile {
            endpoints: entries,
            ca: Some(authority.pem()?),
            kerberos: Some(kerberos),
        };
        Ok(Self {
            endpoints,
            listeners,
            world,
            _reserved: reserved,
            records,
            _lock: lock,
        })
    }

    /// Where the endpoints are, with the credentials that hold until the stop.
    pub fn endpoints(&self) -> &EndpointsFile {
        &self.endpoints
    }

    /// Stops: connections end, whatever is under way on them, and what runs in shells. An error says
    /// that the records are not complete.
    pub async fn stop(mut self) -> Result<(), LabError> {
        self.listeners.shutdown().await;
        for (path, record) in &self.records {
            if let Some(error) = record.failure() {
                let source = io::Error::new(error.kind(), error.to_string());
                return Err(LabError::Record {
                    path: path.clone(),
                    source,
                });
            }
        }
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The lock on the state goes with this: what has not noticed yet that it is over writes no more.
        self.world.close();
    }
}

/// An endpoint with its port.
struct Bound {
    listener: Listener,
    socket: TcpSocket,
    address: SocketAddr,
}

/// A port for every endpoint, and an account for whoever is to use it: one password, made up now,
/// for all that have none yet.
fn bind(
    site: &Site,
    listen: SocketAddr,
    wire: &WireOverlay,
    authority: &Authority,
    accounts: &mut Accounts,
) -> Result<(Vec<EndpointEntry>, Vec<Bound>), LabError> {
    let made_up = Uuid::new_v4().simple().to_string();
    let domain = domain(site);
    let mut entries = Vec::new();
    let mut bound = Vec::new();
    for (number, (host, kind)) in places(site).enumerate() {
        let username = match site.credentials.for_endpoint(&host.name, kind) {
            Credential::Account { username, .. } | Credential::Keytab { username, .. } => {
                username.clone()
            }
            Credential::Logon | Credential::TicketCache | Credential::Certificate { .. } => {
                LOGON.into()
            }
        };
        let password = Password::new(add(accounts, &username, &made_up)?);
        let address = nth_port(listen, number);
        let failed = |source| LabError::Listen {
            address,
            host: host.name.clone(),
            kind,
            source,
        };
        let (socket, address) = reserve(address).map_err(failed)?;
        let rule = host.endpoints.get(&kind).cloned().unwrap_or_default();
        let url = url(&rule, &host.name, kind);
        let connection = site.connections.for_endpoint(Some(host), kind);
        let offers = wire.auth(kind, connection.auth);
        let certificate = offers.contains(&AuthScheme::Certificate);
        // Wine's SChannel, the client's TLS there, stops at the second answer of a connection.
        let secure = wire
            .tls(kind)
            .unwrap_or(cfg!(unix) && url.scheme_str() == Some("https"));
        let tls = secure
            .then(|| authority.door(&host.name, address.ip(), certificate))
            .transpose()?;
        let certificate = if secure && certificate {
            let principal = if is_winrm(kind) {
                add(accounts, MAPPED, &made_up)?;
                principal_name(MAPPED, "localhost")
            } else {
                principal_name(&username, domain)
            };
            Some(authority.client(&principal)?)
        } else {
            None
        };
        let fingerprint = tls.as_ref().map(|door| door.fingerprint);
        let scheme = if secure { "https" } else { "http" };
        let listener = Listener {
            host: host.name.clone(),
            kind,
            path: url.path().to_owned(),
            tls,
            offers,
            ntlm: wire.ntlm,
            hardening: wire.channel_binding,
            allow_unencrypted: wire.allow_unencrypted || connection.allow_plaintext == Some(true),
        };
        entries.push(EndpointEntry {
            host: host.name.clone(),
            kind,
            url: format!("{scheme}://{address}{}", listener.path),
            auth: listener.usable(),
            username,
            password,
            configuration: rule
                .configuration
                .unwrap_or_else(|| kind.default_configuration().into()),
            service: Some(format!("HTTP/{}", host.name)),
            fingerprint,
            certificate,
        });
        bound.push(Bound {
            listener,
            socket,
            address,
        });
    }
    Ok((entries, bound))
}

/// The DNS domain of the site's accounts: that of the server which changes Exchange.
fn domain(site: &Site) -> &str {
    let host = site.exchange.admin_host.as_str();
    host.split_once('.').map_or(host, |(_, domain)| domain)
}

/// The endpoints that a site has, in the order of its file.
fn places(site: &Site) -> impl Iterator<Item = (&Host, EndpointKind)> {
    site.hosts.iter().flat_map(|host| {
        let kinds = [
            (EndpointKind::Windows, true),
            (EndpointKind::Exchange, serves_exchange(site, host)),
            (EndpointKind::Lync, host.is(Role::LyncFrontEnd)),
            (
                EndpointKind::LyncLocal,
                host.endpoints.contains_key(&EndpointKind::LyncLocal),
            ),
        ];
        kinds
            .into_iter()
            .filter(|(_, there)| *there)
            .map(move |(kind, _)| (host, kind))
    })
}

/// Whether a host has the virtual directory `PowerShell`: client access does, from 2016 on every
/// Exchange server does, and the host that the site file says it of.
fn serves_exchange(site: &Site, host: &Host) -> bool {
    host.is(Role::Cas)
        || host.name == site.exchange.admin_host
        || (host.is(Role::Backend) && site.exchange_version(host) >= ExchangeVersion::E2016)
}

/// The URL of an endpoint as the site file has it, or as it is by default.
fn url(rule: &EndpointRule, host: &HostName, kind: EndpointKind) -> Uri {
    let url = rule.url.clone().unwrap_or_else(|| kind.default_url(host));
    // The site file's URLs were checked when it was parsed.
    url.parse().unwrap_or_default()
}

/// The address of the endpoint of that number.
fn nth_port(listen: SocketAddr, number: usize) -> SocketAddr {
    let number = u16::try_from(number).unwrap_or(u16::MAX);
    let port = if listen.port() == 0 {
        0
    } else {
        listen.port().saturating_add(number)
    };
    SocketAddr::new(listen.ip(), port)
}

/// Takes `folder` for this lab, until the file is closed.
fn take(folder: &Path) -> Result<File, LabError> {
    let path = folder.join("lock");
    let open = || {
        fs::create_dir_all(folder)?;
        File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
    };
    let failed = |source| LabError::Record {
        path: path.clone(),
        source,
    };
    let file = open().map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LabError::InUse {
            folder: folder.into(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn recorder(
    folder: Option<&Path>,
    name: &str,
    records: &mut Vec<(PathBuf, Arc<Recorder>)>,
) -> Result<Arc<Recorder>, LabError> {
    let Some(folder) = folder else {
        return Ok(Arc::default());
    };
    let path = folder.join(name);
    let open = std::fs::create_dir_all(folder).and_then(|()| Recorder::append_to(&path));
    let recorder = Arc::new(open.map_err(|source| LabError::Record {
        path: path.clone(),
        source,
    })?);
    records.push((path, Arc::clone(&recorder)));
    Ok(recorder)
}

/// Adds an account and gives the password that holds for it: that of an earlier account which
/// goes by the same name, or else `password`.
fn add(accounts: &mut Accounts, username: &str, password: &str) -> Result<String, LabError> {
    accounts
        .add(username, password)
        .map(str::to_owned)
        .map_err(|_| LabError::Account {
            username: username.into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = include_str!("../../examples/litware.toml");

    #[tokio::test]
    async fn a_front_end_has_the_endpoints_of_its_role() {
        let text = format!(
            "{SITE}\n[[hosts]]\nname = \"fe1.litwareinc.com\"\nroles = [\"lync-front-end\"]\n\
             endpoints.lync-local.configuration = \"own\"\n\
             [[hosts]]\nname = \"fe2.litwareinc.com\"\nroles = [\"lync-front-end\"]\n"
        );
        let site = owaim_inventory::parse("site.toml", &text).expect("a site");
        let lab = Lab::start(&site, LabOptions::default())
            .await
            .expect("a lab");
        let found: Vec<(String, &str, String, String)> = lab
            .endpoints()
            .endpoints
            .iter()
            .filter(|e| e.host.as_str().starts_with("fe"))
            .map(|e| {
                let path = e.url.parse::<Uri>().expect("a URL").path().to_owned();
                let host = e.host.short().to_owned();
                (host, e.kind.name(), path, e.configuration.clone())
            })
            .collect();
        let expected = [
            ("fe1", "windows", "/wsman", "Microsoft.PowerShell"),
            ("fe1", "lync", "/OcsPowershell", "Microsoft.PowerShell"),
            ("fe1", "lync-local", "/wsman", "own"),
            ("fe2", "windows", "/wsman", "Microsoft.PowerShell"),
            ("fe2", "lync", "/OcsPowershell", "Microsoft.PowerShell"),
        ]
        .map(|(host, kind, path, own)| (host.to_owned(), kind, path.to_owned(), own.to_owned()));
        assert_eq!(found, expected);
        lab.stop().await.expect("complete records");
    }
}
