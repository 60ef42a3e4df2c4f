//! [`KerberosError`]: why there is no ticket, or why a server does not take it.

use std::path::PathBuf;

use picky_asn1::wrapper::Asn1SequenceOf;
use picky_krb::constants::types::PA_ETYPE_INFO2_TYPE;
use picky_krb::data_types::{EtypeInfo2, PaData};
use picky_krb::messages::KrbError;

/// Error codes of RFC 4120, section 7.5.9, that are told apart here.
pub(super) mod code {
    pub(crate) const CLIENT_EXPIRED: u32 = 1;
    pub(crate) const CLIENT_UNKNOWN: u32 = 6;
    pub(crate) const SERVICE_UNKNOWN: u32 = 7;
    pub(crate) const NO_ENCRYPTION_TYPE: u32 = 14;
    pub(crate) const CLIENT_REVOKED: u32 = 18;
    pub(crate) const KEY_EXPIRED: u32 = 23;
    pub(crate) const PREAUTH_FAILED: u32 = 24;
    pub(crate) const PREAUTH_REQUIRED: u32 = 25;
    pub(crate) const SERVICE_UNAVAILABLE: u32 = 29;
    pub(crate) const WRONG_KEY: u32 = 31;
    pub(crate) const TICKET_EXPIRED: u32 = 32;
    pub(crate) const SKEW: u32 = 37;
    pub(crate) const MODIFIED: u32 = 41;
    pub(crate) const UNKNOWN_KEY_VERSION: u32 = 44;
    pub(crate) const NO_KEY: u32 = 45;
    pub(crate) const TOO_BIG_FOR_UDP: u32 = 52;
    pub(crate) const WRONG_REALM: u32 = 68;
}

