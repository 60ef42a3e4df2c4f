//! The simulated site: everything that a cmdlet can see or change.
//!
//! Key type: [`World`]. It knows nothing of HTTP or PSRP messages: a pipeline goes in, records
//! come out. Nothing runs in the background; what users do comes due when the next command
//! arrives.

mod actions;
mod binder;
mod certificates;
mod cmdlets;
mod convert;
mod directory;
mod errors;
mod events;
mod filesystem;
mod first;
mod iis;
mod lync;
pub(crate) mod model;
mod opath;
mod programs;
mod prompt;
mod record;
mod registry;
mod run;
mod services;
mod setup;
mod signon;
mod tls;
mod unified;
mod values;
mod visibility;
mod webconfig;
mod wql;
mod xpath;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use owaim_inventory::{
    EndpointKind, ExchangeVersion, HostName, PowerShellVersion, Site, WindowsVersion,
};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{HostCall, Pipeline, PipelineOutput, Record};
use uuid::Uuid;

pub(crate) use directory::MessagingType;
pub(crate) use programs::{CodePage, Ending, Ping, Program, ProgramLine, Refused, Surroundings};
pub(crate) use record::Recorder;
pub(crate) use unified::{StartupMode, UriType, VoipSecurity};
pub(crate) use values::Nested;

use crate::overlay::Overlay;
use crate::state::{State, StateError};

/// Who calls, and through which door.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The host called.
    pub(crate) host: HostName,
    /// Which of its endpoints.
    pub(crate) endpoint: EndpointKind,
    /// The authenticated account.
    pub(crate) user: String,
    /// The runspace pool: session state (`LASTEXITCODE`, loaded modules) hangs on it.
    pub(crate) session: Uuid,
}

/// What became of a pipeline.
pub(crate) enum Execution {
    /// It ended; `takes` is how long a real server would have worked.
    Finished {
        /// Everything it gave.
        output: PipelineOutput,
        /// How long a real server would have worked.
        takes: Duration,
    },
    /// It waits for an answer of the client's host.
    Prompt {
        /// Records given before the prompt.
        before: Vec<Record>,
        /// The call.
        call: HostCall,
        /// Goes on with the answer: the return value, or the exception's message.
        resume: Box<dyn FnOnce(Result<Value, String>) -> Execution + Send>,
    },
}

/// Why the simulated site cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct WorldError(#[from] Trouble);

/// See [`WorldError`].
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// The saved state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The saved state is not of this site.
    #[error("the state saved in {folder} has no server {host}: it belongs to another site", folder = folder.display())]
    OtherSite { folder: PathBuf, host: HostName },
    /// The first state cannot be made.
    #[error(transparent)]
    First(#[from] first::FirstError),
}

/// The time that the lab goes by.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The simulated site. Cheap to clone: all clones are the same site.
#[derive(Clone)]
pub(crate) struct World {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

struct Inner {
    site: Site,
    overlay: Overlay,
    folder: Option<PathBuf>,
    /// Whether somebody else may have the folder by now.
    closed: AtomicBool,
    recorder: Arc<dyn Recorder>,
    clock: Clock,
    state: Mutex<State>,
    sessions: Mutex<HashMap<Uuid, Session>>,
    /// How often each fault of the overlay has been met.
    faults: Mutex<Vec<u64>>,
}

/// What a runspace remembers.
#[derive(Debug, Clone, Default)]
struct Session {
    last_exit_code: Option<i32>,
    modules: BTreeSet<String>,
    /// Domain controller chosen with `Set-ADServerSettings`.
    controller: Option<String>,
}

impl World {
    /// The simulated site of that inventory: as it was left in `folder`, else as `overlay` has
    /// it at first. Without a folder nothing is kept.
    pub(crate) fn open(
        site: &Site,
        overlay: &Overlay,
        folder: Option<&Path>,
        recorder: Arc<dyn Recorder>,
    ) -> Result<Self, WorldError> {
        Ok(Self::by_clock(
            site,
            overlay,
            folder,
            recorder,
            Arc::new(Timestamp::now),
        )?)
    }

    /// The same, by a clock of the caller's.
    fn by_clock(
        site: &Site,
        overlay: &Overlay,
        folder: Option<&Path>,
        recorder: Arc<dyn Recorder>,
        clock: Clock,
    ) -> Result<Self, Trouble> {
        let saved = folder.map(State::load).transpose()?.flatten();
        let kept = saved.is_some();
        let mut state = if let Some(state) = saved {
            let missing = site
                .hosts
                .iter()
                .find(|h| !state.hosts.contains_key(&h.name));
            if let (Some(folder), Some(host)) = (folder, missing) {
                let (folder, host) = (folder.into(), host.name.clone());
                return Err(Trouble::OtherSite { folder, host });
            }
            state
        } else {
            first::state(site, overlay, clock())?
        };
        let happened = actions::happen(site, overlay, &mut state, clock())
            .map_err(|(kind, name)| first::FirstError::Unknown { kind, name })?;
        if let Some(folder) = folder.filter(|_| happened || !kept) {
            state.save(folder)?;
        }
        let inner = Inner {
            site: site.clone(),
            overlay: overlay.clone(),
            folder: folder.map(PathBuf::from),
            closed: AtomicBool::new(false),
            recorder,
            clock,
            state: Mutex::new(state),
            sessions: Mutex::default(),
            faults: Mutex::new(vec![0; overlay.faults.len()]),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Runs `pipeline` (with the objects of its input stream) as `caller`, at once.
    pub(crate) fn run(&self, caller: &Caller, pipeline: &Pipeline, input: &[Value]) -> Execution {
        run::start(self.clone(), caller.clone(), pipeline, input)
    }

    /// The runspace pool of that id is closed: forget its state.
    pub(crate) fn forget(&self, session: Uuid) {
        lock(&self.inner.sessions).remove(&session);
        // The count of commands is state too. Nobody is left to hear that it cannot be kept; the
        // next change says so.
        let _ = self.save(&lock(&self.inner.state));
    }

    /// The version of Windows PowerShell at `host`.
    pub(crate) fn powershell(&self, host: &HostName) -> Option<PowerShellVersion> {
        lock(&self.inner.state)
            .hosts
            .get(host)
            .map(|h| h.powershell)
    }

    /// The version of Windows at `host`.
    pub(crate) fn windows(&self, host: &HostName) -> Option<WindowsVersion> {
        lock(&self.inner.state).hosts.get(host).map(|h| h.windows)
    }

    /// The generation of Exchange at `host`, if it has one.
    pub(crate) fn exchange(&self, host: &HostName) -> Option<ExchangeVersion> {
        lock(&self.inner.state)
            .hosts
            .get(host)
            .and_then(|h| h.exchange)
    }

    /// Gives the folder up: once this returns, nothing is written there, whatever still runs.
    pub(crate) fn close(&self) {
        // Whoever saves holds the state.
        let _state = lock(&self.inner.state);
        self.inner.closed.store(true, Ordering::Relaxed);
    }

    /// Writes the state down, if it is kept.
    fn save(&self, state: &State) -> Result<(), StateError> {
        match &self.inner.folder {
            Some(folder) if !self.inner.closed.load(Ordering::Relaxed) => state.save(folder),
            _ => Ok(()),
        }
    }
}

/// A panic while the lock was held leaves data that is still worth serving.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
