//! One text per type and construct, and what it means.

use std::sync::Arc;

use crate::clixml::{
    Base, Limits, Object, Part, ProgressRecord, SecureString, Value, decode, decode_document,
    encode, encode_document,
};

/// `xml` means `value`, and `value` is written as `xml`.
fn check(xml: &str, value: &Value) {
    assert_eq!(
        &decode(xml, &Limits::default()).unwrap(),
        value,
        "decoding {xml}"
    );
    assert_eq!(encode(value), xml);
}

/// `xml` is written as `canonical`.
fn check_rewritten(xml: &str, canonical: &str) {
    let value = decode(xml, &Limits::default()).unwrap();
    assert_eq!(encode(&value), canonical, "rewriting {xml}");
}

fn object(object: Object) -> Value {
    object.into()
}

#[test]
fn primitive_types() {
    let guid = uuid::uuid!("792e5b37-4505-47ef-b7d2-8711bb7affa8");
    let cases = [
        ("<Nil/>", Value::Null),
        ("<S/>", "".into()),
        ("<S>a &lt;&amp;&gt; b</S>", "a <&> b".into()),
        ("<S>line_x000D__x000A_next</S>", "line\r\nnext".into()),
        ("<S>_x005F_x000A_</S>", "_x000A_".into()),
        ("<S>_xD83C__xDFB5_</S>", "\u{1F3B5}".into()),
        ("<S>cut _xD83C_</S>", "cut \u{10D83C}".into()),
        ("<S> kept </S>", " kept ".into()),
        ("<C>97</C>", Value::Char(97)),
        ("<C>55357</C>", Value::Char(0xD83D)),
        ("<B>true</B>", true.into()),
        ("<B>false</B>", false.into()),
        (
            "<DT>2008-04-11T10:42:32.2731993-07:00</DT>",
            Value::DateTime("2008-04-11T10:42:32.2731993-07:00".into()),
        ),
        (
            "<TS>PT9.0269026S</TS>",
            Value::Duration("PT9.0269026S".into()),
        ),
        ("<By>254</By>", Value::Byte(254)),
        ("<SB>-127</SB>", Value::SByte(-127)),
        ("<U16>65535</U16>", Value::UInt16(65535)),
        ("<I16>-32767</I16>", Value::Int16(-32767)),
        ("<U32>4294967295</U32>", Value::UInt32(u32::MAX)),
        ("<I32>-2147483648</I32>", Value::Int32(i32::MIN)),
        ("<U64>18446744073709551615</U64>", Value::UInt64(u64::MAX)),
        ("<I64>-9223372036854775808</I64>", Value::Int64(i64::MIN)),
        ("<Sg>12.34</Sg>", Value::Single(12.34)),
        ("<Db>12.34</Db>", Value::Double(12.34)),
        ("<Db>INF</Db>", Value::Double(f64::INFINITY)),
        ("<D>12.3400</D>", Value::Decimal("12.3400".into())),
        ("<BA>AQIDBA==</BA>", Value::Bytes(vec![1, 2, 3, 4])),
        ("<BA/>", Value::Bytes(vec![])),
        (
            "<G>792e5b37-4505-47ef-b7d2-8711bb7affa8</G>",
            Value::Guid(guid),
        ),
        (
            "<URI>http://www.example.com/?a=1&amp;b</URI>",
            Value::Uri("http://www.example.com/?a=1&b".into()),
        ),
        (
            "<Version>6.2.1.3</Version>",
            Value::Version("6.2.1.3".into()),
        ),
        (
            "<XD>&lt;name attribute=\"value\"&gt;Content&lt;/name&gt;</XD>",
            Value::XmlDocument("<name attribute=\"value\">Content</name>".into()),
        ),
        (
            "<SBK>get-command -type cmdlet</SBK>",
            Value::ScriptBlock("get-command -type cmdlet".into()),
        ),
        (
            "<SS>bnVsbA==</SS>",
            Value::SecureString(SecureString("bnVsbA==".into())),
        ),
    ];
    for (xml, value) in cases {
        check(xml, &value);
    }
}