/// Why there is no ticket, or why a server does not take it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KerberosError {
    /// Nothing says which realm the account belongs to.
    #[error(
        "no realm is known for the account {account:?}: neither the site file nor the user name nor krb5.conf names one, and {host:?} is no DNS name to take it from"
    )]
    NoRealm {
        /// The account.
        account: String,
        /// Host of the endpoint.
        host: String,
    },
    /// The name of an account or service is of no form that can be asked for.
    #[error("the name {name:?} cannot be asked for: {expected}")]
    Name {
        /// The name.
        name: String,
        /// What a name may be.
        expected: &'static str,
    },
    /// There is no key of the account to be had from the file.
    #[error("the keytab {} has no key for {principal}: {detail}", path.display())]
    Keytab {
        /// The file.
        path: PathBuf,
        /// Whose key is looked for.
        principal: String,
        /// What is wrong.
        detail: String,
    },
    /// No key distribution centre of the realm is known.
    #[error("no key distribution centre of the realm {realm} is known: {looked}")]
    NoKdc {
        /// The realm.
        realm: String,
        /// Where it was looked for, and with what result.
        looked: String,
    },
    /// No key distribution centre of the realm gave an answer.
    #[error("no key distribution centre of the realm {realm} answered: {}", tried.join("; "))]
    Unreachable {
        /// The realm.
        realm: String,
        /// What was tried, with what came of it.
        tried: Vec<String>,
    },
    /// The realm has no such account.
    #[error("the realm {realm} knows no account {account:?} (KDC_ERR_C_PRINCIPAL_UNKNOWN)")]
    UnknownAccount {
        /// The account.
        account: String,
        /// The realm.
        realm: String,
    },
    /// Password or key are not those of the account.
    #[error(
        "the realm {realm} refuses the password or key of {account:?} (KDC_ERR_PREAUTH_FAILED)"
    )]
    WrongPassword {
        /// The account.
        account: String,
        /// The realm.
        realm: String,
    },
    /// The account is locked, disabled or expired.
    #[error("the realm {realm} says that the account {account:?} is locked, disabled or expired")]
    Revoked {
        /// The account.
        account: String,
        /// The realm.
        realm: String,
    },
    /// The account's password has expired.
    #[error(
        "the realm {realm} says that the password of {account:?} has expired (KDC_ERR_KEY_EXPIRED)"
    )]
    PasswordExpired {
        /// The account.
        account: String,
        /// The realm.
        realm: String,
    },
    /// The account may log on without proving its password, which is not spoken here.
    #[error(
        "the realm {realm} asks no proof of the password of {account:?} (it needs no preauthentication)"
    )]
    NoPreauthentication {
        /// The account.
        account: String,
        /// The realm.
        realm: String,
    },
    /// No account of the realm has the service's name.
    #[error("the realm {realm} knows no service {service:?} (KDC_ERR_S_PRINCIPAL_UNKNOWN)")]
    UnknownService {
        /// The service principal.
        service: String,
        /// The realm that was asked.
        realm: String,
    },
    /// Two clocks differ by more than Kerberos allows.
    #[error(
        "the clock of {whose} differs from the one here by more than Kerberos allows (KRB_AP_ERR_SKEW){}",
        ahead(*.ahead_by)
    )]
    ClockSkew {
        /// Whose clock.
        whose: String,
        /// By how many seconds it is ahead, negative if it is behind.
        ahead_by: Option<i64>,
    },
    /// There is no encryption type that all of account, service and this program have.
    #[error(
        "{whose} has no encryption type in common with this program, which has aes256-cts-hmac-sha1-96 and aes128-cts-hmac-sha1-96: {detail}"
    )]
    EncryptionType {
        /// Whose keys.
        whose: String,
        /// What was said.
        detail: String,
    },
    /// The key distribution centre refuses for another reason.
    #[error(
        "the realm {realm} refuses a ticket for {service:?}: Kerberos error {code}{}",
        said(text.as_ref())
    )]
    Refused {
        /// The realm.
        realm: String,
        /// The service.
        service: String,
        /// Error code (RFC 4120, section 7.5.9).
        code: u32,
        /// What it says about it.
        text: Option<String>,
    },
    /// The server does not take the ticket.
    #[error("the server does not take the ticket for {service:?}: Kerberos error {code}{}", said(text.as_ref()))]
    TicketRefused {
        /// The service.
        service: String,
        /// Error code (RFC 4120, section 7.5.9).
        code: u32,
        /// What it says about it.
        text: Option<String>,
    },
    /// What the server showed proves nothing.
    #[error("the server has not proved that it is {service:?}: {detail}")]
    Unproven {
        /// The service.
        service: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The server chooses a mechanism that was not offered, or none, or does not say why.
    #[error("the server does not take Kerberos: {detail}")]
    NotAccepted {
        /// What it said.
        detail: String,
    },
    /// The ticket of `kinit` cannot be used by this build.
    #[error("a ticket of kinit needs the feature `gssapi`, and this program was built without it")]
    NoTicketCache,
    /// A ticket from a password or a keytab cannot be passed on.
    #[error("delegation to the server needs a ticket of kinit and the feature `gssapi`")]
    NoDelegation,
    /// The system's Kerberos library refuses.
    #[error("the system's Kerberos library, for {service:?}: {detail}")]
    System {
        /// The service.
        service: String,
        /// What it said.
        detail: String,
    },
    /// The security package cannot go on with what came.
    #[error("asking for a ticket for {service:?}: {detail}")]
    Package {
        /// The service.
        service: String,
        /// What the package says.
        detail: String,
    },
}

fn ahead(seconds: Option<i64>) -> String {
    match seconds {
        Some(seconds) if seconds >= 0 => format!(": it is {seconds} s ahead"),
        Some(seconds) => format!(": it is {} s behind", seconds.unsigned_abs()),
        None => String::new(),
    }
}

fn said(text: Option<&String>) -> String {
    text.map(|text| format!(", {text:?}")).unwrap_or_default()
}

impl KerberosError {
    /// Whether the realm or the server said no to the account itself, so that trying again may lock it.
    pub fn is_refused_logon(&self) -> bool {
        matches!(
            self,
            Self::WrongPassword { .. } | Self::Revoked { .. } | Self::PasswordExpired { .. }
        )
    }

