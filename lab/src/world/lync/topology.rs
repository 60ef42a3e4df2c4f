//! [`Topology`]: trusted application pools with their computers and applications, and the rules
//! that changes of them obey.

use serde::{Deserialize, Serialize};

/// Prefix of stored application ids.
const URN: &str = "urn:application:";

/// What a topology says about trusted applications.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Topology {
    pub(crate) pools: Vec<TrustedPool>,
    /// Trusted pools made so far: they are numbered.
    pub(crate) made: u32,
}

/// A trusted application pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrustedPool {
    pub(crate) fqdn: String,
    pub(crate) number: u32,
    /// FQDN of the registrar pool.
    pub(crate) registrar: Option<String>,
    /// Identity of its site.
    pub(crate) site: String,
    pub(crate) requires_replication: bool,
    pub(crate) throttle_as_server: bool,
    pub(crate) treat_as_authenticated: bool,
    pub(crate) outbound_only: bool,
    /// Number in topology entries.
    pub(crate) version: u32,
    pub(crate) computers: Vec<String>,
    pub(crate) applications: Vec<Application>,
}

/// A trusted application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Application {
    /// Lower case, without its prefix.
    pub(crate) id: String,
    pub(crate) port: u16,
    pub(crate) legacy_name: String,
    pub(crate) contacts: Vec<Contact>,
}

/// An endpoint of an application: a contact object in the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) sip_address: String,
    pub(crate) display_name: String,
}

/// Why a change of the topology is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TopologyError {
    #[error("\"{0}\" already exists in the topology")]
    Exists(String),
    #[error("cannot find \"{0}\" in the topology")]
    Missing(String),
    #[error(
        "application id \"{0}\" is not valid: it must have no blanks and no special characters"
    )]
    Id(String),
    #[error("port {port} is used by {id} in the same pool")]
    PortTaken { port: u16, id: String },
    #[error("port {0} is out of the range from 1 to 65535")]
    Port(i64),
    #[error("pool {0} has one computer of its own name, so no other can be added")]
    OneComputer(String),
    #[error("pool {0} has no registrar and cannot be removed")]
    NoRegistrar(String),
    #[error("\"{0}\" is not a fully qualified domain name")]
    Name(String),
}

/// The id without prefix, in lower case.
pub(crate) fn bare_id(id: &str) -> String {
    let id = id.trim().to_lowercase();
    id.strip_prefix(URN).map_or(id.clone(), Into::into)
}

impl Application {
    /// The id as it is stored and shown.
    pub(crate) fn urn(&self) -> String {
        format!("{URN}{}", self.id)
    }
}

impl TrustedPool {
    /// The application of that id.
    pub(crate) fn application(&self, id: &str) -> Option<&Application> {
        let id = bare_id(id);
        self.applications.iter().find(|a| a.id == id)
    }

    /// Whether `name` is the pool or one of its computers.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.fqdn.eq_ignore_ascii_case(name)
            || self.computers.iter().any(|c| c.eq_ignore_ascii_case(name))
    }

    fn check_port(&self, port: i64, except: Option<&str>) -> Result<u16, TopologyError> {
        let port = u16::try_from(port)
            .ok()
            .filter(|port| *port > 0)
            .ok_or(TopologyError::Port(port))?;
        let taken = |a: &&Application| a.port == port && except != Some(a.id.as_str());
        match self.applications.iter().find(taken) {
            Some(other) => Err(TopologyError::PortTaken {
                port,
                id: other.urn(),
            }),
            None => Ok(port),
        }
    }
}

impl Topology {
    /// The pool of that FQDN, given alone or as `TrustedApplicationPool:FQDN`.
    pub(crate) fn pool(&self, text: &str) -> Option<&TrustedPool> {
        let position = self.position(text).ok()?;
        self.pools.get(position)
    }

