//! Identities that name exactly one object.

use crate::Problem;

/// `text`, if it can stand for one object and nothing else: a null or empty identity of an
/// Exchange `Get-` cmdlet means every object there is, and a wildcard means many.
pub(crate) fn exact(what: &str, text: &str) -> Result<String, Problem> {
    let wildcard = |c: char| "*?[]`".contains(c);
    let found = if text.trim().is_empty() {
        "an empty identity, which would mean every object".to_owned()
    } else if let Some(c) = text.chars().find(|c| wildcard(*c) || c.is_control()) {
        format!("{text:?} with the character {c:?}, which may mean more than one object")
    } else {
        return Ok(text.into());
    };
    Err(Problem::new(
        format!("name {what}"),
        found,
        "name one object, without wildcards",
    )
    .expecting("the identity of exactly one object"))
}

#[cfg(test)]
mod tests {
    use super::exact;

    #[test]
    fn only_identities_of_one_object_pass() {
        for good in [
            "Default",
            r"ATL-CAS-001\owa (Default Web Site)",
            "Größe & Co.",
            "O'Neill",
        ] {
            assert_eq!(exact("a policy", good).unwrap(), good);
        }
        for bad in ["", "  ", "*", "Def*", "a?", "a[bc]", "a`*", "a\nb", "a\0"] {
            assert!(exact("a policy", bad).is_err(), "{bad:?}");
        }
    }
}
