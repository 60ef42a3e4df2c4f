//! The first state: a freshly installed site of that inventory, as the overlay changes it.

mod certificates;
mod directory;

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use owaim_inventory::{
    ExchangeVersion, Host, HostName, PowerShellVersion, Role, Site, WindowsVersion,
};

use super::certificates::IssueError;
use super::filesystem::{FileSystem, split};
use super::iis::Iis;
use super::registry::Registry;
use super::signon::{PROVIDER_KEY, PROVIDER_VALUE};
use super::{lync, services, setup, unified, webconfig};
use crate::overlay::{DefectKind, HostOverlay, Overlay, PoolOverlay, SignOn, When, WorkerOverlay};
use crate::state::{HostState, State};

/// Folder of Exchange unless site file or overlay say otherwise.
const INSTALL_ROOT: &str = "C:\\Program Files\\Microsoft\\Exchange Server\\V15";
/// File of the messaging provider.
const PROVIDER_FILE: &str =
    "C:\\Program Files\\Microsoft UCMA 4.0\\Runtime\\SSP\\Microsoft.Rtc.Internal.Ucweb.dll";
/// Where the UCMA runtime notes its version.
const RUNTIME_KEY: &str = "SOFTWARE\\Microsoft\\UCMA\\{902F4F35-D5DC-4363-8671-D5EF0D26C21D}";
/// Its entry in the list of installed programs.
const PROGRAM_KEY: &str = "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\{41D635FE-4F9D-47F7-8230-9B29D6D42D31}";
const RUNTIME_PROGRAM: &str = "Microsoft Unified Communications Managed API 4.0, Runtime";
const RUNTIME_VERSION: &str = "5.0.8308.0";
/// Seconds after a recycle at which the lab's own users sign on.
const SIGN_ON_S: f64 = 2.0;
/// Why the first state cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FirstError {
    /// A certificate could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// A local file that the overlay names could not be read.
    #[error("cannot read {path}, which the overlay puts on {host}: {source}")]
    File {
        host: HostName,
        path: PathBuf,
        source: std::io::Error,
    },
    /// The overlay's topology is no topology.
    #[error("the overlay's topology cannot be made: {0}")]
    Lync(String),
    /// The overlay speaks of something that the site does not have.
    #[error("the overlay names the {kind} {name:?}, which the site does not have")]
    Unknown { kind: &'static str, name: String },
}

/// Makes the first state.
pub(super) fn state(site: &Site, overlay: &Overlay, now: Timestamp) -> Result<State, FirstError> {
    check_names(site, overlay)?;
    let installed = now
        .checked_sub(SignedDuration::from_hours(24 * 60))
        .unwrap_or(now);
    let authorities = certificates::authorities(domain(&site.exchange.admin_host), now)?;
    let mut state = State::new(authorities, directory::directory(site, overlay, installed)?);
    for (index, host) in site.hosts.iter().enumerate() {
        let built = build_host(site, overlay, &state, host, index, now)?;
        state.hosts.insert(host.name.clone(), built);
    }
    unified::set_up(site, overlay, &mut state, installed);
    lync::set_up(site, overlay, &mut state, installed).map_err(FirstError::Lync)?;
    state.dns = overlay.dns.clone();
    state.sign_ons = overlay.sign_ons.clone().unwrap_or_else(|| sign_ons(site));
    Ok(state)
}

fn domain(host: &HostName) -> &str {
    host.as_str()
        .split_once('.')
        .map_or("lab.test", |(_, domain)| domain)
}

fn check_names(site: &Site, overlay: &Overlay) -> Result<(), FirstError> {
    let sign_ons = overlay.sign_ons.iter().flatten().map(|s| &s.host);
    let faults = overlay.faults.iter().filter_map(|f| f.host.as_ref());
    let users = overlay.users.iter().map(|u| &u.server);
    let defects = overlay.defects.iter().map(|d| &d.host);
    let members = overlay.dial_plans.iter().flat_map(|plan| &plan.servers);
    let actions = overlay.actions.iter().filter_map(|action| action.host());
    match overlay
        .hosts
        .keys()
        .chain(members)
        .chain(actions)
        .chain(&overlay.lync.discovered)
        .chain(sign_ons)
        .chain(faults)
        .chain(users)
        .chain(defects)
        .find(|h| site.host(h).is_none())
    {
        None => Ok(()),
        Some(host) => Err(FirstError::Unknown {
            kind: "host",
            name: host.to_string(),
        }),
    }
}

