//! The double hop: a session logged on over the network has no credentials for a third machine.
//!
//! On a Front End that shows as a refused database login or directory bind, while what the
//! server answers by itself still works. Recognised by the types and ids of the errors, since
//! messages follow the server's language.

use owaim_proto::psrp::ErrorRecord;

/// What helps, best first.
pub(crate) const ADVICE: &str = "this is how the double hop shows: a session over the network has no credentials for \
     the database and the directory behind the Front End (an account without rights there looks the same); either use \
     an endpoint where the server acts itself (OcsPowershell), or give the Front End a session configuration that \
     runs under an account of its own (endpoints.lync-local), or allow CredSSP to that one Front End only";

/// Types of exceptions, or beginnings of error ids, of the database and of the directory.
const SIGNS: [&str; 5] = [
    "SqlConnectionException",
    "SqlException",
    "ADOperationException",
    "ADTransientException",
    "DirectoryServicesCOMException",
];

/// Whether `error` looks like a double hop. Exchange has errors of the same short names, which mean
/// something else.
pub(crate) fn shows_in(error: &ErrorRecord) -> bool {
    [error.exception_type.as_str(), error.id()]
        .into_iter()
        .filter(|name| name.starts_with("Microsoft.Rtc.") || name.starts_with("System."))
        .filter_map(|name| name.rsplit('.').next())
        .any(|name| SIGNS.contains(&name))
}
