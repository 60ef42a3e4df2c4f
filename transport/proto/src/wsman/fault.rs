//! [`Fault`]: what a server says instead of an answer ([MS-WSMV] 2.2.4.43).
//!
//! The number decides what it says ([`FaultKind`]) and what that means for a retry
//! ([`Fault::class`]); texts are for people, in the
//! server's language, and never matched.

use std::fmt;
use std::time::Duration;

use super::ns;
use crate::xml::Element;

/// A SOAP fault with the detail of a WS-Management service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `Code` of the `WSManFault`; `None` where the service gave none.
    pub code: Option<u32>,
    /// SOAP code without its prefix: `Sender`, `Receiver`.
    pub soap_code: String,
    /// SOAP subcode without its prefix: `TimedOut`, `InvalidSelectors`, `AccessDenied`.
    pub subcode: Option<String>,
    /// Reason text.
    pub reason: String,
    /// The URI of `wsman:FaultDetail`.
    pub fault_detail: Option<String>,
    /// The machine that says so.
    pub machine: Option<String>,
    /// Message text of the `WSManFault`, all levels.
    pub message: Option<String>,
    /// What the plug-in behind the service says.
    pub provider: Option<ProviderFault>,
    /// The whole `Detail` element, as received.
    pub detail: Option<Element>,
}

/// A `ProviderFault` ([MS-WSMV] 2.2.4.43).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderFault {
    /// Name of the provider.
    pub provider: String,
    /// Path of its library.
    pub path: String,
    /// Its text.
    pub message: String,
}

/// What a fault means for who sent the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultClass {
    /// Nothing to tell yet: send the same Receive again.
    PollAgain,
    /// A quota is used up or the service is busy: the same may succeed later.
    Later,
    /// The shell is gone or exhausted: a new one may do.
    NewShell,
    /// The operation was aborted, as by closing its shell.
    Aborted,
    /// The request can never succeed as it is.
    Never,
    /// A code that this table does not know.
    Unknown,
}

/// Codes that servers are known to give. Names as in `wsmerror.h`, `ERROR_WSMAN_` left out.
pub mod code {
    /// Access denied (Win32).
    pub const ACCESS_DENIED: u32 = 5;
    /// Invalid parameter (Win32).
    pub const INVALID_PARAMETER: u32 = 87;
    /// The requested resource is in use (Win32): a command that cannot take input yet.
    pub const BUSY: u32 = 170;
    /// The operation was aborted (Win32).
    pub const OPERATION_ABORTED: u32 = 995;
    /// `RESOURCE_NOT_FOUND`
    pub const RESOURCE_NOT_FOUND: u32 = 2_150_858_752;
    /// `INVALID_ACTIONURI`
    pub const INVALID_ACTION: u32 = 2_150_858_753;
    /// `INVALID_MESSAGE_INFORMATION_HEADER`
    pub const INVALID_HEADER: u32 = 2_150_858_767;
    /// `INVALID_SOAP_BODY`
    pub const INVALID_SOAP_BODY: u32 = 2_150_858_791;
    /// `OPERATION_TIMEDOUT`
    pub const OPERATION_TIMED_OUT: u32 = 2_150_858_793;
    /// `INVALID_RESOURCE_URI`
    pub const INVALID_RESOURCE_URI: u32 = 2_150_858_811;
    /// `INVALID_XML`
    pub const INVALID_XML: u32 = 2_150_858_819;
    /// `MAX_ENVELOPE_SIZE_EXCEEDED`
    pub const MAX_ENVELOPE_SIZE_EXCEEDED: u32 = 2_150_858_824;
    /// `UNEXPECTED_SELECTORS`: no such shell, or no such command in it
    pub const UNEXPECTED_SELECTORS: u32 = 2_150_858_843;
    /// `QUOTA_MAX_SHELLS`
    pub const QUOTA_MAX_SHELLS: u32 = 2_150_859_173;
}