/// On every backend but the last, so that both answers of "has anyone signed on?" are seen.
fn sign_ons(site: &Site) -> Vec<SignOn> {
    let backends: Vec<&Host> = site.hosts_with(Role::Backend).collect();
    let used = backends.len().saturating_sub(1).max(1);
    let entry = |host: &&Host| SignOn {
        host: host.name.clone(),
        user: None,
        when: When::AfterRecycle {
            after_recycle_s: SIGN_ON_S,
        },
        done: false,
        done_generation: None,
    };
    backends.iter().take(used).map(entry).collect()
}

/// Windows and PowerShell that go with a generation of Exchange. One backend of a 2013 site is
/// older than the others: without `Get-FileHash`.
fn platform(exchange: ExchangeVersion, older: bool) -> (WindowsVersion, PowerShellVersion) {
    let version = |major, minor| PowerShellVersion { major, minor };
    match exchange {
        ExchangeVersion::E2010 => (WindowsVersion::W2008R2, version(2, 0)),
        ExchangeVersion::E2013 if older => (WindowsVersion::W2012, version(3, 0)),
        ExchangeVersion::E2013 => (WindowsVersion::W2012R2, version(4, 0)),
        ExchangeVersion::E2016 => (WindowsVersion::W2016, version(5, 1)),
        ExchangeVersion::E2019 => (WindowsVersion::W2019, version(5, 1)),
        ExchangeVersion::Se => (WindowsVersion::W2022, version(5, 1)),
    }
}

/// Build of a generation: major, minor, build, revision.
pub(super) fn build_of(exchange: ExchangeVersion) -> [u32; 4] {
    match exchange {
        ExchangeVersion::E2010 => [14, 3, 123, 4],
        ExchangeVersion::E2013 => [15, 0, 1497, 2],
        ExchangeVersion::E2016 => [15, 1, 2507, 6],
        ExchangeVersion::E2019 => [15, 2, 1544, 4],
        ExchangeVersion::Se => [15, 2, 2562, 17],
    }
}

/// Registry keys that the roles leave, below the product's.
const ROLE_KEYS: &[(Role, &[&str])] = &[
    (Role::Cas, &["CafeRole", "FrontendTransportRole"]),
    (
        Role::Backend,
        &[
            "ClientAccessRole",
            "HubTransportRole",
            "MailboxRole",
            "UnifiedMessagingRole",
        ],
    ),
];

fn version_text(exchange: ExchangeVersion) -> String {
    build_of(exchange).map(|n| n.to_string()).join(".")
}

/// Whether it is the one backend that runs an older Windows.
fn is_older(site: &Site, host: &Host) -> bool {
    site.hosts_with(Role::Backend)
        .position(|h| h.name == host.name)
        == Some(2)
}

