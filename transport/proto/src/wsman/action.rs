//! [`Action`]: what a request asks for (`wsa:Action`).

/// An action of [MS-WSMV] that a shell's life is made of, or that tells of shells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Create a shell (WS-Transfer).
    Create,
    /// Delete a shell (WS-Transfer).
    Delete,
    /// Start a command.
    Command,
    /// Input of a shell or command.
    Send,
    /// Output of a shell or command.
    Receive,
    /// Interrupt or end a command.
    Signal,
    /// Leave a shell, to come back to it later.
    Disconnect,
    /// Come back to a shell that the same client left.
    Reconnect,
    /// Come back to a shell or command that another client left.
    Connect,
    /// Read a resource (WS-Transfer).
    Get,
    /// List resources (WS-Enumeration).
    Enumerate,
    /// Go on with a list.
    Pull,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Create,
        Self::Delete,
        Self::Command,
        Self::Send,
        Self::Receive,
        Self::Signal,
        Self::Disconnect,
        Self::Reconnect,
        Self::Connect,
        Self::Get,
        Self::Enumerate,
        Self::Pull,
    ];

    /// Its name: the last part of the URI.
    pub fn name(self) -> &'static str {
        self.uri().rsplit('/').next().unwrap_or_default()
    }

    /// The URI of the request.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Create => "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create",
            Self::Delete => "http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete",
            Self::Command => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command",
            Self::Send => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Send",
            Self::Receive => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Receive",
            Self::Signal => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Signal",
            Self::Disconnect => {
                "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Disconnect"
            }
            Self::Reconnect => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Reconnect",
            Self::Connect => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Connect",
            Self::Get => "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get",
            Self::Enumerate => "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate",
            Self::Pull => "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Pull",
        }
    }

    /// The URI of the response.
    pub fn response_uri(self) -> &'static str {
        match self {
            Self::Create => "http://schemas.xmlsoap.org/ws/2004/09/transfer/CreateResponse",
            Self::Delete => "http://schemas.xmlsoap.org/ws/2004/09/transfer/DeleteResponse",
            Self::Command => {
                "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandResponse"
            }
            Self::Send => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/SendResponse",
            Self::Receive => {
                "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/ReceiveResponse"
            }
            Self::Signal => {
                "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/SignalResponse"
            }
            Self::Disconnect => {
                "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/DisconnectResponse"
            }
            Self::Reconnect => {
                "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/ReconnectResponse"
            }
            Self::Connect => {
                "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/ConnectResponse"
            }
            Self::Get => "http://schemas.xmlsoap.org/ws/2004/09/transfer/GetResponse",
            Self::Enumerate => {
                "http://schemas.xmlsoap.org/ws/2004/09/enumeration/EnumerateResponse"
            }
            Self::Pull => "http://schemas.xmlsoap.org/ws/2004/09/enumeration/PullResponse",
        }
    }

    /// The action whose request has that URI.
    pub(crate) fn of_request(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.uri() == uri)
    }

    /// The action whose response has that URI.
    pub(crate) fn of_response(uri: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|action| action.response_uri() == uri)
    }
}
