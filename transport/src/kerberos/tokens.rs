//! What is looked for in the tokens of both sides, besides what `sspi` looks for in them.
//!
//! `sspi` takes an AP-REP for proof as soon as it can be decrypted. One of another connection with
//! the same ticket can be, so that a server in the middle could play back what a real one once
//! said; [`Request::is_answered_by`] compares the times, which differ with every request.

use std::time::SystemTime;

use picky_krb::constants::gss_api::{AP_REP_TOKEN_ID, AP_REQ_TOKEN_ID};
use picky_krb::constants::key_usages::{AP_REP_ENC, AP_REQ_AUTHENTICATOR};
use picky_krb::crypto::CipherSuite;
use picky_krb::data_types::{Authenticator, EncApRepPart, EncryptedData};
use picky_krb::gss_api::{ApplicationTag0, GssApiNegInit, KrbMessage, NegTokenTarg1};
use picky_krb::messages::{ApRep, ApReq, KrbError};
use serde::de::DeserializeOwned;

use super::error::Said;

/// The token of a KRB-ERROR (RFC 4121, section 4.1).
const ERROR_TOKEN_ID: [u8; 2] = [3, 0];

/// `negState` of a server that refuses (RFC 4178, section 4.2.2), as DER.
const REJECT: [u8; 3] = [0x0a, 1, 2];

/// Times of a request, which its answer repeats.
pub(super) struct Request {
    token: Vec<u8>,
}

/// A server's token, without what SPNEGO puts around it.
pub(super) enum Answer {
    /// An AP-REP, or something else that a Kerberos acceptor says.
    Token(Vec<u8>),
    /// The server does not take what was offered.
    Rejected(String),
}

/// The client's first token with the flag of its channel binding (KERB_AP_OPTIONS_CBT, [MS-KILE]
/// 3.2.5.8) in four octets: `sspi` writes two, which MIT krb5 refuses.
pub(super) fn with_whole_flag(
    token: &[u8],
    spnego: bool,
    session_key: &[u8],
) -> Result<Vec<u8>, String> {
    let wrong = |error: picky_asn1_der::Asn1DerError| error.to_string();
    let request = Request::of_token(token, spnego)?;
    let mut message = KrbMessage::<ApReq>::decode_application_krb_message(&request.token)
        .map_err(|error| error.to_string())?;
    let sealed = &mut message.0.krb_msg.0.authenticator.0;
    let mut authenticator: Authenticator = open(sealed, session_key, AP_REQ_AUTHENTICATOR)?;
    if let Some(data) = authenticator.0.authorization_data.0.as_mut() {
        for entry in &mut data.0.0 {
            entry.ad_data.0.0.resize(4, 0);
        }
    }
    let plain = picky_asn1_der::to_vec(&authenticator).map_err(wrong)?;
    sealed.cipher.0.0 = CipherSuite::try_from(sealed.etype.0.0.as_slice())
        .and_then(|suite| {
            suite
                .cipher()
                .encrypt(session_key, AP_REQ_AUTHENTICATOR, &plain)
        })
        .map_err(|error| error.to_string())?;
    let whole = picky_asn1_der::to_vec(&message).map_err(wrong)?;
    if !spnego {
        return Ok(whole);
    }
    let mut init: ApplicationTag0<GssApiNegInit> =
        picky_asn1_der::from_bytes(token).map_err(wrong)?;
    if let Some(inner) = init.0.neg_token_init.0.mech_token.0.as_mut() {
        inner.0.0 = whole;
    }
    picky_asn1_der::to_vec(&init).map_err(wrong)
}

impl Request {
    /// That of the client's first token.
    pub(super) fn of_token(token: &[u8], spnego: bool) -> Result<Self, String> {
        if !spnego {
            let token = token.to_vec();
            return Ok(Self { token });
        }
        let init: ApplicationTag0<GssApiNegInit> =
            picky_asn1_der::from_bytes(token).map_err(|error| error.to_string())?;
        let token = init.0.neg_token_init.0.mech_token.0;
        let token = token.ok_or("the first token of SPNEGO carries no other")?;
        Ok(Self { token: token.0.0 })
    }

    /// Whether `answer` is an AP-REP to this very request, by someone who has `session_key`.
    pub(super) fn is_answered_by(&self, answer: &[u8], session_key: &[u8]) -> Result<(), String> {
        let request: ApReq = message(&self.token, AP_REQ_TOKEN_ID)?;
        let answer: ApRep = message(answer, AP_REP_TOKEN_ID)?;
        let asked: Authenticator = open(
            &request.0.authenticator.0,
            session_key,
            AP_REQ_AUTHENTICATOR,
        )?;
        let answered: EncApRepPart = open(&answer.0.enc_part.0, session_key, AP_REP_ENC)?;
        let same_second = asked.0.ctime.0 == answered.0.ctime.0;
        let same_microsecond = number(&asked.0.cusec.0.0) == number(&answered.0.cusec.0.0);
        if same_second && same_microsecond {
            Ok(())
        } else {
            Err("its answer is one to another request".into())
        }
    }
}

