//! Vectors and hostile bodies for [`super::SealedMessage`].

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::{
    CREDSSP, Delimiter, MultipartError, SPNEGO, SealedMessage, content_type,
    content_type_of_pieces, is_sealed,
};

fn message(sealed: &[u8]) -> SealedMessage {
    SealedMessage {
        original_type: "application/soap+xml;charset=UTF-8".into(),
        original_length: 7,
        signature: b"0123456789abcdef".to_vec(),
        sealed: sealed.to_vec(),
    }
}

fn decode(body: &[u8]) -> Result<SealedMessage, MultipartError> {
    SealedMessage::decode(SPNEGO, &content_type(SPNEGO), body)
}

/// Laid out by hand after [MS-WSMV] 2.2.9.1.1.1, so that the encoder is not its own witness.
const PLAIN: &[u8] = b"--Encrypted Boundary\r\n\
    \tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\
    \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=7\r\n\
    --Encrypted Boundary\r\n\
    \tContent-Type: application/octet-stream\r\n\
    \x10\0\0\x000123456789abcdefpayload--Encrypted Boundary--\r\n";

#[test]
fn the_layout_is_that_of_the_specification() {
    assert_eq!(message(b"payload").encode(SPNEGO, Delimiter::Plain), PLAIN);
    assert_eq!(decode(PLAIN).unwrap(), message(b"payload"));
}

#[test]
fn variants_of_real_peers_decode_alike() {
    let text = |from: &str, to: &str| {
        let plain: String = PLAIN.iter().map(|&byte| char::from(byte)).collect();
        let changed = plain.replace(from, to);
        assert_ne!(plain, changed, "{from} does not occur");
        changed
            .chars()
            .map(|c| u8::try_from(c).unwrap())
            .collect::<Vec<_>>()
    };
    for body in [
        text("--Enc", "-- Enc"),
        text("Boundary--\r\n", "Boundary--"),
        text("\tContent-Type", "Content-Type"),
        text("Content-Type", "content-type"),
        text("type=", " TYPE = "),
        text("Length=7", "length=7"),
        text("\tOriginalContent", "\tX-Other: 1\r\n\tOriginalContent"),
    ] {
        assert_eq!(
            decode(&body).unwrap(),
            message(b"payload"),
            "{}",
            String::from_utf8_lossy(&body)
        );
    }
    assert_eq!(
        message(b"payload").encode(SPNEGO, Delimiter::Spaced),
        text("--Enc", "-- Enc")
    );
}

#[test]
fn sealed_octets_may_look_like_delimiters() {
    for sealed in [
        &b"\r\n"[..],
        b"--Encrypted Boundary--\r\n",
        b"-- ",
        b"--Encrypted Boundary\r\n\tContent-Type: x\r\n",
    ] {
        for delimiter in [Delimiter::Plain, Delimiter::Spaced] {
            let body = message(sealed).encode(SPNEGO, delimiter);
            assert_eq!(decode(&body).unwrap(), message(sealed));
        }
    }
}

