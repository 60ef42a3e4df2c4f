//! Requests that are refused, and requests that are none. What is granted, MIT's programs try
//! (`tests/tests/lab_kerberos.rs`).

#![allow(clippy::unwrap_used)]

use picky_asn1::wrapper::{
    Asn1SequenceOf, ExplicitContextTag0, ExplicitContextTag1, ExplicitContextTag2,
    ExplicitContextTag3, ExplicitContextTag4, ExplicitContextTag5, ExplicitContextTag7,
    ExplicitContextTag8, Optional,
};
use picky_krb::constants::error_codes as code;
use picky_krb::constants::key_usages::{
    AS_REP_ENC, AS_REQ_TIMESTAMP, TGS_REQ_PA_DATA_AP_REQ_AUTHENTICATOR,
};
use picky_krb::constants::types::{AP_REQ_MSG_TYPE, AS_REQ_MSG_TYPE, TGS_REQ_MSG_TYPE};
use picky_krb::data_types::{Authenticator, AuthenticatorInner, PaData, PaEncTsEnc};
use picky_krb::messages::{ApReq, ApReqInner, AsRep, EncAsRepPart, KdcReqBody, KrbError, TgsRep};

use super::*;

const AES_256: CipherSuite = CipherSuite::Aes256CtsHmacSha196;
const PASSWORD: &str = "S3cret-canary-42!";

fn realm() -> Realm {
    let mut accounts = Accounts::default();
    for name in ["LITWAREINC\\owaim", "OTHER\\owaim", "LAB\\second"] {
        accounts.add(name, PASSWORD).unwrap();
    }
    let hosts = vec![HostName::new("mbx1.litwareinc.com").unwrap()];
    Realm::new("litwareinc.com", Arc::new(accounts), hosts)
}

/// A request for a ticket.
struct Asks<'a> {
    user: &'a str,
    realm: &'a str,
    service: PrincipalName,
    ciphers: &'a [u8],
    /// Seconds from now that its time is.
    clock: i64,
    key: Vec<u8>,
    till: Timestamp,
}

fn asks(realm: &Realm) -> Asks<'static> {
    let user = realm.user(&parts::user_name("owaim").unwrap(), "LITWAREINC.COM");
    Asks {
        user: "owaim",
        realm: "LITWAREINC.COM",
        service: parts::granting_name("LITWAREINC.COM").unwrap(),
        ciphers: &[18, 17],
        clock: 0,
        key: realm.user_key(&user.unwrap(), &AES_256).unwrap(),
        till: Timestamp::UNIX_EPOCH,
    }
}

