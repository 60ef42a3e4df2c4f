//! [`Tickets`]: what key distribution centres have answered in this run, for whoever asks again.
//!
//! A ticket serves every connection to its service, but `sspi` asks for a new one with each
//! context, and has no way to be given one. It is driven here, though, and what it asks goes
//! through our hands; so what is kept is the centre's answer, and the next context that asks the
//! same is given it again. That is sound because
//!
//! - an answer is sealed with the account's key, or with the session key that the answer before it
//!   carries: whoever cannot open it gets nothing out of it, and nothing secret is kept here that
//!   has not been on the wire. Answers are kept per account *and* password (or keytab);
//! - what is sealed in it, ticket and session key, does not depend on who asked: the nonce that
//!   ties an answer to its question guards against answers of others being played back, and here
//!   it is we who play them, within minutes. `sspi` does not look at it. A test goes red
//!   should that change;
//! - what must be new with each connection, the authenticator with its time, key and sequence
//!   number, is made anew by each context.
//!
//! Answers of one logon are used together and dropped together: after [`LIFETIME`], when a server does
//! not take a ticket, and when anything does not fit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use picky_krb::messages::TgsReq;

use super::account::Account;
use super::error::{KerberosError, Said, code};
use super::kdc::{Kdc, ask};
use super::krb5_conf::Krb5Conf;
use super::locate::locate;
use crate::{Identity, Kerberos};

/// How long answers are used. A domain's policy cannot make tickets live for less than ten minutes.
const LIFETIME: Duration = Duration::from_mins(8);

/// How long it is told again that no centre of a realm answers: whoever has many servers would wait for
/// the same silence at each of them, one after the other.
const SILENCE: Duration = Duration::from_secs(30);

/// First octets of messages (RFC 4120, section 5.10).
const AS_REQ: u8 = 0x6a;
const AS_REP: u8 = 0x6b;
const TGS_REQ: u8 = 0x6c;
const TGS_REP: u8 = 0x6d;

/// What key distribution centres have answered, shared by all who speak for the same accounts.
#[derive(Clone, Default)]
pub struct Tickets(Arc<Mutex<HashMap<Asker, Shelf>>>);

/// Who asks whom.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Asker {
    account: Account,
    identity: Identity,
    kdcs: Vec<String>,
}

/// The answers to one asker. It is locked for as long as somebody asks, so that those who come
/// meanwhile find what was answered.
pub(super) type Shelf = Arc<tokio::sync::Mutex<Answers>>;

/// The answers to one asker.
#[derive(Default)]
pub(super) struct Answers {
    logon: Option<Logon>,
    /// By realm and service.
    services: HashMap<String, Vec<u8>>,
    /// By realm, the one that answered last first.
    centres: HashMap<String, Vec<Kdc>>,
    /// By realm, that no centre of it answered, and when that was known.
    silent: HashMap<String, (Instant, KerberosError)>,
}

/// The answers that gave the account's own ticket.
struct Logon {
    since: Instant,
    answers: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl Tickets {
    /// The shelf of `account`, which is who `kerberos` means.
    pub(super) fn shelf(&self, account: &Account, kerberos: &Kerberos) -> Shelf {
        let asker = Asker {
            account: account.clone(),
            identity: kerberos.identity.clone(),
            kdcs: kerberos.kdcs.clone(),
        };
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(shelves.entry(asker).or_default())
    }
}

impl Answers {
    /// Forgets all that was answered.
    pub(super) fn clear(&mut self) {
        self.logon = None;
        self.services.clear();
    }
}

/// One context's questions, in their order.
pub(super) struct Conversation<'a> {
    answers: &'a mut Answers,
    account: &'a Account,
    service: &'a str,
    kdcs: &'a [String],
    conf: &'a Krb5Conf,
    /// What was answered on the way to the account's own ticket, and whether all of it was kept.
    logon: Vec<Vec<u8>>,
    kept: bool,
    skewed: bool,
    /// Number of the encryption type of the key that proves the account.
    encryption_type: u8,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(
        answers: &'a mut Answers,
        account: &'a Account,
        service: &'a str,
        kdcs: &'a [String],
        conf: &'a Krb5Conf,
        encryption_type: u8,
    ) -> Self {
        if answers
            .logon
            .as_ref()
            .is_none_or(|logon| logon.since.elapsed() > LIFETIME)
        {
            answers.clear();
        }
        Self {
            kept: answers.logon.is_some(),
            answers,
            account,
            service,
            kdcs,
            conf,
            logon: Vec::new(),
            skewed: false,
            encryption_type,
        }
    }

    /// The answer to a request of `sspi`: one that was kept, or one that is fetched.
    pub(super) async fn answer(&mut self, request: &[u8]) -> Result<Vec<u8>, KerberosError> {
        match request.first() {
            Some(&AS_REQ) => self.answer_logon(request).await,
            Some(&TGS_REQ) => self.answer_service(request).await,
            _ => {
                Err(self
                    .package("it asks for something that is neither a logon nor a ticket".into()))
            }
        }
    }

