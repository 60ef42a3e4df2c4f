//! Which cmdlets an endpoint of a host shows.

use owaim_inventory::EndpointKind;
use owaim_inventory::catalogue::{Cmdlet, Product};

use crate::state::HostState;

/// What Exchange's endpoint shows besides Exchange's own cmdlets.
const RESTRICTED: &[&str] = &["Get-Command", "Measure-Object", "Select-Object"];

/// Whether the endpoint `kind` of `host` shows `cmdlet`: the host's versions have it, and the
/// endpoint lets it be seen.
pub(super) fn shows(host: &HostState, kind: EndpointKind, cmdlet: &Cmdlet) -> bool {
    let released = cmdlet.powershell <= host.powershell
        && cmdlet.windows.is_none_or(|since| since <= host.windows);
    let full = kind != EndpointKind::Exchange;
    match cmdlet.product {
        Product::Windows => released && (full || RESTRICTED.contains(&cmdlet.name)),
        Product::Iis => released && full && host.exchange.is_some(),
        Product::Exchange => {
            let range = cmdlet.exchange.zip(host.exchange);
            !full && range.is_some_and(|((first, last), here)| (first..=last).contains(&here))
        }
        Product::Lync => false,
    }
}
