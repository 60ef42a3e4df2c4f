//! How a [`Connection`] becomes somebody's, and how its first message leaves.

use ::http::StatusCode;
use ::http::header::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use owaim_proto::multipart::SOAP;

use super::{Body, Connection, Proof};
use crate::attempt::{Attempt, Purpose, challenges, offered, offers};
use crate::http::{Answer, Http};
use crate::security::{Leg, SecurityContext};
use crate::tls::ChannelBinding;
use crate::{Authentication, TransportError};

/// Most tokens of ours before a message. NTLM takes one, Kerberos another one or two, CredSSP a
/// handshake of TLS besides.
const MAX_LEGS: usize = 10;

/// What stands in for credentials when the certificate of the client is in the TLS handshake
/// ([MS-WSMV] 2.2.2).
const MUTUAL: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";

/// How far a logon has come when both sides know each other.
enum Stage {
    /// The message is to be sent, with this token if there is one.
    Ready(Option<Vec<u8>>),
    /// It went with a token, and this is the answer to it.
    Answered(Answer),
}

impl Connection {
    /// Sends the first message of somebody the server does not know yet.
    pub(super) async fn introduce(
        &self,
        action: &'static str,
        mut http: Http,
        envelope: Vec<u8>,
    ) -> Result<(Http, Proof, Answer), TransportError> {
        let (mut proof, token) = match &self.endpoint.authentication {
            Authentication::Basic { credential, .. } => {
                (Proof::Header(self.basic(action, credential)?), None)
            }
            Authentication::Certificate(_) => {
                (Proof::Header(HeaderValue::from_static(MUTUAL)), None)
            }
            _ => {
                let (context, stage) = self.log_on(action, &mut http, &envelope).await?;
                let proof = Proof::Context(context);
                match stage {
                    Stage::Answered(answer) => return Ok((http, proof, answer)),
                    Stage::Ready(token) => (proof, token),
                }
            }
        };
        let sent = self.send(action, &mut http, &mut proof, token, envelope);
        let answer = sent.await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(self.attempt(action, Purpose::Message).refused(&answer));
        }
        Ok((http, proof, answer))
    }

    /// The round trips before the first message, which goes along where the first token already
    /// says who we are and nothing has to be sealed.
    async fn log_on(
        &self,
        action: &'static str,
        http: &mut Http,
        envelope: &[u8],
    ) -> Result<(SecurityContext, Stage), TransportError> {
        let attempt = self.attempt(action, Purpose::Handshake);
        let certificate = self.tls.as_ref().map(|tls| &tls.certificate);
        let binding = certificate.and_then(|der| ChannelBinding::of_certificate(der));
        let (mut context, mut token) =
            SecurityContext::begin(&self.endpoint, binding.as_ref(), &self.tickets)
                .await
                .map_err(|error| attempt.no_context(&error, Attempt::unsendable))?;
        let message = (self.target.is_tls() && context.may_end_early()).then_some(envelope);
        for _ in 0..MAX_LEGS {
            let answer = self.show(action, http, &context, &token, message).await?;
            // Behind anything else than a 401 the message was looked at, and is not sent again.
            if message.is_some() && answer.status != StatusCode::UNAUTHORIZED {
                self.prove(action, &mut context, &answer).await?;
                return Ok((context, Stage::Answered(answer)));
            }
            let early = answer.status.is_success() && context.may_end_early();
            if answer.status != StatusCode::UNAUTHORIZED && !early {
                return Err(attempt.http_status(&answer));
            }
            let Some(challenge) = challenge(context.scheme(), &answer) else {
                return Err(self.unchallenged(attempt, &context, &answer).await);
            };
            let leg = context
                .step(challenge)
                .await
                .map_err(|error| attempt.no_context(&error, Attempt::sealing))?;
            match leg {
                Leg::More(next) => token = next,
                Leg::Last(last) => return Ok((context, Stage::Ready(last))),
                Leg::Alone(last) => {
                    let answer = self.show(action, http, &context, &last, None).await?;
                    return match answer.status {
                        StatusCode::UNAUTHORIZED => Err(attempt.refused(&answer)),
                        status if status.is_success() => Ok((context, Stage::Ready(None))),
                        _ => Err(attempt.http_status(&answer)),
                    };
                }
            }
        }
        Err(attempt.protocol(format!(
            "expected to know each other after {MAX_LEGS} tokens"
        )))
    }

    /// Lets the server prove itself by the token that came with its answer to the first message.
    async fn prove(
        &self,
        action: &'static str,
        context: &mut SecurityContext,
        answer: &Answer,
    ) -> Result<(), TransportError> {
        let attempt = self.attempt(action, Purpose::Message);
        let scheme = context.scheme();
        let unproven = || {
            let status = answer.status.as_u16();
            attempt.protocol(format!(
                "expected the last token of {scheme} with HTTP status {status}, found another or none"
            ))
        };
        let challenge = match (answer.status, challenge(scheme, answer)) {
            (StatusCode::OK | StatusCode::INTERNAL_SERVER_ERROR, Some(challenge)) => challenge,
            (StatusCode::OK, None) => return Err(unproven()),
            _ => return Err(attempt.http_status(answer)),
        };
        match context.step(challenge).await {
            Ok(Leg::Last(_)) => Ok(()),
            Ok(Leg::More(_) | Leg::Alone(_)) => Err(unproven()),
            Err(error) => Err(attempt.no_context(&error, Attempt::sealing)),
        }
    }

    /// Sends a token, by itself or with a message.
    async fn show(
        &self,
        action: &'static str,
        http: &mut Http,
        context: &SecurityContext,
        token: &[u8],
        message: Option<&[u8]>,
    ) -> Result<Answer, TransportError> {
        let request = Body {
            purpose: message.map_or(Purpose::Handshake, |_| Purpose::Message),
            authorization: Some(self.authorization(action, context.scheme(), token)?),
            kind: message.map(|_| SOAP.into()),
            octets: message.unwrap_or_default().to_vec(),
        };
        self.post(action, http, request).await
    }

    /// What it means that `answer` has no token.
    async fn unchallenged(
        &self,
        attempt: Attempt<'_>,
        context: &SecurityContext,
        answer: &Answer,
    ) -> TransportError {
        // Where the first token has said who we are, the scheme alone is a no.
        if offers(answer, context.scheme()) {
            if let Some(meaning) = context.unanswered().await {
                return attempt.no_context(&meaning, Attempt::sealing);
            }
            if matches!(
                self.endpoint.authentication,
                Authentication::CurrentLogon { .. }
            ) {
                let status = answer.status.as_u16();
                return attempt.refusal(format!("HTTP status {status} without a token"));
            }
        }
        TransportError::NoCommonAuthentication {
            url: self.endpoint.url.clone(),
            offered: offered(answer),
        }
    }
}

/// The token of `scheme` in `answer`.
fn challenge(scheme: &str, answer: &Answer) -> Option<Vec<u8>> {
    challenges(answer).iter().find_map(|challenge| {
        let (theirs, token) = challenge.split_once(' ')?;
        let ours = theirs.eq_ignore_ascii_case(scheme);
        ours.then(|| STANDARD.decode(token.trim()).ok()).flatten()
    })
}