/// What a fault says, as far as its number tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Nothing to tell within the time that the request gave.
    TimedOut,
    /// The service, or the command that input is for, is busy.
    Busy,
    /// A quota is used up.
    Quota,
    /// The account has as many shells as it may.
    TooManyShells,
    /// The account has sent more requests in a while than it may.
    TooManyRequests,
    /// The shell has had as many operations as it may.
    Exhausted,
    /// The shell, or the command in it, is not known.
    UnknownShell,
    /// The user's profile was unloaded.
    ProfileUnloaded,
    /// The operation was aborted, as by closing its shell.
    Aborted,
    /// The account may not do that.
    AccessDenied,
    /// What the request names does not exist: a program, a file.
    NotFound,
    /// There is no such session configuration, or resource of another kind.
    UnknownResource,
    /// The request does not say what it should.
    Malformed,
    /// The request or its answer is larger than the service takes.
    EnvelopeTooLarge,
    /// The provider of the session configuration cannot be loaded.
    ProviderNotLoaded,
    /// The session configuration is broken.
    BrokenConfiguration,
    /// What makes the sessions of the configuration failed, or made none for this account.
    SessionRefused,
    /// None of these, or no number at all.
    Unknown,
}

/// Which number says what. Those that are not here are [`FaultKind::Unknown`].
const TABLE: &[(std::ops::RangeInclusive<u32>, FaultKind)] = &[
    (2_150_858_793..=2_150_858_793, FaultKind::TimedOut),
    (170..=170, FaultKind::Busy),
    (2_150_858_802..=2_150_858_802, FaultKind::Busy),
    (2_150_858_815..=2_150_858_815, FaultKind::Quota),
    (2_150_859_173..=2_150_859_173, FaultKind::TooManyShells),
    (2_150_859_175..=2_150_859_175, FaultKind::TooManyRequests),
    (2_150_859_176..=2_150_859_176, FaultKind::Quota),
    (2_150_859_179..=2_150_859_179, FaultKind::Quota),
    (2_150_859_236..=2_150_859_242, FaultKind::Quota),
    (2_150_859_174..=2_150_859_174, FaultKind::Exhausted),
    (2_150_858_843..=2_150_858_843, FaultKind::UnknownShell),
    (2_147_943_418..=2_147_943_418, FaultKind::ProfileUnloaded),
    (995..=995, FaultKind::Aborted),
    (5..=5, FaultKind::AccessDenied),
    (87..=87, FaultKind::Malformed),
    (2_147_942_402..=2_147_942_402, FaultKind::NotFound),
    (2_150_858_752..=2_150_858_752, FaultKind::UnknownResource),
    (2_150_858_811..=2_150_858_811, FaultKind::UnknownResource),
    (2_150_858_790..=2_150_858_790, FaultKind::Malformed),
    (2_150_858_813..=2_150_858_813, FaultKind::Malformed),
    (2_150_859_032..=2_150_859_032, FaultKind::Malformed),
    (2_150_858_824..=2_150_858_824, FaultKind::EnvelopeTooLarge),
    (2_150_858_906..=2_150_858_906, FaultKind::ProviderNotLoaded),
    (
        2_150_859_205..=2_150_859_206,
        FaultKind::BrokenConfiguration,
    ),
    (2_152_992_672..=2_152_992_672, FaultKind::SessionRefused),
];

impl FaultKind {
    /// What it means for who sent the request.
    pub fn class(self) -> FaultClass {
        match self {
            Self::TimedOut => FaultClass::PollAgain,
            Self::Busy | Self::Quota | Self::TooManyShells | Self::TooManyRequests => {
                FaultClass::Later
            }
            Self::Exhausted | Self::UnknownShell | Self::ProfileUnloaded | Self::SessionRefused => {
                FaultClass::NewShell
            }
            Self::Aborted => FaultClass::Aborted,
            Self::AccessDenied
            | Self::NotFound
            | Self::UnknownResource
            | Self::Malformed
            | Self::EnvelopeTooLarge
            | Self::ProviderNotLoaded
            | Self::BrokenConfiguration => FaultClass::Never,
            Self::Unknown => FaultClass::Unknown,
        }
    }

