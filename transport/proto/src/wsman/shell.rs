//! [`CreateShell`] and [`Shell`]: what a client asks for and what it gets ([MS-WSMV] 2.2.4.37, 3.1.4.5.2).

use std::time::Duration;

use uuid::Uuid;

use super::{EnvelopeError, ns, text};
use crate::xml::Element;

/// The body of a Create request: a shell for PowerShell or for programs (WinRS).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateShell {
    /// Id that the client proposes; PowerShell uses that of the runspace pool.
    pub id: Option<Uuid>,
    /// Name, for people.
    pub name: Option<String>,
    /// Names of the input streams, blank-separated: `stdin pr`.
    pub input_streams: String,
    /// Names of the output streams, blank-separated: `stdout`.
    pub output_streams: String,
    /// Environment variables of the programs, in order (WinRS).
    pub environment: Vec<(String, String)>,
    /// How long the server keeps it without any request.
    pub idle_timeout: Option<Duration>,
    /// How long the server keeps it at all.
    pub lifetime: Option<Duration>,
    /// The folder that the programs start in (WinRS).
    pub working_directory: Option<String>,
    /// The first fragments of the runspace pool's protocol ([MS-PSRP] 3.1.5.3.1, `creationXml`).
    pub creation: Option<Vec<u8>>,
}

/// A shell as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shell {
    /// Its id.
    pub id: Uuid,
    /// URI of its kind.
    pub resource_uri: String,
    /// The account it runs for.
    pub owner: Option<String>,
    /// Address of the client, as the server saw it.
    pub client_ip: Option<String>,
    /// Process that hosts it.
    pub process_id: Option<u32>,
    /// How long the server keeps it without any request.
    pub idle_timeout: Option<Duration>,
    /// Name, for people.
    pub name: Option<String>,
    /// Whether a client is connected to it.
    pub state: ShellState,
}

/// Whether a client is connected to a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ShellState {
    /// One is, or the server does not say.
    #[default]
    Connected,
    /// None is: the shell waits for one to connect.
    Disconnected,
}

impl CreateShell {
    pub(super) fn encode(&self) -> Element {
        let mut shell = Element::new(ns::SHELL, "Shell");
        if let Some(id) = self.id {
            shell = shell.with_attribute("ShellId", text::id(id));
        }
        // PowerShell's own client names its shells by an attribute, WinRS by an element.
        let (attribute, element) = match self.creation {
            Some(_) => (self.name.as_deref(), None),
            None => (None, self.name.as_deref()),
        };
        if let Some(name) = attribute {
            shell = shell.with_attribute("Name", name);
        }
        let leaf = |name: &str, text: &str| Element::new(ns::SHELL, name).with_text(text);
        shell = shell
            .with(leaf("InputStreams", &self.input_streams))
            .with(leaf("OutputStreams", &self.output_streams));
        if !self.environment.is_empty() {
            let variables = self
                .environment
                .iter()
                .map(|(name, value)| leaf("Variable", value).with_attribute("Name", name.as_str()));
            shell = shell.with(Element::new(ns::SHELL, "Environment").with_all(variables));
        }
        let idle = self.idle_timeout.map(text::duration);
        let lifetime = self.lifetime.map(text::duration);
        for (name, text) in [
            ("IdleTimeOut", idle.as_deref()),
            ("Lifetime", lifetime.as_deref()),
            ("Name", element),
            ("WorkingDirectory", self.working_directory.as_deref()),
        ] {
            if let Some(text) = text {
                shell = shell.with(leaf(name, text));
            }
        }
        match &self.creation {
            Some(bytes) => shell
                .with(Element::new(ns::POWERSHELL, "creationXml").with_text(text::base64(bytes))),
            None => shell,
        }
    }

