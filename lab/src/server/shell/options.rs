//! What PowerShell's plug-in makes of the options of a request that begins a session
//! (`EnsureOptionsComply` in PowerShell's sources; [MS-PSRP] 3.1.5.3.1).

use owaim_proto::wsman::{Fault, RequestHeader};

use super::fault;

/// The version of the protocol of sessions that servers ask for: this, or a later one of its kind.
const VERSION: (u32, u32) = (2, 0);

/// What options begin with that are PowerShell's own. It knows none so far.
const OWN: &str = "PS_";

/// Numbers of the plug-in: `ProtocolVersionNotMatch`, `OptionNotUnderstood`,
/// `ProtocolVersionNotFound`.
const VERSION_NOT_MATCH: u32 = 2_152_991_685;
const OPTION_NOT_UNDERSTOOD: u32 = 2_152_991_686;
const VERSION_NOT_FOUND: u32 = 2_152_991_687;

/// Whether a session may begin with these options.
pub(super) fn check(header: &RequestHeader) -> Result<(), Box<Fault>> {
    let asked = header.option("protocolversion").ok_or_else(|| {
        fault::of_plugin(VERSION_NOT_FOUND, "the option protocolversion is missing")
    })?;
    if !is_spoken(asked) {
        let text = format!("protocolversion {asked:?}: expected 2.0 or a later 2.x");
        return Err(fault::of_plugin(VERSION_NOT_MATCH, &text));
    }
    let mut options = header.options.iter();
    match options.find(|option| option.must_comply && option.name.starts_with(OWN)) {
        Some(option) => {
            let text = format!("the option {} is not understood", option.name);
            Err(fault::of_plugin(OPTION_NOT_UNDERSTOOD, &text))
        }
        None => Ok(()),
    }
}

fn is_spoken(version: &str) -> bool {
    let parts = version
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    parts.is_some_and(|(major, minor)| major == VERSION.0 && minor >= VERSION.1)
}
