//! The current logon, through the system's own security package (Windows).
//!
//! Key type: [`Logon`], the client's half of a security context that `Negotiate` makes for whoever
//! has logged on. It is Kerberos or nothing: a server that cannot prove who it is, as with NTLM,
//! is refused before anything is sealed for it.

use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use cross_krb5::{ClientCtx, InitiateFlags, K5Ctx as _, PendingClientCtx, Step};
use owaim_proto::multipart::{Delimiter, SOAP, SPNEGO, SealedMessage};

use crate::security::{Leg, SecurityError};
use crate::tls::ChannelBinding;

/// Whether there is a logon that servers can be shown.
pub const CURRENT_LOGON: bool = true;

/// The client's half of a security context.
pub(crate) struct Logon {
    // A context may go from thread to thread, but not be shared by two. A connection never does
    // that; the lock, which is never taken, tells the compiler.
    state: Mutex<State>,
}

enum State {
    Pending(PendingClientCtx),
    Established(ClientCtx),
    /// A token was refused.
    Broken,
}

impl Logon {
    /// A context for the service principal `service`, tied to the TLS connection of `binding`, and its
    /// first token.
    pub(crate) async fn begin(
        service: String,
        binding: Option<ChannelBinding>,
    ) -> Result<(Self, Vec<u8>), SecurityError> {
        // The system asks a domain controller where it is called, and waits for it.
        let begun = tokio::task::spawn_blocking(move || {
            let binding = binding.as_ref().map(ChannelBinding::as_bytes);
            let (context, token) =
                ClientCtx::new(InitiateFlags::NEGOTIATE_TOKEN, None, &service, binding)
                    .map_err(|error| system(&error))?;
            let state = Mutex::new(State::Pending(context));
            Ok((Self { state }, token.to_vec()))
        });
        match begun.await {
            Ok(begun) => begun,
            Err(_) => Err(SecurityError::OutOfTurn),
        }
    }

    fn state(&mut self) -> &mut State {
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the server's token.
    pub(crate) fn step(&mut self, token: &[u8]) -> Result<Leg, SecurityError> {
        let State::Pending(context) = std::mem::replace(self.state(), State::Broken) else {
            return Err(SecurityError::OutOfTurn);
        };
        match context.step(token).map_err(|error| system(&error))? {
            Step::Finished((context, token)) => {
                let token = token.map(|token| token.to_vec());
                *self.state() = State::Established(context);
                Ok(Leg::Last(token))
            }
            Step::Continue((context, token)) => {
                let token = token.to_vec();
                *self.state() = State::Pending(context);
                Ok(Leg::More(token))
            }
        }
    }

    fn established(&mut self) -> Result<&mut ClientCtx, SecurityError> {
        match self.state() {
            State::Established(context) => Ok(context),
            State::Pending(_) | State::Broken => Err(SecurityError::OutOfTurn),
        }
    }

    /// The body that carries `envelope`.
    pub(crate) fn seal(&mut self, envelope: &[u8]) -> Result<Vec<u8>, SecurityError> {
        let sealed = self
            .established()?
            .wrap_iov(true, BytesMut::from(envelope))
            .map_err(|error| system(&error))?;
        let (data, padding) = (sealed.last_ref().first_ref(), sealed.last_ref().last_ref());
        let message = SealedMessage {
            original_type: SOAP.into(),
            // Padding counts as content: it is taken off only by who unseals it.
            original_length: envelope.len() + padding.len(),
            signature: sealed.first_ref().to_vec(),
            sealed: [&data[..], &padding[..]].concat(),
        };
        Ok(message.encode(SPNEGO, Delimiter::Plain))
    }

    /// The envelope that `body` carries.
    pub(crate) fn unseal(
        &mut self,
        content_type: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, SecurityError> {
        let message = SealedMessage::decode(SPNEGO, content_type, body)?;
        let whole = [&message.signature[..], &message.sealed[..]].concat();
        let envelope = self
            .established()?
            .unwrap(&whole)
            .map_err(|error| system(&error))?
            .to_vec();
        if message.original_length != envelope.len() {
            // With the padding, as it is written here too.
            message.check_length(message.sealed.len())?;
        }
        Ok(envelope)
    }
}

fn system(error: &impl std::fmt::Display) -> SecurityError {
    SecurityError::System {
        detail: format!("{error:#}"),
    }
}
