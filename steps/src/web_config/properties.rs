//! What holds for every file: the edit is idempotent, can be undone, and never panics.

use proptest::prelude::*;

use super::{Edit, edit, text};

const WANTED: &[(&str, &str)] = &[
    (
        "IMCertificateThumbprint",
        "EA5A332496CC05DA69B75B66111C0F78A110D22D",
    ),
    ("IMServerName", "a'b&\"<c>.com"),
];

/// Takes the splices back out of the edited file.
fn undo(original: &[u8], edit: &Edit) -> Vec<u8> {
    let (encoding, old) = text::decode(original).unwrap();
    let (_, mut new) = text::decode(&edit.bytes).unwrap();
    // From the front, the text before a splice is the old one again, so old offsets hold.
    for splice in &edit.splices {
        new.replace_range(
            splice.span.start..splice.span.start + splice.text.len(),
            &old[splice.span.clone()],
        );
    }
    text::encode(encoding, &new)
}

fn holds(original: &[u8]) {
    let Ok(first) = edit(original, WANTED) else {
        return;
    };
    assert_eq!(undo(original, &first), original);
    let second = edit(&first.bytes, WANTED).unwrap();
    assert!(second.is_in_place());
    assert_eq!(second.bytes, first.bytes);
}

/// An entry of `appSettings`, with or without the keys in question.
fn entry() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("IMServerName"),
        Just("imservername"),
        Just("IMCertificateThumbprint"),
        Just("Other")
    ];
    let value = prop_oneof![
        Just("EA5A332496CC05DA69B75B66111C0F78A110D22D"),
        Just(""),
        Just("&amp;&#65;"),
        Just("x")
    ];
    (key, value, 0..7_u8).prop_map(|(key, value, form)| match form {
        0 => format!("<add key=\"{key}\" value=\"{value}\" />"),
        1 => format!("<add value='{value}' key='{key}'/>"),
        2 => format!("<add key=\"{key}\"></add>"),
        3 => format!("<remove key=\"{key}\"/>"),
        4 => "<clear/>".into(),
        5 => format!("<!-- <add key=\"{key}\" value=\"{value}\" /> -->"),
        _ => format!("<add\n key\t=\r\n'{key}' value = \"{value}\"\n/>"),
    })
}

fn blank() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just(""),
        Just("\n"),
        Just("\r\n    "),
        Just("\n\t"),
        Just(" "),
        Just("\r")
    ]
}

prop_compose! {
    fn file()(
        mark in any::<bool>(),
        sections in prop_oneof![Just(""), Just("<configSections />"), Just("<configSections><section name=\"x\"/></configSections>")],
        form in 0..4_u8,
        entries in prop::collection::vec((blank(), entry()), 0..6),
        blanks in prop::array::uniform4(blank()),
    ) -> String {
        let entries: String = entries.iter().flat_map(|(blank, entry)| [*blank, entry.as_str()]).collect();
        let [a, b, c, d] = blanks;
        let settings = match form {
            0 => String::new(),
            1 => "<appSettings/>".into(),
            _ => format!("<appSettings>{entries}{a}</appSettings>"),
        };
        let mark = if mark { "\u{feff}" } else { "" };
        format!("{mark}<configuration>{b}{sections}{c}{settings}{d}</configuration>")
    }
}

proptest! {
    #[test]
    fn edits_of_files_are_idempotent_and_can_be_undone(file in file()) {
        prop_assert!(edit(file.as_bytes(), WANTED).is_ok(), "{file}");
        holds(file.as_bytes());
        let utf16: Vec<u8> = ("\u{feff}".to_owned() + file.trim_start_matches('\u{feff}')).encode_utf16().flat_map(u16::to_be_bytes).collect();
        prop_assert!(edit(&utf16, WANTED).is_ok());
        holds(&utf16);
    }

    #[test]
    fn damaged_files_never_panic(file in file(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = file.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        holds(&bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        holds(&bytes);
    }

    #[test]
    fn arbitrary_markup_never_panics(text in "[<>/!?&;#a-c='\" \\[\\]\\-]{0,60}") {
        holds(text.as_bytes());
        holds(format!("<configuration><appSettings>{text}</appSettings></configuration>").as_bytes());
    }
}
