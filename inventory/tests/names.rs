//! Names: what is accepted, what it becomes, and what is refused.

use owaim_inventory::{
    ApplicationId, ExchangeVersion, HostName, LyncVersion, NameError, Support, Thumbprint,
    WindowsPath,
};

/// `None`: refused.
fn check<T: ToString>(cases: &[(&str, Option<&str>)], new: impl Fn(&str) -> Result<T, NameError>) {
    for (text, expected) in cases {
        let found = new(text);
        assert_eq!(
            found.as_ref().ok().map(ToString::to_string).as_deref(),
            *expected,
            "{text:?}"
        );
        if let Err(error) = found {
            assert_eq!(error.text, *text);
        }
    }
}

#[test]
fn host_names() {
    let longest = format!(
        "{}.{}.{}.{}",
        "a".repeat(63),
        "b".repeat(63),
        "c".repeat(63),
        "d".repeat(61)
    );
    let too_long = format!("{longest}d");
    let long_label = format!("{}.com", "a".repeat(64));
    check(
        &[
            (
                "atl-mbx-001.litwareinc.com",
                Some("atl-mbx-001.litwareinc.com"),
            ),
            ("ATL.LitwareInc.COM", Some("atl.litwareinc.com")),
            ("1and1.com", Some("1and1.com")),
            (&longest, Some(&longest)),
            (&too_long, None),
            (&long_label, None),
            ("atl", None),
            ("", None),
            (".", None),
            ("a..b", None),
            ("a.b.", None),
            ("-a.b", None),
            ("a-.b", None),
            ("a_b.c", None),
            ("10.0.0.1", None),
            ("*.litwareinc.com", None),
            ("bücher.example", None),
            ("a.b\n", None),
        ],
        HostName::new,
    );
}

#[test]
fn application_ids() {
    check(
        &[
            ("OutlookWebApp", Some("OutlookWebApp")),
            ("owa1", Some("owa1")),
            ("", None),
            ("Outlook Web", None),
            ("urn:application:owa", None),
            ("owa-1", None),
            ("öwa", None),
        ],
        ApplicationId::new,
    );
}

#[test]
fn thumbprints() {
    const PRINTED: &str = "EA5A332496CC05DA69B75B66111C0F78A110D22D";
    check(
        &[
            ("EA5A332496CC05DA69B75B66111C0F78A110D22d", Some(PRINTED)),
            (
                "\u{200e}ea 5a 33 24 96 cc 05 da 69 b7 5b 66 11 1c 0f 78 a1 10 d2 2d ",
                Some(PRINTED),
            ),
            (
                "EA5A332496CC05DA69B75B66111C0F78A110D22\u{200e}D",
                Some(PRINTED),
            ),
            ("EA5A332496CC05DA69B75B66111C0F78A110D22", None),
            ("EA5A332496CC05DA69B75B66111C0F78A110D22DD", None),
            ("GA5A332496CC05DA69B75B66111C0F78A110D22D", None),
            (
                "EA:5A:33:24:96:CC:05:DA:69:B7:5B:66:11:1C:0F:78:A1:10:D2:2D",
                None,
            ),
            ("", None),
        ],
        Thumbprint::new,
    );
}

#[test]
fn windows_paths() {
    check(
        &[
            (r"D:\Exchange", Some(r"D:\Exchange")),
            (
                r"C:\Program Files\Microsoft\Exchange Server\V15\",
                Some(r"C:\Program Files\Microsoft\Exchange Server\V15"),
            ),
            ("d:/Exchange/V15", Some(r"d:\Exchange\V15")),
            (r"Exchange", None),
            (r"\\server\share", None),
            (r"D:Exchange", None),
            (r"D:\Ex*", None),
            (r"D:\a:b", None),
            ("D:\\a\nb", None),
            ("", None),
        ],
        WindowsPath::new,
    );
}

#[test]
fn pairs_of_generations() {
    use Support::{Supported, Unsupported, Unverified};
    // Columns: Lync 2010, Lync 2013, Skype for Business 2015, 2019, SE.
    let table = [
        (
            ExchangeVersion::E2010,
            [Supported, Supported, Unverified, Unverified, Unverified],
        ),
        (
            ExchangeVersion::E2013,
            [Unverified, Supported, Supported, Unverified, Unverified],
        ),
        (
            ExchangeVersion::E2016,
            [Unsupported, Unsupported, Supported, Supported, Supported],
        ),
        (
            ExchangeVersion::E2019,
            [Unsupported, Unsupported, Supported, Supported, Supported],
        ),
        (
            ExchangeVersion::Se,
            [Unsupported, Unsupported, Supported, Supported, Supported],
        ),
    ];
    for (exchange, row) in table {
        for (lync, expected) in LyncVersion::ALL.into_iter().zip(row) {
            assert_eq!(
                exchange.support_with(lync),
                expected,
                "{exchange} with {lync}"
            );
        }
    }
}
