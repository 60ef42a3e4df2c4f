//! [`State`]: the whole simulated site as data, and where it is kept between runs.
//!
//! Nothing here behaves: `world` reads and changes it. `DIR/state.json` is written whole, beside
//! the old one, and renamed over it, so that a crash leaves either.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use owaim_inventory::{ExchangeVersion, HostName, LyncVersion, PowerShellVersion, WindowsVersion};
use serde::{Deserialize, Serialize};

use crate::overlay::SignOn;
use crate::world::model::{
    Certificate, Directory, Event, FileSystem, Iis, Lync, Registry, ServiceState, SigningKey,
};

/// Layout of the file; another number is another layout.
const VERSION: u32 = 2;

/// The whole simulated site.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    version: u32,
    /// Commands run so far, in all sessions and runs.
    pub(crate) calls: u64,
    /// The root that every machine of the site trusts.
    pub(crate) root: SigningKey,
    /// The authority below it that the certificates of Exchange servers come from.
    pub(crate) authority: SigningKey,
    /// The one that those of Front Ends come from.
    pub(crate) lync_authority: SigningKey,
    /// What Exchange keeps in the directory.
    pub(crate) directory: Directory,
    /// What Lync keeps in its Central Management Store and its servers have of it; `None` if the
    /// site has no Front End.
    #[serde(default)]
    pub(crate) lync: Option<Lync>,
    /// The servers.
    pub(crate) hosts: BTreeMap<HostName, HostState>,
    /// What DNS has other than the addresses of the site's own names.
    #[serde(default)]
    pub(crate) dns: BTreeMap<HostName, Vec<IpAddr>>,
    /// When users sign on.
    pub(crate) sign_ons: Vec<SignOn>,
}

/// One server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HostState {
    pub(crate) windows: WindowsVersion,
    pub(crate) powershell: PowerShellVersion,
    /// Generation of Exchange; `None` on other servers.
    pub(crate) exchange: Option<ExchangeVersion>,
    /// Generation of Lync; `None` on other servers than front ends.
    #[serde(default)]
    pub(crate) lync: Option<LyncVersion>,
    /// Exchange's folder, without trailing backslash.
    pub(crate) install_root: String,
    /// Seconds that its clock is ahead of ours.
    pub(crate) clock_skew_s: i64,
    /// Whether it has been taken out of service (`ServerWideOffline` and `OwaProxy` inactive).
    pub(crate) maintenance: bool,
    /// Cumulative updates installed since the first state.
    #[serde(default)]
    pub(crate) updates: u32,
    /// The registrar pool: the only server name that works.
    pub(crate) registrar: String,
    /// Subjects that the Front End knows as trusted peers, where the site has none that could
    /// be asked.
    pub(crate) trusted_names: Vec<String>,
    /// Whether the Front End refuses this server as a peer (event 88).
    pub(crate) refused_by_lync: bool,
    pub(crate) files: FileSystem,
    pub(crate) registry: Registry,
    /// `Cert:\LocalMachine\My`, in order of import.
    pub(crate) certificates: Vec<Certificate>,
    /// `Cert:\LocalMachine\CA`: authorities that it sends along with its own certificates.
    pub(crate) intermediates: Vec<Certificate>,
    /// `Cert:\LocalMachine\Root`: whom it trusts.
    pub(crate) roots: Vec<Certificate>,
    /// `Cert:\LocalMachine\REQUEST`: requests whose certificates have not come.
    #[serde(default)]
    pub(crate) requests: Vec<Certificate>,
    pub(crate) iis: Iis,
    pub(crate) services: BTreeMap<String, ServiceState>,
    /// Programs that listen besides the services: name of the process, and port.
    #[serde(default)]
    pub(crate) listeners: Vec<(String, u16)>,
    pub(crate) events: Vec<Event>,
    /// When the server started.
    pub(crate) booted: Timestamp,
}

impl HostState {
    /// What the host's clock shows when ours shows `clock`.
    pub(crate) fn time(&self, clock: Timestamp) -> Timestamp {
        clock
            .checked_add(SignedDuration::from_secs(self.clock_skew_s))
            .unwrap_or(clock)
    }
}

/// Why the state cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// The file system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The file is there and is not what this program wrote.
    #[error("{path} is not a saved state of the lab: {detail}")]
    Format { path: PathBuf, detail: String },
}

impl State {
    /// A state with these parts and no past.
    pub(crate) fn new(
        [root, authority, lync_authority]: [SigningKey; 3],
        directory: Directory,
    ) -> Self {
        Self {
            version: VERSION,
            calls: 0,
            root,
            authority,
            lync_authority,
            directory,
            lync: None,
            hosts: BTreeMap::new(),
            dns: BTreeMap::new(),
            sign_ons: Vec::new(),
        }
    }

    /// The state kept in `folder`; `None` if there is none yet.
    pub(crate) fn load(folder: &Path) -> Result<Option<Self>, StateError> {
        let path = file_in(folder);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(StateError::Io {
                    action: "read",
                    path,
                    source,
                });
            }
        };
        let state: Self = serde_json::from_slice(&bytes).map_err(|error| StateError::Format {
            path: path.clone(),
            detail: error.to_string(),
        })?;
        if state.version == VERSION {
            Ok(Some(state))
        } else {
            let detail = format!("expected layout {VERSION}, found {}", state.version);
            Err(StateError::Format { path, detail })
        }
    }

    /// Writes the state into `folder`.
    pub(crate) fn save(&self, folder: &Path) -> Result<(), StateError> {
        let path = file_in(folder);
        let bytes = serde_json::to_vec(self).map_err(|error| StateError::Format {
            path: path.clone(),
            detail: error.to_string(),
        })?;
        // It holds private keys: nobody else reads it.
        owaim_platform::replace_private_file(&path, &bytes).map_err(|source| StateError::Io {
            action: "write",
            path,
            source,
        })
    }
}

fn file_in(folder: &Path) -> PathBuf {
    folder.join("state.json")
}

/// Bytes as base64 text in the saved file.
pub(crate) mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(de::Error::custom)
    }
}
