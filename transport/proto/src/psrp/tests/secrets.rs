//! Secrets: the exchange of keys, and what is never sent without one.

use super::*;
use crate::Secret;
use crate::clixml::SecureString;

const PASSWORD: &str = "S3cret-canary-\u{fc}\u{1f511}!";

fn with_secret() -> Pipeline {
    Pipeline::new(
        Command::new("Import-ExchangeCertificate")
            .with("Password", Secret::new(PASSWORD.into()))
            .with(
                "Others",
                vec![Value::from(Secret::new("second".into())), Value::Null],
            ),
    )
}

fn agree(client: &mut ClientPool, server: &mut ServerPool) {
    client.offer_key(ExchangeKey::generate().unwrap()).unwrap();
    assert!(!client.has_key());
    assert_eq!(
        to_server(client, server, None, 100),
        [ServerEvent::Handled(MessageType::PublicKey)]
    );
    assert_eq!(
        to_client(client, server, None, 100),
        [ClientEvent::KeyAgreed]
    );
    assert!(client.has_key() && server.has_key());
}

#[test]
fn a_secret_travels_encrypted_and_arrives_whole() {
    let (mut client, mut server) = pair(ProtocolVersion::V2_2, 1 << 16);
    assert!(matches!(
        client.create_pipeline(PIPELINE, &CreatePipeline::new(with_secret())),
        Err(PsrpError::NoSessionKey { .. })
    ));
    agree(&mut client, &mut server);

    client
        .create_pipeline(PIPELINE, &CreatePipeline::new(with_secret()))
        .unwrap();
    let blob = client.take(Some(PIPELINE), 1 << 16).unwrap();
    let text = String::from_utf8_lossy(&blob);
    assert_eq!(text.matches("<SS N=\"V\">").count(), 1, "{text}");
    assert!(
        !text.contains("canary") && !text.contains("second"),
        "{text}"
    );
    server.start_command(PIPELINE).unwrap();
    let events = server.receive(Some(PIPELINE), "stdin", &blob).unwrap();
    let [ServerEvent::PipelineCreated(_, created)] = &events[..] else {
        panic!("expected a pipeline, got {events:?}");
    };
    assert_eq!(created.pipeline, with_secret());

    // And back: the server's records may hold one as well.
    let record = Record::Output(Secret::new("from the server".into()).into());
    server.record(PIPELINE, &record).unwrap();
    assert_eq!(
        to_client(&mut client, &mut server, Some(PIPELINE), 100),
        [ClientEvent::Record(PIPELINE, record)]
    );
}

#[test]
fn nothing_shows_a_secret() {
    let key = ExchangeKey::generate().unwrap();
    let shown = format!("{:?} {key:?}", with_secret());
    assert!(!shown.contains("canary"), "{shown}");
    let value = Value::from(Secret::new(PASSWORD.into()));
    assert_eq!(value.text(), None);
    assert_eq!(crate::clixml::encode(&value), "<Nil/>");
}

#[test]
fn a_server_may_ask_for_the_exchange() {
    let (mut client, mut server) = pair(ProtocolVersion::V2_3, 4096);
    server.request_key().unwrap();
    assert_eq!(
        to_client(&mut client, &mut server, None, 4096),
        [ClientEvent::KeyRequested]
    );
    agree(&mut client, &mut server);
    // Once agreed on, asking again changes nothing.
    server.request_key().unwrap();
    assert_eq!(
        to_client(&mut client, &mut server, None, 4096),
        [ClientEvent::Ignored(MessageType::PublicKeyRequest)]
    );
    assert!(matches!(
        client.offer_key(ExchangeKey::generate().unwrap()),
        Err(PsrpError::State { .. })
    ));
}

#[test]
fn keys_that_are_none_are_refused() {
    let key = ExchangeKey::generate().unwrap();
    let own = key.public_text();
    let session = crate::clixml::SessionKey::generate();
    for wrong in ["", "not base64!", "BgIAAACkAABSU0Ex", &own[..300]] {
        assert!(
            matches!(
                super::super::key_exchange::seal(&session, wrong),
                Err(PsrpError::Property { .. })
            ),
            "{wrong}"
        );
        assert!(matches!(key.open(wrong), Err(PsrpError::Property { .. })));
    }
    let sealed = super::super::key_exchange::seal(&session, &own).unwrap();
    assert_eq!(key.open(&sealed).unwrap().bytes(), session.bytes());
    // For another key it is nothing.
    let other = ExchangeKey::generate().unwrap();
    assert!(other.open(&sealed).is_err());
}