fn build_host(
    site: &Site,
    overlay: &Overlay,
    whole: &State,
    host: &Host,
    index: usize,
    now: Timestamp,
) -> Result<HostState, FirstError> {
    let default = HostOverlay::default();
    let over = overlay.hosts.get(&host.name).unwrap_or(&default);
    let backend = host.is(Role::Backend);
    let exchange = (backend || host.is(Role::Cas)).then(|| site.exchange_version(host));
    let older = is_older(site, host);
    let (windows, powershell) = platform(exchange.unwrap_or(ExchangeVersion::E2013), older);
    let clock_skew_s = over.clock_skew_s.unwrap_or(0);
    let there = now
        .checked_add(SignedDuration::from_secs(clock_skew_s))
        .unwrap_or(now);
    let installed = there
        .checked_sub(SignedDuration::from_hours(24 * 60))
        .unwrap_or(there);
    let booted = there
        .checked_sub(SignedDuration::from_hours(24 * 7))
        .unwrap_or(there);
    let install_root = over
        .install_root
        .as_deref()
        .or(host
            .install_root
            .as_ref()
            .map(owaim_inventory::WindowsPath::as_str))
        .unwrap_or(INSTALL_ROOT);
    let mut state = HostState {
        windows: over.windows.unwrap_or(windows),
        powershell: over.powershell.unwrap_or(powershell),
        exchange,
        lync: host.is(Role::LyncFrontEnd).then_some(site.lync.version),
        updates: 0,
        install_root: super::filesystem::normal(install_root),
        clock_skew_s,
        maintenance: over.maintenance,
        registrar: lync::own_pool(site, overlay).to_string(),
        trusted_names: vec![
            site.lync.trusted_application.pool.to_string(),
            site.certificate.subject.to_string(),
            host.name.to_string(),
        ],
        refused_by_lync: false,
        files: FileSystem::default(),
        registry: Registry::default(),
        certificates: Vec::new(),
        intermediates: Vec::new(),
        roots: Vec::new(),
        requests: Vec::new(),
        iis: Iis {
            started: exchange.is_some(),
            ..Iis::default()
        },
        services: services::of(host, exchange)
            .into_iter()
            .map(|service| (service.name.to_lowercase(), service))
            .collect(),
        listeners: listeners(over),
        events: Vec::new(),
        booted,
    };
    lay_out(&mut state, host, installed);
    if let Some(exchange) = exchange {
        install_exchange(&mut state, host, exchange, installed);
    }
    for (path, local) in &over.files {
        let local = overlay.folder.join(local);
        let bytes = read(&host.name, &local)?;
        state.files.place(path, bytes, installed);
    }
    if let Some(version) = state.lync {
        setup::place_lync(&mut state, version, installed);
    }
    certificates::place(&mut state, whole, site, overlay, (host, index), now)?;
    apply_defects(&mut state, site, overlay, host, installed);
    for path in &over.read_only {
        if !state.files.set_read_only(path, true) {
            return Err(FirstError::Unknown {
                kind: "file",
                name: path.clone(),
            });
        }
    }
    if exchange.is_some() {
        state.iis.started = over.app_pool != Some(PoolOverlay::Stopped);
        let started = match over.worker {
            Some(WorkerOverlay::None(_)) => None,
            Some(WorkerOverlay::Since(time)) => Some(time),
            None => Some(booted),
        };
        if let Some(started) = started.filter(|_| state.iis.started) {
            let settings = state.messaging_settings();
            state.iis.start_worker(settings, started);
            state.iis.generation = 0;
        }
    }
    Ok(state)
}

fn listeners(over: &HostOverlay) -> Vec<(String, u16)> {
    let all = over.listeners.iter();
    all.map(|listener| (listener.process.clone(), listener.port))
        .collect()
}

fn read(host: &HostName, local: &Path) -> Result<Vec<u8>, FirstError> {
    std::fs::read(local).map_err(|source| FirstError::File {
        host: host.clone(),
        path: local.into(),
        source,
    })
}

/// What every Windows server has.
fn lay_out(state: &mut HostState, host: &Host, installed: Timestamp) {
    for folder in [
        "C:\\Windows\\System32\\inetsrv",
        "C:\\Windows\\Temp",
        "C:\\Users\\Administrator\\Documents",
        "C:\\inetpub",
    ] {
        state.files.make_folders(folder, installed);
    }
    state.files.place(
        "C:\\Windows\\System32\\inetsrv\\appcmd.exe",
        b"MZ".to_vec(),
        installed,
    );
    let (product, version, build) = match state.windows {
        WindowsVersion::W2008R2 => ("Windows Server 2008 R2 Standard", "6.1", "7601"),
        WindowsVersion::W2012 => ("Windows Server 2012 Standard", "6.2", "9200"),
        WindowsVersion::W2012R2 => ("Windows Server 2012 R2 Standard", "6.3", "9600"),
        WindowsVersion::W2016 => ("Windows Server 2016 Standard", "6.3", "14393"),
        WindowsVersion::W2019 => ("Windows Server 2019 Standard", "6.3", "17763"),
        WindowsVersion::W2022 => ("Windows Server 2022 Standard", "6.3", "20348"),
        WindowsVersion::W2025 => ("Windows Server 2025 Standard", "6.3", "26100"),
    };
    let key = "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion";
    state.registry.set(key, "SystemRoot", "C:\\Windows");
    state.registry.set(key, "ProductName", product);
    state.registry.set(key, "CurrentVersion", version);
    state.registry.set(key, "CurrentBuild", build);
    state.registry.set(key, "SystemRoot", "C:\\Windows");
    let name = host.name.short().to_uppercase();
    state.registry.set(
        "SYSTEM\\CurrentControlSet\\Control\\ComputerName\\ActiveComputerName",
        "ComputerName",
        name.as_str(),
    );
    let engine = "SOFTWARE\\Microsoft\\PowerShell\\3\\PowerShellEngine";
    state.registry.set(
        engine,
        "PowerShellVersion",
        state.powershell.to_string().as_str(),
    );
}

