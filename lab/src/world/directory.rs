//! [`Directory`]: what Exchange keeps in Active Directory, on several domain controllers.
//!
//! A write goes to one controller and reaches the others after a delay; who reads another one
//! before that sees the old values.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::lync::LyncUser;
use super::unified::{DialPlan, UmServer};

/// The directory of the site.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Directory {
    /// DNS name of the domain.
    pub(crate) domain: String,
    /// Name of the Exchange organization.
    pub(crate) organization: String,
    /// Names of the domain controllers; never empty.
    pub(crate) controllers: Vec<String>,
    /// Seconds until a write is seen everywhere.
    pub(crate) delay_s: u32,
    /// OWA virtual directories, in order of server.
    pub(crate) virtual_directories: Vec<VirtualDirectory>,
    /// OWA mailbox policies.
    pub(crate) policies: Vec<Policy>,
    /// Mailbox users.
    pub(crate) users: Vec<User>,
    /// Setting overrides of the organization.
    pub(crate) overrides: Vec<SettingOverride>,
    /// UM dial plans.
    #[serde(default)]
    pub(crate) dial_plans: Vec<DialPlan>,
    /// Servers with Unified Messaging.
    #[serde(default)]
    pub(crate) unified: Vec<UmServer>,
}

/// An OWA virtual directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VirtualDirectory {
    /// FQDN of its server.
    pub(crate) server: String,
    /// `Default Web Site` or `Exchange Back End`.
    pub(crate) web_site: String,
    pub(crate) created: Timestamp,
    pub(crate) values: Replicated<Properties>,
}

/// An OWA mailbox policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    pub(crate) values: Replicated<Properties>,
}

/// A user with a mailbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) principal: String,
    /// FQDN of the backend that has the mailbox.
    pub(crate) server: String,
    /// Name of the mailbox policy.
    pub(crate) policy: Option<String>,
    pub(crate) owa: bool,
    /// SIP proxy address of the mailbox.
    pub(crate) sip_address: Option<String>,
    /// As Lync knows the user, if it does.
    #[serde(default)]
    pub(crate) lync: Option<LyncUser>,
}

/// A setting override.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SettingOverride {
    pub(crate) name: String,
    pub(crate) component: String,
    pub(crate) section: String,
    pub(crate) parameters: Vec<String>,
    pub(crate) reason: String,
    /// Short names or wildcards; empty for the whole forest.
    pub(crate) servers: Vec<String>,
    pub(crate) changed: Timestamp,
}

/// The properties that matter to messaging, and whatever else a caller has set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Properties {
    pub(crate) enabled: bool,
    pub(crate) kind: MessagingType,
    /// Other properties that were set, as text, by canonical name.
    pub(crate) other: BTreeMap<String, String>,
}

impl Default for Properties {
    /// As setup makes them: enabled, of no type.
    fn default() -> Self {
        Self {
            enabled: true,
            kind: MessagingType::None,
            other: BTreeMap::new(),
        }
    }
}

/// `InstantMessagingTypeOptions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MessagingType {
    None = 0,
    Ocs = 1,
    Msn = 2,
}

impl MessagingType {
    /// The value with that name, without regard to case.
    pub(crate) fn named(text: &str) -> Option<Self> {
        [Self::None, Self::Ocs, Self::Msn]
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(text))
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Ocs => "Ocs",
            Self::Msn => "Msn",
        }
    }
}

/// A value as the controllers have it: the new one where it was written, and everywhere once
/// the delay is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Replicated<T> {
    old: T,
    new: T,
    /// The controller that was written to; `None` if it never was.
    written_on: Option<String>,
    old_changed: Timestamp,
    new_changed: Timestamp,
}

impl<T: Clone> Replicated<T> {
    /// A value that every controller has had since `changed`.
    pub(crate) fn everywhere(value: T, changed: Timestamp) -> Self {
        Self {
            old: value.clone(),
            new: value,
            written_on: None,
            old_changed: changed,
            new_changed: changed,
        }
    }

