//! [`Faults`]: trouble on the wire, on demand.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use owaim_inventory::{EndpointKind, HostName};
use owaim_proto::wsman::{Action, Fault, Request, Response, ResponseBody};
use owaim_proto::xml::Limits;

use crate::overlay;

/// Which requests a fault befalls, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// Only requests to this host.
    host: Option<HostName>,
    /// Only requests to this kind of endpoint.
    endpoint: Option<EndpointKind>,
    /// Only requests of this action (`Create`, `Command`, `Receive`, …), without regard to case.
    action: Option<String>,
    /// Only this one of the matching requests; 1 is the first.
    nth: Option<u64>,
    /// What it does.
    effect: Effect,
}

/// What a fault does to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It is answered with the WS-Management fault of this code and not carried out.
    Fault(u32),
    /// It is answered with this HTTP status and not carried out.
    Status(u16),
    /// The connection is closed and the request not carried out.
    DropBefore,
    /// The connection is closed after the request was carried out.
    DropAfter,
    /// It is neither carried out nor answered.
    Hang,
    /// It is carried out later.
    Delay(Duration),
}

/// How a fault names the question that is no action of a shell.
pub(crate) const IDENTIFY: &str = "Identify";

/// A fault that an overlay describes and the wire cannot do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault of the wire: expected {expected}, found {found:?}")]
pub struct FaultError {
    expected: &'static str,
    found: String,
}

impl TryFrom<&overlay::Fault> for Rule {
    type Error = FaultError;

    fn try_from(fault: &overlay::Fault) -> Result<Self, FaultError> {
        const KINDS: [EndpointKind; 4] = [
            EndpointKind::Windows,
            EndpointKind::Exchange,
            EndpointKind::Lync,
            EndpointKind::LyncLocal,
        ];
        let endpoint = fault.endpoint.as_ref().map(|name| {
            KINDS
                .into_iter()
                .find(|kind| kind.name() == name)
                .ok_or_else(|| FaultError {
                    expected: "windows, exchange, lync or lync-local",
                    found: name.clone(),
                })
        });
        let names = Action::ALL.into_iter().map(Action::name);
        let mut names = names.chain([IDENTIFY]);
        if let Some(action) = &fault.action
            && !names.any(|name| name.eq_ignore_ascii_case(action))
        {
            return Err(FaultError {
                expected: "an action: Create, Delete, Command, Send, Receive, Signal, Disconnect, Reconnect, Connect, Get, Enumerate, Pull or Identify",
                found: action.clone(),
            });
        }
        Ok(Self {
            host: fault.host.clone(),
            endpoint: endpoint.transpose()?,
            action: fault.action.clone(),
            nth: fault.nth,
            effect: Effect::parse(&fault.kind)?,
        })
    }
}

impl Effect {
    fn parse(kind: &str) -> Result<Self, FaultError> {
        let effect = match kind.split_once(':') {
            Some(("fault", code)) => code.parse().ok().map(Self::Fault),
            Some(("http", status)) => status
                .parse()
                .ok()
                .filter(|status| (200..600).contains(status))
                .map(Self::Status),
            Some(("delay", milliseconds)) => milliseconds
                .parse()
                .ok()
                .map(|number| Self::Delay(Duration::from_millis(number))),
            Some(_) => None,
            None => match kind {
                "drop-before" => Some(Self::DropBefore),
                "drop-after" => Some(Self::DropAfter),
                "hang" => Some(Self::Hang),
                _ => None,
            },
        };
        effect.ok_or_else(|| FaultError {
            expected: "fault:CODE, http:STATUS (200 to 599), delay:MILLISECONDS, drop-before, drop-after or hang",
            found: kind.into(),
        })
    }
}

/// The rules of a lab, with the count of what each has seen.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<(Rule, u64)>>,
}

