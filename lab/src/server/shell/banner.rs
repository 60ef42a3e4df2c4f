//! What a server says of itself when a runspace pool opens (APPLICATION_PRIVATE_DATA).

use owaim_inventory::PowerShellVersion;
use owaim_proto::clixml::{Base, Object, Value};
use owaim_proto::psrp::ProtocolVersion;

/// The protocol that a version of Windows PowerShell speaks.
pub(super) fn protocol(version: PowerShellVersion) -> ProtocolVersion {
    match version.major {
        0..=2 => ProtocolVersion::V2_1,
        3 | 4 => ProtocolVersion::V2_2,
        _ => ProtocolVersion::V2_3,
    }
}

/// `PSVersionTable` of a version of Windows PowerShell, as a primitive dictionary. PowerShell 2
/// says nothing.
pub(super) fn private_data(version: PowerShellVersion) -> Value {
    if version.major < 3 {
        return dictionary(Vec::new());
    }
    let full = match version.major {
        3 => "3.0",
        4 => "4.0",
        _ => "5.1.14393.2248",
    };
    let older = ["1.0", "2.0", "3.0", "4.0", "5.0"]
        .into_iter()
        .take_while(|old| *old < full);
    let compatible = older
        .chain([full])
        .map(|v| Value::Version(v.into()))
        .collect();
    let compatible = Object::new()
        .with_types(["System.Version[]", "System.Array", "System.Object"])
        .with_base(Base::List(compatible));
    let version_of = |text: &str| Value::Version(text.into());
    let mut table = vec![
        ("PSVersion", version_of(full)),
        ("PSCompatibleVersions", compatible.into()),
    ];
    if version.major >= 5 {
        table.push(("PSEdition", "Desktop".into()));
    }
    table.extend([
        ("CLRVersion", version_of("4.0.30319.42000")),
        (
            "BuildVersion",
            version_of(if version.major >= 5 {
                "10.0.14393.2248"
            } else {
                "6.3.9600.16384"
            }),
        ),
        ("WSManStackVersion", version_of("3.0")),
        (
            "PSRemotingProtocolVersion",
            version_of(&protocol(version).to_string()),
        ),
        ("SerializationVersion", version_of("1.1.0.1")),
    ]);
    dictionary(vec![("PSVersionTable", dictionary(table))])
}

fn dictionary(entries: Vec<(&str, Value)>) -> Value {
    let entries = entries
        .into_iter()
        .map(|(key, value)| (Value::from(key), value))
        .collect();
    let names = [
        "System.Management.Automation.PSPrimitiveDictionary",
        "System.Collections.Hashtable",
        "System.Object",
    ];
    Object::new()
        .with_types(names)
        .with_base(Base::Dictionary(entries))
        .into()
}