    /// What an administrator can do about it: a sentence without its full stop.
    pub fn advice(self) -> &'static str {
        match self {
            Self::TimedOut => "ask again",
            Self::Busy => "try again when the server is less busy",
            Self::Quota => {
                "close the account's other sessions on that server, wait, or raise the quota there"
            }
            Self::TooManyShells => {
                "close the account's other sessions on that server, or raise MaxShellsPerUser there"
            }
            Self::TooManyRequests => {
                "send requests to that server at a slower rate, or raise the account's quota there"
            }
            Self::Exhausted => {
                "open a new session: this one has had all the operations it may have"
            }
            Self::UnknownShell => "open a new session: the server no longer knows this one",
            Self::ProfileUnloaded => {
                "open a new session: the user's profile was unloaded on the server"
            }
            Self::Aborted => "open a new session: the server ended the operation",
            Self::AccessDenied => {
                "give the account the right to use this endpoint (Get-PSSessionConfiguration on the server shows who has it)"
            }
            Self::NotFound => "check that what the request names exists on the server",
            Self::UnknownResource => {
                "check the name of the session configuration and the URL (Get-PSSessionConfiguration on the server lists the names)"
            }
            Self::Malformed => "report it: the server does not accept the request as it stands",
            Self::EnvelopeTooLarge => "send less at once, or raise MaxEnvelopeSizekb on the server",
            Self::ProviderNotLoaded => {
                "repair the session configuration on the server: its provider cannot be loaded"
            }
            Self::BrokenConfiguration => "repair the session configuration on the server",
            Self::SessionRefused => {
                "see what the server says; where Exchange names MaxConcurrency, close the account's other sessions or raise PowerShellMaxConcurrency in its throttling policy"
            }
            Self::Unknown => {
                "look the code up and see the server's log of Windows Remote Management"
            }
        }
    }
}

impl Fault {
    /// A fault as a service makes one: WSMan code, SOAP code (`Sender`, `Receiver`), subcode
    /// (`TimedOut`, …), text.
    pub fn new(code: u32, soap_code: &str, subcode: &str, text: &str) -> Self {
        Self {
            code: Some(code),
            soap_code: soap_code.into(),
            subcode: Some(subcode.into()),
            reason: text.into(),
            fault_detail: None,
            machine: None,
            message: Some(text.into()),
            provider: None,
            detail: None,
        }
    }

    /// What it says, as far as its number tells.
    pub fn kind(&self) -> FaultKind {
        let known = |code| TABLE.iter().find(|(codes, _)| codes.contains(&code));
        self.code
            .and_then(known)
            .map_or(FaultKind::Unknown, |(_, kind)| *kind)
    }

    /// What it means for who sent the request.
    pub fn class(&self) -> FaultClass {
        self.kind().class()
    }

    /// How long the server asks its client to wait: the milliseconds in the message of 2150859175,
    /// which every language writes in digits.
    pub fn wait(&self) -> Option<Duration> {
        if self.kind() != FaultKind::TooManyRequests {
            return None;
        }
        let text = self.message.as_deref().unwrap_or(&self.reason);
        // The quota stands before it, and the time is what the message ends with.
        let number = text
            .split(|c: char| !c.is_ascii_digit())
            .rfind(|digits| !digits.is_empty())?;
        number.parse().ok().map(Duration::from_millis)
    }