/// What comes from the network may be any numbers.
#[test]
fn numbers_that_make_no_key_panic_nowhere() {
    let session = crate::clixml::SessionKey::generate();
    let mut even = [0xff; 256];
    even[0] = 0xfe;
    let mut one = [0; 256];
    one[0] = 1;
    for modulus in [[0; 256], [0xff; 256], even, one] {
        for exponent in [0u32, 1, 2, 3, 65_537, u32::MAX] {
            let mut blob = Vec::from(*b"\x06\x02\0\0\0\xa4\0\0RSA1\0\x08\0\0");
            blob.extend(exponent.to_le_bytes());
            blob.extend(modulus);
            let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, blob);
            let sealed = super::super::key_exchange::seal(&session, &text);
            let plausible = modulus == [0xff; 256] && exponent % 2 == 1 && exponent > 1;
            assert!(
                sealed.is_err() || plausible,
                "{exponent} {:?}",
                &modulus[..2]
            );
        }
    }
    let key = ExchangeKey::generate().unwrap();
    for filling in [0, 1, 0xff] {
        let mut blob = Vec::from(*b"\x01\x02\0\0\x10\x66\0\0\0\xa4\0\0");
        blob.extend([filling; 256]);
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, blob);
        assert!(key.open(&text).is_err(), "{filling}");
    }
}

#[test]
fn a_session_key_that_nobody_asked_for_breaks_the_protocol() {
    let (mut client, _) = pair(ProtocolVersion::V2_3, 4096);
    let (mut other, mut server) = pair(ProtocolVersion::V2_3, 4096);
    other.offer_key(ExchangeKey::generate().unwrap()).unwrap();
    to_server(&mut other, &mut server, None, 4096);
    let answer = server.take(None, 4096).unwrap();
    assert!(matches!(
        client.receive(None, &answer),
        Err(PsrpError::State { .. })
    ));
}

#[test]
fn an_encrypted_text_without_a_key_stays_as_it_is() {
    let (mut client, mut server) = pair(ProtocolVersion::V2_3, 4096);
    let opaque = Value::SecureString(SecureString("bm90aGluZw==".into()));
    let pipeline = Pipeline::new(Command::new("A").with("B", opaque));
    let created = create(&mut client, &mut server, &pipeline, 4096);
    assert_eq!(created.pipeline, pipeline);
}

#[test]
fn a_text_that_the_key_does_not_open_is_refused_without_being_shown() {
    let (mut client, mut server) = pair(ProtocolVersion::V2_3, 4096);
    agree(&mut client, &mut server);
    for text in ["bm90aGluZw==", "AAAAAAAAAAAAAAAAAAAAAA==", "?"] {
        let opaque = Value::SecureString(SecureString(text.into()));
        let id = Uuid::new_v4();
        let pipeline = Pipeline::new(Command::new("A").with("B", opaque));
        client
            .create_pipeline(id, &CreatePipeline::new(pipeline))
            .unwrap();
        server.start_command(id).unwrap();
        let blob = client.take(Some(id), 4096).unwrap();
        let error = server.receive(Some(id), "stdin", &blob).unwrap_err();
        assert!(matches!(error, PsrpError::Clixml { .. }), "{error}");
        assert!(!error.to_string().contains(text), "{error}");
    }
}

/// Made with `openssl enc -aes-256-cbc` over UTF-16LE.
#[test]
fn secrets_are_encrypted_as_others_do_it() {
    let bytes: Vec<u8> = (0..32).collect();
    let key = crate::clixml::SessionKey::from_bytes(&bytes).unwrap();
    let value = Value::from(Secret::new("S\u{fc}per-geheim".into()));
    let text = "<SS>lCYH8LmwVI0RPjHXoK/+bShsN//e7S0llvAyDVueLkc=</SS>";
    assert_eq!(
        crate::clixml::encode_with(&value, Some(&key)).unwrap(),
        text
    );
    let limits = crate::clixml::Limits::default();
    let read = crate::clixml::decode_with(text, &limits, Some(&key)).unwrap();
    assert_eq!(read, value);
}
