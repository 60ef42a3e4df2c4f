//! [`stream_texts`]: what `powershell.exe` writes to its standard error where that is no console.
//!
//! Its streams then come as CLIXML after a mark, each text with the name of its stream (`S`).
//! Only texts are told; whole objects among them are progress records.

use super::escape;
use crate::xml::{self, Limits};

/// What stands before the CLIXML.
const MARK: &str = "#< CLIXML";
const END: &str = "</Objs>";

/// A text of one of PowerShell's streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamText {
    /// `Error`, `warning`, `verbose`, `debug`, …; nothing for what stands outside the CLIXML.
    pub stream: String,
    /// The text, its ends of lines included.
    pub text: String,
}

/// The texts in the standard error of `powershell.exe`; `None` if it is no CLIXML, or broken.
pub fn stream_texts(output: &str) -> Option<Vec<StreamText>> {
    let mut texts = Vec::new();
    let plain = |texts: &mut Vec<StreamText>, text: &str| {
        if !text.trim().is_empty() {
            texts.push(StreamText {
                stream: String::new(),
                text: text.into(),
            });
        }
    };
    let (before, mut rest) = output.split_once(MARK)?;
    plain(&mut texts, before);
    while let Some((document, after)) = rest.split_once(END) {
        let document = [document.trim_start(), END].concat();
        let root = xml::parse(document.as_bytes(), &Limits::default()).ok()?;
        texts.extend(
            root.elements()
                .filter(|e| e.name == "S")
                .map(|e| StreamText {
                    stream: e.attribute("S").unwrap_or_default().into(),
                    text: escape::decode(e.text().into()),
                }),
        );
        rest = after.trim_start();
        rest = rest.strip_prefix(MARK).unwrap_or(rest);
    }
    plain(&mut texts, rest);
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::stream_texts;

    const HEAD: &str = "#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">";

    #[test]
    fn texts_come_with_their_streams() {
        let one = [HEAD, "<S S=\"Error\">a_x000D__x000A_&lt;b</S><Obj S=\"progress\"/><S S=\"warning\">w</S></Objs>"].concat();
        for (output, expected) in [
            ("stderr line".into(), None),
            ([HEAD, "</Objs>"].concat(), Some("")),
            (one.clone(), Some("Error=a\r\n<b;warning=w;")),
            // Beside and behind each other.
            (
                ["before ", &one, "after"].concat(),
                Some("=before ;Error=a\r\n<b;warning=w;=after;"),
            ),
            (
                [one.as_str(), "\r\n", &one].concat(),
                Some("Error=a\r\n<b;warning=w;Error=a\r\n<b;warning=w;"),
            ),
            // Broken off, and broken.
            ([HEAD, "<S S=\"Error\">a"].concat(), Some("=<Objs")),
            ([HEAD, "<S></Objs>"].concat(), None),
        ] {
            let found = stream_texts(&output).map(|texts| {
                let text = texts.iter().map(|t| format!("{}={};", t.stream, t.text));
                text.collect::<String>()
            });
            match expected {
                Some("=<Objs") => assert!(found.is_some_and(|found| found.contains("<Objs"))),
                expected => assert_eq!(found.as_deref(), expected, "{output:?}"),
            }
        }
    }
}