    pub(super) fn decode(shell: &Element) -> Result<Self, EnvelopeError> {
        let leaf = |name| shell.child(ns::SHELL, name).map(Element::text);
        let need = |element| {
            leaf(element).ok_or(EnvelopeError::Missing {
                parent: "Shell",
                element,
            })
        };
        Ok(Self {
            id: shell
                .attribute("ShellId")
                .map(|id| text::parse_id("ShellId", id))
                .transpose()?,
            name: shell
                .attribute("Name")
                .map(Into::into)
                .or_else(|| leaf("Name")),
            input_streams: need("InputStreams")?,
            output_streams: need("OutputStreams")?,
            environment: shell
                .child(ns::SHELL, "Environment")
                .into_iter()
                .flat_map(|e| e.children(ns::SHELL, "Variable"))
                .map(|v| (v.attribute("Name").unwrap_or_default().into(), v.text()))
                .collect(),
            idle_timeout: leaf("IdleTimeOut")
                .map(|t| text::parse_duration("IdleTimeOut", &t))
                .transpose()?,
            lifetime: leaf("Lifetime")
                .map(|t| text::parse_duration("Lifetime", &t))
                .transpose()?,
            working_directory: leaf("WorkingDirectory"),
            creation: shell
                .child(ns::POWERSHELL, "creationXml")
                .map(|xml| text::parse_base64("creationXml", &xml.text()))
                .transpose()?,
        })
    }
}

impl Shell {
    pub(super) fn encode(&self) -> Element {
        let leaf = |name: &str, text: &str| Element::new(ns::SHELL, name).with_text(text);
        let mut shell = Element::new(ns::SHELL, "Shell")
            .with(leaf("ShellId", &text::id(self.id)))
            .with(leaf("ResourceUri", &self.resource_uri));
        if let Some(owner) = &self.owner {
            shell = shell.with(leaf("Owner", owner));
        }
        if let Some(ip) = &self.client_ip {
            shell = shell.with(leaf("ClientIP", ip));
        }
        if let Some(process) = self.process_id {
            shell = shell.with(leaf("ProcessId", &process.to_string()));
        }
        if let Some(idle) = self.idle_timeout {
            shell = shell.with(leaf("IdleTimeOut", &text::duration(idle)));
        }
        if let Some(name) = &self.name {
            shell = shell.with(leaf("Name", name));
        }
        let (input, output) = if super::configuration_name(&self.resource_uri).is_some() {
            ("stdin pr", "stdout")
        } else {
            ("stdin", "stdout stderr")
        };
        let state = match self.state {
            ShellState::Connected => "Connected",
            ShellState::Disconnected => "Disconnected",
        };
        // What a shell of Windows says of itself and never varies.
        shell.with_all(
            [
                ("InputStreams", input),
                ("OutputStreams", output),
                ("MaxIdleTimeOut", "PT2147483.647S"),
                ("Locale", "en-US"),
                ("DataLocale", "en-US"),
                ("CompressionMode", "NoCompression"),
                ("ProfileLoaded", "Yes"),
                ("Encoding", "UTF8"),
                ("BufferMode", "Block"),
                ("State", state),
                ("ShellRunTime", "P0DT0H0M0S"),
                ("ShellInactivity", "P0DT0H0M0S"),
            ]
            .map(|(name, text)| leaf(name, text)),
        )
    }

    pub(super) fn decode(shell: &Element) -> Result<Self, EnvelopeError> {
        let leaf = |name| shell.child(ns::SHELL, name).map(Element::text);
        let id = leaf("ShellId").ok_or(EnvelopeError::Missing {
            parent: "Shell",
            element: "ShellId",
        })?;
        Ok(Self {
            id: text::parse_id("ShellId", &id)?,
            resource_uri: leaf("ResourceUri").unwrap_or_default(),
            owner: leaf("Owner"),
            client_ip: leaf("ClientIP"),
            process_id: leaf("ProcessId").and_then(|p| p.parse().ok()),
            idle_timeout: leaf("IdleTimeOut")
                .map(|t| text::parse_duration("IdleTimeOut", &t))
                .transpose()?,
            name: leaf("Name"),
            state: match leaf("State").as_deref() {
                Some("Disconnected") => ShellState::Disconnected,
                _ => ShellState::Connected,
            },
        })
    }
}
