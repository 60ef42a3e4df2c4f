//! What the events of the provider `MSExchange OWA` say about instant messaging.
//!
//! Matched by provider and id; messages follow the server's language and are only shown. 112
//! comes from the vendor's procedure; the other numbers are those of Exchange 2013's own event
//! constants.

/// The provider, in the log Application.
pub(crate) const PROVIDER: &str = "MSExchange OWA";

/// What an event means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The endpoint manager started: instant messaging works.
    Started,
    /// Messaging works, for now.
    Warning(&'static str),
    /// Messaging does not work.
    Failure {
        /// What is wrong.
        meaning: &'static str,
        /// Where to look first.
        check: &'static str,
    },
}

const fn failure(meaning: &'static str, check: &'static str) -> Meaning {
    Meaning::Failure { meaning, check }
}

/// Every event that counts, by id.
pub(crate) const EVENTS: [(u32, Meaning); 13] = [
    (
        83,
        failure(
            "the messaging provider is not registered",
            "the registry value ImplementationDLLPath",
        ),
    ),
    (
        84,
        failure(
            "the messaging provider's DLL does not exist",
            "ImplementationDLLPath; repair the UCMA runtime",
        ),
    ),
    (
        85,
        failure(
            "the DLL holds more than one provider",
            "whether the DLL is the one of the UCMA runtime",
        ),
    ),
    (
        86,
        failure(
            "the provider has no usable constructor",
            "the version of the UCMA runtime",
        ),
    ),
    (
        87,
        failure(
            "the provider's DLL cannot be loaded",
            "the UCMA runtime's version and what it depends on",
        ),
    ),
    (
        88,
        failure(
            "a user's messaging endpoint could not be created",
            "IMServerName, trust, network, and that user",
        ),
    ),
    (
        100,
        failure("the server name is empty or invalid", "IMServerName"),
    ),
    (
        101,
        failure(
            "the thumbprint is empty or invalid",
            "IMCertificateThumbprint",
        ),
    ),
    (
        102,
        failure(
            "the certificate has expired",
            "the certificate's end of validity; renew it and run again",
        ),
    ),
    (
        103,
        failure(
            "the certificate was not found",
            r"the thumbprint, and the store LocalMachine\My",
        ),
    ),
    (
        104,
        failure(
            "the certificate is not valid yet",
            "the certificate's start of validity, and the server's clock",
        ),
    ),
    (
        105,
        failure(
            "the certificate has no private key",
            "the certificate's private key",
        ),
    ),
    (
        106,
        Meaning::Warning("the certificate will expire soon: renew it and run again"),
    ),
];

/// Id of success.
pub(crate) const STARTED: u32 = 112;

/// The ids to ask for.
pub(crate) fn ids() -> Vec<u32> {
    EVENTS.iter().map(|(id, _)| *id).chain([STARTED]).collect()
}

/// What the event `id` means; `None` for events that have nothing to do with messaging.
pub(crate) fn meaning(id: i64) -> Option<Meaning> {
    if id == i64::from(STARTED) {
        return Some(Meaning::Started);
    }
    EVENTS
        .iter()
        .find(|(known, _)| i64::from(*known) == id)
        .map(|(_, meaning)| *meaning)
}
