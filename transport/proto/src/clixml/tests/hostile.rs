//! Input that no server sends: typed errors with a position, bounded work, never a panic.

use std::fmt::Write;

use crate::clixml::{Limits, Value, decode, decode_bytes, decode_document, encode};

/// The message of decoding `xml`, without the words that all have in common.
fn message(xml: &str) -> String {
    let message = decode(xml, &Limits::default()).expect_err(xml).to_string();
    message.replacen("cannot read clixml at byte ", "", 1)
}

/// The XML reader's own words, after the colon, are not compared.
fn matches(message: &str, expected: &str) -> bool {
    if expected.ends_with(':') {
        message.starts_with(expected)
    } else {
        message == expected
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn every_error_says_what_was_expected_and_where() {
    let cases = [
        ("", "0: expected an element, found the end of the input"),
        ("  ", "2: expected an element, found the end of the input"),
        (
            "text",
            "0: expected an element or the end of the enclosing one, found text \"text\"",
        ),
        ("<S>", "3: expected text, found the end of the input"),
        ("<S>x</T>", "4: expected well-formed xml:"),
        ("<S", "0: expected well-formed xml:"),
        (
            "<S>x</S><S/>",
            "8: expected the end of the input, found <S>",
        ),
        ("<S><T/></S>", "3: expected text, found <T>"),
        ("<S a=\"1\">x</S>", "0: expected no attribute a on <S>"),
        ("<S N=\"1\">x</S>", "0: expected no attribute N on <S>"),
        (
            "<S RefId=\"1\">x</S>",
            "0: expected no attribute RefId on <S>",
        ),
        (
            "\u{FEFF} <S N=\"1\" N=\"2\">x</S>",
            "4: expected one attribute N at most, found another one",
        ),
        ("<Nil>x</Nil>", "0: expected nothing in <Nil>, found \"x\""),
        (
            "<Foo/>",
            "0: expected the element of a value within <value>, found <Foo>",
        ),
        (
            "<p:S/>",
            "0: expected the element of a value within <value>, found <p:S>",
        ),
        (
            "<Obj><Foo/></Obj>",
            "5: expected the element of a value within <value>, found <Foo>",
        ),
        (
            "<I32>1x</I32>",
            "0: expected a 32-bit integer in <I32>, found \"1x\"",
        ),
        (
            "<I32/>",
            "0: expected a 32-bit integer in <I32>, found \"\"",
        ),
        (
            "<By>256</By>",
            "0: expected an unsigned byte in <By>, found \"256\"",
        ),
        (
            "<C>65536</C>",
            "0: expected the number of a utf-16 code unit in <C>, found \"65536\"",
        ),
        (
            "<B>True</B>",
            "0: expected true or false in <B>, found \"True\"",
        ),
        (
            "<Db>infinity</Db>",
            "0: expected a double-precision number in <Db>, found \"infinity\"",
        ),
        ("<BA>A</BA>", "0: expected base64 in <BA>, found \"A\""),
        ("<G>1</G>", "0: expected a guid in <G>, found \"1\""),
        (
            "<Obj RefId=\"-1\"/>",
            "0: expected a RefId number in <Obj>, found \"-1\"",
        ),
        (
            "<Obj><LST><S N=\"a\"/></LST></Obj>",
            "10: expected no attribute N on <S>",
        ),
        (
            "<Obj><MS><S/></MS></Obj>",
            "9: expected attribute N on <S>, found none",
        ),
        (
            "<Obj><MS N=\"a\"/></Obj>",
            "5: expected no attribute N on <MS>",
        ),
        (
            "<Obj>x</Obj>",
            "5: expected an element or the end of the enclosing one, found text \"x\"",
        ),
        (
            "<Obj><LST/><LST/></Obj>",
            "11: expected one base value at most, found another one",
        ),
        (
            "<Obj><TN/><TNRef RefId=\"0\"/></Obj>",
            "10: expected one <TN> at most, found another one",
        ),
        (
            "<Obj><TNRef/></Obj>",
            "5: expected attribute RefId on <TNRef>, found none",
        ),
        (
            "<Obj><TNRef RefId=\"0\"/></Obj>",
            "5: expected a RefId that was defined before, found 0 on <TNRef>",
        ),
        (
            "<Obj><TN><S/></TN></Obj>",
            "9: expected <T> within <TN>, found <S>",
        ),
        (
            "<Ref RefId=\"0\"/>",
            "0: expected a RefId that was defined before, found 0 on <Ref>",
        ),
        (
            "<Obj><Ref/></Obj>",
            "5: expected attribute RefId on <Ref>, found none",
        ),
        (
            "<Obj RefId=\"0\"><Obj RefId=\"0\"/></Obj>",
            "15: expected a RefId of its own on <Obj>, found 0 again",
        ),
        (
            "<Obj><DCT><S/></DCT></Obj>",
            "10: expected <En> within <DCT>, found <S>",
        ),
        (
            "<Obj><DCT><En/></DCT></Obj>",
            "10: expected an element with N=\"Key\", found the end of <En>",
        ),
        (
            "<Obj><DCT><En><S N=\"Value\"/></En></DCT></Obj>",
            "14: expected an element with N=\"Key\", found <S> with N=\"Value\"",
        ),
        (
            "<Obj><DCT><En><S N=\"Key\"/><S N=\"Value\"/><S/></En></DCT></Obj>",
            "40: expected a key and a value only within <En>, found <S>",
        ),
        (
            "<PR><AV/><AV/></PR>",
            "9: expected one <AV> at most, found another one",
        ),
        (
            "<PR><Obj/></PR>",
            "4: expected a field of a progress record within <PR>, found <Obj>",
        ),
        (
            "<!DOCTYPE S><S/>",
            "0: expected elements and text only, found a document type declaration",
        ),
        (
            "<?php x?><S/>",
            "0: expected elements and text only, found a processing instruction",
        ),
        (
            "<S/><?xml version=\"1.0\"?>",
            "4: expected an element or the end of the enclosing one, found an xml declaration that is not at the start",
        ),
        (
            "<S>&lol;</S>",
            "3: expected elements and text only, found a reference to an entity that xml does not define",
        ),
        ("<S>a & b</S>", "5: expected well-formed xml:"),
        ("<S>&#xD800;</S>", "3: expected well-formed xml:"),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .filter(|(xml, expected)| !matches(&message(xml), expected))
        .map(|(xml, _)| (xml, message(xml)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn documents_are_checked_too() {
    let cases = [
        ("<S/>", "0: expected <Objs> within <document>, found <S>"),
        (
            "<Objs Version=\"2.0\"/>",
            "0: expected a Version attribute of 1.x in <Objs>, found \"2.0\"",
        ),
        ("<Objs Foo=\"\"/>", "0: expected no attribute Foo on <Objs>"),
        (
            "<Objs><S/>",
            "10: expected an element or the end of the enclosing one, found the end of the input",
        ),
        ("", "0: expected <Objs>, found the end of the input"),
    ];
    for (xml, message) in cases {
        let error = decode_document(xml, &Limits::default()).expect_err(xml);
        assert_eq!(
            error.to_string(),
            format!("cannot read clixml at byte {message}"),
            "for {xml}"
        );
    }
    let error = decode_bytes(b"<S>\xFF</S>", &Limits::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read clixml at byte 3: expected utf-8, found a byte sequence that is none"
    );
}

fn nested(levels: usize) -> String {
    "<Obj><MS>"
        .replace("MS>", "MS><Obj N=\"a\"><LST>")
        .repeat(levels / 2)
        + &"</LST></Obj></MS></Obj>".repeat(levels / 2)
}

/// Objects of which each refers to the one before it `times` times.
fn chain(length: usize, times: usize) -> String {
    let mut xml = String::from("<Obj><LST><Obj RefId=\"0\"/>");
    for id in 1..length {
        let references = format!("<Ref RefId=\"{}\"/>", id - 1).repeat(times);
        write!(xml, "<Obj RefId=\"{id}\"><LST>{references}</LST></Obj>").unwrap();
    }
    xml + "</LST></Obj>"
}

#[test]
fn limits_hold() {
    let small = Limits {
        depth: 10,
        input: 10_000,
        nodes: 100,
        references: 20,
        expanded: 20_000,
    };
    let fine = [
        nested(10),
        "<Obj><LST>".to_owned() + &"<S/>".repeat(98) + "</LST></Obj>",
        chain(9, 1),
    ];
    for xml in fine {
        let value = decode(&xml, &small).unwrap();
        assert_eq!(decode(&encode(&value), &small).unwrap(), value);
    }
    let cases = [
        (nested(12), "10 levels of nested values"),
        (
            "<S>".to_owned() + &"x".repeat(10_000) + "</S>",
            "10000 bytes of input",
        ),
        (
            "<Obj><LST>".to_owned() + &"<S/>".repeat(99) + "</LST></Obj>",
            "100 elements",
        ),
        (chain(3, 11), "20 references"),
        (
            "<Obj><TN RefId=\"0\"><T>a</T></TN><LST>".to_owned()
                + &"<Obj><TNRef RefId=\"0\"/></Obj>".repeat(21)
                + "</LST></Obj>",
            "20 references",
        ),
        (
            format!(
                "<Obj><LST><Obj RefId=\"0\"><S>{}</S></Obj>{}</LST></Obj>",
                "x".repeat(5000),
                "<Ref RefId=\"0\"/>".repeat(5)
            ),
            "20000 bytes with every reference written out",
        ),
        // flat as text, deep as a value
        (chain(12, 1), "10 levels of nested values"),
    ];
    for (xml, allowed) in cases {
        let message = decode(&xml, &small).expect_err(allowed).to_string();
        assert!(
            message.ends_with(&format!("expected at most {allowed}")),
            "{message}"
        );
    }
}

#[test]
fn a_thousand_million_laughs_are_refused() {
    for (xml, what) in [(chain(30, 10), "written out"), (chain(5000, 1), "levels")] {
        let message = decode(&xml, &Limits::default()).unwrap_err().to_string();
        assert!(message.contains(what), "{message}");
    }
}

#[test]
fn a_stack_is_never_overflown() {
    let boundless = Limits {
        depth: usize::MAX,
        input: usize::MAX,
        nodes: usize::MAX,
        references: usize::MAX,
        expanded: u64::MAX,
    };
    for levels in [Limits::DEEPEST + 2, 200_000] {
        let message = decode(&nested(levels), &boundless).unwrap_err().to_string();
        assert!(
            message.ends_with("expected at most 128 levels of nested values"),
            "{message}"
        );
    }
    // the deepest that is allowed, on the stack of a worker thread
    let deepest = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || {
            let value = decode(&nested(Limits::DEEPEST), &boundless).unwrap();
            let copy = decode(&encode(&value), &boundless).unwrap();
            assert_eq!(value, copy);
            format!("{value:?}").len()
        });
    assert!(deepest.unwrap().join().unwrap() > 0);
}

#[test]
fn member_sets_count_as_levels() {
    let limits = Limits {
        depth: 3,
        ..Limits::default()
    };
    let sets = |n: usize| {
        format!(
            "<Obj><MS>{}{}</MS></Obj>",
            "<MS N=\"a\">".repeat(n),
            "</MS>".repeat(n)
        )
    };
    assert!(matches!(decode(&sets(2), &limits), Ok(Value::Object(_))));
    decode(&sets(3), &limits).unwrap_err();
}
