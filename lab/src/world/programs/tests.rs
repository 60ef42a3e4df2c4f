//! Lines and code pages.

#![allow(clippy::unwrap_used)]

use super::*;

fn line(text: &str) -> Result<(String, Vec<String>), Refused> {
    let variables = [("SystemRoot".to_owned(), r"C:\Windows".to_owned())];
    let line = Line::of_cmd(text, &variables)?;
    Ok((line.program.clone(), line.words()))
}

#[test]
fn a_line_is_read_as_cmd_reads_it() {
    for (text, program, words) in [
        ("hostname", "hostname", vec![]),
        (r#"type  "C:\a b\c.txt""#, "type", vec![r"C:\a b\c.txt"]),
        (
            r#""C:\a b\c.exe" /x "y & z""#,
            r"C:\a b\c.exe",
            vec!["/x", "y & z"],
        ),
        (
            r"%systemroot%\x %NONE% 5%",
            r"C:\Windows\x",
            vec!["%NONE%", "5%"],
        ),
        ("", "", vec![]),
    ] {
        let expected = words.into_iter().map(str::to_owned).collect();
        assert_eq!(line(text), Ok((program.to_owned(), expected)), "{text}");
    }
    for text in ["dir | more", "a && b", "echo x > y", "echo ^&"] {
        assert!(matches!(line(text), Err(Refused::NotModelled(_))), "{text}");
    }
}

#[test]
fn text_is_written_in_the_code_page() {
    assert_eq!(CodePage::Oem.encode("aé°\u{a0}€"), b"a\x82\xf8\xff?");
    assert_eq!(CodePage::Utf8.encode("é"), "é".as_bytes());
    assert_eq!(CodePage::of("1252"), None);
}
