//! The objects that items are shown as, with the notes that every provider adds.

use owaim_proto::clixml::{Base, Object, Value};

use super::super::certificates::{Certificate, Purpose};
use super::super::filesystem::{Node, split};
use super::super::registry::{Data, Key};
use super::super::values;

/// Adds the notes of the file system provider.
pub(super) fn file_notes(object: Object, path: &str) -> Object {
    let (folder, name) = split(path);
    let drive = path.split(':').next().unwrap_or_default();
    let shown = if folder.ends_with(':') {
        format!("{folder}\\")
    } else {
        folder.to_owned()
    };
    object
        .with_note(
            "PSPath",
            format!("Microsoft.PowerShell.Core\\FileSystem::{path}"),
        )
        .with_note(
            "PSParentPath",
            format!("Microsoft.PowerShell.Core\\FileSystem::{shown}"),
        )
        .with_note("PSChildName", name)
        .with_note("PSDrive", drive)
        .with_note("PSProvider", "Microsoft.PowerShell.Core\\FileSystem")
}

/// A file or a folder.
pub(super) fn file(node: &Node) -> Object {
    let (folder, name) = split(&node.path);
    let is_folder = node.content.is_none();
    let kind = if is_folder {
        "System.IO.DirectoryInfo"
    } else {
        "System.IO.FileInfo"
    };
    let extension = name.rfind('.').map_or("", |at| &name[at..]);
    let mut attributes = vec![if is_folder { "Directory" } else { "Archive" }];
    if node.read_only {
        attributes.insert(0, "ReadOnly");
    }
    let mut object = Object::new()
        .with_types([
            kind,
            "System.IO.FileSystemInfo",
            "System.MarshalByRefObject",
            "System.Object",
        ])
        .with_string(node.path.as_str());
    if let Some(content) = &node.content {
        object = object
            .with("Name", name)
            .with("Length", i64::try_from(content.0.len()).unwrap_or(i64::MAX))
            .with("DirectoryName", folder)
            .with("Directory", folder)
            .with("IsReadOnly", node.read_only);
    } else {
        object = object
            .with("Name", name)
            .with("Parent", split(folder).1)
            .with("Root", format!("{}\\", &node.path[..2]));
    }
    object = object
        .with("Exists", true)
        .with("FullName", node.path.as_str())
        .with("Extension", extension)
        .with("CreationTime", values::local(node.created))
        .with("CreationTimeUtc", values::utc(node.created))
        .with("LastAccessTime", values::local(node.written))
        .with("LastAccessTimeUtc", values::utc(node.written))
        .with("LastWriteTime", values::local(node.written))
        .with("LastWriteTimeUtc", values::utc(node.written))
        .with("Attributes", attributes.join(", "));
    file_notes(object, &node.path)
        .with_note("PSIsContainer", is_folder)
        .with_note("Mode", if is_folder { "d----" } else { "-a---" })
}

/// A value with the notes of the file that it was read from.
pub(super) fn from_file(value: Value, path: &str, read_count: i64) -> Value {
    let type_name = match &value {
        Value::Byte(_) => "System.Byte",
        Value::Bytes(_) => "System.Byte[]",
        _ => "System.String",
    };
    let base = Object::new()
        .with_types([type_name, "System.Object"])
        .with_base(Base::Primitive(value));
    file_notes(base, path)
        .with_note("ReadCount", read_count)
        .into()
}

fn registry_notes(object: Object, path: &str) -> Object {
    let (above, name) = split(path);
    object
        .with_note(
            "PSPath",
            format!("Microsoft.PowerShell.Core\\Registry::HKEY_LOCAL_MACHINE\\{path}"),
        )
        .with_note(
            "PSParentPath",
            format!("Microsoft.PowerShell.Core\\Registry::HKEY_LOCAL_MACHINE\\{above}"),
        )
        .with_note("PSChildName", name)
        .with_note("PSDrive", "HKLM")
        .with_note("PSProvider", "Microsoft.PowerShell.Core\\Registry")
}

/// A registry key.
pub(super) fn key(key: &Key, subkeys: usize) -> Object {
    let names = key
        .values
        .iter()
        .map(|(name, _)| Value::from(name.as_str()))
        .collect();
    let number = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let object = Object::new()
        .with_types([
            "Microsoft.Win32.RegistryKey",
            "System.MarshalByRefObject",
            "System.Object",
        ])
        .with_string(format!("HKEY_LOCAL_MACHINE\\{}", key.path))
        .with("SubKeyCount", number(subkeys))
        .with("View", "Default")
        .with("Handle", "Microsoft.Win32.SafeHandles.SafeRegistryHandle")
        .with("ValueCount", number(key.values.len()))
        .with("Name", format!("HKEY_LOCAL_MACHINE\\{}", key.path))
        .with_note("Property", values::array(names));
    registry_notes(object, &key.path).with_note("PSIsContainer", true)
}