#[test]
fn progress_records() {
    let mut record = ProgressRecord {
        activity: "Copying_x".into(),
        activity_id: 1,
        current_operation: None,
        parent_activity_id: -1,
        percent: 50,
        record_type: "Processing".into(),
        seconds_remaining: 12,
        status: Some("half".into()),
    };
    let rest = "<PI>-1</PI><PC>50</PC><T>Processing</T><SR>12</SR>";
    check(
        &format!("<PR><AV>Copying_x005F_x</AV><AI>1</AI><Nil/>{rest}<SD>half</SD></PR>"),
        &Value::Progress(Box::new(record.clone())),
    );
    record.current_operation = Some("a file".into());
    record.status = None;
    check(
        &format!("<PR><AV>Copying_x005F_x</AV><AI>1</AI><S>a file</S>{rest}</PR>"),
        &Value::Progress(Box::new(record)),
    );
}

#[test]
fn objects_and_containers() {
    let one_and_two = || vec![Value::Int32(1), Value::Int32(2)];
    let cases = [
        ("<Obj RefId=\"0\"></Obj>", Object::new()),
        (
            "<Obj RefId=\"0\"><TN RefId=\"0\"><T>System.ConsoleColor</T><T>System.Enum</T><T>System.ValueType</T>\
             <T>System.Object</T></TN><ToString>Blue</ToString><I32>9</I32></Obj>",
            Object::enumeration("System.ConsoleColor", "Blue", 9),
        ),
        (
            "<Obj RefId=\"0\"><TN RefId=\"0\"><T>System.Collections.ArrayList</T><T>System.Object</T></TN>\
             <LST><I32>1</I32><I32>2</I32></LST></Obj>",
            Object::list(one_and_two()),
        ),
        (
            "<Obj RefId=\"0\"><LST></LST></Obj>",
            Object::new().with_base(Base::List(vec![])),
        ),
        (
            "<Obj RefId=\"0\"><IE><I32>1</I32><I32>2</I32></IE></Obj>",
            Object::new().with_base(Base::Enumerable(one_and_two())),
        ),
        (
            "<Obj RefId=\"0\"><STK><I32>1</I32><I32>2</I32></STK></Obj>",
            Object::new().with_base(Base::Stack(one_and_two())),
        ),
        (
            "<Obj RefId=\"0\"><QUE><I32>1</I32><I32>2</I32></QUE></Obj>",
            Object::new().with_base(Base::Queue(one_and_two())),
        ),
        (
            "<Obj RefId=\"0\"><DCT><En><S N=\"Key\">a</S><I32 N=\"Value\">1</I32></En>\
             <En><I32 N=\"Key\">2</I32><Nil N=\"Value\"/></En></DCT></Obj>",
            Object::new().with_base(Base::Dictionary(vec![
                ("a".into(), 1.into()),
                (2.into(), Value::Null),
            ])),
        ),
        (
            // a base value with adapted and extended properties and a string form
            "<Obj RefId=\"0\"><TN RefId=\"0\"><T>System.String</T></TN><ToString>text</ToString><S>text</S>\
             <Props><I32 N=\"Length\">4</I32></Props><MS><S N=\"PSPath\">C:\\x</S><Nil N=\"a_x000A__x005F_x\"/></MS></Obj>",
            Object::new()
                .with_types(["System.String"])
                .with_string("text")
                .with_base(Base::Primitive("text".into()))
                .with("Length", 4)
                .with_note("PSPath", "C:\\x")
                .with_note("a\n_x", Value::Null),
        ),
        (
            // an object within an object
            "<Obj RefId=\"0\"><ToString></ToString><Obj RefId=\"1\"><MS><S N=\"A\"/></MS></Obj></Obj>",
            Object::new()
                .with_string("")
                .with_base(Base::Primitive(Object::new().with_note("A", "").into())),
        ),
        (
            // an object that wraps null, one without type names, one with an empty list of them
            "<Obj RefId=\"0\"><LST><Obj RefId=\"1\"><Nil/></Obj><Obj RefId=\"2\"></Obj>\
             <Obj RefId=\"3\"><TN RefId=\"0\"></TN></Obj></LST></Obj>",
            Object::new().with_base(Base::List(vec![
                Object::new().with_base(Base::Primitive(Value::Null)).into(),
                Object::new().into(),
                Object::new().with_types([]).into(),
            ])),
        ),
        (
            // a member set among the extended properties
            "<Obj RefId=\"0\"><MS><MS N=\"PSStandardMembers\"><S N=\"DefaultDisplayProperty\">Name</S></MS></MS></Obj>",
            Object::new().with_note(
                "PSStandardMembers",
                Value::MemberSet(vec![("DefaultDisplayProperty".into(), "Name".into())]),
            ),
        ),
        (
            // type names that came before, in objects that were built one by one
            "<Obj RefId=\"0\"><TN RefId=\"0\"><T>A</T></TN><MS><Obj N=\"x\" RefId=\"1\"><TN RefId=\"1\"><T>B</T></TN></Obj>\
             <Obj N=\"y\" RefId=\"2\"><TNRef RefId=\"0\"/></Obj><Obj N=\"z\" RefId=\"3\"><TNRef RefId=\"1\"/></Obj></MS></Obj>",
            Object::new()
                .with_types(["A"])
                .with_note("x", Object::new().with_types(["B"]))
                .with_note("y", Object::new().with_types(["A"]))
                .with_note("z", Object::new().with_types(["B"])),
        ),
    ];
    for (xml, value) in cases {
        // an empty text is written as an empty element
        check_rewritten(xml, &xml.replace("<ToString></ToString>", "<ToString/>"));
        assert_eq!(
            decode(xml, &Limits::default()).unwrap(),
            object(value),
            "decoding {xml}"
        );
    }
}

