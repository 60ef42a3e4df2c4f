//! Small builders for the values that cmdlets give: dates, enums, lists, version texts.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use owaim_proto::clixml::{Base, Object, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Whether nested values travel whole or as their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Nested {
    /// As text: the serialization depth of 1 that servers use unless told otherwise.
    #[default]
    Text,
    /// Whole.
    Full,
}

impl Nested {
    /// An enum value.
    pub(super) fn enumeration(self, type_name: &str, name: &str, number: i32) -> Value {
        match self {
            Self::Text => name.into(),
            Self::Full => Object::enumeration(type_name, name, number).into(),
        }
    }

    /// The id of a directory object.
    pub(super) fn id(self, name: &str, distinguished_name: &str) -> Value {
        match self {
            Self::Text => name.into(),
            Self::Full => Object::new()
                .with_types([
                    "Microsoft.Exchange.Data.Directory.ADObjectId",
                    "Microsoft.Exchange.Data.ObjectId",
                    "System.Object",
                ])
                .with_string(name)
                .with(
                    "Rdn",
                    distinguished_name.split(',').next().unwrap_or_default(),
                )
                .with("DistinguishedName", distinguished_name)
                .with("IsDeleted", false)
                .with("IsRelativeDn", false)
                .with("Name", name)
                .with("ObjectGuid", guid(distinguished_name))
                .into(),
        }
    }

    /// `AdminDisplayVersion`.
    pub(super) fn server_version(self, version: [u32; 4]) -> Value {
        let [major, minor, build, revision] = version;
        let text = format!("Version {major}.{minor} (Build {build}.{revision})");
        let number = |n: u32| Value::Int32(i32::try_from(n).unwrap_or(i32::MAX));
        match self {
            Self::Text => text.into(),
            Self::Full => Object::new()
                .with_types(["Microsoft.Exchange.Data.ServerVersion", "System.Object"])
                .with_string(text)
                .with("Major", number(major))
                .with("Minor", number(minor))
                .with("Build", number(build))
                .with("Revision", number(revision))
                .with("FilePatchLevelDescription", "")
                .into(),
        }
    }
}

/// A list of texts as an Exchange property carries it.
pub(super) fn texts<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Value {
    Object::new()
        .with_types([
            "Microsoft.Exchange.Data.MultiValuedProperty`1[[System.String]]",
            "System.Object",
        ])
        .with_base(Base::List(
            items
                .into_iter()
                .map(|item| Value::from(item.as_ref()))
                .collect(),
        ))
        .into()
}

/// An `object[]`.
pub(super) fn array(items: Vec<Value>) -> Object {
    Object::new()
        .with_types(["System.Object[]", "System.Array", "System.Object"])
        .with_base(Base::List(items))
}

/// A point in time in universal time (`DateTimeKind.Utc`), to 100 ns as .NET has it.
pub(super) fn utc(time: Timestamp) -> Value {
    Value::DateTime(format!("{}Z", wall(time)))
}

/// A point in time in the server's local time, whose offset is zero here.
pub(super) fn local(time: Timestamp) -> Value {
    Value::DateTime(format!("{}+00:00", wall(time)))
}

fn wall(time: Timestamp) -> String {
    let text = time
        .to_zoned_datetime(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%S.%9f")
        .to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let ticks = fraction.get(..7).unwrap_or(fraction).trim_end_matches('0');
    if ticks.is_empty() {
        whole.into()
    } else {
        format!("{whole}.{ticks}")
    }
}

/// A point in time as WMI writes it: `yyyymmddhhmmss.ffffff+000`.
pub(super) fn dmtf(time: Timestamp) -> String {
    time.to_zoned_datetime(TimeZone::UTC)
        .strftime("%Y%m%d%H%M%S.%6f+000")
        .to_string()
}

/// A GUID that is always the same for the same name.
pub(super) fn guid(name: &str) -> Value {
    Value::Guid(uuid_of(name))
}

/// See [`guid`].
pub(super) fn uuid_of(name: &str) -> Uuid {
    let digest = Sha256::digest(name.to_lowercase().as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// Upper-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}

/// Whether `text` matches the PowerShell wildcard `pattern` (`*`, `?`), without regard to case.
pub(super) fn wildcard(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((sp, st)) => {
                    star = Some((sp, st + 1));
                    p = sp + 1;
                    t = st + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
