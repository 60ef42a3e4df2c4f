//! The double hop: what a logon over the network cannot reach from a Front End.
//!
//! Such a session has no credentials for a third machine: databases see an anonymous caller, the
//! directory refuses the bind. What the server can answer by itself still works.

use owaim_inventory::HostName;
use owaim_inventory::catalogue::Cmdlet;

use super::super::binder::Bound;
use super::super::errors::{Category, Failure};

/// Cmdlets that ask the directory first; the others ask the store's database.
const DIRECTORY: &[&str] = &[
    "Enable-CsTopology",
    "Get-CsAdUser",
    "Get-CsExUmContact",
    "Get-CsTrustedApplicationEndpoint",
    "Get-CsUser",
    "Grant-CsSetupPermission",
    "New-CsTrustedApplicationEndpoint",
    "Remove-CsTrustedApplicationEndpoint",
    "Test-CsSetupPermission",
];

/// Why `cmdlet` cannot be carried out in a session without credentials for other machines;
/// `None` if it needs none.
pub(crate) fn refusal(cmdlet: &Cmdlet, call: &Bound, here: &HostName) -> Option<Failure> {
    let elsewhere = call
        .text("ComputerName")
        .filter(|name| !name.is_empty() && !is_here(name, here));
    if let Some(name) = elsewhere.filter(|_| !cmdlet.delegation) {
        return Some(Failure::access_denied("UnauthorizedAccess", &name));
    }
    if !cmdlet.delegation {
        return None;
    }
    Some(if DIRECTORY.contains(&cmdlet.name) {
        Failure::new(
            "Microsoft.Rtc.Management.ADConnect.Core.ADOperationException",
            Category::InvalidOperation,
            "Microsoft.Rtc.Management.ADConnect.Core.ADOperationException",
            "Active Directory error \"-2147016672\" occurred while searching for domain controllers: \"An operations \
             error occurred.\"",
        )
    } else {
        Failure::new(
            "Microsoft.Rtc.Common.Data.SqlConnectionException",
            Category::InvalidOperation,
            "Microsoft.Rtc.Common.Data.SqlConnectionException",
            "Cannot open database \"xds\" requested by the login. The login failed. Login failed for user 'NT \
             AUTHORITY\\ANONYMOUS LOGON'.",
        )
    })
}

/// Whether `name` is the machine itself.
fn is_here(name: &str, here: &HostName) -> bool {
    [here.as_str(), here.short(), ".", "localhost"]
        .iter()
        .any(|own| own.eq_ignore_ascii_case(name))
}
