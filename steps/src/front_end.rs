//! The Front End that the steps of the Lync side ask, and the few questions that they share.

use owaim_inventory::{EndpointKind, HostName, Role, Site};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline};

use crate::{Context, Observations, Place, PoolDecision, Problem, Query, lync_trusted_pool, read};

/// A Front End of the site, and whether it has a session configuration of its own.
#[derive(Debug, Clone)]
pub(crate) struct FrontEnd {
    pub(crate) host: HostName,
    /// Whether the site file gives it the endpoint `lync-local`. What needs the database and the
    /// directory in one go can be done nowhere else.
    pub(crate) has_local: bool,
}

impl FrontEnd {
    /// The one that is asked for the whole topology: the first of the site file.
    pub(crate) fn admin(site: &Site) -> Option<Self> {
        site.hosts_with(Role::LyncFrontEnd).next().map(|host| Self {
            host: host.name.clone(),
            has_local: host.endpoints.contains_key(&EndpointKind::LyncLocal),
        })
    }

    /// `command` at the restricted endpoint.
    pub(crate) fn lync(&self, name: &'static str, command: Command) -> Query {
        query(name, Place::lync(&self.host), command)
    }

    /// `command` in the session configuration of its own.
    pub(crate) fn local(&self, name: &'static str, command: Command) -> Query {
        query(name, Place::lync_local(&self.host), command)
    }

    /// The decision about the trusted pool.
    pub(crate) fn decision<'a>(&self, cx: Context<'a>) -> Result<&'a PoolDecision, Problem> {
        cx.facts.trusted_pool(&self.host).ok_or_else(|| {
            Problem::new(
                "see whether the trusted application pool has to exist",
                "that is not known",
                format!(
                    "run {} with it, and see what it says",
                    lync_trusted_pool::ID
                ),
            )
        })
    }

    /// Every trusted application: pool, id without its prefix, port, and the whole object.
    pub(crate) fn applications<'a>(
        seen: &'a Observations,
        query: &str,
    ) -> Result<Vec<Application<'a>>, Problem> {
        let action = "list the trusted applications of the topology";
        read::clean(seen, query, action)?
            .objects()
            .map(|object| {
                let text = |name: &str| {
                    read::text(object, name).ok_or_else(|| {
                        Problem::new(
                            action,
                            format!("an application without {name}"),
                            read::REPORT,
                        )
                    })
                };
                Ok(Application {
                    pool: text("TrustedApplicationPoolFqdn")?,
                    id: bare_id(&text("ApplicationId")?),
                    port: read::number(object, "Port"),
                    identity: text("Identity")?,
                    object,
                })
            })
            .collect()
    }
}

/// A trusted application of the topology.
#[derive(Debug)]
pub(crate) struct Application<'a> {
    /// FQDN of its pool.
    pub(crate) pool: String,
    /// Without `urn:application:`, in lower case.
    pub(crate) id: String,
    pub(crate) port: Option<i64>,
    pub(crate) identity: String,
    pub(crate) object: &'a Value,
}

/// A read-only pipeline of one command.
pub(crate) fn query(name: &'static str, place: Place, command: Command) -> Query {
    Query {
        name,
        place,
        pipeline: Pipeline::new(command),
    }
}

/// The name alone of what the topology shows as `Registrar:FQDN` or as the FQDN.
pub(crate) fn bare(text: &str) -> &str {
    text.rsplit(':').next().unwrap_or(text)
}

/// An id without its prefix and in lower case: it is stored as `urn:application:ID`, may be
/// given without, and case does not count.
pub(crate) fn bare_id(id: &str) -> String {
    let id = id.trim().to_ascii_lowercase();
    id.strip_prefix("urn:application:")
        .map_or_else(|| id.clone(), str::to_owned)
}
