//! Users sign on to OWA by a timetable; the first one after a recycle tells whether messaging
//! works.
//!
//! Nothing runs in the background: before each command, whatever has come due since the last
//! one happens, with the time at which it was due.

use jiff::{SignedDuration, Timestamp};
use owaim_inventory::{ExchangeVersion, HostName};

use super::certificates::{Certificate, days};
use super::directory::{MessagingType, Properties};
use super::events::{self, Event, Level, MESSAGING, OWA};
use super::iis::Settings;
use super::lync;
use super::registry::Data;
use super::{tls, webconfig};
use crate::overlay::When;
use crate::state::{HostState, State};

/// Days before its end at which a certificate is reported (event 106).
const SOON_DAYS: i32 = 30;

/// Text of event 88.
const NO_ENDPOINT: &str = "The endpoint of a user could not be created.";

/// Key of the messaging provider, below `HKEY_LOCAL_MACHINE`.
pub(super) const PROVIDER_KEY: &str =
    "SYSTEM\\CurrentControlSet\\Services\\MSExchange OWA\\InstantMessaging";
/// Value with the path of the provider.
pub(super) const PROVIDER_VALUE: &str = "ImplementationDLLPath";

/// Lets everything happen that has come due by `now` (our clock). Gives whether anything did.
pub(super) fn advance(state: &mut State, now: Timestamp) -> bool {
    let mut due: Vec<(Timestamp, usize)> = Vec::new();
    for (index, sign_on) in state.sign_ons.iter().enumerate() {
        let Some(host) = state.hosts.get(&sign_on.host) else {
            continue;
        };
        let at = match sign_on.when {
            When::AfterRecycle { after_recycle_s } => {
                let pending = sign_on.done_generation != Some(host.iis.generation);
                host.iis
                    .worker
                    .as_ref()
                    .filter(|_| pending && host.iis.generation > 0)
                    .and_then(|worker| {
                        let skew = SignedDuration::from_secs(host.clock_skew_s);
                        let started = worker.started.checked_sub(skew).ok()?;
                        let delay = SignedDuration::try_from_secs_f64(after_recycle_s).ok()?;
                        started.checked_add(delay).ok()
                    })
            }
            When::At { at } => Some(at).filter(|_| !sign_on.done),
            When::AtCall { at_call } => {
                Some(now).filter(|_| !sign_on.done && state.calls + 1 >= at_call)
            }
        };
        if let Some(at) = at.filter(|at| *at <= now) {
            due.push((at, index));
        }
    }
    due.sort_unstable();
    let mut changed = !due.is_empty();
    for (at, index) in &due {
        changed |= lync::advance(state, *at);
        let sign_on = &mut state.sign_ons[*index];
        sign_on.done = true;
        let (name, user) = (sign_on.host.clone(), sign_on.user.clone());
        if let Some(host) = state.hosts.get(&name) {
            sign_on.done_generation = Some(host.iis.generation);
        }
        happen(state, &name, user.as_deref(), *at);
    }
    lync::advance(state, now) || changed
}

