//! `Get-Content`, `Set-Content` and their kind; `Get-FileHash`.

use owaim_proto::clixml::{Object, Value};
use sha1::{Digest as _, Sha1};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::super::binder::Bound;
use super::super::errors::{Category, Failure};
use super::super::filesystem::Refusal;
use super::super::{values, webconfig};
use super::Cx;
use super::item_objects::from_file;
use super::paths::{self, Place};

/// Reads lines, bytes one by one, in lists, or the whole.
pub(super) fn get_content(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let byte = call.text("Encoding").as_deref() == Some("Byte");
    let raw = call.switch("Raw");
    let count = call.number("ReadCount").unwrap_or(1);
    for (path, place) in paths::places(cx, call) {
        let Place::File(file) = place else {
            cx.error(&no_content(&path));
            continue;
        };
        let Some(node) = cx.host.files.get(&file) else {
            cx.error(&Failure::path_not_found(&path));
            continue;
        };
        let full = node.path.clone();
        let Some(content) = &node.content else {
            cx.error(&Failure::access_denied(
                "GetContentReaderUnauthorizedAccessError",
                &full,
            ));
            continue;
        };
        let bytes = content.0.clone();
        if raw {
            let value = if byte {
                Value::Bytes(bytes)
            } else {
                Value::String(text(&bytes))
            };
            cx.output(from_file(value, &full, 1));
            continue;
        }
        let mut units: Vec<Value> = if byte {
            bytes.into_iter().map(Value::Byte).collect()
        } else {
            text(&bytes).lines().map(Value::from).collect()
        };
        if let Some(first) = call.number("TotalCount") {
            units.truncate(usize::try_from(first).unwrap_or(usize::MAX));
        }
        if let Some(last) = call.number("Tail").and_then(|n| usize::try_from(n).ok()) {
            units.drain(..units.len().saturating_sub(last));
        }
        match usize::try_from(count).unwrap_or(1) {
            1 => {
                for (index, unit) in units.into_iter().enumerate() {
                    let number = i64::try_from(index).unwrap_or(i64::MAX).saturating_add(1);
                    cx.output(from_file(unit, &full, number));
                }
            }
            size => {
                let size = if size == 0 { units.len().max(1) } else { size };
                let lists: Vec<Object> = units
                    .chunks(size)
                    .map(|chunk| values::array(chunk.to_vec()))
                    .collect();
                let mut read = 0_i64;
                for list in lists {
                    read += i64::try_from(size).unwrap_or(i64::MAX);
                    cx.output(
                        super::item_objects::file_notes(list, &full).with_note("ReadCount", read),
                    );
                }
            }
        }
    }
    Ok(())
}

/// Text of a file: by its mark, else as the server's code page has it.
fn text(bytes: &[u8]) -> String {
    let marked = bytes.starts_with(&[0xef, 0xbb, 0xbf])
        || bytes.starts_with(&[0xff, 0xfe])
        || bytes.starts_with(&[0xfe, 0xff]);
    match webconfig::decode(bytes).filter(|text| marked || text.is_ascii()) {
        Some(text) => text,
        None => bytes.iter().map(|b| char::from(*b)).collect(),
    }
}

fn no_content(path: &str) -> Failure {
    Failure::new(
        "GetContentReaderNotSupported",
        Category::NotImplemented,
        "System.Management.Automation.PSNotSupportedException",
        format!("Cannot use interface. The IContentCmdletProvider interface is not implemented by the provider of '{path}'."),
    )
    .about(path)
}

/// The bytes that `value` is written as.
fn encoded(value: &Value, encoding: &str) -> Result<Vec<u8>, Failure> {
    if encoding == "Byte" {
        return match value.as_bytes() {
            Some(bytes) => Ok(bytes.into_owned()),
            None => value.as_i64().and_then(|n| u8::try_from(n).ok()).map(|b| vec![b]).ok_or_else(|| {
                Failure::new(
                    "GetContentWriterArgumentError",
                    Category::InvalidArgument,
                    "System.Management.Automation.PSArgumentException",
                    "Cannot proceed with byte encoding. When using byte encoding the content must be of type byte.",
                )
            }),
        };
    }
    let line = |v: &Value| {
        let mut text = v.text().unwrap_or_default();
        text.push_str("\r\n");
        text
    };
    let text: String = match value.items() {
        Some(items) => items.iter().map(line).collect(),
        None => line(value),
    };
    Ok(match encoding {
        "Unicode" | "String" | "Unknown" => {
            text.encode_utf16().flat_map(u16::to_le_bytes).collect()
        }
        "BigEndianUnicode" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        "UTF8" => text.into_bytes(),
        "ASCII" => text
            .chars()
            .map(|c| if c.is_ascii() { c as u8 } else { b'?' })
            .collect(),
        _ => text
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
            .collect(),
    })
}

fn mark(encoding: &str) -> &'static [u8] {
    match encoding {
        "UTF8" => &[0xef, 0xbb, 0xbf],
        "Unicode" | "String" | "Unknown" => &[0xff, 0xfe],
        "BigEndianUnicode" => &[0xfe, 0xff],
        _ => &[],
    }
}

