//! Kerberos: the server's half, over the crate `sspi`, bare and in SPNEGO.
//!
//! Key type: [`Services`], what every endpoint of the site accepts tickets with. `sspi` looks neither
//! at channel bindings nor at tickets that were shown on another connection; that is done here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use owaim_inventory::HostName;
use picky_asn1::wrapper::{
    ExplicitContextTag0, ExplicitContextTag1, ExplicitContextTag2, OctetStringAsn1, Optional,
};
use picky_asn1_der::Asn1RawDer;
use picky_krb::constants::gss_api::{ACCEPT_COMPLETE, AP_REQ_TOKEN_ID};
use picky_krb::constants::key_usages::{AP_REQ_AUTHENTICATOR, TICKET_REP};
use picky_krb::data_types::{Authenticator, EncTicketPart};
use picky_krb::gss_api::{KrbMessage, MechType, NegTokenTarg, NegTokenTarg1};
use picky_krb::messages::ApReq;
use sha2::{Digest as _, Sha256};
use sspi::kerberos::ServerProperties;
use sspi::{Kerberos, KerberosConfig, KerberosServerConfig, Sspi as _};

use super::acceptor::{AcceptError, Spnego, step};
use super::binding::{Binding, BindingPolicy};
use super::kdc::{self, Realm};

/// What goes before the sealed octets: a header of 16, a checksum of 12, and twice 16 that were
/// sealed along (RFC 4121 4.2.4, [MS-KILE] 3.4.5.4.1).
pub(super) const SIGNATURE: usize = 60;

/// Kerberos as its specification numbers it, and as Windows does by mistake, which clients name first.
const MECHANISMS: [&str; 2] = ["1.2.840.48018.1.2.2", "1.2.840.113554.1.2.2"];

/// What the endpoints of the site accept tickets with.
pub(crate) struct Services {
    realm: Arc<Realm>,
    /// Authenticators that were seen, and when (RFC 4120 3.2.3).
    seen: Mutex<HashMap<[u8; 32], Timestamp>>,
}

/// Somebody who has shown a ticket.
pub(super) struct Shown {
    pub(super) context: Box<Kerberos>,
    /// The account, as the site file spells it.
    pub(super) user: String,
    /// The service's proof that it could read the ticket.
    pub(super) token: Vec<u8>,
}

impl Services {
    /// Those of a realm.
    pub(crate) fn new(realm: Arc<Realm>) -> Self {
        Self {
            realm,
            seen: Mutex::default(),
        }
    }

    /// Takes the one token of a client, shown to `host`.
    pub(super) fn accept(
        &self,
        host: &HostName,
        token: Vec<u8>,
        bindings: BindingPolicy,
    ) -> Result<Shown, AcceptError> {
        let request = ap_req(&token)?;
        let ticket = &request.0.ticket.0.0;
        if !kdc::is_service_of(host, &ticket.sname.0) {
            return Err(AcceptError::Ticket {
                detail: "it is for another service",
            });
        }
        let given = self.binding(&request)?;
        if !bindings.allows(given) {
            return Err(AcceptError::Binding);
        }
        let mut config = self.config(host)?;
        // As the client spells it.
        let service = &ticket.sname.0.name_string.0.0;
        let service: Vec<&str> = service.iter().map(|part| part.0.as_utf8()).collect();
        config
            .server_properties
            .add_service_key(&service, self.realm.service_key().to_vec().into())?;
        let context =
            Kerberos::new_server_from_config(config.kerberos_config, config.server_properties)?;
        let mut context = Box::new(context);
        let (_, token) = step(context.as_mut(), token)?;
        // Only what holds so far is worth remembering.
        self.remember(&request.0.authenticator.0.cipher.0.0)?;
        let username = context.query_context_names()?.username;
        let user = self
            .realm
            .accounts()
            .by_principal(username.inner())
            .ok_or_else(|| AcceptError::NoAccount {
                username: username.inner().into(),
            })?;
        Ok(Shown {
            context,
            user,
            token,
        })
    }

