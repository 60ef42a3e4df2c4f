//! [`Grant`]: what is granted to whom, as a ticket and as what the client is told of it
//! (RFC 4120 5.3, 5.4.2).

use jiff::Timestamp;
use picky_asn1::wrapper::{
    ExplicitContextTag0, ExplicitContextTag1, ExplicitContextTag2, ExplicitContextTag3,
    ExplicitContextTag4, ExplicitContextTag5, ExplicitContextTag6, ExplicitContextTag7,
    ExplicitContextTag9, ExplicitContextTag10, IntegerAsn1, OctetStringAsn1, Optional,
};
use picky_krb::constants::key_usages::TICKET_REP;
use picky_krb::crypto::CipherSuite;
use picky_krb::data_types::{
    AuthorizationData, AuthorizationDataInner, EncTicketPart, EncTicketPartInner, KerberosFlags,
    KerberosTime, LastReq, LastReqInner, PrincipalName, Realm as RealmName, Ticket, TicketInner,
    TransitedEncoding,
};
use picky_krb::messages::{EncKdcRepPart, KdcReqBody};

use super::error::KdcError;
use super::{LIFETIME, SKEW, encode, parts, random_key};

/// Options of requests, and flags of tickets (RFC 4120 5.4.1, 5.3; RFC 6806 3).
pub(super) const FORWARDABLE: u8 = 1;
pub(super) const INITIAL: u8 = 9;
pub(super) const PRE_AUTHENTICATED: u8 = 10;
pub(super) const CANONICALIZE: u8 = 15;

/// Bytes of the PAC of somebody who is in some groups.
const PAC: usize = 1200;

/// Kinds of authorization data: AD-IF-RELEVANT, and -128, which like all below zero means nothing elsewhere
/// (RFC 4120 7.5.4).
const IF_RELEVANT: u8 = 1;
const LOCAL_USE: u8 = 0x80;

/// What is granted to whom.
pub(super) struct Grant {
    pub(super) realm: RealmName,
    pub(super) client: PrincipalName,
    pub(super) service: PrincipalName,
    pub(super) flags: KerberosFlags,
    /// Cipher of the session key.
    pub(super) cipher: CipherSuite,
    pub(super) session_key: Vec<u8>,
    /// When the client proved itself.
    pub(super) proved: Timestamp,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Grant {
    /// A session key for a cipher.
    pub(super) fn session_key(cipher: &CipherSuite) -> Vec<u8> {
        random_key(cipher)
    }

    /// The ticket, which only who has `key` can read.
    pub(super) fn ticket(&self, key: &[u8]) -> Result<Ticket, KdcError> {
        let part = EncTicketPart::from(EncTicketPartInner {
            flags: ExplicitContextTag0::from(self.flags.clone()),
            key: ExplicitContextTag1::from(parts::key(&self.cipher, &self.session_key)),
            crealm: ExplicitContextTag2::from(self.realm.clone()),
            cname: ExplicitContextTag3::from(self.client.clone()),
            transited: ExplicitContextTag4::from(TransitedEncoding {
                tr_type: ExplicitContextTag0::from(parts::number(1)),
                contents: ExplicitContextTag1::from(OctetStringAsn1::from(Vec::new())),
            }),
            auth_time: ExplicitContextTag5::from(parts::time(self.proved)?),
            starttime: Optional::from(Some(ExplicitContextTag6::from(parts::time(self.from)?))),
            endtime: ExplicitContextTag7::from(parts::time(self.until)?),
            renew_till: Optional::from(None),
            caddr: Optional::from(None),
            authorization_data: Optional::from(Some(ExplicitContextTag10::from(padding()?))),
        });
        let cipher = CipherSuite::Aes256CtsHmacSha196;
        Ok(Ticket::from(TicketInner {
            tkt_vno: ExplicitContextTag0::from(parts::number(parts::VERSION)),
            realm: ExplicitContextTag1::from(self.realm.clone()),
            sname: ExplicitContextTag2::from(self.service.clone()),
            enc_part: ExplicitContextTag3::from(parts::seal(&cipher, key, TICKET_REP, &part)?),
        }))
    }

    /// What the client is told, in answer to the request with that `nonce`.
    pub(super) fn told(&self, nonce: &IntegerAsn1) -> Result<EncKdcRepPart, KdcError> {
        Ok(EncKdcRepPart {
            key: ExplicitContextTag0::from(parts::key(&self.cipher, &self.session_key)),
            last_req: ExplicitContextTag1::from(LastReq::from(vec![LastReqInner {
                lr_type: ExplicitContextTag0::from(parts::number(0)),
                lr_value: ExplicitContextTag1::from(parts::time(self.proved)?),
            }])),
            nonce: ExplicitContextTag2::from(nonce.clone()),
            key_expiration: Optional::from(None),
            flags: ExplicitContextTag4::from(self.flags.clone()),
            auth_time: ExplicitContextTag5::from(parts::time(self.proved)?),
            start_time: Optional::from(Some(ExplicitContextTag6::from(parts::time(self.from)?))),
            end_time: ExplicitContextTag7::from(parts::time(self.until)?),
            renew_till: Optional::from(None),
            srealm: ExplicitContextTag9::from(self.realm.clone()),
            sname: ExplicitContextTag10::from(self.service.clone()),
            caddr: Optional::from(None),
            encrypted_pa_data: Optional::from(None),
        })
    }
}

/// What stands in a ticket where Active Directory has its PAC: as many bytes of nothing, so that answers are
/// as large as they are there. Whoever does not know it may pass over it (RFC 4120 5.2.6.1).
fn padding() -> Result<AuthorizationData, KdcError> {
    let entry = |kind, data| {
        AuthorizationData::from(vec![AuthorizationDataInner {
            ad_type: ExplicitContextTag0::from(IntegerAsn1::from(vec![kind])),
            ad_data: ExplicitContextTag1::from(OctetStringAsn1::from(data)),
        }])
    };
    let own = entry(LOCAL_USE, vec![0; PAC]);
    Ok(entry(IF_RELEVANT, encode(&own)?))
}

/// Until when a ticket is good that is asked for now.
pub(super) fn until(body: &KdcReqBody, now: Timestamp) -> Result<Timestamp, KdcError> {
    let from = body.from.0.as_ref().map(|from| parts::timestamp(&from.0));
    if from.transpose()?.is_some_and(|from| from > now + SKEW) {
        return Err(KdcError::Period);
    }
    let most = now + LIFETIME;
    let asked = asked_until(&body.till.0)?;
    let until = asked.map_or(most, |asked| asked.min(most));
    if until <= now {
        return Err(KdcError::Period);
    }
    Ok(until)
}

/// The beginning of 1970 asks for as long as possible (RFC 4120 5.4.1).
fn asked_until(till: &KerberosTime) -> Result<Option<Timestamp>, KdcError> {
    let till = parts::timestamp(till)?;
    Ok((till != Timestamp::UNIX_EPOCH).then_some(till))
}