/// Replaces the content of files: truncated first, then written.
pub(super) fn set_content(cx: &mut Cx<'_>, calls: &[Bound]) -> Result<(), Failure> {
    write(cx, calls, false)
}

/// Appends to files.
pub(super) fn add_content(cx: &mut Cx<'_>, calls: &[Bound]) -> Result<(), Failure> {
    write(cx, calls, true)
}

fn write(cx: &mut Cx<'_>, calls: &[Bound], append: bool) -> Result<(), Failure> {
    // Values that come through the pipeline for one path go into one file, one after the other.
    let mut open: Option<String> = None;
    for call in calls {
        let encoding = call.text("Encoding").unwrap_or_else(|| "Default".into());
        let value = call.get("Value").cloned().unwrap_or(Value::Null);
        for (path, place) in paths::places(cx, call) {
            let Place::File(file) = place else {
                cx.error(&no_content(&path));
                continue;
            };
            if !cx.should_process(&format!("Path: {path}")) {
                continue;
            }
            let goes_on = open.as_deref() == Some(file.as_str());
            if !goes_on && call.switch("Force") {
                cx.host.files.set_read_only(&file, false);
            }
            let before = if append || goes_on {
                cx.host.files.read(&file).map(<[u8]>::to_vec)
            } else {
                None
            };
            let fresh = encoded(&value, &encoding)?;
            let mut bytes = before.unwrap_or_else(|| mark(&encoding).to_vec());
            let whole = bytes.len() + fresh.len();
            bytes.extend(fresh);
            let torn = cx.torn;
            if torn {
                bytes.truncate(whole / 2);
            }
            match cx.host.files.write(&file, bytes, cx.now) {
                Ok(()) => {
                    cx.effect = true;
                    open = Some(file.clone());
                }
                Err(refusal) => {
                    cx.error(&refused(
                        refusal,
                        &path,
                        "GetContentWriterUnauthorizedAccessError",
                    ));
                    continue;
                }
            }
            if torn {
                return Err(Failure::new(
                    "WriteContentError",
                    Category::WriteError,
                    "System.IO.IOException",
                    format!("The write to '{path}' broke off."),
                )
                .about(path));
            }
            if call.switch("PassThru") {
                cx.output(value.clone());
            }
        }
    }
    Ok(())
}

/// The error for a refusal of the disk.
pub(super) fn refused(refusal: Refusal, path: &str, denied: &'static str) -> Failure {
    match refusal {
        Refusal::Missing => Failure::new(
            "GetContentWriterDirectoryNotFoundError",
            Category::ObjectNotFound,
            "System.IO.DirectoryNotFoundException",
            format!("Could not find a part of the path '{path}'."),
        )
        .about(path),
        Refusal::Denied | Refusal::NotEmpty => Failure::access_denied(denied, path),
        Refusal::Exists => Failure::new(
            "RenameItemIOError",
            Category::WriteError,
            "System.IO.IOException",
            format!("Cannot create '{path}' because a file or directory with the same name already exists."),
        )
        .about(path),
    }
}

/// Empties files.
pub(super) fn clear_content(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    for (path, place) in paths::places(cx, call) {
        match place {
            Place::File(file) if cx.host.files.read(&file).is_some() => {
                if cx.should_process(&path) {
                    match cx.host.files.write(&file, Vec::new(), cx.now) {
                        Ok(()) => cx.effect = true,
                        Err(refusal) => cx.error(&refused(
                            refusal,
                            &path,
                            "ClearContentUnauthorizedAccessError",
                        )),
                    }
                }
            }
            _ => cx.error(&Failure::path_not_found(&path)),
        }
    }
    Ok(())
}

/// Hashes files; a path that is not there is an error, wildcards match.
pub(super) fn get_file_hash(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let algorithm = call.text("Algorithm").unwrap_or_else(|| "SHA256".into());
    let hash = |bytes: &[u8]| {
        Some(values::hex(&match algorithm.as_str() {
            "SHA1" => Sha1::digest(bytes).to_vec(),
            "SHA256" => Sha256::digest(bytes).to_vec(),
            "SHA384" => Sha384::digest(bytes).to_vec(),
            "SHA512" => Sha512::digest(bytes).to_vec(),
            _ => return None,
        }))
    };
    for (path, place) in paths::places(cx, call) {
        let node = match &place {
            Place::File(file) => cx.host.files.get(file),
            _ => None,
        };
        let Some((full, content)) = node.and_then(|n| Some((n.path.clone(), n.content.as_ref()?)))
        else {
            let missing = Failure::new(
                "FileNotFound",
                Category::ObjectNotFound,
                "System.Management.Automation.ItemNotFoundException",
                format!("Cannot find path '{path}' because it does not exist."),
            );
            cx.error(&missing.about(path));
            continue;
        };
        let hash = hash(&content.0)
            .ok_or_else(|| Failure::not_modelled(&format!("the algorithm {algorithm}")))?;
        let object = Object::new()
            .with_types([
                "Microsoft.Powershell.Utility.FileHash",
                "System.Management.Automation.PSCustomObject",
                "System.Object",
            ])
            .with_string("")
            .with_note("Algorithm", algorithm.as_str())
            .with_note("Hash", hash)
            .with_note("Path", full);
        cx.output(object);
    }
    Ok(())
}
