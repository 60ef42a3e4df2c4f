//! [`Accounts`]: who may log on, by every name that they go by on the wire.

use sspi::{AuthIdentity, Username, UsernameParts};

use super::acceptor::AcceptError;

/// The accounts that may log on.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    accounts: Vec<Account>,
}

#[derive(Debug)]
pub(super) struct Account {
    /// As the site file spells it.
    pub(super) name: String,
    /// Every name it goes by on the wire, with its password.
    identities: Vec<AuthIdentity>,
}

impl Account {
    /// Its name without the domain, and its password.
    pub(super) fn user(&self) -> Option<(String, String)> {
        let identity = self.identities.first()?;
        let name = identity.username.account_name().to_owned();
        Some((name, identity.password.as_ref().to_owned()))
    }
}

impl Accounts {
    /// Adds the account `name` (`DOMAIN\user`, `user@domain` or `user`), which may log on by its
    /// bare name too, and gives the password that holds: an account that goes by that name already
    /// keeps its own.
    pub(crate) fn add(&mut self, name: &str, password: &str) -> Result<&str, AcceptError> {
        let parse = |text| {
            Username::parse(text).map_err(|_| AcceptError::Username {
                username: name.into(),
            })
        };
        let whole = parse(name)?;
        if self.find(&whole).is_none() {
            let bare = parse(whole.account_name())?;
            let mut names = vec![whole.clone()];
            if bare != whole && self.find(&bare).is_none() {
                names.push(bare);
            }
            let identity = |username| AuthIdentity {
                username,
                password: password.to_owned().into(),
            };
            let identities = names.into_iter().map(identity).collect();
            self.accounts.push(Account {
                name: name.into(),
                identities,
            });
        }
        let known = self
            .find(&whole)
            .map(|(_, identity)| identity.password.as_ref().as_str());
        known.ok_or_else(|| AcceptError::NoAccount {
            username: name.into(),
        })
    }

    /// The account that goes by `name`, if its password is `password`.
    pub(super) fn by_password(&self, name: &str, password: &str) -> Option<String> {
        let username = Username::parse(name).ok()?;
        let known = self.find(&username).map(|(account, _)| account);
        let account = known.or_else(|| {
            let (user, domain) = name.rsplit_once('@')?;
            self.find_principal(user, domain)
        })?;
        let (_, own) = account.user()?;
        let holds = own == password;
        holds.then(|| account.name.clone())
    }

    /// The account that a user principal name (`user@domain`) stands for.
    pub(super) fn by_principal(&self, principal: &str) -> Option<String> {
        let (user, domain) = principal.rsplit_once('@')?;
        let account = self.find_principal(user, domain)?;
        Some(account.name.clone())
    }

    /// What the account that a user principal name stands for logs on with.
    pub(super) fn identity_of_principal(&self, principal: &str) -> Option<&AuthIdentity> {
        let (user, domain) = principal.rsplit_once('@')?;
        self.find_principal(user, domain)?.identities.first()
    }

    /// Whether an account is of that domain, as it stands in `DOMAIN\user`.
    pub(super) fn know_domain(&self, domain: &str) -> bool {
        self.accounts.iter().any(|account| {
            let own = account.name.split_once('\\').map(|(own, _)| own);
            own.is_some_and(|own| own.eq_ignore_ascii_case(domain))
        })
    }

    /// The account of that user in a domain, by its DNS name or the first label of that; or the
    /// account that goes by the bare name.
    pub(super) fn find_principal(&self, user: &str, domain: &str) -> Option<&Account> {
        let goes_by = |identity: &AuthIdentity, domain: Option<&str>| {
            let own = match identity.username.parts() {
                UsernameParts::UserPrincipalName(parts) => Some(first_label(parts.suffix())),
                UsernameParts::DownLevelLogonName(parts) => parts.netbios_domain(),
            };
            identity.username.account_name().eq_ignore_ascii_case(user)
                && own.map(str::to_ascii_lowercase) == domain.map(str::to_ascii_lowercase)
        };
        [Some(first_label(domain)), None]
            .into_iter()
            .find_map(|domain| {
                let mut accounts = self.accounts.iter();
                accounts.find(|account| account.identities.iter().any(|one| goes_by(one, domain)))
            })
    }

    pub(super) fn find(&self, username: &Username) -> Option<(&Account, &AuthIdentity)> {
        self.accounts.iter().find_map(|account| {
            let mut identities = account.identities.iter();
            let identity = identities.find(|one| one.username.eq_ignore_ascii_case(username))?;
            Some((account, identity))
        })
    }

    pub(super) fn identities(&self) -> Vec<AuthIdentity> {
        self.accounts
            .iter()
            .flat_map(|account| account.identities.iter().cloned())
            .collect()
    }
}

/// Whether an account is one of the servers themselves, not of a domain.
pub(super) fn is_local(name: &str) -> bool {
    !name.trim_start_matches(LOCAL).contains(['\\', '@'])
}

/// How a local account may be told from one of the domain.
pub(super) const LOCAL: &str = ".\\";

/// The user principal name of the account `name` in a site whose domain is `domain`.
pub(crate) fn principal_name(name: &str, domain: &str) -> String {
    let domain = domain.to_ascii_lowercase();
    match name.split_once('\\') {
        Some((own, user)) if !own.eq_ignore_ascii_case(first_label(&domain)) => {
            format!("{user}@{}", own.to_ascii_lowercase())
        }
        Some((_, user)) => format!("{user}@{domain}"),
        None if name.contains('@') => name.to_owned(),
        None => format!("{name}@{domain}"),
    }
}

fn first_label(domain: &str) -> &str {
    domain.split('.').next().unwrap_or(domain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn local_accounts_name_no_domain() {
        for (name, expected) in [
            ("owaim", true),
            (".\\owaim", true),
            ("LITWAREINC\\owaim", false),
            ("owaim@litwareinc.com", false),
        ] {
            assert_eq!(is_local(name), expected, "{name}");
        }
    }

    #[test]
    fn every_account_has_a_principal_that_leads_back_to_it() {
        let names = [
            ("LITWAREINC\\owaim", "owaim@litwareinc.com"),
            ("LAB\\owaim", "owaim@lab"),
            ("second@litwareinc.com", "second@litwareinc.com"),
            ("third", "third@litwareinc.com"),
        ];
        let mut accounts = Accounts::default();
        for (name, _) in names {
            accounts.add(name, "pa:ss").unwrap();
        }
        for (name, principal) in names {
            assert_eq!(principal_name(name, "LITWAREINC.COM"), principal);
            assert_eq!(accounts.by_principal(principal).as_deref(), Some(name));
            assert_eq!(accounts.by_password(name, "pa:ss").as_deref(), Some(name));
            assert_eq!(accounts.by_password(name, "other"), None);
        }
        assert_eq!(accounts.by_principal("nobody@litwareinc.com"), None);
        assert_eq!(accounts.by_principal("owaim"), None);
    }
}
