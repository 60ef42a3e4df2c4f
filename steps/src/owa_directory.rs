//! Objects of `Get-OwaVirtualDirectory`: whose they are, and which end they belong to.

use owaim_inventory::HostName;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline};

use crate::{Context, Problem, Saved, identity, messaging, read};

/// Web site of the directory that renders OWA.
pub(crate) const BACK_END: &str = "Exchange Back End";

/// A front-end directory.
pub(crate) struct FrontEnd<'a> {
    pub(crate) identity: String,
    pub(crate) object: &'a Value,
}

/// What reading the directories of `host` is called.
pub(crate) fn reading(host: &HostName) -> String {
    format!("read the OWA virtual directories of {host}")
}

/// Lists the front-end directories of `host`, without asking its web server.
pub(crate) fn list(cx: Context<'_>, host: &HostName) -> Result<Pipeline, Problem> {
    let server = identity::exact("a server", host.short())?;
    let command = Command::new("Get-OwaVirtualDirectory")
        .with("Server", server)
        .switch("ADPropertiesOnly");
    Ok(Pipeline::new(match cx.domain_controller() {
        Some(name) => command.with("DomainController", name),
        None => command,
    }))
}

/// The values of a directory before a change.
pub(crate) fn saved(identity: &str, object: &Value) -> Saved {
    let name = format!("virtual-directory-{}.json", messaging::file_name(identity));
    messaging::saved(name, identity, object)
}

/// Whether `object` is a directory of the back end. The site is in its name,
/// `owa (Exchange Back End)`, even where `WebSite` is empty, as it is with `-ADPropertiesOnly`.
pub(crate) fn is_back_end(object: &Value) -> bool {
    let name = read::text(object, "Name").unwrap_or_default();
    let site = name
        .rsplit_once('(')
        .map_or("", |(_, site)| site.trim_end_matches(')'));
    site.eq_ignore_ascii_case(BACK_END)
}

/// The identity of `object`, if it is one directory of `host`; `action` says for people what was
/// read.
pub(crate) fn identity(object: &Value, host: &HostName, action: &str) -> Result<String, Problem> {
    let identity = read::text(object, "Identity").unwrap_or_default();
    let identity = identity::exact("an OWA virtual directory", &identity)?;
    let server = identity.split('\\').next().unwrap_or_default();
    if !server.eq_ignore_ascii_case(host.short()) {
        let problem = Problem::new(action, format!("the directory {identity:?}"), read::REPORT);
        return Err(problem.expecting(format!("only directories of {}", host.short())));
    }
    Ok(identity)
}

/// Those of `objects` that are front-end directories of `host`; an error if there is none.
pub(crate) fn front_end<'a>(
    objects: impl IntoIterator<Item = &'a Value>,
    host: &HostName,
    action: &str,
) -> Result<Vec<FrontEnd<'a>>, Problem> {
    let is_legacy = |object: &Value| {
        read::text(object, "OwaVersion").is_some_and(|version| version.starts_with("Exchange2003"))
    };
    let found = objects
        .into_iter()
        .filter(|object| !is_legacy(object) && !is_back_end(object))
        .map(|object| identity(object, host, action).map(|identity| FrontEnd { identity, object }))
        .collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() {
        return Err(Problem::new(
            action,
            "none but those of the back end",
            "see whether the server has the client access role; correct its roles in the site file, or create the \
             directory with New-OwaVirtualDirectory",
        )
        .expecting("a front-end directory such as \"owa (Default Web Site)\""));
    }
    Ok(found)
}

/// The domain controller to stay with: the one known, else the one that `objects` come from.
pub(crate) fn domain_controller(cx: Context<'_>, objects: &[&Value]) -> Option<String> {
    cx.domain_controller().or_else(|| {
        objects
            .first()
            .and_then(|object| read::text(object, "OriginatingServer"))
    })
}