#[test]
fn references_share_and_point_up() {
    let shared: Value = Object::new().with_note("name", "shared").into();
    let value = object(
        Object::new()
            .with_note("first", shared.clone())
            .with_note("again", shared)
            .with_note("self", Value::Ancestor(0))
            .with_note(
                "child",
                Object::new()
                    .with_note("parent", Value::Ancestor(1))
                    .with_note("me", Value::Ancestor(0)),
            ),
    );
    let xml = "<Obj RefId=\"0\"><MS><Obj N=\"first\" RefId=\"1\"><MS><S N=\"name\">shared</S></MS></Obj>\
               <Ref N=\"again\" RefId=\"1\"/><Ref N=\"self\" RefId=\"0\"/><Obj N=\"child\" RefId=\"2\"><MS>\
               <Ref N=\"parent\" RefId=\"0\"/><Ref N=\"me\" RefId=\"2\"/></MS></Obj></MS></Obj>";
    check(xml, &value);

    let decoded = decode(xml, &Limits::default()).unwrap();
    match (decoded.get("first"), decoded.get("again")) {
        (Some(Value::Object(first)), Some(Value::Object(again))) => {
            assert!(Arc::ptr_eq(first, again));
        }
        other => panic!("expected the same object twice, found {other:?}"),
    }
}

#[test]
fn type_names_are_shared_after_decoding() {
    let xml = "<Obj RefId=\"0\"><TN RefId=\"0\"><T>A</T></TN><LST><Obj RefId=\"1\"><TNRef RefId=\"0\" /></Obj></LST></Obj>";
    let value = decode(xml, &Limits::default()).unwrap();
    let outer = value.as_object().unwrap().type_names.clone().unwrap();
    let inner = value.items().unwrap()[0]
        .as_object()
        .unwrap()
        .type_names
        .clone()
        .unwrap();
    assert!(Arc::ptr_eq(&outer, &inner));
}

#[test]
fn an_ancestor_beyond_the_outermost_object_is_null() {
    assert_eq!(encode(&Value::Ancestor(0)), "<Nil/>");
    let value = object(Object::new().with_note("up", Value::Ancestor(1)));
    assert_eq!(
        encode(&value),
        "<Obj RefId=\"0\"><MS><Nil N=\"up\"/></MS></Obj>"
    );
}

