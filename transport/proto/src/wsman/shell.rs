//! [`CreateShell`] and [`Shell`]: what a client asks for and what it got ([MS-WSMV] 2.2.4.37, 3.1.4.5.2).

use std::time::Duration;

use uuid::Uuid;

use super::{EnvelopeError, ns, text};
use crate::xml::Element;

/// The body of a Create request: a shell for PowerShell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateShell {
    /// Id that the client proposes; PowerShell uses that of the runspace pool.
    pub id: Option<Uuid>,
    /// Name, for people.
    pub name: Option<String>,
    /// Names of the input streams, blank-separated: `stdin pr`.
    pub input_streams: String,
    /// Names of the output streams, blank-separated: `stdout`.
    pub output_streams: String,
    /// How long the server keeps it without any request.
    pub idle_timeout: Option<Duration>,
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
}

impl CreateShell {
    pub(super) fn encode(&self) -> Element {
        let mut shell = Element::new(ns::SHELL, "Shell");
        if let Some(id) = self.id {
            shell = shell.with_attribute("ShellId", text::id(id));
        }
        if let Some(name) = &self.name {
            shell = shell.with_attribute("Name", name.as_str());
        }
        let leaf = |name: &str, text: String| Element::new(ns::SHELL, name).with_text(text);
        if let Some(idle) = self.idle_timeout {
            shell = shell.with(leaf("IdleTimeOut", text::duration(idle)));
        }
        shell = shell.with(leaf("InputStreams", self.input_streams.clone()));
        shell = shell.with(leaf("OutputStreams", self.output_streams.clone()));
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
            idle_timeout: leaf("IdleTimeOut")
                .map(|t| text::parse_duration("IdleTimeOut", &t))
                .transpose()?,
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
        // What a PowerShell shell of Windows says of itself and never varies.
        shell.with_all(
            [
                ("InputStreams", "stdin pr"),
                ("OutputStreams", "stdout"),
                ("MaxIdleTimeOut", "PT2147483.647S"),
                ("Locale", "en-US"),
                ("DataLocale", "en-US"),
                ("CompressionMode", "NoCompression"),
                ("ProfileLoaded", "Yes"),
                ("Encoding", "UTF8"),
                ("BufferMode", "Block"),
                ("State", "Connected"),
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
        })
    }
}