    /// Whether trying again can help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether there is no ticket although nobody said no to a password: what another way of
    /// proving it may be tried after.
    pub(crate) fn leaves_ntlm(&self) -> bool {
        matches!(
            self,
            Self::NoRealm { .. }
                | Self::NoKdc { .. }
                | Self::Unreachable { .. }
                | Self::UnknownService { .. }
                | Self::ClockSkew { .. }
                | Self::EncryptionType { .. }
                | Self::Name { .. }
                | Self::NoPreauthentication { .. }
                | Self::UnknownAccount { .. }
        )
    }

    /// What an administrator can do about it: a sentence without its full stop.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NoRealm { .. } => {
                "give realm in the site file, or the user name as user@REALM, or default_realm in krb5.conf"
            }
            Self::Name { .. } => "correct the name in the site file",
            Self::Keytab { .. } => {
                "look into the file with klist -k -e, and write it anew (ktpass or ktutil) with AES keys of the account"
            }
            Self::NoKdc { .. } => {
                "give the domain controllers as kdcs in the site file or in krb5.conf, or make _kerberos._udp of the realm resolve in DNS"
            }
            Self::Unreachable { .. } => {
                "check that a domain controller is up and that the firewall lets UDP and TCP port 88 through, or name others as kdcs"
            }
            Self::UnknownAccount { .. } => {
                "check user name and realm: the name is sAMAccountName, or the userPrincipalName as it stands in the directory"
            }
            Self::WrongPassword { .. } => {
                "check the password; if it is right, check that the account has AES keys (change its password once after it was allowed AES)"
            }
            Self::Revoked { .. } => "unlock or enable the account in the directory",
            Self::PasswordExpired { .. } => "change the account's password",
            Self::NoPreauthentication { .. } => {
                "take \"Do not require Kerberos preauthentication\" off the account, which makes its password easy to guess"
            }
            Self::UnknownService { .. } => {
                "use the name that the server is registered under: setspn -Q HTTP/SERVER says whose it is, setspn -S HTTP/SERVER ACCOUNT registers it; or give service in the site file"
            }
            Self::ClockSkew { .. } => {
                "set both clocks by the domain's time (w32tm /resync on Windows, chronyc makestep on Linux); five minutes are allowed"
            }
            Self::EncryptionType { .. } => {
                "allow AES on the account (msDS-SupportedEncryptionTypes 24) and change its password, so that it gets keys of that type"
            }
            Self::Refused { .. } | Self::Package { .. } => {
                "look into the domain controller's log of Kerberos service tickets (events 4768, 4769, 4771)"
            }
            Self::TicketRefused { .. } => {
                "setspn -X finds a service name that two accounts have; a server that has been renamed or joined anew may need a reboot; kdcs must be of the server's domain"
            }
            Self::Unproven { .. } => {
                "treat it as an attack until you know better: whoever answers does not have the key of that service"
            }
            Self::NotAccepted { .. } => {
                "check that Kerberos is switched on there (winrm get winrm/config/service/auth) and that the service name belongs to the account that the service runs as (setspn -X finds names that two have); its event log says why (Security, event 4625)"
            }
            Self::NoTicketCache => "build with --features gssapi, or give a password or a keytab",
            Self::NoDelegation => {
                "leave delegation off, or fetch a forwardable ticket with kinit -f and build with --features gssapi"
            }
            Self::System { .. } => "run kinit, and klist to see the ticket",
        }
    }
}

/// What a KRB-ERROR says.
pub(super) struct Said {
    pub(super) code: u32,
    pub(super) text: Option<String>,
    /// Seconds by which the clock of who says it is ahead of ours.
    pub(super) ahead_by: Option<i64>,
    /// Numbers of the encryption types by which the account may be proved, if that is asked for.
    pub(super) proofs: Vec<u8>,
}

impl Said {
    /// What `message` says, if it is a KRB-ERROR ([APPLICATION 30]).
    pub(super) fn in_message(message: &[u8], now: std::time::SystemTime) -> Option<Self> {
        if message.first() != Some(&0x7e) {
            return None;
        }
        let error: KrbError = picky_asn1_der::from_bytes(message).ok()?;
        Some(Self::of(&error, now))
    }

