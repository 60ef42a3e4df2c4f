//! Windows services of a server.

use owaim_inventory::{ExchangeVersion, Host, Role};
use serde::{Deserialize, Serialize};

use super::unified;

/// One service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ServiceState {
    /// Short name, as written.
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) running: bool,
}

/// Every server's services.
const COMMON: &[(&str, &str)] = &[
    ("EventLog", "Windows Event Log"),
    ("WinRM", "Windows Remote Management (WS-Management)"),
    ("W32Time", "Windows Time"),
];

/// An Exchange server's.
const EXCHANGE: &[(&str, &str)] = &[
    (
        "MSExchangeADTopology",
        "Microsoft Exchange Active Directory Topology",
    ),
    ("MSExchangeServiceHost", "Microsoft Exchange Service Host"),
    ("W3SVC", "World Wide Web Publishing Service"),
    ("WAS", "Windows Process Activation Service"),
];

/// Those of a mailbox server.
const BACKEND: &[(&str, &str)] = &[
    ("MSExchangeIS", "Microsoft Exchange Information Store"),
    (
        "MSExchangeMailboxAssistants",
        "Microsoft Exchange Mailbox Assistants",
    ),
];

/// Those of a Front End.
const FRONT_END: &[(&str, &str)] = &[
    ("RTCSRV", "Lync Server Front-End"),
    ("REPLICA", "Lync Server Replica Replicator Agent"),
];

/// The services of `host`, which runs Exchange of that generation, if any.
pub(super) fn of(host: &Host, exchange: Option<ExchangeVersion>) -> Vec<ServiceState> {
    let mut all: Vec<(&str, &str)> = COMMON.to_vec();
    let unified_messaging = exchange.is_some_and(|version| version <= ExchangeVersion::E2016);
    if exchange.is_some() {
        all.extend(EXCHANGE);
    }
    if host.is(Role::Backend) {
        all.extend(BACKEND);
    }
    if host.is(Role::Backend) && unified_messaging {
        all.push(unified::SERVICE);
    }
    if host.is(Role::Cas) && unified_messaging {
        all.push(unified::CALL_ROUTER);
    }
    if host.is(Role::LyncFrontEnd) {
        all.extend(FRONT_END);
    }
    let state = |(name, display): (&str, &str)| ServiceState {
        name: name.into(),
        display_name: display.into(),
        running: true,
    };
    all.into_iter().map(state).collect()
}
