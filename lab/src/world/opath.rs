//! OPATH, the language of `-Filter` of Exchange's recipient cmdlets, as far as it is modelled: one
//! comparison for equality, `Property -eq 'value'`, with quotes in the value doubled.

use super::errors::Failure;

/// Property and value of `text`.
pub(super) fn equality(text: &str) -> Result<(String, String), Failure> {
    let wrong = || {
        Failure::binding(
            "ParameterBindingFailed",
            "Filter",
            format!("Invalid filter syntax. Filter: {text}"),
        )
    };
    let trimmed = text.trim();
    let end = trimmed
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(trimmed.len());
    let (property, rest) = trimmed.split_at(end);
    let (operator, rest) = rest
        .trim_start()
        .split_once(char::is_whitespace)
        .ok_or_else(wrong)?;
    if property.is_empty() || !operator.starts_with('-') {
        return Err(wrong());
    }
    if !operator.eq_ignore_ascii_case("-eq") {
        return Err(Failure::not_modelled("filters other than for equality"));
    }
    let quoted = rest.trim_start().strip_prefix('\'').ok_or_else(wrong)?;
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next().ok_or_else(wrong)? {
            '\'' if chars.as_str().starts_with('\'') => {
                chars.next();
                value.push('\'');
            }
            '\'' => break,
            other => value.push(other),
        }
    }
    match chars.as_str().trim() {
        "" => Ok((property.into(), value)),
        more if more.starts_with('-') => {
            Err(Failure::not_modelled("filters of several conditions"))
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comparison_is_read_and_what_is_none_is_refused() {
        for (text, expected) in [
            ("A -eq 'b'", Ok(("A", "b"))),
            (" A  -EQ  'CN=O''Neill,DC=x' ", Ok(("A", "CN=O'Neill,DC=x"))),
            ("A -eq ''", Ok(("A", ""))),
            ("A -eq 'b", Err("ParameterBindingFailed")),
            ("A -eq b", Err("ParameterBindingFailed")),
            ("A -eq 'O'Neill'", Err("ParameterBindingFailed")),
            ("A", Err("ParameterBindingFailed")),
            ("-eq 'b'", Err("ParameterBindingFailed")),
            ("A -like 'b*'", Err("NotModelledByTheLab")),
            ("A -eq 'b' -or C -eq 'd'", Err("NotModelledByTheLab")),
        ] {
            let found = equality(text);
            let found = found
                .as_ref()
                .map(|(property, value)| (property.as_str(), value.as_str()))
                .map_err(Failure::id);
            assert_eq!(found, expected, "{text}");
        }
    }
}
