//! The faults that the service gives, with the codes and subcodes of real ones.

use owaim_proto::psrp::PsrpError;
use owaim_proto::wsman::{EnvelopeError, Fault, ProviderFault, code};

use super::RequestOrigin;

const DETAIL: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/";

/// The fault as the origin's host sends it.
pub(super) fn at(origin: &RequestOrigin, fault: Fault) -> Box<Fault> {
    Box::new(Fault {
        machine: Some(origin.host.to_string()),
        ..fault
    })
}

/// Nothing to tell yet.
pub(super) fn timed_out() -> Box<Fault> {
    let text = "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.";
    new(code::OPERATION_TIMED_OUT, "Receiver", "TimedOut", text)
}

/// No such shell, or not this account's.
pub(super) fn unknown_shell() -> Box<Fault> {
    let text = "The request contained selectors that name no shell of this service.";
    detailed(
        new(
            code::UNEXPECTED_SELECTORS,
            "Sender",
            "InvalidSelectors",
            text,
        ),
        "UnexpectedSelectors",
    )
}

/// No such command in the shell, or one that has ended.
pub(super) fn unknown_command() -> Box<Fault> {
    let text = "The request names a command that the shell does not have: it has ended, or there never was one.";
    let fault = new(
        code::UNEXPECTED_SELECTORS,
        "Sender",
        "InvalidSelectors",
        text,
    );
    detailed(fault, "UnexpectedSelectors")
}

/// A command of the proposed id is there already.
pub(super) fn command_taken() -> Box<Fault> {
    invalid_parameter("the proposed CommandId, which is taken")
}

/// The shell was deleted, or its command terminated, while a request waited.
pub(super) fn aborted() -> Box<Fault> {
    let text = "The I/O operation has been aborted because of either a thread exit or an application request.";
    new(code::OPERATION_ABORTED, "Receiver", "InternalError", text)
}

/// `ERROR_WSMAN_SERVICE_STREAM_DISCONNECTED`.
const STREAM_DISCONNECTED: u32 = 2_150_859_230;

/// `ERROR_WSMAN_INUSE_CANNOT_RECONNECT`, as PowerShell's sources call it.
const IN_USE: u32 = 2_150_859_213;

/// The client has left the shell.
pub(super) fn disconnected() -> Box<Fault> {
    let text = "The WS-Management service cannot process the request because the stream is currently disconnected.";
    new(STREAM_DISCONNECTED, "Receiver", "InternalError", text)
}

/// Another client has the shell.
pub(super) fn in_use() -> Box<Fault> {
    let text =
        "The WinRM service cannot connect to the shell because another client is connected to it.";
    new(IN_USE, "Sender", "InvalidParameter", text)
}

/// No such session configuration.
pub(super) fn unknown_configuration(uri: &str) -> Box<Fault> {
    let text = format!("The resource URI ({uri}) was not found in the WS-Management catalog.");
    detailed(
        new(
            code::INVALID_RESOURCE_URI,
            "Sender",
            "DestinationUnreachable",
            &text,
        ),
        "InvalidResourceURI",
    )
}

/// Too many shells of this account.
pub(super) fn too_many_shells(limit: usize) -> Box<Fault> {
    let text = format!(
        "This user is allowed a maximum number of {limit} concurrent shells, which has been exceeded."
    );
    new(code::QUOTA_MAX_SHELLS, "Sender", "QuotaLimit", &text)
}

/// Number of PowerShell's plug-in (`ManagedException`): what makes the session threw an exception.
const MANAGED_EXCEPTION: u32 = 2_152_992_672;

/// One session too many for the throttling policy of Exchange 2013 and later.
pub(super) fn throttled(limit: usize) -> Box<Fault> {
    let text = format!(
        "[FailureCategory=AuthZ-AuthorizationException] Fail to create a runspace because you have exceeded the \
         maximum number of connections allowed : {limit} for the policy party : MaxConcurrency. Please close \
         existing runspace and try again."
    );
    of_plugin(MANAGED_EXCEPTION, &text)
}

/// `ERROR_WSMAN_QUOTA_MAX_COMMANDS_PER_SHELL_PPQ` and `ERROR_WSMAN_QUOTA_MAX_OPERATIONS`.
const QUOTA_COMMANDS: u32 = 2_150_859_241;
const QUOTA_OPERATIONS: u32 = 2_150_859_174;

/// Too many commands of this shell that have not been terminated.
pub(super) fn too_many_commands(limit: usize) -> Box<Fault> {
    let text = format!(
        "This shell is allowed a maximum number of {limit} concurrent commands (MaxConcurrentCommandsPerShell), \
         which has been exceeded."
    );
    new(QUOTA_COMMANDS, "Sender", "QuotaLimit", &text)
}

