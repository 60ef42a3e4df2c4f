//! Which cmdlets an endpoint of a host shows.

use owaim_inventory::catalogue::{Cmdlet, LYNC_MODULE, Product};
use owaim_inventory::{EndpointKind, LyncVersion};

use crate::overlay::Right;
use crate::state::HostState;

/// What restricted endpoints show besides the product's own cmdlets.
const RESTRICTED: &[&str] = &["Get-Command", "Measure-Object", "Select-Object"];

/// Cmdlets that Lync's endpoint shows to nobody: no role has them.
const LOCAL_ONLY: &[&str] = &[
    "Enable-CsTopology",
    "Get-CsCertificate",
    "Get-CsComputer",
    "Get-CsTopology",
    "Publish-CsTopology",
];

/// Whether an endpoint of that kind has the whole language, all cmdlets and programs.
pub(super) fn is_full(kind: EndpointKind) -> bool {
    matches!(kind, EndpointKind::Windows | EndpointKind::LyncLocal)
}

/// The module that a cmdlet comes from on `host`: Lync's changed its name with Skype for
/// Business.
pub(super) fn module(host: &HostState, cmdlet: &Cmdlet) -> &'static str {
    match host.lync {
        Some(version) if cmdlet.product == Product::Lync && version <= LyncVersion::L2013 => {
            LYNC_MODULE
        }
        _ => cmdlet.module,
    }
}

/// Whether roles that give `rights` (`None`: everything) let an account see `cmdlet` at the
/// endpoint `kind`. On full endpoints it is the directory's groups that limit, which the lab does
/// not have.
pub(super) fn granted(rights: Option<&[Right]>, kind: EndpointKind, cmdlet: &Cmdlet) -> bool {
    let needed = match (kind, cmdlet.product, cmdlet.changes) {
        (EndpointKind::Exchange, Product::Exchange, false) => Right::ExchangeRead,
        (EndpointKind::Exchange, Product::Exchange, true) => Right::ExchangeChange,
        (EndpointKind::Lync, Product::Lync, false) => Right::LyncRead,
        (EndpointKind::Lync, Product::Lync, true) => Right::LyncChange,
        _ => return true,
    };
    rights.is_none_or(|all| all.contains(&needed))
}

/// Whether the endpoint `kind` of `host` shows `cmdlet`: the host's versions have it, and the
/// endpoint lets it be seen.
pub(super) fn shows(host: &HostState, kind: EndpointKind, cmdlet: &Cmdlet) -> bool {
    let released = cmdlet.powershell <= host.powershell
        && cmdlet.windows.is_none_or(|since| since <= host.windows);
    let full = is_full(kind);
    match cmdlet.product {
        Product::Windows => released && (full || RESTRICTED.contains(&cmdlet.name)),
        Product::Iis => released && full && host.exchange.is_some(),
        Product::Exchange => {
            let range = cmdlet.exchange.zip(host.exchange);
            kind == EndpointKind::Exchange
                && range.is_some_and(|((first, last), here)| (first..=last).contains(&here))
        }
        Product::Lync => {
            host.lync
                .is_some_and(|version| cmdlet.lync.0 <= version && version <= cmdlet.lync.1)
                && (full || (kind == EndpointKind::Lync && !LOCAL_ONLY.contains(&cmdlet.name)))
        }
    }
}
