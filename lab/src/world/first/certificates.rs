//! The certificates of a fresh site: a root, an authority below it for each side, and what lies in
//! the stores of each machine.

use std::collections::BTreeSet;

use jiff::Timestamp;
use owaim_inventory::{Host, Role, Site};

use super::{FirstError, domain};
use crate::overlay::{CertificateOverlay, DefectKind, Overlay};
use crate::state::{HostState, State};
use crate::world::certificates::{IssueError, Purpose, Request, SigningKey, days};
use crate::world::{lync, unified};

/// A certificate to issue, and by whom.
#[derive(Clone)]
struct Order {
    request: Request,
    from: From,
}

/// An authority, as the machine that gets the certificate sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// The one of its side.
    Own,
    /// One of the site that has ended.
    Ended,
    /// One that nobody else knows.
    Stranger,
}

impl From {
    fn of(is_stranger: bool) -> Self {
        if is_stranger {
            Self::Stranger
        } else {
            Self::Own
        }
    }
}

/// The root, the authority of the Exchange servers, the authority of the Front Ends.
pub(super) fn authorities(domain: &str, now: Timestamp) -> Result<[SigningKey; 3], IssueError> {
    let root = SigningKey::root(&format!("{domain} lab root"), now)?;
    let validity = (days(now, -365), days(now, 1825));
    let mail = root.below(&format!("{domain} lab CA 1"), validity)?;
    let lync = root.below(&format!("{domain} lab CA 2"), validity)?;
    Ok([root, mail, lync])
}

/// Fills the stores of a host; the number is its place among the hosts.
pub(super) fn place(
    state: &mut HostState,
    whole: &State,
    site: &Site,
    overlay: &Overlay,
    (host, index): (&Host, usize),
    now: Timestamp,
) -> Result<(), FirstError> {
    let is_front_end = host.is(Role::LyncFrontEnd);
    let has = |kind: DefectKind| {
        let here = |d: &crate::overlay::Defect| d.host == host.name && d.defect == kind;
        overlay.defects.iter().any(here)
    };
    state.roots.push(whole.root.certificate.public());
    let mut mine = Vec::new();
    if is_front_end {
        mine.push(&whole.lync_authority);
    }
    if !is_front_end || host.roles.len() > 1 {
        mine.push(&whole.authority);
    }
    state
        .intermediates
        .extend(mine.iter().map(|authority| authority.certificate.public()));
    let (mut ended, mut stranger) = (None, None);
    let mut issue = |own: &SigningKey, order: &Order| -> Result<(), IssueError> {
        let authority = match order.from {
            From::Own => own,
            From::Ended => {
                let name = format!("{} lab CA 0", domain(&host.name));
                ended.insert(whole.root.below(&name, (days(now, -360), days(now, -1)))?)
            }
            From::Stranger => {
                let name = format!("{} own root", host.name.short());
                stranger.insert(SigningKey::root(&name, now)?)
            }
        };
        state.certificates.push(authority.issue(&order.request)?);
        match order.from {
            From::Own => {}
            From::Ended => state.intermediates.push(authority.certificate.public()),
            From::Stranger => state.roots.push(authority.certificate.public()),
        }
        Ok(())
    };
    if is_front_end {
        let pool = lync::own_pool(site, overlay).as_str();
        let mut names = vec![pool.to_owned(), host.name.to_string()];
        names.dedup();
        let good = Request::good(pool, names, now);
        for order in orders(overlay, host, &good, now) {
            issue(&whole.lync_authority, &order)?;
        }
    }
    if host.is(Role::Backend) {
        issue(&whole.authority, &of_setup(host, index, now))?;
        let subject = site.certificate.subject.as_str();
        if unified::is_whole(site, overlay, host) {
            issue(&whole.authority, &of_unified_messaging(host, now))?;
        }
        let mut names = vec![subject.to_owned(), host.name.to_string()];
        let computers = &site.lync.trusted_application.computers;
        names.extend(computers.iter().map(ToString::to_string));
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        let good = Request::good(subject, names, now);
        for order in orders(overlay, host, &good, now) {
            issue(&whole.authority, &order)?;
        }
    }
    if has(DefectKind::RootMissing) {
        let root = whole.root.certificate.thumbprint();
        state.roots.retain(|c| c.thumbprint() != root);
    }
    if has(DefectKind::IntermediateMissing) {
        state.intermediates.clear();
    }
    if has(DefectKind::IntermediateInRoot) {
        state.roots.append(&mut state.intermediates);
    }
    Ok(())
}

