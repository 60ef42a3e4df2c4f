//! What setup programs leave on a server's disk and in its registry: again with every update.

use jiff::Timestamp;
use owaim_inventory::{ExchangeVersion, Host, LyncVersion, Role};

use super::first::build_of;
use super::webconfig;
use crate::state::HostState;

/// Build numbers between one cumulative update and the next.
const UPDATE: u32 = 18;

/// Build of the Exchange that a host has now: major, minor, build, revision.
pub(super) fn build_on(host: &HostState, exchange: ExchangeVersion) -> [u32; 4] {
    let [major, minor, build, revision] = build_of(exchange);
    [major, minor, build + UPDATE * host.updates, revision]
}

/// Puts Exchange's version and its configuration files where setup puts them, over whatever is
/// there.
pub(super) fn place_exchange(
    state: &mut HostState,
    host: &Host,
    exchange: ExchangeVersion,
    time: Timestamp,
) {
    let numbers = build_on(state, exchange).map(|n| i32::try_from(n).unwrap_or_default());
    let setup = format!(
        "SOFTWARE\\Microsoft\\ExchangeServer\\v{}\\Setup",
        numbers[0]
    );
    let names = [
        "MsiProductMajor",
        "MsiProductMinor",
        "MsiBuildMajor",
        "MsiBuildMinor",
    ];
    for (name, number) in names.into_iter().zip(numbers) {
        state.registry.set(&setup, name, number);
    }
    let root = state.install_root.clone();
    if host.is(Role::Cas) {
        let file = format!("{root}\\FrontEnd\\HttpProxy\\owa\\web.config");
        let text = webconfig::front_end(host.name.short());
        state.files.place(&file, text, time);
    }
    if host.is(Role::Backend) {
        let file = state.web_config();
        let text = webconfig::backend(host.name.short());
        state.files.place(&file, text, time);
    }
}

/// What Lync's setup leaves.
pub(super) fn place_lync(state: &mut HostState, version: LyncVersion, time: Timestamp) {
    let (product, module) = match version {
        LyncVersion::L2010 => ("Microsoft Lync Server 2010", "Lync"),
        LyncVersion::L2013 => ("Microsoft Lync Server 2013", "Lync"),
        LyncVersion::S2015 => ("Skype for Business Server 2015", "SkypeForBusiness"),
        LyncVersion::S2019 => ("Skype for Business Server 2019", "SkypeForBusiness"),
        LyncVersion::Se => ("Skype for Business Server", "SkypeForBusiness"),
    };
    let modules = format!("C:\\Program Files\\Common Files\\{product}\\Modules\\{module}");
    state.files.make_folders(&modules, time);
    let manifest = format!("{modules}\\{module}.psd1");
    state.files.place(&manifest, b"@{}".to_vec(), time);
    state
        .files
        .make_folders(&format!("C:\\Program Files\\{product}"), time);
}
