//! The ticket that `kinit` has fetched, through the system's Kerberos library (feature `gssapi`).
//!
//! Key type: [`Gss`], the client's half of one security context. It asks key distribution centres
//! by itself, as `krb5.conf` has them, and can give the server a ticket to go on with. Its tokens
//! go without SPNEGO around them, under `Negotiate` too, where servers take them so: within
//! SPNEGO the library would offer every other mechanism that is installed.

use std::sync::{Mutex, PoisonError};

use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext as _};
use libgssapi::error::Error;
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_HOSTBASED_SERVICE};
use libgssapi::util::{GssIov, GssIovType};
use owaim_proto::multipart::{Delimiter, KERBEROS, SOAP, SPNEGO, SealedMessage};

use crate::kerberos::KerberosError;
use crate::security::{Leg, SecurityError};
use crate::tls::ChannelBinding;

/// MIT's numbers of what Kerberos itself says: this, and the error code of RFC 4120.
const KERBEROS_ERRORS: u32 = (-1_765_328_384_i32).cast_unsigned();

/// The client's half of a security context.
pub(crate) struct Gss {
    // A context may go from thread to thread, but not be shared by two. A connection never does
    // that; the lock, which is never taken, tells the compiler.
    context: Mutex<ClientCtx>,
    binding: Option<ChannelBinding>,
    service: String,
    negotiate: bool,
    established: bool,
}

impl Gss {
    /// A context for `service`, tied to the TLS connection of `binding`, and its first token;
    /// under `Negotiate` if `negotiate`. `delegate`: whether the server is given a ticket too.
    pub(crate) async fn begin(
        service: String,
        delegate: bool,
        negotiate: bool,
        binding: Option<&ChannelBinding>,
    ) -> Result<(Self, Vec<u8>), SecurityError> {
        let mut flags = CtxFlags::GSS_C_MUTUAL_FLAG
            | CtxFlags::GSS_C_REPLAY_FLAG
            | CtxFlags::GSS_C_SEQUENCE_FLAG
            | CtxFlags::GSS_C_CONF_FLAG
            | CtxFlags::GSS_C_INTEG_FLAG;
        if delegate {
            flags |= CtxFlags::GSS_C_DELEG_FLAG;
        }
        let binding = binding.cloned();
        // The library waits for the network where it is called.
        let begun = tokio::task::spawn_blocking(move || {
            let name = service.replacen('/', "@", 1);
            let name = Name::new(name.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE))
                .map_err(|error| problem(&service, error))?;
            let mut context = ClientCtx::new(None, name, flags, Some(GSS_MECH_KRB5));
            let application_data = binding.as_ref().map(ChannelBinding::as_bytes);
            let token = context
                .step(None, application_data)
                .map_err(|error| problem(&service, error))?;
            let token = token.map(|token| token.to_vec()).unwrap_or_default();
            let context = Self {
                context: Mutex::new(context),
                binding,
                service,
                negotiate,
                established: false,
            };
            Ok((context, token))
        });
        match begun.await {
            Ok(begun) => begun,
            Err(_) => Err(SecurityError::OutOfTurn),
        }
    }

    fn context(&mut self) -> &mut ClientCtx {
        self.context
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the server's token.
    pub(crate) fn step(&mut self, token: &[u8]) -> Result<Leg, SecurityError> {
        let (service, binding) = (self.service.clone(), self.binding.clone());
        let application_data = binding.as_ref().map(ChannelBinding::as_bytes);
        let context = self.context();
        let next = context
            .step(Some(token), application_data)
            .map_err(|error| problem(&service, error))?;
        self.established = context.is_complete();
        let next = next
            .map(|token| token.to_vec())
            .filter(|token| !token.is_empty());
        match next {
            Some(token) if !self.established => Ok(Leg::More(token)),
            next => Ok(Leg::Last(next)),
        }
    }

    /// The word for the scheme in `Authorization`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.negotiate {
            "Negotiate"
        } else {
            "Kerberos"
        }
    }

    /// The protocol that sealed messages name.
    pub(crate) fn protocol(&self) -> &'static str {
        if self.negotiate { SPNEGO } else { KERBEROS }
    }

    /// What it means that the server has no token for ours.
    pub(crate) fn unanswered(&self) -> SecurityError {
        let detail = format!("it has no answer to the ticket for {:?}", self.service);
        KerberosError::NotAccepted { detail }.into()
    }

    fn established(&mut self) -> Result<&mut ClientCtx, SecurityError> {
        if self.established {
            Ok(self.context())
        } else {
            Err(SecurityError::OutOfTurn)
        }
    }

    /// The body that carries `envelope`.
    pub(crate) fn seal(&mut self, mut envelope: Vec<u8>) -> Result<Vec<u8>, SecurityError> {
        let service = self.service.clone();
        let protocol = self.protocol();
        let length = envelope.len();
        // Without a buffer for a trailer the library rotates it into the header, as Windows does.
        let mut parts = [
            GssIov::new_alloc(GssIovType::Header),
            GssIov::new(GssIovType::Data, &mut envelope),
            GssIov::new_alloc(GssIovType::Padding),
        ];
        self.established()?
            .wrap_iov(true, &mut parts)
            .map_err(|error| problem(&service, error))?;
        let [header, data, padding] = &parts;
        let message = SealedMessage {
            original_type: SOAP.into(),
            // Padding counts as content: it is taken off only by who unseals it.
            original_length: length + padding.len(),
            signature: header.to_vec(),
            sealed: [&data[..], &padding[..]].concat(),
        };
        Ok(message.encode(protocol, Delimiter::Plain))
    }

    /// The envelope that `body` carries.
    pub(crate) fn unseal(
        &mut self,
        content_type: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, SecurityError> {
        let message = SealedMessage::decode(self.protocol(), content_type, body)?;
        let whole = [&message.signature[..], &message.sealed[..]].concat();
        let opened = self.established()?.unwrap(&whole);
        let envelope = opened
            .map_err(|error| SecurityError::Sealed(error.to_string()))?
            .to_vec();
        message.check_length(envelope.len())?;
        Ok(envelope)
    }
}

fn problem(service: &str, error: Error) -> SecurityError {
    let service = service.to_owned();
    let detail = error.to_string();
    match error.minor.wrapping_sub(KERBEROS_ERRORS) {
        7 => KerberosError::UnknownService {
            service,
            realm: "the ticket".into(),
        },
        37 => KerberosError::ClockSkew {
            whose: format!("the server of {service}"),
            ahead_by: None,
        },
        _ => KerberosError::System { service, detail },
    }
    .into()
}