/// The web certificate that every Exchange server gets by setup.
fn of_setup(host: &Host, index: usize, now: Timestamp) -> Order {
    let short = host.name.short().to_uppercase();
    let mut request = Request::good(&short, vec![short.clone(), host.name.to_string()], now);
    request.friendly_name = "Microsoft Exchange".into();
    request.not_after = days(now, 1000 + i32::try_from(index).unwrap_or(0));
    Order {
        request,
        from: From::Own,
    }
}

/// The certificate of a server's own name, which Unified Messaging shows to Lync where both its
/// services are on one machine.
fn of_unified_messaging(host: &Host, now: Timestamp) -> Order {
    let name = host.name.as_str();
    let mut request = Request::good(name, vec![name.into()], now);
    request.friendly_name = "Unified Messaging".into();
    Order {
        request,
        from: From::Own,
    }
}

/// What a host has in place of the `good` certificate.
fn orders(overlay: &Overlay, host: &Host, good: &Request, now: Timestamp) -> Vec<Order> {
    let given = overlay
        .hosts
        .get(&host.name)
        .and_then(|o| o.certificates.as_ref());
    if let Some(given) = given {
        return given
            .iter()
            .map(|c| described(c, host, good.clone(), now))
            .collect();
    }
    let defects = overlay.defects.iter().filter(|d| d.host == host.name);
    let good = Order {
        request: good.clone(),
        from: From::Own,
    };
    spoiled(good, defects.map(|d| d.defect), host, now)
}

fn described(
    given: &CertificateOverlay,
    host: &Host,
    mut request: Request,
    now: Timestamp,
) -> Order {
    if let Some(subject) = &given.subject {
        request.common_name.clone_from(subject);
        request.dns_names = vec![subject.clone(), host.name.to_string()];
        request.dns_names.dedup();
    }
    if let Some(names) = &given.names {
        request.dns_names.clone_from(names);
    }
    if let Some(count) = given.not_before_days {
        request.not_before = days(now, count);
    }
    if let Some(count) = given.not_after_days {
        request.not_after = days(now, count);
    }
    request.with_key = !given.without_key;
    request.friendly_name.clone_from(&given.friendly_name);
    Order {
        request,
        from: From::of(given.untrusted),
    }
}

/// The certificates that a host has in place of the good one, given its defects.
fn spoiled(
    mut order: Order,
    kinds: impl Iterator<Item = DefectKind>,
    host: &Host,
    now: Timestamp,
) -> Vec<Order> {
    let (mut missing, mut renewed) = (false, false);
    let request = &mut order.request;
    for kind in kinds {
        match kind {
            DefectKind::CertificateMissing => missing = true,
            DefectKind::CertificateRenewed => renewed = true,
            DefectKind::CertificateExpired => {
                request.not_before = days(now, -400);
                request.not_after = days(now, -1);
            }
            DefectKind::CertificateNotYetValid => request.not_before = days(now, 7),
            DefectKind::CertificateExpiresSoon => request.not_after = days(now, 7),
            DefectKind::CertificateWithoutKey => request.with_key = false,
            DefectKind::CertificateWildcard => {
                request.common_name = format!("*.{}", domain(&host.name));
                request.dns_names = vec![request.common_name.clone()];
            }
            DefectKind::CertificateWrongSubject => {
                request.common_name = format!("mail.{}", domain(&host.name));
            }
            DefectKind::CertificateMissingName => {
                let subject = request.common_name.clone();
                request.dns_names.retain(|name| *name != subject);
            }
            DefectKind::CertificateNotForServers => request.purposes = vec![Purpose::Client],
            DefectKind::CertificateUntrusted => order.from = From::Stranger,
            DefectKind::IntermediateExpired => order.from = From::Ended,
            _ => {}
        }
    }
    if missing {
        return Vec::new();
    }
    let newer = renewed.then(|| {
        let mut newer = order.clone();
        newer.request.not_after = days(newer.request.not_after, 365);
        newer
    });
    std::iter::once(order).chain(newer).collect()
}
