//! Round trips of arbitrary values and arbitrary text.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

use crate::clixml::{
    Base, Limits, Object, ProgressRecord, SecureString, Value, decode, decode_bytes,
    decode_document, encode, encode_document,
};

/// Text with what the escapes are about; without the stand-ins of surrogates, which join to
/// another character when they stand side by side.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9 .:\\\\]{0,12}",
        1 => "\\PC{0,6}",
        1 => any::<char>().prop_map(String::from),
        1 => prop::sample::select(vec!["_", "_x", "_X", "_x000A_", "_x005F_", "\r\n", "\0", "<&>\"'", "]]>", "\u{1F3B5}", "\u{FFFF}"])
            .prop_map(String::from),
    ];
    vec(piece, 0..4).prop_map(|pieces| {
        pieces
            .concat()
            .replace(|c| ('\u{10D800}'..='\u{10DFFF}').contains(&c), "")
    })
}

fn progress() -> impl Strategy<Value = Value> {
    (
        text(),
        any::<i32>(),
        option::of(text()),
        any::<i32>(),
        any::<i32>(),
        text(),
        any::<i32>(),
        option::of(text()),
    )
        .prop_map(
            |(
                activity,
                activity_id,
                current_operation,
                parent_activity_id,
                percent,
                record_type,
                seconds,
                status,
            )| {
                Value::Progress(Box::new(ProgressRecord {
                    activity,
                    activity_id,
                    current_operation,
                    parent_activity_id,
                    percent,
                    record_type,
                    seconds_remaining: seconds,
                    status,
                }))
            },
        )
}

fn primitive() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        text().prop_map(Value::String),
        any::<u16>().prop_map(Value::Char),
        any::<bool>().prop_map(Value::Bool),
        text().prop_map(Value::DateTime),
        text().prop_map(Value::Duration),
        any::<u8>().prop_map(Value::Byte),
        any::<i8>().prop_map(Value::SByte),
        any::<u16>().prop_map(Value::UInt16),
        any::<i16>().prop_map(Value::Int16),
        any::<u32>().prop_map(Value::UInt32),
        any::<i32>().prop_map(Value::Int32),
        any::<u64>().prop_map(Value::UInt64),
        any::<i64>().prop_map(Value::Int64),
        any::<f32>()
            .prop_filter("equal to itself", |n| !n.is_nan())
            .prop_map(Value::Single),
        any::<f64>()
            .prop_filter("equal to itself", |n| !n.is_nan())
            .prop_map(Value::Double),
        text().prop_map(Value::Decimal),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        any::<u128>().prop_map(|n| Value::Guid(Uuid::from_u128(n))),
        text().prop_map(Value::Uri),
        text().prop_map(Value::Version),
        text().prop_map(Value::XmlDocument),
        text().prop_map(Value::ScriptBlock),
        text().prop_map(|s| Value::SecureString(SecureString(s))),
        progress(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    primitive().prop_recursive(5, 60, 6, |inner| {
        let items = || vec(inner.clone(), 0..5);
        let members = || vec((text(), inner.clone()), 0..4);
        let sets =
            members().prop_map(|members| vec![("set".to_owned(), Value::MemberSet(members))]);
        let base = prop_oneof![
            3 => Just(Base::None),
            3 => inner.clone().prop_map(Base::Primitive),
            1 => items().prop_map(Base::List),
            1 => items().prop_map(Base::Enumerable),
            1 => items().prop_map(Base::Stack),
            1 => items().prop_map(Base::Queue),
            1 => vec((inner.clone(), inner.clone()), 0..4).prop_map(Base::Dictionary),
        ];
        let type_names = option::of(vec("[AB]|System\\.[a-z]{1,3}", 0..3).prop_map(Into::into));
        let extended = prop_oneof![4 => members(), 1 => sets];
        (
            type_names,
            option::of(text()),
            base,
            members(),
            extended,
            any::<bool>(),
        )
            .prop_map(|(type_names, to_string, base, adapted, extended, twice)| {
                let object: Value = Object {
                    type_names,
                    to_string,
                    base,
                    adapted,
                    extended,
                    received_order: None,
                }
                .into();
                if twice {
                    Object::list(vec![object.clone(), Value::Ancestor(0), object]).into()
                } else {
                    object
                }
            })
    })
}

proptest! {
    #[test]
    fn what_was_encoded_decodes_to_the_same(value in value()) {
        let xml = encode(&value);
        let decoded = decode(&xml, &Limits::default());
        prop_assert_eq!(decoded.as_ref(), Ok(&value), "{}", xml);
        prop_assert_eq!(encode(&value), decoded.map(|decoded| encode(&decoded)).unwrap_or_default());
    }

    #[test]
    fn documents_round_trip(values in vec(value(), 0..4)) {
        let xml = encode_document(&values);
        prop_assert_eq!(decode_document(&xml, &Limits::default()), Ok(values));
    }

    /// Any text at all, stand-ins included, settles after one round.
    #[test]
    fn any_text_is_stable(text in any::<String>(), high in 0xD800_u32..0xE000, low in 0xD800_u32..0xE000) {
        let stand_ins: String = [high, low].into_iter().filter_map(|unit| char::from_u32(0x10_0000 + unit)).collect();
        let xml = encode(&Value::String(text + &stand_ins));
        let decoded = decode(&xml, &Limits::default()).unwrap();
        prop_assert_eq!(encode(&decoded), xml);
    }

    #[test]
    fn bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode_bytes(&bytes, &Limits::default());
    }

    /// Valid text with a piece cut out, doubled or overwritten: an error or a value that is
    /// stable.
    #[test]
    fn damaged_text_never_panics(value in value(), from in any::<prop::sample::Index>(), length in 0_usize..30, kind in 0..3) {
        let mut bytes = encode(&value).into_bytes();
        let from = from.index(bytes.len());
        let to = (from + length).min(bytes.len());
        match kind {
            0 => { bytes.drain(from..to); }
            1 => { let piece = bytes[from..to].to_vec(); bytes.splice(from..from, piece); }
            _ => bytes[from..to].fill(b'<'),
        }
        if let Ok(decoded) = decode_bytes(&bytes, &Limits::default()) {
            let xml = encode(&decoded);
            prop_assert_eq!(decode(&xml, &Limits::default()).map(|again| encode(&again)), Ok(xml));
        }
    }
}