    /// What `sspi` needs to know of the services of `host`. It compares names octet by octet.
    pub(super) fn config(&self, host: &HostName) -> Result<KerberosServerConfig, AcceptError> {
        let key = || self.realm.service_key().to_vec().into();
        let skew = kdc::SKEW.unsigned_abs();
        let mut properties = ServerProperties::new(&[], None, skew, None)?;
        for name in kdc::names_of_services(host) {
            properties.add_service_key(&[name.0, name.1], key())?;
        }
        Ok(KerberosServerConfig {
            kerberos_config: KerberosConfig::new_with_kdc_url("", host.to_string()),
            server_properties: properties,
        })
    }

    /// The channel that a logon is bound to (RFC 4121 4.1.1).
    fn binding(&self, request: &ApReq) -> Result<Option<Binding>, AcceptError> {
        let broken = || AcceptError::Ticket {
            detail: "it was not made with this service's key, or was changed",
        };
        let ticket: EncTicketPart = kdc::unseal(
            &request.0.ticket.0.0.enc_part.0,
            self.realm.service_key(),
            TICKET_REP,
        )
        .ok_or_else(broken)?;
        let key = &ticket.0.key.0.key_value.0.0;
        let authenticator: Authenticator =
            kdc::unseal(&request.0.authenticator.0, key, AP_REQ_AUTHENTICATOR)
                .ok_or_else(broken)?;
        let checksum = authenticator.0.cksum.0;
        // The length of the binding, which is 16, goes before it.
        Ok(checksum.and_then(|checksum| Binding::given(checksum.0.checksum.0.0.get(4..20)?)))
    }

    /// Refuses what was shown before.
    fn remember(&self, authenticator: &[u8]) -> Result<(), AcceptError> {
        let now = Timestamp::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // What is older is refused for its time.
        seen.retain(|_, time| now.duration_since(*time) <= kdc::SKEW + kdc::SKEW);
        match seen.insert(Sha256::digest(authenticator).into(), now) {
            Some(_) => Err(AcceptError::Ticket {
                detail: "it was shown before",
            }),
            None => Ok(()),
        }
    }
}

/// Whether a token is one of Kerberos, without SPNEGO around it. Windows takes those under
/// `Negotiate` too.
pub(super) fn is_bare(token: &[u8]) -> bool {
    ap_req(token).is_ok()
}

/// The AP-REQ in a token of the GSS-API (RFC 4121 4.1).
fn ap_req(token: &[u8]) -> Result<ApReq, AcceptError> {
    let message = KrbMessage::<ApReq>::decode_application_krb_message(token)
        .map_err(|_| AcceptError::Token)?
        .0;
    if message.krb5_token_id == AP_REQ_TOKEN_ID {
        Ok(message.krb_msg)
    } else {
        Err(AcceptError::Token)
    }
}

/// The token of Kerberos in one of SPNEGO, where that is what the client likes best, and the name of
/// the mechanism.
pub(super) fn token_in(spnego: &Spnego) -> Option<(MechType, Vec<u8>)> {
    let first = spnego.mechanisms.first()?;
    let number: String = (&first.0).into();
    let own = MECHANISMS.contains(&number.as_str());
    let token = spnego.token.clone().filter(|_| own)?;
    Some((first.clone(), token))
}

/// SPNEGO's answer that accepts Kerberos (RFC 4178 4.2.2).
pub(super) fn accepted(mechanism: MechType, token: Vec<u8>) -> Result<Vec<u8>, AcceptError> {
    let answer = NegTokenTarg {
        neg_result: Optional::from(Some(ExplicitContextTag0::from(Asn1RawDer(
            ACCEPT_COMPLETE.to_vec(),
        )))),
        supported_mech: Optional::from(Some(ExplicitContextTag1::from(mechanism))),
        response_token: Optional::from(Some(ExplicitContextTag2::from(OctetStringAsn1::from(
            token,
        )))),
        mech_list_mic: Optional::from(None),
    };
    Ok(picky_asn1_der::to_vec(&NegTokenTarg1::from(answer))?)
}

/// Whether the sealed octets are long enough for what `sspi` cuts off and turns without looking.
pub(super) fn is_whole(signature: &[u8], sealed: &[u8]) -> bool {
    /// RRC, which `sspi` takes for granted.
    const ROTATION: usize = 28;
    const HEADER: usize = 16;
    let filler = signature.get(4..6).and_then(|bytes| bytes.first_chunk());
    filler.is_some_and(|filler| {
        let filler = usize::from(u16::from_be_bytes(*filler));
        signature.len() + sealed.len() >= HEADER + ROTATION + filler + 2 * HEADER
    })
}