fn install_exchange(
    state: &mut HostState,
    host: &Host,
    exchange: ExchangeVersion,
    installed: Timestamp,
) {
    let root = state.install_root.clone();
    let product = format!(
        "SOFTWARE\\Microsoft\\ExchangeServer\\v{}",
        build_of(exchange)[0]
    );
    let setup = format!("{product}\\Setup");
    state.registry.make(&format!("{product}\\AdminTools"));
    for (role, keys) in ROLE_KEYS {
        for key in keys.iter().filter(|_| host.is(*role)) {
            state.registry.set(
                &format!("{product}\\{key}"),
                "UnpackedVersion",
                version_text(exchange).as_str(),
            );
        }
    }
    state
        .registry
        .set(&setup, "MsiInstallPath", format!("{root}\\").as_str());
    state
        .files
        .make_folders(&format!("{root}\\Logging"), installed);
    state.files.make_folders(&format!("{root}\\Bin"), installed);
    setup::place_exchange(state, host, exchange, installed);
    if host.is(Role::Backend) {
        state
            .registry
            .set(PROVIDER_KEY, PROVIDER_VALUE, PROVIDER_FILE);
        state.files.place(PROVIDER_FILE, b"MZ".to_vec(), installed);
        state.registry.set(RUNTIME_KEY, "Version", RUNTIME_VERSION);
        state
            .registry
            .set(PROGRAM_KEY, "DisplayName", RUNTIME_PROGRAM);
        state
            .registry
            .set(PROGRAM_KEY, "DisplayVersion", RUNTIME_VERSION);
    }
}

fn apply_defects(
    state: &mut HostState,
    site: &Site,
    overlay: &Overlay,
    host: &Host,
    installed: Timestamp,
) {
    for defect in overlay.defects.iter().filter(|d| d.host == host.name) {
        let file = state.web_config();
        match defect.defect {
            DefectKind::ProviderMissing => {
                state.registry.remove_value(PROVIDER_KEY, PROVIDER_VALUE);
            }
            DefectKind::ProviderKeyMissing => {
                state.registry.remove(PROVIDER_KEY);
            }
            DefectKind::ProviderByFolder => {
                let folder = split(PROVIDER_FILE).0;
                state.registry.set(PROVIDER_KEY, PROVIDER_VALUE, folder);
            }
            DefectKind::ProviderFileMissing => {
                let _ = state.files.remove(PROVIDER_FILE, false, true);
            }
            DefectKind::RuntimeMissing => {
                for key in [PROVIDER_KEY, RUNTIME_KEY, PROGRAM_KEY] {
                    state.registry.remove(key);
                }
                let _ = state.files.remove(PROVIDER_FILE, false, true);
            }
            DefectKind::WebConfigMissing => {
                let _ = state.files.remove(&file, false, true);
            }
            DefectKind::WebConfigKeysMisplaced => {
                let file = format!(
                    "{}\\FrontEnd\\HttpProxy\\owa\\web.config",
                    state.install_root
                );
                let text = webconfig::front_end_with_keys(host.name.short(), &state.registrar);
                let booted = state.booted;
                let _ = state.files.write(&file, text, booted);
            }
            DefectKind::WebConfigReadOnly => {
                state.files.set_read_only(&file, true);
            }
            DefectKind::RefusedByLync => state.refused_by_lync = true,
            DefectKind::ThumbprintHiddenMark | DefectKind::ThumbprintStale => {
                let mark = match defect.defect {
                    DefectKind::ThumbprintHiddenMark => "\u{200e}",
                    _ => "",
                };
                if let Some(text) = set_up_before(state, site, &file, mark) {
                    state.files.place(&file, text, installed);
                }
            }
            _ => {}
        }
    }
}

/// The configuration file with both keys: `mark` and the thumbprint of the certificate that ends
/// first, as it was before the others came.
fn set_up_before(state: &HostState, site: &Site, file: &str, mark: &str) -> Option<Vec<u8>> {
    let subject = site.certificate.subject.as_str();
    let certificates = state.certificates.iter();
    let oldest = certificates.filter(|c| c.common_name() == subject);
    let thumbprint = oldest.min_by_key(|c| c.not_after)?.thumbprint();
    webconfig::with_settings(
        state.files.read(file)?,
        site.lync.pool.as_str(),
        &format!("{mark}{thumbprint}"),
    )
}
