//! Namespaces ([MS-WSMV] 2.2.1) and the prefixes under which they are written.

/// SOAP 1.2 envelope.
pub(crate) const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
/// WS-Addressing.
pub(crate) const ADDRESSING: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
/// WS-Management.
pub(crate) const WSMAN: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
/// Microsoft's extensions of WS-Management.
pub(crate) const WSMV: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd";
/// WS-Transfer.
pub(crate) const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";
/// WS-Enumeration.
pub(crate) const ENUMERATION: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration";
/// The service's own configuration; its resource URI as well.
pub(crate) const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
/// Identify ([DSP0226] 11).
pub(crate) const IDENTITY: &str = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd";
/// Remote shells.
pub(crate) const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
/// Fault details.
pub(crate) const FAULT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault";
/// PowerShell: `creationXml` and session configurations.
pub(crate) const POWERSHELL: &str = "http://schemas.microsoft.com/powershell";

/// Prefixes declared at the root of every envelope.
pub const PREFIXES: &[(&str, &str)] = &[
    ("s", SOAP),
    ("a", ADDRESSING),
    ("w", WSMAN),
    ("p", WSMV),
    ("x", TRANSFER),
    ("rsp", SHELL),
    ("f", FAULT),
    ("n", ENUMERATION),
    ("cfg", CONFIG),
];
