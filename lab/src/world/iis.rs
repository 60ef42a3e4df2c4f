//! [`Iis`]: the application pool of OWA and its worker process.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The one pool that both OWA applications run in.
pub(crate) const POOL: &str = "MSExchangeOWAAppPool";

/// IIS of one server, as far as OWA is concerned.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Iis {
    /// Whether the pool is started.
    pub(crate) started: bool,
    /// The worker process, if there is one: it comes with the first request and with a recycle.
    pub(crate) worker: Option<Worker>,
    /// Recycles and starts since the lab began.
    pub(crate) generation: u64,
}

/// A worker process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Worker {
    pub(crate) id: u32,
    pub(crate) started: Timestamp,
    /// The configuration as it read it when it started.
    pub(crate) settings: Settings,
    /// Whether the messaging endpoint manager has started in it (event 112).
    pub(crate) signed_on: bool,
}

/// What the messaging code finds in `Web.config`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Settings {
    /// The file is missing or not well-formed: OWA answers with HTTP 500.
    #[default]
    Broken,
    /// The two values, as written; `None` where the key is absent.
    Read {
        /// `IMServerName`
        server: Option<String>,
        /// `IMCertificateThumbprint`
        thumbprint: Option<String>,
    },
}

impl Iis {
    /// Starts a worker process in place of the one there may be.
    pub(crate) fn start_worker(&mut self, settings: Settings, now: Timestamp) {
        self.generation += 1;
        let last = self.worker.as_ref().map_or(4000, |w| w.id);
        // Process ids of Windows are multiples of four; they wrap here long before 32 bits do.
        let id = 4000
            + (last + 4 * (37 + u32::try_from(self.generation % 97).unwrap_or(0))) % 60_000 / 4 * 4;
        self.worker = Some(Worker {
            id,
            started: now,
            settings,
            signed_on: false,
        });
    }
}

impl Worker {
    /// The command line of its process.
    pub(crate) fn command_line(&self, host_name: &str) -> String {
        format!(
            "c:\\windows\\system32\\inetsrv\\w3wp.exe -ap \"{POOL}\" -v \"v4.0\" -c \
             \"C:\\inetpub\\temp\\apppools\\{POOL}\\{POOL}.config\" -a \\\\.\\pipe\\iisipm{} -h \
             \"C:\\inetpub\\temp\\apppools\\{POOL}\\{POOL}.config\" -w \"\" -m 0",
            super::values::uuid_of(&format!("{host_name}{}", self.id)),
        )
    }
}