    pub(super) fn of(error: &KrbError, now: std::time::SystemTime) -> Self {
        let ours = now
            .duration_since(std::time::UNIX_EPOCH)
            .ok()
            .and_then(|since| i64::try_from(since.as_secs()).ok());
        let theirs = seconds(error);
        Self {
            code: error.0.error_code.0,
            // What is printed later holds nothing but what is meant for reading.
            text: error.0.e_text.0.as_ref().map(|text| {
                text.0
                    .to_string()
                    .chars()
                    .filter(|letter| !letter.is_control())
                    .take(200)
                    .collect()
            }),
            ahead_by: ours.zip(theirs).map(|(ours, theirs)| theirs - ours),
            proofs: proofs(error).unwrap_or_default(),
        }
    }
}

/// What ETYPE-INFO2 of an error names (RFC 4120, section 5.2.7.5).
fn proofs(error: &KrbError) -> Option<Vec<u8>> {
    let data = error.0.e_data.0.as_ref()?;
    let methods: Asn1SequenceOf<PaData> = picky_asn1_der::from_bytes(&data.0.0).ok()?;
    let info = methods
        .0
        .iter()
        .find(|method| method.padata_type.0.0 == PA_ETYPE_INFO2_TYPE)?;
    let info: EtypeInfo2 = picky_asn1_der::from_bytes(&info.padata_data.0.0).ok()?;
    // Those of Microsoft's own are negative and take more octets; all that matter here take one.
    let numbers = info.0.iter().filter_map(|entry| match *entry.etype.0.0 {
        [number] => Some(number),
        _ => None,
    });
    Some(numbers.collect())
}

/// Seconds since 1970 of when `error` was made; its time is in UTC and without fractions.
fn seconds(error: &KrbError) -> Option<i64> {
    let time = &error.0.stime.0.0;
    let date = jiff::civil::DateTime::new(
        i16::try_from(time.year()).ok()?,
        i8::try_from(time.month()).ok()?,
        i8::try_from(time.day()).ok()?,
        i8::try_from(time.hour()).ok()?,
        i8::try_from(time.minute()).ok()?,
        i8::try_from(time.second()).ok()?,
        0,
    )
    .ok()?;
    let timestamp = jiff::tz::TimeZone::UTC.to_timestamp(date).ok()?;
    Some(timestamp.as_second())
}

#[cfg(test)]
mod tests {
    use super::KerberosError as E;

    #[test]
    fn ntlm_is_left_where_no_password_was_refused() {
        let text = || "x".to_owned();
        let (account, realm, service) = (text, text, text);
        for (error, left) in [
            (
                E::NoRealm {
                    account: account(),
                    host: text(),
                },
                true,
            ),
            (
                E::Name {
                    name: text(),
                    expected: "",
                },
                true,
            ),
            (
                E::NoKdc {
                    realm: realm(),
                    looked: text(),
                },
                true,
            ),
            (
                E::Unreachable {
                    realm: realm(),
                    tried: Vec::new(),
                },
                true,
            ),
            (
                E::UnknownAccount {
                    account: account(),
                    realm: realm(),
                },
                true,
            ),
            (
                E::NoPreauthentication {
                    account: account(),
                    realm: realm(),
                },
                true,
            ),
            (
                E::UnknownService {
                    service: service(),
                    realm: realm(),
                },
                true,
            ),
            (
                E::ClockSkew {
                    whose: text(),
                    ahead_by: None,
                },
                true,
            ),
            (
                E::EncryptionType {
                    whose: text(),
                    detail: text(),
                },
                true,
            ),
            (
                E::WrongPassword {
                    account: account(),
                    realm: realm(),
                },
                false,
            ),
            (
                E::Revoked {
                    account: account(),
                    realm: realm(),
                },
                false,
            ),
            (
                E::PasswordExpired {
                    account: account(),
                    realm: realm(),
                },
                false,
            ),
            // Whoever answers is not the server that was meant, or there is no password to prove.
            (
                E::Unproven {
                    service: service(),
                    detail: text(),
                },
                false,
            ),
            (E::NotAccepted { detail: text() }, false),
            (E::NoDelegation, false),
        ] {
            assert_eq!(error.leaves_ntlm(), left, "{error}");
            assert!(!(left && error.is_refused_logon()), "{error}");
        }
    }
}
