//! [`CodePage`]: what the text of programs is written in.

/// A code page that the lab has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CodePage {
    /// 437, that of a console of Windows in English.
    #[default]
    Oem,
    /// 65001
    Utf8,
}

/// Characters 128 to 255 of code page 437.
const OEM: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

impl CodePage {
    /// The code page of that number, if the lab has it.
    pub(crate) fn of(number: &str) -> Option<Self> {
        match number.trim() {
            "437" => Some(Self::Oem),
            "65001" => Some(Self::Utf8),
            _ => None,
        }
    }

    /// Text in it; what it does not have is a question mark, as Windows writes it.
    pub(super) fn encode(self, text: &str) -> Vec<u8> {
        let byte = |c: char| match u8::try_from(c) {
            Ok(ascii) if ascii.is_ascii() => ascii,
            _ => OEM
                .chars()
                .zip(128..=u8::MAX)
                .find_map(|(known, byte)| (known == c).then_some(byte))
                .unwrap_or(b'?'),
        };
        match self {
            Self::Utf8 => text.into(),
            Self::Oem => text.chars().map(byte).collect(),
        }
    }
}
