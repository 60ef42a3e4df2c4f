//! Files of a server.

use owaim_inventory::{HostName, WindowsPath};
use owaim_proto::psrp::{Command, Pipeline};

use crate::Context;

/// Reads the bytes of the file `path` of `host`: as one array where the cmdlet can do that.
pub(crate) fn content(cx: Context<'_>, host: &HostName, path: &WindowsPath) -> Pipeline {
    let command = Command::new("Get-Content")
        .with("LiteralPath", path.as_str())
        .with("Encoding", "Byte");
    Pipeline::new(if cx.has_powershell(host, 3) {
        command.switch("Raw")
    } else {
        command.with("ReadCount", 0_i64)
    })
}