/// A user signs on at the backend `name` at `at` (our clock).
fn happen(state: &mut State, name: &HostName, user: Option<&str>, at: Timestamp) {
    let offered = offered(state, user, at);
    let accepted = lync::accepted(state, name);
    let served = is_served(state, user);
    let Some(host) = state.hosts.get_mut(name) else {
        return;
    };
    if !host.iis.started || host.maintenance {
        return;
    }
    let there = at
        .checked_add(SignedDuration::from_secs(host.clock_skew_s))
        .unwrap_or(at);
    if host.iis.worker.is_none() {
        // The first request brings the worker process up.
        let settings = host.messaging_settings();
        host.iis.start_worker(settings, there);
    }
    if !offered {
        return;
    }
    // What the process has read decides which certificate is shown.
    let trusted = tls::is_mutual(state, name, at);
    let Some(host) = state.hosts.get_mut(name) else {
        return;
    };
    let Some(found) = outcome(host, accepted.as_deref(), trusted, there) else {
        return;
    };
    if let Finding::Works = found {
        let Some(worker) = host.iis.worker.as_mut() else {
            return;
        };
        if std::mem::replace(&mut worker.signed_on, true) {
            refuse_user(host, served, there);
            return;
        }
        let soon = expires_soon(host, there);
        if soon {
            log(
                host,
                106,
                Level::Warning,
                "The certificate for instant messaging will expire soon.",
                there,
            );
        }
        let root = host.install_root.clone();
        host.files
            .make_folders(&format!("{root}\\Logging\\OWA\\InstantMessaging"), there);
        log(
            host,
            112,
            Level::Information,
            "The instant messaging endpoint manager has started.",
            there,
        );
        refuse_user(host, served, there);
    } else if let Finding::Fails(id, message) = found {
        log(host, id, Level::Error, message, there);
    }
}

/// What a user's own endpoint comes to once the manager runs.
fn refuse_user(host: &mut HostState, served: bool, there: Timestamp) {
    if !served {
        log(host, 88, Level::Error, NO_ENDPOINT, there);
    }
}

/// Whether Lync serves the user: it knows the user by the SIP address that the mailbox has, in
/// the pool that OWA talks to. Who signs on without a name is served.
fn is_served(state: &State, user: Option<&str>) -> bool {
    let (Some(lync), Some(user)) = (&state.lync, user) else {
        return true;
    };
    let Some(user) = state
        .directory
        .users
        .iter()
        .find(|known| known.principal.eq_ignore_ascii_case(user))
    else {
        return false;
    };
    user.lync.as_ref().is_some_and(|known| {
        let proxy = user.sip_address.as_deref().unwrap_or_default();
        known.enabled
            && known.sip_address.eq_ignore_ascii_case(proxy)
            && lync.registrars().any(|pool| pool.fqdn == known.registrar)
    })
}

/// Whether the user is offered messaging at all: by the mailbox policy, which overrides the
/// virtual directories, and else by those.
fn offered(state: &State, user: Option<&str>, at: Timestamp) -> bool {
    let directory = &state.directory;
    let on = |p: &Properties| p.enabled && p.kind == MessagingType::Ocs;
    let Some(controller) = directory.controllers.first() else {
        return false;
    };
    let known = user.and_then(|u| {
        directory
            .users
            .iter()
            .find(|known| known.principal.eq_ignore_ascii_case(u))
    });
    if known.is_some_and(|u| !u.owa) {
        return false;
    }
    let policy = match known {
        Some(user) => user.policy.as_deref(),
        None => Some("Default"),
    };
    let policy = policy.and_then(|name| {
        directory
            .policies
            .iter()
            .find(|p| p.name.eq_ignore_ascii_case(name))
    });
    let by_policy =
        policy.is_none_or(|p| on(p.values.seen_from(controller, at, directory.delay_s).0));
    let by_directory = directory
        .virtual_directories
        .iter()
        .filter(|v| v.is_front_end())
        .any(|v| on(v.values.seen_from(controller, at, directory.delay_s).0));
    by_policy && by_directory
}

