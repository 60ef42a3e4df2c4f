//! Whether a backend and its Front End take each other's certificate, as TLS decides it.
//!
//! The path from a certificate to a root is a library's work. A machine builds it from what it is
//! sent and from the authorities that it has itself.

use jiff::Timestamp;
use owaim_inventory::HostName;
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::certificates::Certificate;
use super::lync;
use crate::state::{HostState, State};

/// Whether the backend `name` and the Front End that serves it trust each other at `at` (our
/// clock). A Front End that the site does not have trusts the site's root, and shows a
/// certificate that leads to it.
pub(super) fn is_mutual(state: &State, name: &HostName, at: Timestamp) -> bool {
    let Some(backend) = state.hosts.get(name) else {
        return false;
    };
    let Some(shown) = backend.messaging_certificate() else {
        return false;
    };
    let Some(lync) = &state.lync else {
        let root = &state.root.certificate;
        let sent = [&backend.intermediates, &backend.roots];
        return leads_to(shown, &sent, std::slice::from_ref(root), at)
            && backend.roots.iter().any(|known| known.der == root.der);
    };
    let front_end = lync::serving(lync, state, name).and_then(|r| state.hosts.get(&r.fqdn));
    let Some(front_end) = front_end else {
        return false;
    };
    let Some(answer) = front_end
        .certificates
        .iter()
        .find(|c| c.common_name() == front_end.registrar)
    else {
        return false;
    };
    answer.key.is_some()
        && serves(answer, &front_end.registrar)
        && takes(front_end, backend, shown, at)
        && takes(backend, front_end, answer, at)
}

/// Whether `receiver` trusts the certificate that `sender` shows to it.
fn takes(receiver: &HostState, sender: &HostState, shown: &Certificate, at: Timestamp) -> bool {
    let others = [
        &sender.intermediates,
        &sender.roots,
        &receiver.intermediates,
        &receiver.roots,
    ];
    leads_to(shown, &others, &receiver.roots, receiver.time(at))
}

/// Whether there is a path from `shown` through `others` to a root among `trusted` at `now`, with
/// everything on it valid and the whole good for a server.
fn leads_to(
    shown: &Certificate,
    others: &[&Vec<Certificate>],
    trusted: &[Certificate],
    now: Timestamp,
) -> bool {
    fn der(certificate: &Certificate) -> CertificateDer<'_> {
        CertificateDer::from(certificate.der.as_slice())
    }
    let is_in_time = |c: &&Certificate| c.not_before <= now && now <= c.not_after;
    let roots: Vec<CertificateDer<'_>> = trusted
        .iter()
        .filter(|c| c.is_root())
        .filter(is_in_time)
        .map(der)
        .collect();
    let anchors: Vec<TrustAnchor<'_>> = roots
        .iter()
        .filter_map(|root| anchor_from_trusted_cert(root).ok())
        .collect();
    let others: Vec<CertificateDer<'_>> = others
        .iter()
        .flat_map(|all| all.iter())
        .filter(|c| !c.is_root())
        .map(der)
        .collect();
    let (leaf, seconds) = (der(shown), u64::try_from(now.as_second()).unwrap_or(0));
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    EndEntityCert::try_from(&leaf).is_ok_and(|leaf| {
        leaf.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &anchors,
            &others,
            time,
            KeyUsage::server_auth(),
            None,
            None,
        )
        .is_ok()
    })
}

/// Whether the certificate is one for a server of that name.
fn serves(certificate: &Certificate, name: &str) -> bool {
    let der = CertificateDer::from(certificate.der.as_slice());
    let (Ok(leaf), Ok(name)) = (EndEntityCert::try_from(&der), ServerName::try_from(name)) else {
        return false;
    };
    leaf.verify_is_valid_for_subject_name(&name).is_ok()
}