#[test]
fn every_cut_is_refused() {
    // The last line end alone may be missing.
    for end in 0..PLAIN.len() - 2 {
        assert!(decode(&PLAIN[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn hostile_bodies_are_refused_by_name() {
    let body = |first: &str, second: &[u8]| {
        let mut body =
            format!("--Encrypted Boundary\r\n{first}--Encrypted Boundary\r\n").into_bytes();
        body.extend_from_slice(second);
        body.extend_from_slice(b"--Encrypted Boundary--\r\n");
        body
    };
    let protocol = "\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n";
    let original = "\tOriginalContent: type=a/b;Length=7\r\n";
    let first = format!("{protocol}{original}");
    let second = b"\tContent-Type: application/octet-stream\r\n\x02\0\0\0sg7octets";
    assert!(decode(&body(&first, second)).is_ok());

    let header = |error: MultipartError| matches!(error, MultipartError::Header { .. });
    for bad in [
        protocol.to_string(),
        original.to_string(),
        format!("{protocol}\tOriginalContent: type=a/b\r\n"),
        format!("{protocol}\tOriginalContent: Length=7\r\n"),
        format!("{protocol}\tOriginalContent: type=a/b;Length=-1\r\n"),
        format!("{protocol}\tOriginalContent: type=a/b;Length=7;Length=8\r\n"),
        format!("{protocol}\tOriginalContent: type=a/b;Length=99999999999999999999999\r\n"),
        format!("\tContent-Type: application/HTTP-Kerberos-session-encrypted\r\n{original}"),
        format!("{protocol}\tX: {}\r\n{original}", "x".repeat(2000)),
    ] {
        assert!(decode(&body(&bad, second)).is_err_and(header), "{bad}");
    }
    assert!(decode(&body(&"\tX: y\r\n".repeat(100), second)).is_err());
    assert!(
        decode(&body(&first, b"\tContent-Type: text/html\r\n\x02\0\0\0sgx")).is_err_and(header)
    );

    let type_line = b"\tContent-Type: application/octet-stream\r\n";
    for data in [
        &b""[..],
        b"\0\0\0",
        b"\x10\0\0\0short",
        b"\xff\xff\xff\xffx",
    ] {
        let error = decode(&body(&first, &[type_line, data].concat())).unwrap_err();
        assert!(matches!(error, MultipartError::Signature { .. }), "{error}");
    }
    let long = [&type_line[..], &5000_u32.to_le_bytes(), &[0; 6000]].concat();
    assert!(decode(&body(&first, &long)).is_err());
}

#[test]
fn the_content_type_must_be_the_expected_one() {
    assert!(is_sealed(&content_type(SPNEGO)));
    assert!(!is_sealed("application/soap+xml;charset=UTF-8"));
    for bad in [
        "",
        "text/html",
        "multipart/encrypted",
        "multipart/encrypted;boundary=\"Encrypted Boundary\"",
        "multipart/mixed;protocol=\"application/HTTP-SPNEGO-session-encrypted\";boundary=\"Encrypted Boundary\"",
        "multipart/encrypted;protocol=\"application/HTTP-CredSSP-session-encrypted\";boundary=\"Encrypted Boundary\"",
        "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\"",
    ] {
        let error = SealedMessage::decode(SPNEGO, bad, PLAIN).unwrap_err();
        assert!(
            matches!(error, MultipartError::ContentType { .. }),
            "{bad}: {error}"
        );
    }
    let spaced = "multipart/encrypted; protocol=\"application/HTTP-SPNEGO-session-encrypted\"; \
                  boundary=\"Encrypted Boundary\"";
    assert!(SealedMessage::decode(SPNEGO, spaced, PLAIN).is_ok());
}

#[test]
fn the_announced_length_is_checked() {
    let message = message(b"payload");
    assert_eq!(message.check_length(7), Ok(()));
    assert_eq!(
        message.check_length(8),
        Err(MultipartError::Length {
            announced: 7,
            found: 8
        })
    );
}

proptest! {
    #[test]
    fn what_is_encoded_decodes(signature in prop::collection::vec(any::<u8>(), 0..64),
                               sealed in prop::collection::vec(any::<u8>(), 0..512),
                               spaced in any::<bool>()) {
        let message = SealedMessage { signature, sealed, ..message(b"") };
        let delimiter = if spaced { Delimiter::Spaced } else { Delimiter::Plain };
        prop_assert_eq!(decode(&message.encode(SPNEGO, delimiter)).unwrap(), message);
    }

    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..256), cut in 0..PLAIN.len()) {
        let _ = decode(&body);
        let _ = decode(&[&PLAIN[..cut], &body].concat());
    }
}

#[test]
fn several_pieces_come_back_in_their_order() {
    let pieces = [
        message(b"first"),
        message(b"--"),
        message(b"\r\n--Encrypted "),
    ];
    let kind = content_type_of_pieces(CREDSSP, pieces.len());
    assert!(kind.starts_with("multipart/x-multi-encrypted;"), "{kind}");
    assert!(is_sealed(&kind));
    for delimiter in [Delimiter::Plain, Delimiter::Spaced] {
        let body = SealedMessage::encode_pieces(&pieces, CREDSSP, delimiter);
        assert_eq!(
            SealedMessage::decode_pieces(CREDSSP, &kind, &body).unwrap(),
            pieces
        );
        for end in 0..body.len() - 2 {
            let cut = SealedMessage::decode_pieces(CREDSSP, &kind, &body[..end]);
            assert!(cut.is_err(), "{end}");
        }
        // One message is all that other protocols have.
        assert!(SealedMessage::decode(CREDSSP, &kind, &body).is_err());
    }
    let one = message(b"payload").encode(CREDSSP, Delimiter::Plain);
    let decoded = SealedMessage::decode_pieces(CREDSSP, &content_type(CREDSSP), &one).unwrap();
    assert_eq!(decoded, [message(b"payload")]);
}