impl Asks<'_> {
    fn body(&self) -> KdcReqBody {
        let ciphers = self.ciphers.iter().map(|cipher| parts::number(*cipher));
        KdcReqBody {
            kdc_options: ExplicitContextTag0::from(parts::flags(&[])),
            cname: Optional::from(Some(ExplicitContextTag1::from(
                parts::user_name(self.user).unwrap(),
            ))),
            realm: ExplicitContextTag2::from(parts::text(self.realm).unwrap()),
            sname: Optional::from(Some(ExplicitContextTag3::from(self.service.clone()))),
            from: Optional::from(None),
            till: ExplicitContextTag5::from(parts::time(self.till).unwrap()),
            rtime: Optional::from(None),
            nonce: ExplicitContextTag7::from(parts::number(7)),
            etype: ExplicitContextTag8::from(Asn1SequenceOf::from(ciphers.collect::<Vec<_>>())),
            addresses: Optional::from(None),
            enc_authorization_data: Optional::from(None),
            additional_tickets: Optional::from(None),
        }
    }

    fn request(&self, kind: u8, data: Option<PaData>) -> KdcReq {
        KdcReq {
            pvno: ExplicitContextTag1::from(parts::number(parts::VERSION)),
            msg_type: ExplicitContextTag2::from(parts::number(kind)),
            padata: Optional::from(
                data.map(|data| ExplicitContextTag3::from(Asn1SequenceOf::from(vec![data]))),
            ),
            req_body: ExplicitContextTag4::from(self.body()),
        }
    }

    /// With the password proved.
    fn initial(&self, now: Timestamp) -> Vec<u8> {
        let time = parts::time(now + SignedDuration::from_secs(self.clock)).unwrap();
        let stamp = PaEncTsEnc {
            patimestamp: ExplicitContextTag0::from(time),
            pausec: Optional::from(None),
        };
        let sealed = parts::seal(&AES_256, &self.key, AS_REQ_TIMESTAMP, &stamp).unwrap();
        let proof = parts::pa_data(2, encode(&sealed).unwrap());
        encode(&AsReq::from(self.request(AS_REQ_MSG_TYPE, Some(proof)))).unwrap()
    }

    fn without_proof(&self) -> Vec<u8> {
        encode(&AsReq::from(self.request(AS_REQ_MSG_TYPE, None))).unwrap()
    }

    /// With the ticket that was given in `reply`.
    fn granting(&self, reply: &AsRep, now: Timestamp) -> Vec<u8> {
        let told: EncAsRepPart = parts::unseal(&reply.0.enc_part.0, &self.key, AS_REP_ENC).unwrap();
        let key = &told.0.key.0;
        let authenticator = Authenticator::from(AuthenticatorInner {
            authenticator_vno: ExplicitContextTag0::from(parts::number(parts::VERSION)),
            crealm: ExplicitContextTag1::from(reply.0.crealm.0.clone()),
            cname: ExplicitContextTag2::from(reply.0.cname.0.clone()),
            cksum: Optional::from(None),
            cusec: ExplicitContextTag4::from(parts::microseconds(1)),
            ctime: ExplicitContextTag5::from(
                parts::time(now + SignedDuration::from_secs(self.clock)).unwrap(),
            ),
            subkey: Optional::from(None),
            seq_number: Optional::from(None),
            authorization_data: Optional::from(None),
        });
        let usage = TGS_REQ_PA_DATA_AP_REQ_AUTHENTICATOR;
        let cipher = parts::cipher(&key.key_type.0).unwrap();
        let sealed = parts::seal(&cipher, &key.key_value.0.0, usage, &authenticator).unwrap();
        let shown = ApReq::from(ApReqInner {
            pvno: ExplicitContextTag0::from(parts::number(parts::VERSION)),
            msg_type: ExplicitContextTag1::from(parts::number(AP_REQ_MSG_TYPE)),
            ap_options: ExplicitContextTag2::from(parts::flags(&[])),
            ticket: ExplicitContextTag3::from(reply.0.ticket.0.clone()),
            authenticator: ExplicitContextTag4::from(sealed),
        });
        let data = parts::pa_data(1, encode(&shown).unwrap());
        encode(&TgsReq::from(self.request(TGS_REQ_MSG_TYPE, Some(data)))).unwrap()
    }
}

/// The code that a request is refused with.
fn refused(realm: &Realm, request: &[u8], now: Timestamp) -> Option<u32> {
    let answer = realm.answer(request, now);
    let error: KrbError = picky_asn1_der::from_bytes(&answer).ok()?;
    Some(error.0.error_code.0)
}

fn service(name: &str) -> PrincipalName {
    let mut made = parts::granting_name(name).unwrap();
    let strings = &mut made.name_string.0.0;
    strings[0] = parts::text("HTTP").unwrap();
    made
}

