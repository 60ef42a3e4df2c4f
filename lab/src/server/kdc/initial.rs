//! The initial exchange: a password proved, a ticket for the ticket-granting service
//! (RFC 4120 3.1).

use jiff::Timestamp;
use picky_asn1::wrapper::{
    Asn1SequenceOf, ExplicitContextTag0, ExplicitContextTag1, ExplicitContextTag2,
    ExplicitContextTag3, ExplicitContextTag4, ExplicitContextTag5, ExplicitContextTag6, Optional,
};
use picky_krb::constants::key_usages::{AS_REP_ENC, AS_REQ_TIMESTAMP};
use picky_krb::constants::types::{AS_REP_MSG_TYPE, PA_ENC_TIMESTAMP, PA_ETYPE_INFO2_TYPE};
use picky_krb::crypto::CipherSuite;
use picky_krb::data_types::{EncryptedData, EtypeInfo2Entry, PaData, PaEncTsEnc};
use picky_krb::messages::{AsRep, EncAsRepPart, KdcRep, KdcReq, KdcReqBody};

use super::error::KdcError;
use super::ticket::{CANONICALIZE, FORWARDABLE, Grant, INITIAL, PRE_AUTHENTICATED, until};
use super::{Realm, SKEW, User, encode, parts};

impl Realm {
    /// Answers an AS-REQ.
    pub(super) fn initial(&self, request: &KdcReq, now: Timestamp) -> Result<AsRep, KdcError> {
        let body = &request.req_body.0;
        self.check(request)?;
        let asked = parts::string(&body.realm.0);
        let client = body.cname.0.as_ref().ok_or(KdcError::NoRequest)?;
        let user = self.user(&client.0, asked)?;
        let service = body.sname.0.as_ref().ok_or(KdcError::NoRequest)?;
        if !self.is_granting(&service.0) {
            return Err(KdcError::ServiceUnknown {
                name: parts::strings(&service.0).join("/"),
            });
        }
        let ciphers = spoken(body);
        let session = ciphers.first().cloned().ok_or(KdcError::NoCipher)?;
        let offered = || self.offered(&user, &ciphers);
        let Some(proof) = proof(request) else {
            return Err(KdcError::ProofRequired {
                offered: offered()?,
            });
        };
        let cipher = parts::cipher(&proof.etype.0).ok_or(KdcError::NoCipher)?;
        let key = self.user_key(&user, &cipher)?;
        let Some(stamp) = parts::unseal::<PaEncTsEnc>(&proof, &key, AS_REQ_TIMESTAMP) else {
            return Err(KdcError::ProofFailed {
                offered: offered()?,
            });
        };
        let difference = now.duration_since(parts::timestamp(&stamp.patimestamp.0)?);
        if difference.abs() > SKEW {
            return Err(KdcError::Skew);
        }

        // Who does not ask for the proper names gets back what he asked by.
        let canonical = parts::has(&body.kdc_options.0, CANONICALIZE);
        let (realm, name) = if canonical || parts::is_enterprise(&client.0) {
            (parts::text(&self.name)?, parts::user_name(&user.name)?)
        } else {
            (body.realm.0.clone(), client.0.clone())
        };
        let service = if canonical {
            parts::granting_name(&self.name)?
        } else {
            service.0.clone()
        };
        let mut flags = vec![INITIAL, PRE_AUTHENTICATED];
        flags.extend(parts::has(&body.kdc_options.0, FORWARDABLE).then_some(FORWARDABLE));
        let grant = Grant {
            realm,
            client: name,
            service,
            flags: parts::flags(&flags),
            session_key: Grant::session_key(&session),
            cipher: session,
            proved: now,
            from: now,
            until: until(body, now)?,
        };
        let told = EncAsRepPart::from(grant.told(&body.nonce.0)?);
        Ok(AsRep::from(KdcRep {
            pvno: ExplicitContextTag0::from(parts::number(parts::VERSION)),
            msg_type: ExplicitContextTag1::from(parts::number(AS_REP_MSG_TYPE)),
            padata: Optional::from(Some(ExplicitContextTag2::from(Asn1SequenceOf::from(vec![
                self.salts(&user, std::slice::from_ref(&cipher))?,
            ])))),
            crealm: ExplicitContextTag3::from(grant.realm.clone()),
            cname: ExplicitContextTag4::from(grant.client.clone()),
            ticket: ExplicitContextTag5::from(grant.ticket(&self.granting_key)?),
            enc_part: ExplicitContextTag6::from(parts::seal(&cipher, &key, AS_REP_ENC, &told)?),
        }))
    }

    /// Checks what both kinds of requests have in common.
    pub(super) fn check(&self, request: &KdcReq) -> Result<(), KdcError> {
        if request.pvno.0.0 != [parts::VERSION] {
            return Err(KdcError::Version);
        }
        let realm = parts::string(&request.req_body.0.realm.0);
        if self.is_called(realm) {
            Ok(())
        } else {
            Err(KdcError::WrongRealm {
                realm: realm.to_owned(),
            })
        }
    }

    /// How a user may prove that he knows the password (METHOD-DATA, RFC 4120 5.9.1).
    fn offered(&self, user: &User, ciphers: &[CipherSuite]) -> Result<Vec<PaData>, KdcError> {
        let [kind] = PA_ENC_TIMESTAMP;
        Ok(vec![
            self.salts(user, ciphers)?,
            parts::pa_data(kind, Vec::new()),
        ])
    }

    /// What the keys of a user are salted with (RFC 4120 5.2.7.5).
    fn salts(&self, user: &User, ciphers: &[CipherSuite]) -> Result<PaData, KdcError> {
        let salt = parts::text(&self.salt(user))?;
        let entries: Vec<_> = ciphers
            .iter()
            .map(|cipher| EtypeInfo2Entry {
                etype: ExplicitContextTag0::from(parts::number(cipher.clone().into())),
                salt: Optional::from(Some(ExplicitContextTag1::from(salt.clone()))),
                s2kparams: Optional::from(None),
            })
            .collect();
        let [kind] = PA_ETYPE_INFO2_TYPE;
        Ok(parts::pa_data(
            kind,
            encode(&Asn1SequenceOf::from(entries))?,
        ))
    }
}

/// The ciphers of a request that are spoken here too, in the client's order.
pub(super) fn spoken(body: &KdcReqBody) -> Vec<CipherSuite> {
    let asked = body.etype.0.0.iter();
    asked.filter_map(parts::cipher).collect()
}

/// The time, sealed with the user's key (RFC 4120 5.2.7.2).
fn proof(request: &KdcReq) -> Option<EncryptedData> {
    let data = request.padata.0.as_ref()?;
    let mut data = data.0.0.iter();
    let proof = data.find(|data| data.padata_type.0.0 == PA_ENC_TIMESTAMP)?;
    picky_asn1_der::from_bytes(&proof.padata_data.0.0).ok()
}