/// The data of a registry value.
pub(super) fn data(data: &Data) -> Value {
    match data {
        Data::Number(number) => (*number).into(),
        Data::Text(text) => text.as_str().into(),
    }
}

/// The values of a registry key, those of `names` or all.
pub(super) fn key_values(key: &Key, names: &[String]) -> Object {
    let mut object = Object::new()
        .with_types([
            "System.Management.Automation.PSCustomObject",
            "System.Object",
        ])
        .with_string("");
    for (name, value) in &key.values {
        if names.is_empty() || names.iter().any(|n| values::wildcard(n, name)) {
            object = object.with_note(name, data(value));
        }
    }
    registry_notes(object, &key.path)
}

/// A certificate of `Cert:\LocalMachine\<store>`.
pub(super) fn certificate(certificate: &Certificate, store: &str, names_known: bool) -> Object {
    let thumbprint = certificate.thumbprint();
    let list = |items: Vec<Value>| values::array(items);
    let name = |text: &str| {
        Object::new()
            .with_types([
                "Microsoft.PowerShell.Commands.DnsNameRepresentation",
                "System.ValueType",
                "System.Object",
            ])
            .with_string(text)
            .with("Punycode", text)
            .with("Unicode", text)
            .into()
    };
    let usage = |text: &str, id: &str| {
        Object::new()
            .with_types([
                "Microsoft.PowerShell.Commands.EnhancedKeyUsageRepresentation",
                "System.Object",
            ])
            .with_string(format!("{text} ({id})"))
            .with("FriendlyName", text)
            .with("ObjectId", id)
            .into()
    };
    let purpose = |purpose: &Purpose| match purpose {
        Purpose::Server => usage("Server Authentication", "1.3.6.1.5.5.7.3.1"),
        Purpose::Client => usage("Client Authentication", "1.3.6.1.5.5.7.3.2"),
    };
    let mut object = Object::new()
        .with_types([
            "System.Security.Cryptography.X509Certificates.X509Certificate2",
            "System.Security.Cryptography.X509Certificates.X509Certificate",
            "System.Object",
        ])
        .with_string(format!(
            "[Subject]\r\n  {}\r\n\r\n[Thumbprint]\r\n  {thumbprint}\r\n",
            certificate.subject
        ))
        .with("Archived", false)
        .with("Extensions", list(Vec::new()))
        .with("FriendlyName", certificate.friendly_name.as_str())
        .with(
            "IssuerName",
            "System.Security.Cryptography.X509Certificates.X500DistinguishedName",
        )
        .with("NotAfter", values::local(certificate.not_after))
        .with("NotBefore", values::local(certificate.not_before))
        .with("HasPrivateKey", certificate.key.is_some())
        .with("PrivateKey", Value::Null)
        .with(
            "PublicKey",
            "System.Security.Cryptography.X509Certificates.PublicKey",
        )
        .with("RawData", Value::Bytes(certificate.der.clone()))
        .with("SerialNumber", certificate.serial.as_str())
        .with(
            "SubjectName",
            "System.Security.Cryptography.X509Certificates.X500DistinguishedName",
        )
        .with("SignatureAlgorithm", "System.Security.Cryptography.Oid")
        .with("Thumbprint", thumbprint.as_str())
        .with("Version", 3)
        .with("Issuer", certificate.issuer.as_str())
        .with("Subject", certificate.subject.as_str());
    if names_known {
        object = object
            .with_note(
                "EnhancedKeyUsageList",
                list(certificate.purposes.iter().map(purpose).collect()),
            )
            .with_note(
                "DnsNameList",
                list(certificate.dns_names.iter().map(|n| name(n)).collect()),
            )
            .with_note("SendAsTrustedIssuer", false);
    }
    object
        .with_note(
            "PSPath",
            format!(
                "Microsoft.PowerShell.Security\\Certificate::LocalMachine\\{store}\\{thumbprint}"
            ),
        )
        .with_note(
            "PSParentPath",
            format!("Microsoft.PowerShell.Security\\Certificate::LocalMachine\\{store}"),
        )
        .with_note("PSChildName", thumbprint)
        .with_note("PSDrive", "Cert")
        .with_note("PSProvider", "Microsoft.PowerShell.Security\\Certificate")
        .with_note("PSIsContainer", false)
}