/// What a server says in `token`.
pub(super) fn answer(token: Vec<u8>, spnego: bool) -> Result<Answer, String> {
    if !spnego {
        return Ok(Answer::Token(token));
    }
    let targ: NegTokenTarg1 = picky_asn1_der::from_bytes(&token)
        .map_err(|error| format!("no token of SPNEGO: {error}"))?;
    let rejected = targ.0.neg_result.0.is_some_and(|state| state.0.0 == REJECT);
    match targ.0.response_token.0 {
        Some(token) => Ok(Answer::Token(token.0.0)),
        None if rejected => Ok(Answer::Rejected("it rejects what was offered".into())),
        None => match targ.0.supported_mech.0 {
            Some(mechanism) => {
                let mechanism: String = (&mechanism.0.0).into();
                let detail = format!("it asks for the mechanism {mechanism}");
                Ok(Answer::Rejected(detail))
            }
            None => Err("its token carries no proof".into()),
        },
    }
}

/// What a server complains of in `token`, if it does.
pub(super) fn complaint(token: &[u8]) -> Option<Said> {
    let error: KrbError = message(token, ERROR_TOKEN_ID).ok()?;
    Some(Said::of(&error, SystemTime::now()))
}

fn message<T: DeserializeOwned>(token: &[u8], id: [u8; 2]) -> Result<T, String> {
    let message = KrbMessage::<T>::decode_application_krb_message(token)
        .map_err(|error| format!("no token of Kerberos: {error}"))?
        .0;
    if message.krb5_token_id == id {
        Ok(message.krb_msg)
    } else {
        Err(format!(
            "expected a token {id:?}, found {:?}",
            message.krb5_token_id
        ))
    }
}

fn open<T: DeserializeOwned>(sealed: &EncryptedData, key: &[u8], usage: i32) -> Result<T, String> {
    let suite = CipherSuite::try_from(sealed.etype.0.0.as_slice());
    let suite = suite.map_err(|error| error.to_string())?;
    let plain = suite
        .cipher()
        .decrypt(key, usage, &sealed.cipher.0.0)
        .map_err(|error| error.to_string())?;
    picky_asn1_der::from_bytes(&plain).map_err(|error| error.to_string())
}

/// A number without the zeros before it: some write them, some do not.
fn number(octets: &[u8]) -> &[u8] {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    &octets[zeros..]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Answer, Request, answer, complaint};

    /// What MIT krb5 1.20 says to a ticket two hours after its time.
    const SKEW: &str = "606b06092a864886f71201020203007e5c305aa003020105a10302011ea411180f32303236313132373232353430335aa505020306a6f2a603020125a90c1b0a4f5741494d2e54455354aa21301fa003020101a11830161b04485454501b0e7372762e6f7761696d2e74657374";

    #[test]
    fn a_complaint_is_understood() {
        let token = hex::decode(SKEW).unwrap();
        let said = complaint(&token).unwrap();
        assert_eq!(said.code, 37);
        assert!(said.ahead_by.is_some());
        for end in 0..token.len() {
            assert!(complaint(&token[..end]).is_none(), "{end}");
        }
    }

    #[test]
    fn what_spnego_says_is_told_apart() {
        let rejected = hex::decode("a1073005a0030a0102").unwrap();
        assert!(matches!(answer(rejected, true), Ok(Answer::Rejected(_))));
        // accept-incomplete, and NTLM as the mechanism.
        let ntlm = "a1153013a0030a0101a10c060a2b06010401823702020a";
        let Ok(Answer::Rejected(detail)) = answer(hex::decode(ntlm).unwrap(), true) else {
            panic!("expected it to be rejected");
        };
        assert!(detail.contains("1.3.6.1.4.1.311.2.2.10"), "{detail}");
        let nothing = hex::decode("a1073005a0030a0100").unwrap();
        assert!(answer(nothing, true).is_err());
        assert!(answer(b"no DER".to_vec(), true).is_err());
        assert!(matches!(
            answer(b"as it is".to_vec(), false),
            Ok(Answer::Token(_))
        ));
        assert!(Request::of_token(b"no DER", true).is_err());
    }

    #[test]
    fn what_is_no_proof_is_none() {
        let request = Request::of_token(&hex::decode(SKEW).unwrap(), false).unwrap();
        assert!(request.is_answered_by(b"", &[0; 32]).is_err());
        let skew = hex::decode(SKEW).unwrap();
        assert!(request.is_answered_by(&skew, &[0; 32]).is_err());
    }
}