/// Too many commands of this account that have not been terminated.
pub(super) fn too_many_operations(limit: usize) -> Box<Fault> {
    let text = format!(
        "This user is allowed a maximum number of {limit} concurrent operations (MaxConcurrentOperationsPerUser), \
         which has been exceeded."
    );
    new(QUOTA_OPERATIONS, "Sender", "QuotaLimit", &text)
}

/// A parameter of the request makes no sense.
pub(super) fn invalid_parameter(what: &str) -> Box<Fault> {
    let text = format!("The parameter is incorrect: {what}.");
    detailed(
        new(code::INVALID_PARAMETER, "Sender", "InvalidParameter", &text),
        "InvalidValue",
    )
}

/// `ERROR_FILE_NOT_FOUND`, `ERROR_BROKEN_PIPE` and `ERROR_DIRECTORY` as results.
const FILE_NOT_FOUND: u32 = 2_147_942_402;
const BROKEN_PIPE: u32 = 2_147_942_509;
const DIRECTORY: u32 = 2_147_942_667;

/// There is no program of that name.
pub(super) fn no_program() -> Box<Fault> {
    let text = "The system cannot find the file specified.";
    new(FILE_NOT_FOUND, "Receiver", "InternalError", text)
}

/// Nobody reads what is sent: the program has ended.
pub(super) fn broken_pipe() -> Box<Fault> {
    let text = "The pipe has been ended.";
    new(BROKEN_PIPE, "Receiver", "InternalError", text)
}

/// The folder that programs are to start in is none.
pub(super) fn no_folder() -> Box<Fault> {
    let text = "The directory name is invalid.";
    new(DIRECTORY, "Receiver", "InternalError", text)
}

/// A real server would do it.
pub(super) fn not_modelled(what: &str) -> Box<Fault> {
    let text = format!("The simulated site does not model this: {what}");
    new(code::INVALID_ACTION, "Sender", "ActionNotSupported", &text)
}

/// The streams' content breaks PSRP.
pub(super) fn of_protocol(error: &PsrpError) -> Box<Fault> {
    by_plugin(
        invalid_parameter("the PowerShell remoting data"),
        &error.to_string(),
    )
}

/// PowerShell's plug-in refuses a request by a number of its own.
pub(super) fn of_plugin(code: u32, text: &str) -> Box<Fault> {
    by_plugin(new(code, "Receiver", "InternalError", text), text)
}

fn by_plugin(fault: Box<Fault>, message: &str) -> Box<Fault> {
    let provider = ProviderFault {
        provider: "microsoft.powershell".into(),
        path: r"C:\Windows\system32\pwrshplugin.dll".into(),
        message: message.into(),
    };
    Box::new(Fault {
        provider: Some(provider),
        ..*fault
    })
}

/// The account may not do that.
pub(super) fn access_denied() -> Box<Fault> {
    new(
        code::ACCESS_DENIED,
        "Sender",
        "AccessDenied",
        "Access is denied.",
    )
}

/// The request is larger than the service takes.
pub(super) fn envelope_too_large(kib: u32) -> Box<Fault> {
    let text = format!("The request is larger than the {kib} KiB of MaxEnvelopeSizekb.");
    let fault = new(
        code::MAX_ENVELOPE_SIZE_EXCEEDED,
        "Sender",
        "EncodingLimit",
        &text,
    );
    detailed(fault, "MaxEnvelopeSize")
}

/// The envelope is not one, or not one that is served here.
pub(super) fn of_envelope(error: &EnvelopeError) -> Box<Fault> {
    let text = error.to_string();
    match error {
        EnvelopeError::UnsupportedAction { .. } => {
            new(code::INVALID_ACTION, "Sender", "ActionNotSupported", &text)
        }
        EnvelopeError::Missing {
            parent: "the header",
            ..
        } => new(
            code::INVALID_HEADER,
            "Sender",
            "MessageInformationHeaderRequired",
            &text,
        ),
        EnvelopeError::Invalid { .. } => new(
            code::INVALID_HEADER,
            "Sender",
            "InvalidMessageInformationHeader",
            &text,
        ),
        EnvelopeError::Missing { .. } => new(
            code::INVALID_SOAP_BODY,
            "Sender",
            "SchemaValidationError",
            &text,
        ),
        _ => new(code::INVALID_XML, "Sender", "SchemaValidationError", &text),
    }
}

fn new(code: u32, soap_code: &str, subcode: &str, text: &str) -> Box<Fault> {
    Box::new(Fault::new(code, soap_code, subcode, text))
}

fn detailed(fault: Box<Fault>, detail: &str) -> Box<Fault> {
    Box::new(Fault {
        fault_detail: Some([DETAIL, detail].concat()),
        ..*fault
    })
}
