//! Windows services of a server.

use serde::{Deserialize, Serialize};

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

/// The services of a server with these roles.
pub(super) fn of(
    exchange: bool,
    cas: bool,
    backend: bool,
    unified_messaging: bool,
    front_end: bool,
) -> Vec<ServiceState> {
    let mut all: Vec<(&str, &str)> = COMMON.to_vec();
    if exchange {
        all.extend(EXCHANGE);
    }
    if backend {
        all.extend(BACKEND);
    }
    if backend && unified_messaging {
        all.push(("MSExchangeUM", "Microsoft Exchange Unified Messaging"));
    }
    if cas && unified_messaging {
        all.push((
            "MSExchangeUMCR",
            "Microsoft Exchange Unified Messaging Call Router",
        ));
    }
    if front_end {
        all.extend(FRONT_END);
    }
    all.into_iter()
        .map(|(name, display)| ServiceState {
            name: name.into(),
            display_name: display.into(),
            running: true,
        })
        .collect()
}
