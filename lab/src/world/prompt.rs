//! The question that a cmdlet asks before it changes something, as a call of the client's host.

use owaim_proto::clixml::Value;
use owaim_proto::psrp::HostCall;

/// Label and help of the answers, in the order of their numbers.
const CHOICES: [(&str, &str); 5] = [
    ("&Yes", "Goes on with this step."),
    ("Yes to &All", "Goes on with all steps."),
    ("&No", "Skips this step."),
    ("No to A&ll", "Skips all steps."),
    ("&Suspend", "Pauses the pipeline."),
];

/// Number of the answer that is the default.
const DEFAULT: i32 = 0;

/// "Are you sure?", with the call id `call_id`.
pub(super) fn confirmation(call_id: i64, cmdlet: &str, target: &str) -> HostCall {
    let question = format!(
        "Are you sure you want to perform this action?\nPerforming the operation \"{cmdlet}\" on target \"{target}\"."
    );
    HostCall {
        call_id,
        ..HostCall::prompt_for_choice("Confirm", &question, &CHOICES, DEFAULT)
    }
}

/// Whether `answer` says yes.
pub(super) fn agrees(answer: &Value) -> bool {
    matches!(answer.as_i64(), Some(0 | 1))
}
