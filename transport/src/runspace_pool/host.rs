//! [`Host`]: who answers what a server asks of its client's user.

use owaim_proto::clixml::Value;
use owaim_proto::psrp::{HostCall, HostInfo, HostResponse};

/// The method `PromptForChoice` ([MS-PSRP] 2.2.3.17).
const PROMPT_FOR_CHOICE: i32 = 26;

/// Answers the calls of a server to its client's host: prompts above all.
pub trait Host: Send + Sync {
    /// What the server is told of the host. Without a user interface most prompts fail on the
    /// server already.
    fn info(&self) -> HostInfo;

    /// The answer to a call that wants one. Called in the middle of things: it must not wait.
    fn answer(&self, call: &HostCall) -> HostResponse;
}

/// No host: every call is refused, so that no prompt can hang a pipeline.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

impl Host for NoHost {
    fn info(&self) -> HostInfo {
        HostInfo::NONE
    }

    fn answer(&self, call: &HostCall) -> HostResponse {
        HostResponse::refusal(call)
    }
}

/// A host that takes the default where a question has one, and refuses all else.
#[derive(Debug, Clone, Copy, Default)]
pub struct DefaultChoice;

impl Host for DefaultChoice {
    fn info(&self) -> HostInfo {
        HostInfo {
            is_null: false,
            ui_is_null: false,
            raw_ui_is_null: true,
            use_pool_host: false,
            screen: None,
        }
    }

    fn answer(&self, call: &HostCall) -> HostResponse {
        let default = call.arguments.get(3).and_then(Value::as_i64);
        let default = default.and_then(|choice| i32::try_from(choice).ok());
        match default {
            // -1 says that there is no default.
            Some(choice) if call.method == PROMPT_FOR_CHOICE && choice >= 0 => {
                HostResponse::value(call, Value::Int32(choice))
            }
            _ => HostResponse::refusal(call),
        }
    }
}
