//! Text forms of floating-point numbers as Windows PowerShell writes them.
//!
//! .NET Framework writes a double with 15 significant digits if these give the same number
//! back, else with 17 (7 and 9 for single precision); numbers too large or small for those
//! digits in scientific notation. The text of a number that came from a server is therefore
//! the text it goes back with.

/// The text of a double-precision number.
pub(super) fn double(number: f64) -> String {
    if !number.is_finite() {
        return special(number.is_nan(), number.is_sign_negative()).to_owned();
    }
    let short = format!("{number:.14e}");
    if short.parse() == Ok(number) {
        general(&short, 15)
    } else {
        general(&format!("{number:.16e}"), 17)
    }
}

/// The text of a single-precision number.
pub(super) fn single(number: f32) -> String {
    if !number.is_finite() {
        return special(number.is_nan(), number.is_sign_negative()).to_owned();
    }
    let short = format!("{number:.6e}");
    if short.parse() == Ok(number) {
        general(&short, 7)
    } else {
        general(&format!("{number:.8e}"), 9)
    }
}

fn special(is_nan: bool, is_negative: bool) -> &'static str {
    match (is_nan, is_negative) {
        (true, _) => "NaN",
        (false, false) => "INF",
        (false, true) => "-INF",
    }
}

/// Rewrites `d.ddde±x` as .NET's general format with `precision` digits does.
fn general(scientific: &str, precision: i32) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = mantissa
        .strip_prefix('-')
        .map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    if exponent >= precision || exponent < -4 {
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        let (first, fraction) = digits.split_at(1);
        let point = if fraction.is_empty() { "" } else { "." };
        return format!(
            "{sign}{first}{point}{fraction}E{exponent_sign}{:02}",
            exponent.unsigned_abs()
        );
    }
    let Ok(point) = usize::try_from(exponent + 1) else {
        return format!(
            "{sign}0.{:0>width$}",
            digits,
            width = digits.len() + (-exponent - 1).unsigned_abs() as usize
        );
    };
    if point == 0 {
        format!("{sign}0.{digits}")
    } else if digits.len() <= point {
        format!("{sign}{digits:0<point$}")
    } else {
        let (whole, fraction) = digits.split_at(point);
        format!("{sign}{whole}.{fraction}")
    }
}

/// Reads a floating-point number of XML Schema; `None` also where it is too large for the type.
pub(super) fn parse<T>(text: &str, infinity: T, nan: T) -> Option<T>
where
    T: std::str::FromStr + PartialEq + Copy + std::ops::Neg<Output = T>,
{
    match text {
        "INF" => return Some(infinity),
        "-INF" => return Some(-infinity),
        "NaN" => return Some(nan),
        _ => {}
    }
    // Rust also reads words such as "infinity", which are no numbers on the wire
    let numeric =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    let number: T = text
        .bytes()
        .all(numeric)
        .then(|| text.parse().ok())
        .flatten()?;
    (number != infinity && number != -infinity).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_dotnet_does() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (100.0, "100"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2E-05"),
            (123_456_789.125, "123456789.125"),
            (1e14, "100000000000000"),
            (1e15, "1E+15"),
            (1.5e300, "1.5E+300"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::MAX, "1.7976931348623157E+308"),
            (f64::INFINITY, "INF"),
            (f64::NEG_INFINITY, "-INF"),
            (f64::NAN, "NaN"),
        ];
        for (number, text) in cases {
            assert_eq!(double(number), text);
        }
    }

    #[test]
    fn singles_are_written_as_dotnet_does() {
        let cases = [
            (0.0, "0"),
            (0.1, "0.1"),
            (1e7, "1E+07"),
            (16_777_216.0, "16777216"),
            (f32::MAX, "3.40282347E+38"),
        ];
        for (number, text) in cases {
            assert_eq!(single(number), text);
        }
    }

    #[test]
    fn words_and_overflows_are_no_numbers() {
        for text in [
            "", "inf", "Infinity", "nan", "1e400", "-1e400", "1_0", "0x1", "1,5",
        ] {
            assert_eq!(parse(text, f64::INFINITY, f64::NAN), None, "{text:?}");
        }
        assert_eq!(
            parse("-INF", f64::INFINITY, f64::NAN),
            Some(f64::NEG_INFINITY)
        );
        assert_eq!(parse("1E-05", f64::INFINITY, f64::NAN), Some(1e-5));
    }
}