impl Faults {
    /// The faults that an overlay describes.
    pub(crate) fn new<'a>(
        faults: impl IntoIterator<Item = &'a overlay::Fault>,
    ) -> Result<Self, FaultError> {
        let rules = faults
            .into_iter()
            .map(|fault| Ok((Rule::try_from(fault)?, 0)));
        Ok(Self {
            rules: Mutex::new(rules.collect::<Result<_, FaultError>>()?),
        })
    }

    /// Whether the wire can do what a fault describes.
    pub(crate) fn check(fault: &overlay::Fault) -> Result<(), FaultError> {
        Rule::try_from(fault).map(drop)
    }

    /// What befalls the request that has just come; every matching rule counts it, the first one
    /// that strikes wins.
    pub(crate) fn strike(
        &self,
        host: &HostName,
        endpoint: EndpointKind,
        action: &str,
    ) -> Option<Effect> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut effect = None;
        for (rule, seen) in rules.iter_mut() {
            let matches = rule.host.as_ref().is_none_or(|name| name == host)
                && rule.endpoint.is_none_or(|kind| kind == endpoint)
                && rule
                    .action
                    .as_ref()
                    .is_none_or(|name| name.eq_ignore_ascii_case(action));
            if matches {
                *seen = seen.saturating_add(1);
                if rule.nth.is_none_or(|nth| nth == *seen) && effect.is_none() {
                    effect = Some(rule.effect.clone());
                }
            }
        }
        effect
    }
}

/// The envelope of a fault of that code in answer to `request`.
pub(crate) fn envelope(code: u32, request: &[u8]) -> Vec<u8> {
    let message = format!("The lab was told to answer with fault {code}.");
    let relates_to = Request::peek_message_id(request, &Limits::default()).unwrap_or_default();
    let fault = Fault {
        code: Some(code),
        soap_code: "Receiver".into(),
        subcode: Some("InternalError".into()),
        reason: message.clone(),
        fault_detail: None,
        machine: None,
        message: Some(message),
        provider: None,
        detail: None,
    };
    Response::new(&relates_to, ResponseBody::Fault(Box::new(fault))).encode("", "")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use owaim_proto::wsman;

    use super::*;

    fn fault(nth: Option<u64>, action: Option<&str>, kind: &str) -> overlay::Fault {
        overlay::Fault {
            host: Some(HostName::new("mbx1.litwareinc.com").unwrap()),
            endpoint: Some("windows".into()),
            action: action.map(str::to_owned),
            cmdlet: None,
            nth,
            kind: kind.into(),
        }
    }

    #[test]
    fn a_fault_strikes_the_requests_it_counts() {
        let ours = HostName::new("mbx1.litwareinc.com").unwrap();
        let other = HostName::new("mbx2.litwareinc.com").unwrap();
        let faults = [
            fault(Some(2), Some("command"), "http:503"),
            fault(None, Some("signal"), "hang"),
        ];
        let faults = Faults::new(&faults).unwrap();
        let (windows, exchange) = (EndpointKind::Windows, EndpointKind::Exchange);
        for (host, kind, action, expected) in [
            (&ours, windows, "Command", None),
            (&other, windows, "Command", None),
            (&ours, exchange, "Command", None),
            (&ours, windows, "Receive", None),
            (&ours, windows, "Command", Some(Effect::Status(503))),
            (&ours, windows, "Command", None),
            (&ours, windows, "Signal", Some(Effect::Hang)),
            (&ours, windows, "Signal", Some(Effect::Hang)),
        ] {
            assert_eq!(
                faults.strike(host, kind, action),
                expected,
                "{host} {action}"
            );
        }
    }

    #[test]
    fn kinds_of_faults_are_parsed() {
        for (kind, expected) in [
            ("fault:2150859173", Some(Effect::Fault(2_150_859_173))),
            ("http:503", Some(Effect::Status(503))),
            ("delay:250", Some(Effect::Delay(Duration::from_millis(250)))),
            ("drop-before", Some(Effect::DropBefore)),
            ("drop-after", Some(Effect::DropAfter)),
            ("hang", Some(Effect::Hang)),
            ("http:99", None),
            ("http:x", None),
            ("torn-write", None),
            ("", None),
        ] {
            assert_eq!(Effect::parse(kind).ok(), expected, "{kind}");
        }
        let odd = overlay::Fault {
            endpoint: Some("owa".into()),
            ..fault(None, None, "hang")
        };
        assert!(Faults::new([&odd]).is_err());
    }

    #[test]
    fn the_fault_answers_the_request() {
        let mut request = wsman::RequestHeader::new("http://srv/wsman", "uri");
        request.message_id = "uuid:11111111-1111-1111-1111-111111111111".into();
        let request = Request {
            header: request,
            body: wsman::RequestBody::Delete,
        };
        let answer = envelope(2_150_859_173, &request.encode());
        match Response::decode(&answer, &request, &Limits::default())
            .unwrap()
            .body
        {
            ResponseBody::Fault(fault) => assert_eq!(fault.code, Some(2_150_859_173)),
            other => panic!("{other:?}"),
        }
        assert!(!envelope(5, b"no envelope").is_empty());
    }
}