    /// The answer to an AS-REQ (RFC 4120, section 3.1): the first one says what proof is wanted,
    /// the one to the proof is the ticket.
    async fn answer_logon(&mut self, request: &[u8]) -> Result<Vec<u8>, KerberosError> {
        if self.kept {
            let kept = self.answers.logon.as_ref();
            let answer = kept.and_then(|logon| logon.answers.get(self.logon.len()));
            let answer = answer
                .cloned()
                .ok_or_else(|| self.package("it asks more often than it did before".into()))?;
            self.logon.push(answer.clone());
            return Ok(answer);
        }
        let answer = self.fetch(&self.account.realm, request).await?;
        let first = self.logon.is_empty();
        let said = Said::in_message(&answer, SystemTime::now());
        let (account, realm) = (self.account.name.clone(), self.account.realm.clone());
        match said {
            None if first && answer.first() == Some(&AS_REP) => {
                return Err(KerberosError::NoPreauthentication { account, realm });
            }
            None => {}
            Some(said) => match said.code {
                code::PREAUTH_REQUIRED if first => self.check_key(&said.proofs)?,
                // `sspi` goes by the centre's clock from here on, once.
                code::SKEW if !self.skewed => self.skewed = true,
                code::PREAUTH_REQUIRED => {
                    return Err(KerberosError::EncryptionType {
                        whose: format!("the account {account:?}"),
                        detail: format!(
                            "the realm {realm} does not take the proof of its password"
                        ),
                    });
                }
                code::CLIENT_UNKNOWN => {
                    return Err(KerberosError::UnknownAccount { account, realm });
                }
                code::PREAUTH_FAILED | code::WRONG_KEY => {
                    return Err(KerberosError::WrongPassword { account, realm });
                }
                code::CLIENT_REVOKED | code::CLIENT_EXPIRED => {
                    return Err(KerberosError::Revoked { account, realm });
                }
                code::KEY_EXPIRED => {
                    return Err(KerberosError::PasswordExpired { account, realm });
                }
                _ => return Err(self.refused(&realm, said)),
            },
        }
        self.logon.push(answer.clone());
        if answer.first() == Some(&AS_REP) {
            // By a clock that was corrected on the way the answers cannot be told again: `sspi`
            // takes the difference from when it reads them.
            if !self.skewed {
                self.answers.logon = Some(Logon {
                    since: Instant::now(),
                    answers: self.logon.clone(),
                });
            }
        }
        Ok(answer)
    }

    /// Whether the account has a key of the type that `sspi` proves it by: what it sends otherwise
    /// counts as a wrong password.
    fn check_key(&self, proofs: &[u8]) -> Result<(), KerberosError> {
        if proofs.contains(&self.encryption_type) {
            return Ok(());
        }
        Err(KerberosError::EncryptionType {
            whose: format!("the account {:?}", self.account.name),
            detail: format!(
                "expected a key of type {} (RFC 3962), the realm {} has those of {proofs:?}",
                self.encryption_type, self.account.realm
            ),
        })
    }

    /// The answer to a TGS-REQ (RFC 4120, section 3.3): a ticket for the service, or one for
    /// another realm to ask.
    async fn answer_service(&mut self, request: &[u8]) -> Result<Vec<u8>, KerberosError> {
        let asked: TgsReq =
            picky_asn1_der::from_bytes(request).map_err(|error| self.package(error.to_string()))?;
        let realm = asked.0.req_body.0.realm.0.to_string();
        // Who asks is sealed in the request; what is asked for is not.
        let ticket = format!("{} of {realm}", self.service);
        if self.kept
            && let Some(answer) = self.answers.services.get(&ticket)
        {
            return Ok(answer.clone());
        }
        let answer = self.fetch(&realm, request).await?;
        if let Some(said) = Said::in_message(&answer, SystemTime::now()) {
            return Err(self.refused(&realm, said));
        }
        if answer.first() == Some(&TGS_REP) && !self.skewed {
            self.answers.services.insert(ticket, answer.clone());
        }
        Ok(answer)
    }

    async fn fetch(&mut self, realm: &str, request: &[u8]) -> Result<Vec<u8>, KerberosError> {
        if let Some((since, error)) = self.answers.silent.get(realm)
            && since.elapsed() < SILENCE
        {
            return Err(error.clone());
        }
        if !self.answers.centres.contains_key(realm) {
            // The site file names centres of the account's realm, not of those that it trusts.
            let given = if realm == self.account.realm {
                self.kdcs
            } else {
                &[]
            };
            let located = locate(realm, given, self.conf).await?;
            self.answers.centres.insert(realm.into(), located);
        }
        let Some(centres) = self.answers.centres.get_mut(realm) else {
            return Err(self.package("its centres are gone".into()));
        };
        match ask(realm, centres, request).await {
            Ok((answer, at)) => {
                centres.swap(0, at);
                Ok(answer)
            }
            Err(error) => {
                // DNS may know better the next time.
                self.answers.centres.remove(realm);
                let silence = (Instant::now(), error.clone());
                self.answers.silent.insert(realm.into(), silence);
                Err(error)
            }
        }
    }

    fn refused(&self, realm: &str, said: Said) -> KerberosError {
        let (service, realm) = (self.service.to_owned(), realm.to_owned());
        match said.code {
            code::SERVICE_UNKNOWN => KerberosError::UnknownService { service, realm },
            code::SKEW => KerberosError::ClockSkew {
                whose: format!("the key distribution centre of {realm}"),
                ahead_by: said.ahead_by,
            },
            code::NO_ENCRYPTION_TYPE => KerberosError::EncryptionType {
                whose: if self.logon.is_empty() {
                    format!("the account {:?}", self.account.name)
                } else {
                    format!("the service {service:?}")
                },
                detail: format!("KDC_ERR_ETYPE_NOSUPP of the realm {realm}"),
            },
            code => KerberosError::Refused {
                realm,
                service,
                code,
                text: said.text.or_else(|| {
                    (code == code::WRONG_REALM)
                        .then(|| "the account belongs to another realm".to_owned())
                }),
            },
        }
    }

    fn package(&self, detail: String) -> KerberosError {
        KerberosError::Package {
            service: self.service.to_owned(),
            detail,
        }
    }
}
