//! The pools of the topology, and whether the one of the site file can be the next hop: it has a
//! Registrar, of the generation of the site file or a later one.

use owaim_inventory::{HostName, Lync, LyncVersion};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::Command;

use crate::front_end::{FrontEnd, bare};
use crate::{Observations, Problem, Query, read};

/// Names of the queries.
const POOLS: &str = "cs-pools";
const REGISTRARS: &str = "registrars";

/// What is asked at `front_end`.
pub(crate) fn queries(front_end: &FrontEnd) -> [Query; 2] {
    [
        front_end.lync(POOLS, Command::new("Get-CsPool")),
        front_end.lync(
            REGISTRARS,
            Command::new("Get-CsService").switch("Registrar"),
        ),
    ]
}

/// A pool of the topology.
struct Pool {
    fqdn: String,
    computers: Vec<String>,
    /// Roles of its services.
    roles: Vec<String>,
}

/// A pool's Registrar.
struct Registrar {
    pool: String,
    /// Its generation, as far as the number in the topology tells.
    version: Option<LyncVersion>,
}

/// What the topology has.
pub(crate) struct Registrars {
    pools: Vec<Pool>,
    registrars: Vec<Registrar>,
}

/// The generation that a number in the topology stands for. Of later ones the numbers are not
/// documented.
fn generation(number: i64) -> Option<LyncVersion> {
    match number {
        5 => Some(LyncVersion::L2010),
        6 => Some(LyncVersion::L2013),
        _ => None,
    }
}

/// The pool of a service, as `Get-CsService` gives it.
pub(crate) fn pool_of(service: &Value) -> Option<String> {
    read::text(service, "PoolFqdn")
        .or_else(|| read::text(service, "Identity").map(|text| bare(&text).to_owned()))
}

fn texts(object: &Value, name: &str) -> Vec<String> {
    let value = object.get(name);
    let items = value.and_then(Value::items).unwrap_or_default();
    items.iter().chain(value).filter_map(Value::text).collect()
}

impl Registrars {
    pub(crate) fn read(seen: &Observations, host: &HostName) -> Result<Self, Problem> {
        let action = format!("list the pools of the topology at {host}");
        let pools: Vec<Pool> = read::clean(seen, POOLS, &action)?
            .objects()
            .filter_map(|object| {
                let services = texts(object, "Services");
                let role = |service: &String| Some(service.split_once(':')?.0.to_owned());
                Some(Pool {
                    fqdn: read::text(object, "Fqdn").or_else(|| read::text(object, "Identity"))?,
                    computers: texts(object, "Computers"),
                    roles: services.iter().filter_map(role).collect(),
                })
            })
            .collect();
        let action = format!("list the registrars of the topology at {host}");
        let mut registrars: Vec<Registrar> = read::clean(seen, REGISTRARS, &action)?
            .objects()
            .filter_map(|object| {
                Some(Registrar {
                    pool: pool_of(object)?,
                    version: read::number(object, "Version").and_then(generation),
                })
            })
            .collect();
        // The pool's own list of services is as good a witness.
        for pool in &pools {
            let has = pool
                .roles
                .iter()
                .any(|role| role.eq_ignore_ascii_case("Registrar"));
            let is_listed = |r: &Registrar| r.pool.eq_ignore_ascii_case(&pool.fqdn);
            if has && !registrars.iter().any(is_listed) {
                registrars.push(Registrar {
                    pool: pool.fqdn.clone(),
                    version: None,
                });
            }
        }
        Ok(Self { pools, registrars })
    }

    /// Whether the pool of the site file will do; if not, which ones would.
    pub(crate) fn check(&self, lync: &Lync) -> Result<(), Problem> {
        let wanted = lync.pool.as_str();
        let same = |name: &String| name.eq_ignore_ascii_case(wanted);
        let is_old = |registrar: &Registrar| {
            registrar
                .version
                .is_some_and(|version| version < lync.version)
        };
        let own = self.registrars.iter().find(|r| same(&r.pool));
        let found = match own {
            Some(registrar) if !is_old(registrar) => return Ok(()),
            Some(registrar) => format!(
                "its Registrar is of {}: a pool of an older generation as the next hop is not supported",
                registrar
                    .version
                    .map_or_else(String::new, |version| version.to_string())
            ),
            None => self.without_registrar(same),
        };
        let fit: Vec<&str> = self
            .registrars
            .iter()
            .filter(|registrar| !is_old(registrar))
            .map(|registrar| registrar.pool.as_str())
            .collect();
        let advice = if fit.is_empty() {
            "the topology has no pool that would do: see whether lync.version in the site file is right".into()
        } else {
            format!(
                "write a pool that would do as lync.pool in the site file: {}",
                fit.join(", ")
            )
        };
        let problem = Problem::new(
            format!("find the Front End pool {wanted} in the topology"),
            found,
            advice,
        );
        Err(problem.expecting(format!(
            "a pool with a Registrar of {} or later",
            lync.version
        )))
    }

    fn without_registrar(&self, same: impl Fn(&String) -> bool) -> String {
        if let Some(pool) = self.pools.iter().find(|pool| same(&pool.fqdn)) {
            let roles = if pool.roles.is_empty() {
                "no service".into()
            } else {
                pool.roles.join(", ")
            };
            return format!("it is a pool without a Registrar: it has {roles}");
        }
        match self
            .pools
            .iter()
            .find(|pool| pool.computers.iter().any(&same))
        {
            Some(pool) => format!(
                "it is one of the servers of the pool {}, not the pool",
                pool.fqdn
            ),
            None => "the topology has no such pool".into(),
        }
    }
}