/// What a case changes, and the code that it is refused with.
type Case = (fn(&mut Asks<'_>), Option<u32>);

#[test]
fn what_cannot_be_granted_at_first_is_refused_by_its_code() {
    let realm = realm();
    let now = Timestamp::now();
    let cases: [Case; 13] = [
        (|_| {}, None),
        (|asks| asks.realm = "litwareinc.com", None),
        (|asks| asks.realm = "LITWAREINC", None),
        (|asks| asks.clock = -298, None),
        (
            |asks| asks.user = "nobody",
            Some(code::KDC_ERR_C_PRINCIPAL_UNKNOWN),
        ),
        // Its ticket would be taken for that of the other account.
        (
            |asks| asks.realm = "OTHER",
            Some(code::KDC_ERR_C_PRINCIPAL_UNKNOWN),
        ),
        (
            |asks| asks.realm = "ELSEWHERE",
            Some(code::KDC_ERR_WRONG_REALM),
        ),
        (
            |asks| asks.service = service("mbx1.litwareinc.com"),
            Some(code::KDC_ERR_S_PRINCIPAL_UNKNOWN),
        ),
        (
            |asks| asks.ciphers = &[23, 16],
            Some(code::KDC_ERR_ETYPE_NOSUPP),
        ),
        (|asks| asks.clock = -301, Some(code::KRB_AP_ERR_SKEW)),
        (|asks| asks.clock = 302, Some(code::KRB_AP_ERR_SKEW)),
        (
            |asks| asks.key = vec![7; 32],
            Some(code::KDC_ERR_PREAUTH_FAILED),
        ),
        (
            |asks| asks.till = Timestamp::from_second(1).unwrap(),
            Some(code::KDC_ERR_NEVER_VALID),
        ),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let mut asks = asks(&realm);
        change(&mut asks);
        let found = refused(&realm, &asks.initial(now), now);
        assert_eq!(found, expected, "case {number}");
    }
    assert_eq!(
        refused(&realm, &asks(&realm).without_proof(), now),
        Some(code::KDC_ERR_PREAUTH_REQUIRED)
    );
}

#[test]
fn a_ticket_does_not_fit_into_a_datagram() {
    let realm = realm();
    let now = Timestamp::now();
    let by_datagram = |request: &[u8]| {
        let answer = realm.answer_within(door::MAX_DATAGRAM, request, now);
        let refusal: KrbError = picky_asn1_der::from_bytes(&answer).unwrap();
        refusal.0.error_code.0
    };
    let mut asks = asks(&realm);
    let proofless = by_datagram(&asks.without_proof());
    assert_eq!(proofless, code::KDC_ERR_PREAUTH_REQUIRED);
    let initial = asks.initial(now);
    assert_eq!(by_datagram(&initial), code::KRB_ERR_RESPONSE_TOO_BIG);
    let reply: AsRep = picky_asn1_der::from_bytes(&realm.answer(&initial, now)).unwrap();
    asks.service = service("mbx1.litwareinc.com");
    let granting = asks.granting(&reply, now);
    assert_eq!(by_datagram(&granting), code::KRB_ERR_RESPONSE_TOO_BIG);
}

#[test]
fn what_cannot_be_granted_to_a_ticket_is_refused_by_its_code() {
    let realm = realm();
    let now = Timestamp::now();
    let first = realm.answer(&asks(&realm).initial(now), now);
    let reply: AsRep = picky_asn1_der::from_bytes(&first).unwrap();
    let cases: [Case; 6] = [
        (|_| {}, None),
        (|asks| asks.service = service("127.0.0.1"), None),
        (
            |asks| asks.service = parts::granting_name("LITWAREINC.COM").unwrap(),
            None,
        ),
        (
            |asks| asks.service = service("mbx9.litwareinc.com"),
            Some(code::KDC_ERR_S_PRINCIPAL_UNKNOWN),
        ),
        (
            |asks| asks.ciphers = &[17],
            Some(code::KDC_ERR_ETYPE_NOSUPP),
        ),
        (|asks| asks.clock = -301, Some(code::KRB_AP_ERR_SKEW)),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let mut asks = asks(&realm);
        asks.service = service("mbx1.litwareinc.com");
        change(&mut asks);
        let found = refused(&realm, &asks.granting(&reply, now), now);
        assert_eq!(found, expected, "case {number}");
    }
    let mut asks = asks(&realm);
    // Another centre has other keys.
    assert_eq!(
        refused(&self::realm(), &asks.granting(&reply, now), now),
        Some(code::KRB_AP_ERR_MODIFIED)
    );
    asks.clock = 11 * 3600;
    let later = now + SignedDuration::from_hours(11);
    assert_eq!(
        refused(&realm, &asks.granting(&reply, now), later),
        Some(code::KRB_AP_ERR_TKT_EXPIRED)
    );
}

#[test]
fn broken_requests_never_panic_and_get_nothing() {
    let realm = realm();
    let now = Timestamp::now();
    let own = asks(&realm);
    let initial = own.initial(now);
    let reply: AsRep = picky_asn1_der::from_bytes(&realm.answer(&initial, now)).unwrap();
    let granting = own.granting(&reply, now);
    let granted = |request: &[u8]| {
        let answer = realm.answer(request, now);
        picky_asn1_der::from_bytes::<AsRep>(&answer).is_ok()
            || picky_asn1_der::from_bytes::<TgsRep>(&answer).is_ok()
    };
    assert!(granted(&initial) && granted(&granting));
    for request in [&initial, &granting] {
        for end in 0..request.len() {
            assert!(!granted(&request[..end]), "cut at {end}");
        }
        for position in 0..request.len() {
            for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut broken = request.clone();
                broken[position] = value;
                realm.answer(&broken, now);
            }
        }
    }
    for garbage in [
        &b""[..],
        b"\x6a\x00",
        b"\x6a\x84\xff\xff\xff\xff",
        &[0xff; 4096],
    ] {
        assert_eq!(
            refused(&realm, garbage, now),
            Some(code::KRB_AP_ERR_MSG_TYPE)
        );
    }
}
