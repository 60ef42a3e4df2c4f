//! `Web.config`: the text that a fresh server has, and how the messaging code reads it.
//!
//! The text is the lab's own, built like the real file: byte order mark, CRLF, comments,
//! `location` elements, a namespaced `assemblyBinding`, an `appSettings` of a dozen entries.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, BytesText, Event};

use super::iis::Settings;

const BACKEND: &str = include_str!("backend.config");
const FRONT_END: &str = include_str!("frontend.config");

/// The backend's file as setup leaves it: UTF-8 with byte order mark, CRLF.
pub(super) fn backend(short_name: &str) -> Vec<u8> {
    fresh(BACKEND, short_name)
}

/// The front end's file.
pub(super) fn front_end(short_name: &str) -> Vec<u8> {
    fresh(FRONT_END, short_name)
}

/// The front end's file, with the keys that belong into the backend's.
pub(super) fn front_end_with_keys(short_name: &str, pool: &str) -> Vec<u8> {
    let keys = format!(
        "    <add key=\"IMCertificateThumbprint\" value=\"{}\" />\n    <add key=\"IMServerName\" value=\"{pool}\" />\n  </appSettings>",
        "0".repeat(40)
    );
    fresh(&FRONT_END.replace("  </appSettings>", &keys), short_name)
}

fn fresh(text: &str, short_name: &str) -> Vec<u8> {
    let text = text
        .replace("\r\n", "\n")
        .replace('\n', "\r\n")
        .replace("SERVERNAME", &short_name.to_uppercase());
    let mut bytes = "\u{feff}".as_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// The file with the two values at the end of its `appSettings`; `None` if it has none.
pub(super) fn with_settings(bytes: &[u8], server: &str, thumbprint: &str) -> Option<Vec<u8>> {
    let text = decode(bytes)?;
    let mut reader = Reader::from_str(&text);
    let mut depth = 0;
    let at = loop {
        let before = usize::try_from(reader.buffer_position()).ok()?;
        match reader.read_event().ok()? {
            Event::Start(_) => depth += 1,
            Event::End(element) => {
                if depth == 2 && element.name().as_ref() == "appSettings" {
                    break before;
                }
                depth -= 1;
            }
            Event::Eof => return None,
            _ => {}
        }
    };
    let (head, tail) = text.split_at_checked(at)?;
    let mut bytes = "\u{feff}".as_bytes().to_vec();
    bytes.extend(head.as_bytes());
    let mut writer = quick_xml::Writer::new(&mut bytes);
    for (key, value) in [
        ("IMServerName", server),
        ("IMCertificateThumbprint", thumbprint),
    ] {
        let entry = BytesStart::new("add").with_attributes([("key", key), ("value", value)]);
        writer
            .write_event(Event::Text(BytesText::new("  ")))
            .and_then(|()| writer.write_event(Event::Empty(entry)))
            .and_then(|()| writer.write_event(Event::Text(BytesText::from_escaped("\r\n  "))))
            .ok()?;
    }
    bytes.extend(tail.as_bytes());
    Some(bytes)
}

/// What .NET makes of the file: entries of `/configuration/appSettings`, keys without regard to
/// case, the last one of a key in force.
pub(super) fn settings(bytes: &[u8]) -> Settings {
    let Some(text) = decode(bytes) else {
        return Settings::Broken;
    };
    read(&text).unwrap_or_default()
}

/// Text of a file in UTF-8 or, told by its mark, UTF-16.
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = rest
            .chunks_exact(2)
            .map(|pair| unit([pair[0], pair[1]]))
            .collect();
        String::from_utf16(&units).ok()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

fn read(text: &str) -> Option<Settings> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut path: Vec<String> = Vec::new();
    let (mut server, mut thumbprint) = (None, None);
    let mut roots = 0;
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                if path.is_empty() {
                    roots += 1;
                }
                entry(&path, &element, &mut server, &mut thumbprint)?;
                path.push(name(&element));
            }
            Event::Empty(element) => {
                if path.is_empty() {
                    roots += 1;
                }
                entry(&path, &element, &mut server, &mut thumbprint)?;
            }
            Event::End(_) => {
                path.pop()?;
            }
            Event::Eof => break,
            _ => {}
        }
    }
    (path.is_empty() && roots == 1).then_some(Settings::Read { server, thumbprint })
}

fn name(element: &BytesStart<'_>) -> String {
    element.name().as_ref().to_owned()
}

/// Notes an entry of `appSettings`; `None` if the element is not well-formed.
fn entry(
    path: &[String],
    element: &BytesStart<'_>,
    server: &mut Option<String>,
    thumbprint: &mut Option<String>,
) -> Option<()> {
    let inside = matches!(path, [a, b] if a == "configuration" && b == "appSettings");
    let what = name(element);
    let (mut key, mut value) = (None, None);
    for attribute in element.attributes() {
        let attribute = attribute.ok()?;
        let text = quick_xml::escape::unescape(&attribute.value)
            .ok()?
            .into_owned();
        match attribute.key.as_ref() {
            "key" => key = Some(text),
            "value" => value = Some(text),
            _ => {}
        }
    }
    if !inside {
        return Some(());
    }
    let slot = match key.as_deref() {
        Some(k) if k.eq_ignore_ascii_case("IMServerName") => server,
        Some(k) if k.eq_ignore_ascii_case("IMCertificateThumbprint") => thumbprint,
        _ => return Some(()),
    };
    match what.as_str() {
        "add" => *slot = Some(value.unwrap_or_default()),
        "remove" => *slot = None,
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(server: Option<&str>, thumbprint: Option<&str>) -> Settings {
        Settings::Read {
            server: server.map(Into::into),
            thumbprint: thumbprint.map(Into::into),
        }
    }

    #[test]
    fn a_fresh_file_is_well_formed_and_has_neither_key() {
        for bytes in [backend("mbx1"), front_end("cas1")] {
            assert!(bytes.starts_with(&[0xef, 0xbb, 0xbf]));
            let text = String::from_utf8(bytes.clone()).expect("UTF-8");
            assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
            assert_eq!(settings(&bytes), read_back(None, None));
        }
        assert!(
            (8_000..24_000).contains(&backend("mbx1").len()),
            "{}",
            backend("mbx1").len()
        );
    }

    #[test]
    fn the_messaging_code_reads_what_dot_net_would() {
        let server = "<add key='IMServerName' value='p.x'/>";
        for (text, expected) in [
            (format!("<configuration><appSettings>{server}</appSettings></configuration>"), read_back(Some("p.x"), None)),
            (
                "<configuration><appSettings><add key=\"imservername\" value=\"a&amp;b\"/><add value=\"2\" key=\"IMServerName\"/></appSettings></configuration>".into(),
                read_back(Some("2"), None),
            ),
            (format!("<configuration><AppSettings>{server}</AppSettings></configuration>"), read_back(None, None)),
            (format!("<configuration><location><appSettings>{server}</appSettings></location></configuration>"), read_back(None, None)),
            (format!("<configuration><appSettings><!-- {server} --></appSettings></configuration>"), read_back(None, None)),
            ("<configuration><appSettings></configuration>".into(), Settings::Broken),
            ("<configuration>".into(), Settings::Broken),
            (String::new(), Settings::Broken),
        ] {
            assert_eq!(settings(text.as_bytes()), expected, "{text}");
        }
    }
}
