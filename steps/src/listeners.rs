//! Whether something else listens at the trusted application's port on a backend.
//!
//! One question, and a second one only where something does listen. An older Windows does not have
//! the cmdlet, and a server that refuses it is no reason to stop: nothing more than a warning hangs
//! on this.

use std::collections::BTreeSet;

use owaim_inventory::HostName;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};

use crate::{Observations, Place, Query, read};

/// Names of the queries.
const LISTENERS: &str = "listeners";
const PROCESSES: &str = "processes";

/// Major version of Windows PowerShell below which the cmdlet is not asked for.
pub(crate) const POWERSHELL: u32 = 3;

/// The process that OWA runs in. Whether the messaging provider itself ever listens at the port is
/// not documented; if it does, that is no clash.
const WORKER: &str = "w3wp";

/// What is asked at `host`, given what was seen.
pub(crate) fn queries(seen: &Observations, host: &HostName, port: u16) -> Vec<Query> {
    let query = |name, command| Query {
        name,
        place: Place::windows(host),
        pipeline: Pipeline::new(command),
    };
    let listening = Command::new("Get-NetTCPConnection")
        .with("LocalPort", i32::from(port))
        .with("State", "Listen");
    let mut queries = vec![query(LISTENERS, listening)];
    let ids: Vec<Value> = owners(seen).into_iter().map(Value::UInt32).collect();
    if !ids.is_empty() {
        let named = Command::new("Get-Process").with("Id", Value::from(ids));
        queries.push(query(PROCESSES, named));
    }
    queries
}

/// The processes that listen: both families of addresses have the same one, as a rule.
fn owners(seen: &Observations) -> BTreeSet<u32> {
    seen.get(LISTENERS)
        .into_iter()
        .flat_map(PipelineOutput::objects)
        .filter_map(|object| read::number(object, "OwningProcess"))
        .filter_map(|id| u32::try_from(id).ok())
        .collect()
}

/// What is to be said of `port` at `host`.
pub(crate) fn warning(seen: &Observations, host: &HostName, port: u16) -> Option<String> {
    let output = seen.get(LISTENERS)?;
    let refused = output
        .errors()
        .find(|error| !read::is_not_found(error) && !read::is_missing_command(error));
    if let Some(error) = refused {
        return Some(format!(
            "whether something listens at port {port} of {host} was not looked at: {} ({})",
            error.message, error.error_id
        ));
    }
    let name = |id: u32| {
        seen.get(PROCESSES)?
            .objects()
            .find(|process| read::number(process, "Id") == Some(i64::from(id)))
            .and_then(|process| read::text(process, "ProcessName"))
    };
    let others: Vec<String> = owners(seen)
        .into_iter()
        .filter_map(|id| match name(id) {
            Some(name) if name.eq_ignore_ascii_case(WORKER) => None,
            Some(name) => Some(format!("{name} (process {id})")),
            None => Some(format!("process {id}")),
        })
        .collect();
    (!others.is_empty()).then(|| {
        format!(
            "port {port}, which the site file gives the trusted application, is in use on {host}, by {}: choose another \
             one for lync.trusted_application.port, or see what it is",
            others.join(", ")
        )
    })
}