#[test]
fn other_spellings_mean_the_same() {
    let cases = [
        ("\u{FEFF}<S>x</S>", "<S>x</S>"),
        (
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<S>x</S>\n",
            "<S>x</S>",
        ),
        ("<!-- a --><S>x<!-- b -->y</S><!-- c -->", "<S>xy</S>"),
        (
            "<S xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">x</S>",
            "<S>x</S>",
        ),
        (
            "<S><![CDATA[<a>]]>&amp;&#x41;&#66;</S>",
            "<S>&lt;a&gt;&amp;AB</S>",
        ),
        ("<S>_x0&#48;0A_</S>", "<S>_x000A_</S>"),
        ("<S>a\r\nb</S>", "<S>a_x000A_b</S>"),
        ("<Nil></Nil>", "<Nil/>"),
        ("<I32> +007\n</I32>", "<I32>7</I32>"),
        ("<B>1</B>", "<B>true</B>"),
        ("<Db>1.0</Db>", "<Db>1</Db>"),
        ("<BA>AQID\r\n  BA==</BA>", "<BA>AQIDBA==</BA>"),
        (
            "<G>792E5B37-4505-47EF-B7D2-8711BB7AFFA8</G>",
            "<G>792e5b37-4505-47ef-b7d2-8711bb7affa8</G>",
        ),
        ("<Obj RefId='7' />", "<Obj RefId=\"0\"></Obj>"),
        ("<Obj />", "<Obj RefId=\"0\"></Obj>"),
        (
            "<Obj RefId=\"18446744073709551615\"><MS><Obj RefId=\"5\" N=\"a\"/><Ref RefId=\"5\" N=\"b\"/></MS></Obj>",
            "<Obj RefId=\"0\"><MS><Obj N=\"a\" RefId=\"1\"></Obj><Ref N=\"b\" RefId=\"1\"/></MS></Obj>",
        ),
        (
            "<Obj>\n <MS>\n  <S N='a&quot;&lt;'>x</S>\n </MS>\n</Obj>",
            "<Obj RefId=\"0\"><MS><S N=\"a&quot;&lt;\">x</S></MS></Obj>",
        ),
    ];
    for (xml, canonical) in cases {
        check_rewritten(xml, canonical);
    }
}

#[test]
fn the_order_of_parts_is_kept() {
    let cases = [
        "<Obj RefId=\"0\"><MS><S N=\"a\">1</S></MS><TN RefId=\"0\"><T>A</T></TN></Obj>",
        "<Obj RefId=\"0\"><Props></Props></Obj>",
        "<Obj RefId=\"0\"><TN RefId=\"0\"><T>A</T></TN><MS></MS><Props><Nil N=\"a\"/></Props></Obj>",
        "<Obj RefId=\"0\"><Props><Nil N=\"a\"/></Props><LST></LST></Obj>",
    ];
    for xml in cases {
        check_rewritten(xml, xml);
    }
    // a part added later comes where it belongs, after those received
    let mut object = decode(cases[1], &Limits::default())
        .unwrap()
        .as_object()
        .unwrap()
        .clone();
    assert_eq!(object.received_order.as_deref(), Some(&[Part::Adapted][..]));
    object.to_string = Some("x".into());
    assert_eq!(
        encode(&object.into()),
        "<Obj RefId=\"0\"><Props></Props><ToString>x</ToString></Obj>"
    );
}

#[test]
fn documents() {
    let xml = "<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">\
               <Obj RefId=\"0\"><TN RefId=\"0\"><T>A</T></TN></Obj><S>between</S>\
               <Obj RefId=\"1\"><TNRef RefId=\"0\"/></Obj><Ref RefId=\"0\"/></Objs>";
    let values = decode_document(xml, &Limits::default()).unwrap();
    assert_eq!(values.len(), 4);
    assert_eq!(encode_document(&values), xml);
    assert_eq!(
        encode_document(&[]),
        "<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\"></Objs>"
    );
}
