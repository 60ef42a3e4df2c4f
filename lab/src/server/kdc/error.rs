//! [`KdcError`]: what a request is refused for, and the message that says so (RFC 4120 5.9.1).

use jiff::Timestamp;
use picky_asn1::wrapper::{
    Asn1SequenceOf, ExplicitContextTag0, ExplicitContextTag1, ExplicitContextTag4,
    ExplicitContextTag5, ExplicitContextTag6, ExplicitContextTag7, ExplicitContextTag8,
    ExplicitContextTag9, ExplicitContextTag10, ExplicitContextTag11, ExplicitContextTag12,
    OctetStringAsn1, Optional,
};
use picky_asn1_der::Asn1DerError;
use picky_krb::constants::error_codes as code;
use picky_krb::constants::types::KRB_ERROR_MSG_TYPE;
use picky_krb::crypto::KerberosCryptoError;
use picky_krb::data_types::PaData;
use picky_krb::messages::{KdcReq, KrbError, KrbErrorInner};

use super::{Realm, encode, parts};

/// What a request is refused for.
#[derive(Debug, thiserror::Error)]
pub(super) enum KdcError {
    #[error("expected AS-REQ or TGS-REQ, found something else")]
    NoRequest,
    #[error("expected version 5 of the protocol")]
    Version,
    #[error("the realm {realm:?} is not served here")]
    WrongRealm { realm: String },
    #[error("no user is called {name:?}")]
    ClientUnknown { name: String },
    #[error("no service is called {name:?}")]
    ServiceUnknown { name: String },
    #[error("neither AES-256 nor AES-128 is among the ciphers of the request")]
    NoCipher,
    #[error("the service has a key for AES-256 only")]
    NoServiceCipher,
    #[error("the user has to prove that he knows the password")]
    ProofRequired { offered: Vec<PaData> },
    #[error("the proof was made with another password")]
    ProofFailed { offered: Vec<PaData> },
    #[error("the clocks differ by more than five minutes")]
    Skew,
    #[error("the request has no ticket for the ticket-granting service")]
    NoTicket,
    #[error("the ticket or its authenticator was not made here, or was changed")]
    Modified,
    #[error("the ticket is of somebody else than its authenticator")]
    Mismatch,
    #[error("the ticket has expired")]
    Expired,
    #[error("a ticket cannot begin later, nor end before it begins")]
    Period,
    #[error("this kind of ticket is not given")]
    Option,
    #[error("the answer has {length} bytes, too many for a datagram")]
    TooBig { length: usize },
    #[error("no date")]
    Time,
    #[error("{text:?} is not plain ASCII")]
    Text { text: String },
    #[error("{0}")]
    Encoding(#[from] Asn1DerError),
    #[error("{0}")]
    Crypto(#[from] KerberosCryptoError),
}

impl KdcError {
    fn code(&self) -> u32 {
        match self {
            Self::NoRequest => code::KRB_AP_ERR_MSG_TYPE,
            Self::Version => code::KDC_ERR_BAD_PVNO,
            Self::WrongRealm { .. } => code::KDC_ERR_WRONG_REALM,
            Self::ClientUnknown { .. } => code::KDC_ERR_C_PRINCIPAL_UNKNOWN,
            Self::ServiceUnknown { .. } => code::KDC_ERR_S_PRINCIPAL_UNKNOWN,
            Self::NoCipher | Self::NoServiceCipher => code::KDC_ERR_ETYPE_NOSUPP,
            Self::ProofRequired { .. } => code::KDC_ERR_PREAUTH_REQUIRED,
            Self::ProofFailed { .. } => code::KDC_ERR_PREAUTH_FAILED,
            Self::Skew => code::KRB_AP_ERR_SKEW,
            Self::NoTicket => code::KDC_ERR_PADATA_TYPE_NOSUPP,
            Self::Modified => code::KRB_AP_ERR_MODIFIED,
            Self::Mismatch => code::KRB_AP_ERR_BADMATCH,
            Self::Expired => code::KRB_AP_ERR_TKT_EXPIRED,
            Self::Period => code::KDC_ERR_NEVER_VALID,
            Self::Option => code::KDC_ERR_BADOPTION,
            Self::TooBig { .. } => code::KRB_ERR_RESPONSE_TOO_BIG,
            Self::Time | Self::Text { .. } | Self::Encoding(_) | Self::Crypto(_) => {
                code::KRB_ERR_GENERIC
            }
        }
    }
}

impl Realm {
    /// The message that refuses `request`.
    pub(super) fn refusal(
        &self,
        error: &KdcError,
        request: Option<&KdcReq>,
        now: Timestamp,
    ) -> Result<KrbError, KdcError> {
        let offered = match error {
            KdcError::ProofRequired { offered } | KdcError::ProofFailed { offered } => {
                Some(encode(&Asn1SequenceOf::from(offered.clone()))?)
            }
            _ => None,
        };
        let body = request.map(|request| &request.req_body.0);
        let client = body.and_then(|body| body.cname.0.as_ref().map(|name| name.0.clone()));
        let service = body.and_then(|body| body.sname.0.as_ref().map(|name| name.0.clone()));
        let asked = body.map(|body| body.realm.0.clone());
        let realm = match asked.clone() {
            Some(realm) => realm,
            None => parts::text(&self.name)?,
        };
        let service = match service {
            Some(service) => service,
            None => parts::granting_name(&self.name)?,
        };
        Ok(KrbError::from(KrbErrorInner {
            pvno: ExplicitContextTag0::from(parts::number(parts::VERSION)),
            msg_type: ExplicitContextTag1::from(parts::number(KRB_ERROR_MSG_TYPE)),
            ctime: Optional::from(None),
            cusec: Optional::from(None),
            stime: ExplicitContextTag4::from(parts::time(now)?),
            susec: ExplicitContextTag5::from(parts::microseconds(now.subsec_microsecond())),
            error_code: ExplicitContextTag6::from(error.code()),
            crealm: Optional::from(
                asked
                    .filter(|_| client.is_some())
                    .map(ExplicitContextTag7::from),
            ),
            cname: Optional::from(client.map(ExplicitContextTag8::from)),
            realm: ExplicitContextTag9::from(realm),
            sname: ExplicitContextTag10::from(service),
            e_text: Optional::from(Some(ExplicitContextTag11::from(parts::text(
                &error.to_string().replace(|c: char| !c.is_ascii(), "?"),
            )?))),
            e_data: Optional::from(
                offered.map(|data| ExplicitContextTag12::from(OctetStringAsn1::from(data))),
            ),
        }))
    }
}