enum Finding {
    Works,
    Fails(i32, &'static str),
}

/// What the messaging code finds when it starts; `None` if OWA itself does not run. `accepted`
/// are the names that the Front End takes from this server, where the site has one; `trusted`
/// says whether both trust each other's certificate.
fn outcome(
    host: &HostState,
    accepted: Option<&[String]>,
    trusted: bool,
    now: Timestamp,
) -> Option<Finding> {
    let fails = |id, message| Some(Finding::Fails(id, message));
    let settings = &host.iis.worker.as_ref()?.settings;
    let Settings::Read { server, thumbprint } = settings else {
        return None;
    };
    let dll = match host.registry.value(PROVIDER_KEY, PROVIDER_VALUE) {
        Some(Data::Text(path)) if !path.is_empty() => path,
        _ => return fails(83, "The instant messaging provider is not registered."),
    };
    let by_folder = format!("{dll}\\Microsoft.Rtc.Internal.Ucweb.dll");
    if host.files.read(dll).is_none() && host.files.read(&by_folder).is_none() {
        return fails(84, "The instant messaging provider file does not exist.");
    }
    let server = server.as_deref().unwrap_or_default();
    if owaim_inventory::HostName::new(server).is_err() {
        return fails(
            100,
            "The instant messaging server name is empty or not valid.",
        );
    }
    let thumbprint = thumbprint.as_deref().unwrap_or_default();
    if thumbprint.len() != 40 || !thumbprint.bytes().all(|b| b.is_ascii_hexdigit()) {
        return fails(
            101,
            "The instant messaging certificate thumbprint is empty or not valid.",
        );
    }
    let Some(certificate) = host.certificate(thumbprint) else {
        return fails(103, "The instant messaging certificate was not found.");
    };
    if certificate.not_after < now {
        return fails(102, "The instant messaging certificate has expired.");
    }
    if certificate.not_before > now {
        return fails(104, "The instant messaging certificate is not valid yet.");
    }
    if certificate.key.is_none() {
        return fails(105, "The instant messaging certificate has no private key.");
    }
    // The Front End knows the peer by the subject alone.
    let known = accepted
        .unwrap_or(&host.trusted_names)
        .iter()
        .any(|name| name.eq_ignore_ascii_case(certificate.common_name()));
    if host.refused_by_lync || !known || !trusted || !host.registrar.eq_ignore_ascii_case(server) {
        return fails(88, NO_ENDPOINT);
    }
    Some(Finding::Works)
}

fn expires_soon(host: &HostState, now: Timestamp) -> bool {
    let Some(worker) = &host.iis.worker else {
        return false;
    };
    let Settings::Read {
        thumbprint: Some(thumbprint),
        ..
    } = &worker.settings
    else {
        return false;
    };
    host.certificate(thumbprint)
        .is_some_and(|c| c.not_after < days(now, SOON_DAYS))
}

fn log(host: &mut HostState, id: i32, level: Level, message: &str, time: Timestamp) {
    let event = Event {
        log: "Application".into(),
        record: 0,
        provider: OWA.into(),
        id,
        level,
        task: MESSAGING,
        time,
        message: message.into(),
    };
    events::append(&mut host.events, event);
}

impl HostState {
    /// The certificate of that thumbprint in `My`.
    fn certificate(&self, thumbprint: &str) -> Option<&Certificate> {
        let mut all = self.certificates.iter();
        all.find(|c| c.thumbprint().eq_ignore_ascii_case(thumbprint))
    }

    /// The certificate that the messaging code uses, by the settings that its process has read.
    pub(super) fn messaging_certificate(&self) -> Option<&Certificate> {
        match &self.iis.worker.as_ref()?.settings {
            Settings::Read {
                thumbprint: Some(thumbprint),
                ..
            } => self.certificate(thumbprint),
            _ => None,
        }
    }

    /// Path of the configuration file that the messaging code reads.
    pub(crate) fn web_config(&self) -> String {
        format!("{}\\ClientAccess\\Owa\\web.config", self.install_root)
    }

    /// What a worker process that starts now would read. From Exchange 2016 on the file is
    /// ignored: settings come from overrides.
    pub(crate) fn messaging_settings(&self) -> Settings {
        match (self.exchange, self.files.read(&self.web_config())) {
            (None, _) | (_, None) => Settings::Broken,
            (Some(version), Some(bytes)) => match webconfig::settings(bytes) {
                Settings::Read { .. } if version >= ExchangeVersion::E2016 => Settings::Read {
                    server: None,
                    thumbprint: None,
                },
                read => read,
            },
        }
    }
}