    fn position(&self, text: &str) -> Result<usize, TopologyError> {
        let name = text
            .split_once(':')
            .filter(|(role, _)| {
                ["TrustedApplicationPool", "ExternalServer"]
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(role))
            })
            .map_or(text, |(_, name)| name);
        self.pools
            .iter()
            .position(|pool| pool.fqdn.eq_ignore_ascii_case(name))
            .ok_or_else(|| TopologyError::Missing(text.into()))
    }

    /// The pool of that FQDN, to be changed.
    pub(crate) fn pool_mut(&mut self, text: &str) -> Result<&mut TrustedPool, TopologyError> {
        let position = self.position(text)?;
        self.pools
            .get_mut(position)
            .ok_or_else(|| TopologyError::Missing(text.into()))
    }

    /// Adds a pool; its number is given here.
    pub(crate) fn add_pool(&mut self, mut pool: TrustedPool) -> Result<(), TopologyError> {
        for name in std::iter::once(&pool.fqdn).chain(&pool.computers) {
            if owaim_inventory::HostName::new(name).is_err() {
                return Err(TopologyError::Name(name.clone()));
            }
            if self.pools.iter().any(|other| other.has_name(name)) {
                return Err(TopologyError::Exists(name.clone()));
            }
        }
        self.made += 1;
        pool.number = self.made;
        self.pools.push(pool);
        Ok(())
    }

    /// Removes a pool with all that is in it.
    pub(crate) fn remove_pool(&mut self, text: &str) -> Result<(), TopologyError> {
        let position = self.position(text)?;
        if self.pools[position].registrar.is_none() {
            return Err(TopologyError::NoRegistrar(text.into()));
        }
        self.pools.remove(position);
        Ok(())
    }

    /// Adds a computer to a pool.
    pub(crate) fn add_computer(&mut self, name: &str, pool: &str) -> Result<(), TopologyError> {
        if owaim_inventory::HostName::new(name).is_err() {
            return Err(TopologyError::Name(name.into()));
        }
        if self.pools.iter().any(|other| other.has_name(name)) {
            return Err(TopologyError::Exists(name.into()));
        }
        let pool = self.pool_mut(pool)?;
        if pool
            .computers
            .iter()
            .any(|c| c.eq_ignore_ascii_case(&pool.fqdn))
        {
            return Err(TopologyError::OneComputer(pool.fqdn.clone()));
        }
        pool.computers.push(name.into());
        Ok(())
    }

    /// Removes a computer from the pool that has it.
    pub(crate) fn remove_computer(&mut self, name: &str) -> Result<(), TopologyError> {
        for pool in &mut self.pools {
            let before = pool.computers.len();
            pool.computers.retain(|c| !c.eq_ignore_ascii_case(name));
            if pool.computers.len() < before {
                return Ok(());
            }
        }
        Err(TopologyError::Missing(name.into()))
    }

    /// Adds an application to a pool.
    pub(crate) fn add_application(
        &mut self,
        pool: &str,
        id: &str,
        port: i64,
        legacy_name: Option<String>,
    ) -> Result<(), TopologyError> {
        let bare = bare_id(id);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if bare.is_empty() || !bare.chars().all(fits) {
            return Err(TopologyError::Id(id.into()));
        }
        let pool = self.pool_mut(pool)?;
        if let Some(known) = pool.application(&bare) {
            return Err(TopologyError::Exists(known.urn()));
        }
        let port = pool.check_port(port, None)?;
        pool.applications.push(Application {
            legacy_name: legacy_name.unwrap_or_else(|| bare.clone()),
            id: bare,
            port,
            contacts: Vec::new(),
        });
        Ok(())
    }

    /// Pool and id of an application identity, `FQDN/ID`.
    fn split(identity: &str) -> Result<(&str, String), TopologyError> {
        identity
            .split_once('/')
            .map(|(pool, id)| (pool, bare_id(id)))
            .ok_or_else(|| TopologyError::Missing(identity.into()))
    }

    /// Gives an application another port; gives whether that is a change.
    pub(crate) fn set_port(&mut self, identity: &str, port: i64) -> Result<bool, TopologyError> {
        let (pool, id) = Self::split(identity)?;
        let pool = self.pool_mut(pool)?;
        let port = pool.check_port(port, Some(&id))?;
        let application = pool
            .applications
            .iter_mut()
            .find(|a| a.id == id)
            .ok_or_else(|| TopologyError::Missing(identity.into()))?;
        let changed = application.port != port;
        application.port = port;
        Ok(changed)
    }

    /// Removes an application.
    pub(crate) fn remove_application(&mut self, identity: &str) -> Result<(), TopologyError> {
        let (pool, id) = Self::split(identity)?;
        let pool = self.pool_mut(pool)?;
        let before = pool.applications.len();
        pool.applications.retain(|a| a.id != id);
        if pool.applications.len() == before {
            return Err(TopologyError::Missing(identity.into()));
        }
        Ok(())
    }

    /// The application of that identity, `FQDN/ID`.
    pub(crate) fn application_mut(
        &mut self,
        pool: &str,
        id: &str,
    ) -> Result<&mut Application, TopologyError> {
        let bare = bare_id(id);
        self.pool_mut(pool)?
            .applications
            .iter_mut()
            .find(|a| a.id == bare)
            .ok_or_else(|| TopologyError::Missing(id.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(fqdn: &str, computers: &[&str]) -> TrustedPool {
        TrustedPool {
            fqdn: fqdn.into(),
            number: 0,
            registrar: Some("fe.fabrikam.test".into()),
            site: "Site:HQ".into(),
            requires_replication: true,
            throttle_as_server: true,
            treat_as_authenticated: true,
            outbound_only: false,
            version: 6,
            computers: computers.iter().map(|c| (*c).to_owned()).collect(),
            applications: Vec::new(),
        }
    }

    #[test]
    fn changes_obey_the_rules_of_the_topology() {
        use TopologyError::{Exists, Id, Missing, Name, OneComputer, Port, PortTaken};
        let mut topology = Topology::default();
        let own = "im.fabrikam.test";
        assert_eq!(topology.add_pool(pool(own, &[own])), Ok(()));
        assert_eq!(
            topology.add_pool(pool("two.fabrikam.test", &["a.fabrikam.test"])),
            Ok(())
        );
        assert_eq!(
            topology.add_pool(pool("IM.fabrikam.test", &["c.fabrikam.test"])),
            Err(Exists("IM.fabrikam.test".into()))
        );
        assert_eq!(
            topology.add_pool(pool("short", &[])),
            Err(Name("short".into()))
        );
        assert_eq!(
            topology.add_computer("b.fabrikam.test", own),
            Err(OneComputer(own.into()))
        );
        assert_eq!(
            topology.add_computer("b.fabrikam.test", "two.fabrikam.test"),
            Ok(())
        );
        assert_eq!(
            topology.add_computer("B.fabrikam.test", "two.fabrikam.test"),
            Err(Exists("B.fabrikam.test".into()))
        );
        let mut add = |id: &str, port| topology.add_application(own, id, port, None);
        assert_eq!(add("Mail", 5201), Ok(()));
        assert_eq!(
            add("urn:application:MAIL", 5202),
            Err(Exists("urn:application:mail".into()))
        );
        assert_eq!(add("two words", 5202), Err(Id("two words".into())));
        assert_eq!(
            add("Other", 5201),
            Err(PortTaken {
                port: 5201,
                id: "urn:application:mail".into()
            })
        );
        assert_eq!(add("Other", 0), Err(Port(0)));
        assert_eq!(add("Other", 65_536), Err(Port(65_536)));
        assert_eq!(
            topology.set_port("im.fabrikam.test/mail", 5201),
            Ok(false),
            "its own port"
        );
        assert_eq!(
            topology.set_port("im.fabrikam.test/urn:application:Mail", 5203),
            Ok(true)
        );
        assert_eq!(topology.set_port("mail", 1), Err(Missing("mail".into())));
        assert_eq!(
            topology.remove_pool("TrustedApplicationPool:im.fabrikam.test"),
            Ok(())
        );
        assert!(topology.pool(own).is_none() && topology.pools.len() == 1);
        topology.pools[0].registrar = None;
        assert!(matches!(
            topology.remove_pool("two.fabrikam.test"),
            Err(TopologyError::NoRegistrar(_))
        ));
    }
}
