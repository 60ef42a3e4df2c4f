//! [`Pool`]: a trusted application pool as the topology has it.

use std::collections::BTreeMap;

use owaim_inventory::HostName;
use owaim_proto::clixml::Value;

use super::{APPLICATIONS, COMPUTERS, POOLS, REPLICATION};
use crate::front_end::{Application, FrontEnd, bare};
use crate::{Observations, Problem, Saved, messaging, read};

/// Properties that Outlook Web App needs as they are by default.
const DEFAULTS: [(&str, bool); 3] = [
    // The computers have no replica: the report would wait for them for ever.
    (REPLICATION, false),
    ("ThrottleAsServer", true),
    ("TreatAsAuthenticated", true),
];

/// A trusted application pool, with what belongs to it.
pub(super) struct Pool<'a> {
    pub(super) fqdn: String,
    pub(super) registrar: Option<String>,
    pub(super) computers: Vec<String>,
    pub(super) applications: Vec<Application<'a>>,
    object: &'a Value,
}

impl<'a> Pool<'a> {
    /// Every pool that the queries of the step gave at `host`.
    pub(super) fn all(seen: &'a Observations, host: &HostName) -> Result<Vec<Self>, Problem> {
        let action = format!("list the computers of trusted application pools at {host}");
        let mut computers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for object in read::clean(seen, COMPUTERS, &action)?.objects() {
            if let (Some(pool), Some(fqdn)) =
                (read::text(object, "Pool"), read::text(object, "Fqdn"))
            {
                let pool = bare(&pool).to_ascii_lowercase();
                computers.entry(pool).or_default().push(fqdn);
            }
        }
        let mut applications: BTreeMap<String, Vec<Application<'_>>> = BTreeMap::new();
        for application in FrontEnd::applications(seen, APPLICATIONS)? {
            let pool = application.pool.to_ascii_lowercase();
            applications.entry(pool).or_default().push(application);
        }
        let action = format!("list the trusted application pools at {host}");
        let pool = |object: &'a Value| {
            let fqdn = read::text(object, "PoolFqdn")
                .ok_or_else(|| Problem::new(&action, "a pool without PoolFqdn", read::REPORT))?;
            let key = fqdn.to_ascii_lowercase();
            Ok(Self {
                registrar: read::text(object, "Registrar").map(|text| bare(&text).to_owned()),
                computers: computers.remove(&key).unwrap_or_default(),
                applications: applications.remove(&key).unwrap_or_default(),
                object,
                fqdn,
            })
        };
        read::clean(seen, POOLS, &action)?
            .objects()
            .map(pool)
            .collect()
    }

    /// Whether it has the name `fqdn`.
    pub(super) fn is(&self, fqdn: &HostName) -> bool {
        self.fqdn.eq_ignore_ascii_case(fqdn.as_str())
    }

    /// Whether `name` is one of its computers.
    pub(super) fn has(&self, name: &str) -> bool {
        self.computers.iter().any(|c| c.eq_ignore_ascii_case(name))
    }

    /// The properties that are not as Outlook Web App needs them, and their wanted values. One that
    /// does not come back is taken to be right, except the one that creation gets wrong.
    pub(super) fn wrong(&self) -> Vec<(&'static str, bool)> {
        let is_wrong = |(name, wanted): &(&'static str, bool)| {
            let found = self.object.get(name).and_then(read::flag);
            found.map_or(*name == REPLICATION, |found| found != *wanted)
        };
        DEFAULTS.into_iter().filter(is_wrong).collect()
    }

    /// The site that it belongs to, as the topology shows it: its identity.
    pub(super) fn site(&self) -> Option<String> {
        read::text(self.object, "SiteId")
    }

    /// Everything that its removal would lose.
    pub(super) fn saved(&self) -> Saved {
        let text = |object: &Value, name: &str| object.get(name).and_then(Value::text);
        let applications: Vec<_> = self
            .applications
            .iter()
            .map(|a| serde_json::json!({ "ApplicationId": text(a.object, "ApplicationId"), "Port": a.port }))
            .collect();
        let mut before = serde_json::json!({
            "PoolFqdn": self.fqdn,
            "Computers": self.computers,
            "Applications": applications,
        });
        let defaults = DEFAULTS.into_iter().map(|(name, _)| name);
        for name in ["Registrar", "SiteId", "OutboundOnly"]
            .into_iter()
            .chain(defaults)
        {
            before[name] = text(self.object, name).into();
        }
        Saved {
            name: format!("trusted-pool-{}.json", messaging::file_name(&self.fqdn)),
            origin: self.fqdn.clone(),
            content: format!("{before:#}\n").into_bytes(),
        }
    }
}
