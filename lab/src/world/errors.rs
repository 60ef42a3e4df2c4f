//! [`Failure`]: an error as a cmdlet raises it, and its wire form.

use owaim_proto::clixml::{Object, Value};
use owaim_proto::psrp::{ErrorCategory, ErrorRecord};

/// Numbers of `ErrorCategory` ([MS-PSRP] 2.2.3.15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Category {
    NotSpecified = 0,
    InvalidArgument = 5,
    InvalidData = 6,
    InvalidOperation = 7,
    NotImplemented = 11,
    ObjectNotFound = 13,
    ParserError = 17,
    PermissionDenied = 18,
    ResourceUnavailable = 19,
    ResourceExists = 20,
    WriteError = 23,
}

/// An error: what the text says, how programs tell it apart, and what it was about.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    message: String,
    id: String,
    category: Category,
    exception: &'static str,
    target: Option<String>,
}

impl Failure {
    /// An error with the first part of its id; the class of the cmdlet is appended when it is
    /// raised ([`Failure::record`]).
    pub(super) fn new(
        id: impl Into<String>,
        category: Category,
        exception: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            message: message.into(),
            id: id.into(),
            category,
            exception,
            target: None,
        }
    }

    /// Names what the error is about.
    #[must_use]
    pub(super) fn about(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// The part of the id before the class.
    #[cfg(test)]
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// No such command here: also what a caller without the right to it gets.
    pub(super) fn no_command(name: &str) -> Self {
        Self::new(
            "CommandNotFoundException",
            Category::ObjectNotFound,
            "System.Management.Automation.CommandNotFoundException",
            format!(
                "The term '{name}' is not recognized as the name of a cmdlet, function, script file, or operable \
                 program. Check the spelling of the name, or if a path was included, verify that the path is correct \
                 and try again."
            ),
        )
        .about(name)
    }

    /// A binding error of the kind `id`.
    pub(super) fn binding(id: &'static str, parameter: &str, message: impl Into<String>) -> Self {
        Self::new(
            id,
            Category::InvalidArgument,
            "System.Management.Automation.ParameterBindingException",
            message,
        )
        .about(parameter)
    }

    /// An argument that does not convert or is not allowed.
    pub(super) fn argument(id: &'static str, parameter: &str, reason: &str) -> Self {
        Self::new(
            id,
            Category::InvalidData,
            "System.Management.Automation.ParameterBindingArgumentTransformationException",
            format!("Cannot process argument transformation on parameter '{parameter}'. {reason}"),
        )
        .about(parameter)
    }

    /// No item of that path.
    pub(super) fn path_not_found(path: &str) -> Self {
        Self::new(
            "PathNotFound",
            Category::ObjectNotFound,
            "System.Management.Automation.ItemNotFoundException",
            format!("Cannot find path '{path}' because it does not exist."),
        )
        .about(path)
    }

    /// No drive of that name.
    pub(super) fn drive_not_found(drive: &str) -> Self {
        Self::new(
            "DriveNotFound",
            Category::ObjectNotFound,
            "System.Management.Automation.DriveNotFoundException",
            format!("Cannot find drive. A drive with the name '{drive}' does not exist."),
        )
        .about(drive)
    }

    /// The item may not be changed.
    pub(super) fn access_denied(id: &'static str, path: &str) -> Self {
        Self::new(
            id,
            Category::PermissionDenied,
            "System.UnauthorizedAccessException",
            format!("Access to the path '{path}' is denied."),
        )
        .about(path)
    }

    /// Exchange does not know the object on the domain controller that it asked.
    pub(super) fn no_object(identity: &str, domain_controller: &str) -> Self {
        Self::new(
            "[Server=LAB,RequestId=00000000-0000-0000-0000-000000000000] [FailureCategory=Cmdlet-ManagementObjectNotFoundException] 8E1C6D36",
            Category::NotSpecified,
            "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException",
            format!(
                "The operation couldn't be performed because object '{identity}' couldn't be found on '{domain_controller}'."
            ),
        )
    }

    /// The lab has this cmdlet in its catalogue but not this use of it.
    pub(super) fn not_modelled(what: &str) -> Self {
        Self::new(
            "NotModelledByTheLab",
            Category::NotImplemented,
            "System.NotImplementedException",
            format!("The simulated site does not model {what}."),
        )
    }

    /// The error record that `command` (its .NET class or function name) raises.
    pub(super) fn record(&self, activity: &str, class: &str) -> ErrorRecord {
        let error_id = if class.is_empty() {
            self.id.clone()
        } else {
            format!("{},{class}", self.id)
        };
        let reason = self.exception.rsplit('.').next().unwrap_or(self.exception);
        let target = self.target.as_deref();
        let exception = Object::new()
            .with_types([self.exception, "System.Exception", "System.Object"])
            .with_string(format!("{}: {}", self.exception, self.message))
            .with("Message", self.message.as_str())
            .with("Data", Object::hashtable(Vec::new()))
            .with("InnerException", Value::Null)
            .with("StackTrace", Value::Null)
            .with("HelpLink", Value::Null)
            .with("Source", Value::Null);
        let text = |t: Option<&str>| t.map_or(Value::Null, Value::from);
        let details = format!(
            "{:?}: ({}:{}) [{activity}], {reason}",
            self.category,
            target.unwrap_or_default(),
            if target.is_some() { "String" } else { "" },
        );
        let raw = Object::new()
            .with_types(["System.Management.Automation.ErrorRecord", "System.Object"])
            .with_string(self.message.as_str())
            .with_note("Exception", exception)
            .with_note("TargetObject", text(target))
            .with_note("FullyQualifiedErrorId", error_id.as_str())
            .with_note("InvocationInfo", Value::Null)
            .with_note("ErrorCategory_Category", self.category as i32)
            .with_note("ErrorCategory_Activity", activity)
            .with_note("ErrorCategory_Reason", reason)
            .with_note("ErrorCategory_TargetName", target.unwrap_or_default())
            .with_note(
                "ErrorCategory_TargetType",
                if target.is_some() { "String" } else { "" },
            )
            .with_note("ErrorCategory_Message", details)
            .with_note("SerializeExtendedInfo", false);
        ErrorRecord {
            message: self.message.clone(),
            error_id,
            category: ErrorCategory::new(self.category as i32),
            exception_type: self.exception.into(),
            target: self.target.clone(),
            raw: raw.into(),
        }
    }
}

/// The class that the second half of an error id names.
pub(super) fn class(cmdlet: &owaim_inventory::catalogue::Cmdlet) -> String {
    use owaim_inventory::catalogue::Product;
    let (verb, noun) = cmdlet.name.split_once('-').unwrap_or((cmdlet.name, ""));
    match (cmdlet.product, cmdlet.name) {
        // A function up to Windows PowerShell 5.1.
        (_, "Get-FileHash" | "Get-NetTCPConnection") => cmdlet.name.into(),
        (_, "Resolve-DnsName") => "Microsoft.DnsClient.Commands.ResolveDnsName".into(),
        (_, "Get-CimInstance") => {
            "Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand".into()
        }
        (Product::Windows, _) => format!("Microsoft.PowerShell.Commands.{verb}{noun}Command"),
        (Product::Iis, _) => format!("Microsoft.IIs.PowerShell.Provider.{verb}{noun}Command"),
        (Product::Exchange, _) => {
            format!("Microsoft.Exchange.Management.SystemConfigurationTasks.{verb}{noun}")
        }
        (Product::Lync, _) => format!("Microsoft.Rtc.Management.Xds.{verb}{noun}Cmdlet"),
    }
}