    /// The value that was written last.
    pub(crate) fn newest(&self) -> &T {
        &self.new
    }

    /// The value that `controller` has at `now`, and when it was changed.
    pub(crate) fn seen_from(
        &self,
        controller: &str,
        now: Timestamp,
        delay_s: u32,
    ) -> (&T, Timestamp) {
        let arrived = match &self.written_on {
            None => true,
            Some(there) if there.eq_ignore_ascii_case(controller) => true,
            Some(_) => {
                now.duration_since(self.new_changed)
                    >= SignedDuration::from_secs(i64::from(delay_s))
            }
        };
        if arrived {
            (&self.new, self.new_changed)
        } else {
            (&self.old, self.old_changed)
        }
    }

    /// Writes `value` on `controller`.
    pub(crate) fn write(&mut self, value: T, controller: &str, now: Timestamp, delay_s: u32) {
        // What the other controllers have at this moment is what they keep until the delay is over.
        let elsewhere =
            now.duration_since(self.new_changed) >= SignedDuration::from_secs(i64::from(delay_s));
        if self.written_on.is_none() || elsewhere {
            self.old = self.new.clone();
            self.old_changed = self.new_changed;
        }
        self.new = value;
        self.new_changed = now;
        self.written_on = Some(controller.into());
    }
}

impl Directory {
    /// The controller of that name.
    pub(crate) fn controller(&self, name: &str) -> Option<&str> {
        self.controllers
            .iter()
            .find(|c| c.eq_ignore_ascii_case(name))
            .map(String::as_str)
    }

    /// The distinguished name of the mailbox policy `name`.
    pub(crate) fn policy_name(&self, name: &str) -> String {
        format!("CN={name},CN=OWA Mailbox Policies,{}", self.container())
    }

    /// The distinguished name of the configuration container of the organization.
    pub(crate) fn container(&self) -> String {
        let domain: Vec<String> = self
            .domain
            .split('.')
            .map(|label| format!("DC={label}"))
            .collect();
        format!(
            "CN={},CN=Microsoft Exchange,CN=Services,CN=Configuration,{}",
            self.organization,
            domain.join(",")
        )
    }
}

impl VirtualDirectory {
    /// `owa (Default Web Site)`
    pub(crate) fn name(&self) -> String {
        format!("owa ({})", self.web_site)
    }

    /// `SRV\owa (Default Web Site)`
    pub(crate) fn identity(&self) -> String {
        format!("{}\\{}", short(&self.server), self.name())
    }

    /// Whether it is the front end's.
    pub(crate) fn is_front_end(&self) -> bool {
        self.web_site.eq_ignore_ascii_case(FRONT_END)
    }
}

/// Web site of the front end.
pub(crate) const FRONT_END: &str = "Default Web Site";
/// Web site of the backend.
pub(crate) const BACK_END: &str = "Exchange Back End";

/// The name that Exchange shows for a server: the first label, in upper case.
pub(crate) fn short(fqdn: &str) -> String {
    fqdn.split('.').next().unwrap_or(fqdn).to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_seen_at_once_where_it_was_made_and_later_elsewhere() {
        let at = |s: i64| Timestamp::from_second(1_000 + s).expect("a time");
        let mut value = Replicated::everywhere(1, at(0));
        value.write(2, "dc1", at(10), 5);
        let seen = |v: &Replicated<i32>, dc: &str, s| *v.seen_from(dc, at(s), 5).0;
        assert_eq!(
            (
                seen(&value, "DC1", 10),
                seen(&value, "dc2", 14),
                seen(&value, "dc2", 15)
            ),
            (2, 1, 2)
        );
        value.write(3, "dc1", at(12), 5);
        assert_eq!(
            seen(&value, "dc2", 13),
            1,
            "the first value has not even arrived"
        );
        value.write(4, "dc2", at(30), 5);
        assert_eq!(
            (
                seen(&value, "dc2", 30),
                seen(&value, "dc1", 31),
                seen(&value, "dc1", 35)
            ),
            (4, 3, 4)
        );
    }
}
