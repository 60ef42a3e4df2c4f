//! The ticket-granting exchange: a ticket shown, another one for a service (RFC 4120 3.3).

use jiff::Timestamp;
use picky_asn1::wrapper::{
    ExplicitContextTag0, ExplicitContextTag1, ExplicitContextTag3, ExplicitContextTag4,
    ExplicitContextTag5, ExplicitContextTag6, Optional,
};
use picky_krb::constants::key_usages::{
    TGS_REP_ENC_SESSION_KEY, TGS_REP_ENC_SUB_KEY, TGS_REQ_PA_DATA_AP_REQ_AUTHENTICATOR, TICKET_REP,
};
use picky_krb::constants::types::{PA_TGS_REQ_TYPE, TGS_REP_MSG_TYPE};
use picky_krb::crypto::CipherSuite;
use picky_krb::data_types::{Authenticator, EncTicketPart, EncTicketPartInner, EncryptionKey};
use picky_krb::messages::{ApReq, EncTgsRepPart, KdcRep, KdcReq, TgsRep};

use super::error::KdcError;
use super::initial::spoken;
use super::ticket::{FORWARDABLE, Grant, PRE_AUTHENTICATED, until};
use super::{Realm, SKEW, parts};

/// Options that ask for what is not modelled: tickets of somebody else, or for later
/// (RFC 4120 5.4.1): proxy, postdated, validate, renew, enc-tkt-in-skey.
const NOT_MODELLED: [u8; 5] = [4, 6, 31, 30, 28];

/// Who asks, by the ticket it shows.
struct Holder {
    ticket: EncTicketPartInner,
    /// What the answer is sealed with.
    key: EncryptionKey,
    usage: i32,
}

impl Realm {
    /// Answers a TGS-REQ.
    pub(super) fn grant(&self, request: &KdcReq, now: Timestamp) -> Result<TgsRep, KdcError> {
        let body = &request.req_body.0;
        self.check(request)?;
        let holder = self.holder(request, now)?;
        let options = &body.kdc_options.0;
        if NOT_MODELLED
            .iter()
            .any(|option| parts::has(options, *option))
        {
            return Err(KdcError::Option);
        }
        let service = body.sname.0.as_ref().ok_or(KdcError::NoRequest)?;
        let ciphers = spoken(body);
        let (key, cipher) = if self.is_granting(&service.0) {
            (&self.granting_key, ciphers.first())
        } else if self.is_service(&service.0) {
            // The service's half of Kerberos in `sspi` takes session keys of AES-256 only.
            let strong = |cipher: &&CipherSuite| **cipher == CipherSuite::Aes256CtsHmacSha196;
            let found = ciphers.iter().find(strong);
            if found.is_none() && !ciphers.is_empty() {
                return Err(KdcError::NoServiceCipher);
            }
            (&self.service_key, found)
        } else {
            return Err(KdcError::ServiceUnknown {
                name: parts::strings(&service.0).join("/"),
            });
        };
        let cipher = cipher.cloned().ok_or(KdcError::NoCipher)?;
        let ticket = &holder.ticket;
        let forwardable =
            parts::has(options, FORWARDABLE) && parts::has(&ticket.flags.0, FORWARDABLE);
        let mut flags = vec![PRE_AUTHENTICATED];
        flags.extend(forwardable.then_some(FORWARDABLE));
        let end = parts::timestamp(&ticket.endtime.0)?;
        let grant = Grant {
            realm: ticket.crealm.0.clone(),
            client: ticket.cname.0.clone(),
            service: service.0.clone(),
            flags: parts::flags(&flags),
            session_key: Grant::session_key(&cipher),
            cipher,
            proved: parts::timestamp(&ticket.auth_time.0)?,
            from: now,
            until: until(body, now)?.min(end),
        };
        let told = EncTgsRepPart::from(grant.told(&body.nonce.0)?);
        let cipher = parts::cipher(&holder.key.key_type.0).ok_or(KdcError::NoCipher)?;
        let secret = &holder.key.key_value.0.0;
        Ok(TgsRep::from(KdcRep {
            pvno: ExplicitContextTag0::from(parts::number(parts::VERSION)),
            msg_type: ExplicitContextTag1::from(parts::number(TGS_REP_MSG_TYPE)),
            padata: Optional::from(None),
            crealm: ExplicitContextTag3::from(grant.realm.clone()),
            cname: ExplicitContextTag4::from(grant.client.clone()),
            ticket: ExplicitContextTag5::from(grant.ticket(key)?),
            enc_part: ExplicitContextTag6::from(parts::seal(&cipher, secret, holder.usage, &told)?),
        }))
    }

    /// Who asks: the holder of a ticket of this realm, who knows its session key.
    fn holder(&self, request: &KdcReq, now: Timestamp) -> Result<Holder, KdcError> {
        let data = request.padata.0.as_ref().ok_or(KdcError::NoTicket)?;
        let mut data = data.0.0.iter();
        let shown = data.find(|data| data.padata_type.0.0 == PA_TGS_REQ_TYPE);
        let shown = shown.ok_or(KdcError::NoTicket)?;
        let shown: ApReq =
            picky_asn1_der::from_bytes(&shown.padata_data.0.0).map_err(|_| KdcError::NoTicket)?;
        let sealed = &shown.0.ticket.0.0;
        if !self.is_granting(&sealed.sname.0) {
            return Err(KdcError::NoTicket);
        }
        let ticket: EncTicketPart =
            parts::unseal(&sealed.enc_part.0, &self.granting_key, TICKET_REP)
                .ok_or(KdcError::Modified)?;
        let ticket = ticket.0;
        let key = &ticket.key.0;
        let authenticator: Authenticator = parts::unseal(
            &shown.0.authenticator.0,
            &key.key_value.0.0,
            TGS_REQ_PA_DATA_AP_REQ_AUTHENTICATOR,
        )
        .ok_or(KdcError::Modified)?;
        let authenticator = authenticator.0;
        if authenticator.crealm.0 != ticket.crealm.0 || authenticator.cname.0 != ticket.cname.0 {
            return Err(KdcError::Mismatch);
        }
        let difference = now.duration_since(parts::timestamp(&authenticator.ctime.0)?);
        if difference.abs() > SKEW {
            return Err(KdcError::Skew);
        }
        if parts::timestamp(&ticket.endtime.0)? <= now {
            return Err(KdcError::Expired);
        }
        let (key, usage) = match authenticator.subkey.0 {
            Some(subkey) => (subkey.0, TGS_REP_ENC_SUB_KEY),
            None => (key.clone(), TGS_REP_ENC_SESSION_KEY),
        };
        Ok(Holder { ticket, key, usage })
    }
}
