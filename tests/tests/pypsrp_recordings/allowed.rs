//! What may differ between a recorded client and ours: [`DIFFERENCES`] everywhere, others in one conversation.

use wildmatch::WildMatch;

use crate::facts::{Difference, Fact};
use crate::request::Request;

/// A difference that may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// The action of the request, or the kind of the message; `*`: any.
    pub(crate) context: &'static str,
    /// The path, with `*` for anything.
    pub(crate) path: &'static str,
    /// What was recorded: `*`, anything or nothing; `-`, nothing.
    pub(crate) recorded: &'static str,
    /// What we send.
    pub(crate) ours: &'static str,
    /// Why it may be.
    pub(crate) why: &'static str,
}

/// Why an exchange may be left out: a pipeline is taken away that is gone.
pub(crate) const DONE: &str = "a pipeline that has ended is let go with many others at once, or with its shell; pypsrp's close signals each by itself";

/// What may differ in every conversation.
pub(crate) const DIFFERENCES: &[Allowed] = &[
    Allowed {
        context: "*",
        path: "/s:Envelope/s:Header/p:SessionId",
        recorded: "uuid:*",
        ours: "uuid:*",
        why: "every client session has an id of its own",
    },
    Allowed {
        context: "*",
        path: "/s:Envelope/s:Header/a:To",
        recorded: "http*",
        ours: "http://127.0.0.1:*",
        why: "the server of the recording was elsewhere",
    },
    Allowed {
        context: "*",
        path: "/s:Envelope/s:Header/p:OperationID",
        recorded: "-",
        ours: "uuid:*",
        why: "ours names the operation, which a server may go by ([MS-WSMV] 2.2.4.45)",
    },
    Allowed {
        context: "*",
        path: "/s:Envelope/s:Header/p:OperationID/@s:mustUnderstand",
        recorded: "-",
        ours: "false",
        why: "ours names the operation, which a server may go by ([MS-WSMV] 2.2.4.45)",
    },
    Allowed {
        context: "*",
        path: "/s:Envelope/s:Header/w:MaxEnvelopeSize",
        recorded: "512000",
        ours: "153600",
        why: "pypsrp takes larger answers once a pool is open; ours takes the same size all along",
    },
    Allowed {
        context: "Receive",
        path: "/s:Envelope/s:Header/w:OptionSet/w:Option[WSMAN_CMDSHELL_OPTION_KEEPALIVE]",
        recorded: "True",
        ours: "TRUE",
        why: "ours writes the values of options as Windows does",
    },
    Allowed {
        context: "Command",
        path: "/s:Envelope/s:Header/w:OptionSet/w:Option[WINRS_SKIP_CMD_SHELL]",
        recorded: "False",
        ours: "FALSE",
        why: "ours writes the values of options as Windows does",
    },
    Allowed {
        context: "Command",
        path: "/s:Envelope/s:Header/w:OptionSet/w:Option[WINRS_SKIP_CMD_SHELL]",
        recorded: "True",
        ours: "TRUE",
        why: "ours writes the values of options as Windows does",
    },
    Allowed {
        context: "Command",
        path: "/s:Envelope/s:Header/w:OptionSet/w:Option[WINRS_SKIP_CMD_SHELL]",
        recorded: "False",
        ours: "-",
        why: "the option is one of cmd.exe's shell; pypsrp sends it with pipelines too",
    },
    Allowed {
        context: "Command",
        path: "/s:Envelope/s:Header/w:OptionSet/@s:mustUnderstand",
        recorded: "true",
        ours: "-",
        why: "the option is one of cmd.exe's shell; pypsrp sends it with pipelines too",
    },
    Allowed {
        context: "Send",
        path: "/s:Envelope/s:Body/rsp:Send/rsp:Stream[stdin]/@End",
        recorded: "False",
        ours: "-",
        why: "a stream goes on unless its end is said",
    },
    Allowed {
        context: "Send",
        path: "/s:Envelope/s:Body/rsp:Send/rsp:Stream[stdin]/@End",
        recorded: "True",
        ours: "true",
        why: "xs:boolean is in small letters",
    },
    Allowed {
        context: "Send",
        path: "/s:Envelope/s:Body/rsp:Send/rsp:Stream[pr]/@CommandId",
        recorded: "-",
        ours: "*",
        why: "answers to the calls of a pipeline go to it, as Windows' own client sends them; pypsrp's go to the pool",
    },
    Allowed {
        context: "*",
        path: "/Obj/MS/Obj[ApartmentState]/types",
        recorded: "System.Management.Automation.Runspaces.ApartmentState < *",
        ours: "System.Threading.ApartmentState < System.Enum < System.ValueType < System.Object",
        why: "ours names the type as it is called in .NET, and by psrpcore",
    },
    Allowed {
        context: "*",
        path: "/Obj/MS/Obj[ApartmentState]/ToString",
        recorded: "UNKNOWN",
        ours: "Unknown",
        why: "ours names the member as it is called in .NET",
    },
    Allowed {
        context: "CREATE_PIPELINE",
        path: "/Obj/MS/Obj[RemoteStreamOptions]/types",
        recorded: "System.Management.Automation.Runspaces.RemoteStreamOptions < *",
        ours: "System.Management.Automation.RemoteStreamOptions < System.Enum < System.ValueType < System.Object",
        why: "ours names the type as it is called in PowerShell, and by psrpcore",
    },
    Allowed {
        context: "CREATE_PIPELINE",
        path: "/Obj/MS/Obj[PowerShell]/MS/*/types",
        recorded: "System.Collections.Generic.List`1[[*, Version=1.0.0.0, *",
        ours: "System.Collections.Generic.List`1[[*, Version=3.0.0.0, *",
        why: "the library's version is PowerShell 3's, not 2's",
    },
    Allowed {
        context: "CREATE_PIPELINE",
        path: "/Obj/MS/Obj[RemoteStreamOptions]/ToString",
        recorded: "",
        ours: "0",
        why: "flags of .NET that are not set at all are called 0",
    },
    Allowed {
        context: "PUBLIC_KEY",
        path: "/Obj/MS/S[PublicKey]",
        recorded: "BgIAAACkAABSU0ExAAgAAAEAAQ*",
        ours: "BgIAAACkAABSU0ExAAgAAAEAAQ*",
        why: "every client session has a key pair of its own, of the same algorithm, size and exponent",
    },
];