    /// What an administrator can do about it: a sentence without its full stop.
    pub fn advice(&self) -> &'static str {
        self.kind().advice()
    }

    /// Whether it is a fault of WS-Addressing rather than of WS-Management.
    pub(crate) fn is_addressing(&self) -> bool {
        self.subcode
            .as_deref()
            .is_some_and(|subcode| ADDRESSING_SUBCODES.contains(&subcode))
    }

    /// Reads `s:Fault`, the child of a body.
    pub(crate) fn decode(fault: &Element) -> Self {
        let code = fault.child(ns::SOAP, "Code");
        let value = |e: &Element| e.child(ns::SOAP, "Value").map(|v| unprefixed(&v.text()));
        let detail = fault.child(ns::SOAP, "Detail");
        let wsman = detail.and_then(|d| d.child(ns::FAULT, "WSManFault"));
        let message = wsman.and_then(|w| w.child(ns::FAULT, "Message"));
        Self {
            code: wsman
                .and_then(|w| w.attribute("Code"))
                .and_then(|c| c.trim().parse().ok()),
            soap_code: code.and_then(value).unwrap_or_default(),
            subcode: code
                .and_then(|c| c.child(ns::SOAP, "Subcode"))
                .and_then(value),
            reason: fault
                .child(ns::SOAP, "Reason")
                .map(Element::deep_text)
                .unwrap_or_default(),
            fault_detail: detail
                .and_then(|d| d.child(ns::WSMAN, "FaultDetail"))
                .map(Element::text),
            machine: wsman.and_then(|w| w.attribute("Machine")).map(Into::into),
            message: message
                .map(Element::deep_text)
                .filter(|text| !text.is_empty()),
            provider: message
                .and_then(|m| m.child(ns::FAULT, "ProviderFault"))
                .map(|p| ProviderFault {
                    provider: p.attribute("provider").unwrap_or_default().into(),
                    path: p.attribute("path").unwrap_or_default().into(),
                    message: p.deep_text(),
                }),
            detail: detail.cloned(),
        }
    }

    /// Writes `s:Fault`. Where `detail` is set, it is written as it is.
    pub(crate) fn encode(&self) -> Element {
        let value = |prefix: &str, text: &str| {
            Element::new(ns::SOAP, "Value").with_text([prefix, text].join(":"))
        };
        let mut code = Element::new(ns::SOAP, "Code").with(value("s", &self.soap_code));
        if let Some(subcode) = &self.subcode {
            let prefix = if ADDRESSING_SUBCODES.contains(&subcode.as_str()) {
                "a"
            } else {
                "w"
            };
            code = code.with(Element::new(ns::SOAP, "Subcode").with(value(prefix, subcode)));
        }
        let text = Element::new(ns::SOAP, "Text").with_qualified(crate::xml::XML, "lang", "en-US");
        let reason = Element::new(ns::SOAP, "Reason").with(text.with_text(self.reason.as_str()));
        let fault = Element::new(ns::SOAP, "Fault").with(code).with(reason);
        match self.detail.clone().or_else(|| self.encode_detail()) {
            Some(detail) => fault.with(detail),
            None => fault,
        }
    }

    fn encode_detail(&self) -> Option<Element> {
        let mut detail = Element::new(ns::SOAP, "Detail");
        if let Some(uri) = &self.fault_detail {
            detail = detail.with(Element::new(ns::WSMAN, "FaultDetail").with_text(uri.as_str()));
        }
        let code = self.code?.to_string();
        let mut wsman = Element::new(ns::FAULT, "WSManFault").with_attribute("Code", code);
        if let Some(machine) = &self.machine {
            wsman = wsman.with_attribute("Machine", machine.as_str());
        }
        let message = Element::new(ns::FAULT, "Message");
        let message = match &self.provider {
            Some(p) => message.with(
                Element::new(ns::FAULT, "ProviderFault")
                    .with_attribute("provider", p.provider.as_str())
                    .with_attribute("path", p.path.as_str())
                    .with_text(p.message.as_str()),
            ),
            None => message.with_text(self.message.as_deref().unwrap_or(&self.reason)),
        };
        Some(detail.with(wsman.with(message)))
    }
}

/// Subcodes of WS-Addressing; all others that a service gives are WS-Management's.
const ADDRESSING_SUBCODES: [&str; 5] = [
    "InvalidMessageInformationHeader",
    "MessageInformationHeaderRequired",
    "DestinationUnreachable",
    "ActionNotSupported",
    "EndpointUnavailable",
];

fn unprefixed(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).into()
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "fault {code}")?,
            None => f.write_str("fault")?,
        }
        if let Some(subcode) = &self.subcode {
            write!(f, " ({subcode})")?;
        }
        let text = self.message.as_deref().unwrap_or(&self.reason);
        write!(f, ": {}", text.trim_end_matches(['.', ' ']))?;
        match &self.provider {
            Some(p) if !p.provider.is_empty() => write!(f, " (provider {})", p.provider),
            _ => Ok(()),
        }
    }
}