/// What is called otherwise in recordings than by us, and has to say the same: pypsrp writes the id of some calls
/// in capitals, PowerShell never does.
pub(crate) const RENAMED: (&str, &str) = ("/Obj/MS/I64[CI]", "/Obj/MS/I64[ci]");

/// A request that was not recorded and comes all the same, in one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extra {
    /// A command is started: ours has no process or pipeline that has not been.
    Command,
    /// A command that was left is ended.
    Terminate,
    /// The shell is deleted.
    Delete,
}

impl Extra {
    pub(crate) fn is(self, action: &str, is_terminate: bool) -> bool {
        match self {
            Self::Command => action == "Command",
            Self::Terminate => is_terminate,
            Self::Delete => action == "Delete",
        }
    }

    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::Command => "nothing is waited for that was not started",
            Self::Terminate => {
                "a command that is left before its end is ended, and not left to the shell's end"
            }
            Self::Delete => "a shell that seems lost is deleted, in case it is not",
        }
    }

    /// The body of the answer; `id` is that of the command.
    pub(crate) fn body(self, id: &str) -> String {
        match self {
            Self::Command => {
                format!("<r:CommandResponse><r:CommandId>{id}</r:CommandId></r:CommandResponse>")
            }
            Self::Terminate => "<r:SignalResponse/>".into(),
            Self::Delete => String::new(),
        }
    }
}

impl Allowed {
    pub(crate) fn covers(&self, context: &str, difference: &Difference) -> bool {
        let fits = |pattern: &str, side: &Option<String>| match (pattern, side) {
            ("*", _) | ("-", None) => true,
            ("-", Some(_)) | (_, None) => false,
            (pattern, Some(text)) => WildMatch::new(pattern).matches(text),
        };
        WildMatch::new(self.context).matches(context)
            && WildMatch::new(self.path).matches(&difference.path)
            && fits(self.recorded, &difference.recorded)
            && fits(self.ours, &difference.ours)
    }

    /// Whether it lets a request go to another command.
    pub(crate) fn is_command(&self, ours: &Request) -> bool {
        let here = |fact: &Fact| WildMatch::new(self.path).matches(&fact.path);
        self.context == ours.action
            && self.path.ends_with("@CommandId")
            && ours.facts.iter().any(here)
    }
}
