//! [`Krb5Conf`]: what MIT's and Heimdal's `krb5.conf` says about realms and where they are.
//!
//! Read are `[libdefaults]`, `[realms]` and `[domain_realm]`; sections of programs, relations that
//! are not known here, and lines that include other files are passed over, as is whatever cannot
//! be understood: the libraries that the file is for do the same.

use std::collections::HashMap;
use std::path::PathBuf;

/// Longest file that is read, in octets.
const MAX_FILE: u64 = 1 << 20;

/// What the files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Krb5Conf {
    /// Realm of names that have none.
    pub(crate) default_realm: Option<String>,
    /// Whether DNS may be asked for key distribution centres.
    pub(crate) dns_lookup_kdc: bool,
    /// Key distribution centres by realm, in the order of the file.
    pub(super) kdcs: HashMap<String, Vec<String>>,
    /// Realms by host (`host.example`) or domain (`.example`), in lower case.
    pub(super) domains: HashMap<String, String>,
    /// The files that were read.
    pub(crate) files: Vec<PathBuf>,
}

impl Default for Krb5Conf {
    fn default() -> Self {
        Self {
            default_realm: None,
            dns_lookup_kdc: true,
            kdcs: HashMap::new(),
            domains: HashMap::new(),
            files: Vec::new(),
        }
    }
}

impl Krb5Conf {
    /// What the files of this machine say: those that `KRB5_CONFIG` names, or `/etc/krb5.conf`. A
    /// file that is not there says nothing.
    pub(crate) fn of_system() -> Self {
        let paths: Vec<PathBuf> = match std::env::var_os("KRB5_CONFIG") {
            Some(paths) => std::env::split_paths(&paths).collect(),
            // Without a drive it is no whole path on Windows, where anyone may make such a folder.
            None => vec![PathBuf::from("/etc/krb5.conf")]
                .into_iter()
                .filter(|path| path.is_absolute())
                .collect(),
        };
        let mut conf = Self::default();
        for path in paths {
            let small = std::fs::metadata(&path).is_ok_and(|found| found.len() <= MAX_FILE);
            if let Some(octets) = small.then(|| std::fs::read(&path).ok()).flatten() {
                conf.read(&String::from_utf8_lossy(&octets));
                conf.files.push(path);
            }
        }
        conf
    }

    /// Adds what `text` says. What an earlier file said once stays; lists grow.
    fn read(&mut self, text: &str) {
        let mut section = String::new();
        let mut group: Option<String> = None;
        // Groups within groups hold nothing that is looked for.
        let mut deeper = 0_usize;
        for line in text.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                section = name
                    .split(']')
                    .next()
                    .unwrap_or_default()
                    .trim()
                    .to_lowercase();
                (group, deeper) = (None, 0);
                continue;
            }
            if line.starts_with('}') {
                if deeper > 0 {
                    deeper -= 1;
                } else {
                    group = None;
                }
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let (key, value) = (key.trim().trim_end_matches('*'), value.trim());
            if value.starts_with('{') {
                if group.is_some() {
                    deeper += 1;
                } else {
                    group = Some(key.to_owned());
                }
                continue;
            }
            if deeper == 0 {
                self.relation(&section, group.as_deref(), key, value.trim_matches('"'));
            }
        }
    }

    fn relation(&mut self, section: &str, group: Option<&str>, key: &str, value: &str) {
        match (section, group, key) {
            ("libdefaults", None, "default_realm") => {
                self.default_realm.get_or_insert_with(|| value.to_owned());
            }
            ("libdefaults", None, "dns_lookup_kdc") => {
                self.dns_lookup_kdc = !matches!(value, "false" | "no" | "n" | "f" | "off" | "0");
            }
            ("realms", Some(realm), "kdc") => {
                let kdcs = self.kdcs.entry(realm.to_owned()).or_default();
                kdcs.extend(value.split_whitespace().map(str::to_owned));
            }
            ("domain_realm", None, name) => {
                self.domains
                    .entry(name.to_lowercase())
                    .or_insert_with(|| value.to_owned());
            }
            _ => {}
        }
    }

    /// The key distribution centres of `realm`.
    pub(crate) fn kdcs(&self, realm: &str) -> &[String] {
        self.kdcs.get(realm).map(Vec::as_slice).unwrap_or_default()
    }

    /// The realm of `host` by `[domain_realm]`: by its whole name, else by the longest domain that
    /// it is in.
    pub(crate) fn realm_of(&self, host: &str) -> Option<&str> {
        let host = host.to_lowercase();
        if let Some(realm) = self.domains.get(&host) {
            return Some(realm);
        }
        let dots = host.match_indices('.').map(|(at, _)| at);
        let mut domains = dots.map(|at| &host[at..]);
        domains.find_map(|domain| self.domains.get(domain).map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::Krb5Conf;

    const FILE: &str = r#"
# comment
includedir /etc/krb5.conf.d/
[libdefaults]
    default_realm = LITWARE.EXAMPLE
    dns_lookup_kdc = false
    default_realm = LATER.EXAMPLE
[realms]
    LITWARE.EXAMPLE = {
        kdc = dc1.litware.example
        kdc = "dc2.litware.example:88"
        auth_to_local_names = {
            kdc = not.this.one
        }
        admin_server = dc1.litware.example
    }
    OTHER.EXAMPLE = {
        kdc = tcp/dc.other.example
    }
[domain_realm]
    .litware.example = LITWARE.EXAMPLE
    .sub.litware.example = SUB.EXAMPLE
    Special.litware.example = SPECIAL.EXAMPLE
[appdefaults]
    kdc = nor.this
"#;

    fn read(text: &str) -> Krb5Conf {
        let mut conf = Krb5Conf::default();
        conf.read(text);
        conf
    }

    #[test]
    fn a_usual_file_is_understood() {
        let conf = read(FILE);
        assert_eq!(conf.default_realm.as_deref(), Some("LITWARE.EXAMPLE"));
        assert!(!conf.dns_lookup_kdc);
        assert_eq!(
            conf.kdcs("LITWARE.EXAMPLE"),
            ["dc1.litware.example", "dc2.litware.example:88"]
        );
        assert_eq!(conf.kdcs("OTHER.EXAMPLE"), ["tcp/dc.other.example"]);
        assert!(conf.kdcs("NONE.EXAMPLE").is_empty());
        for (host, realm) in [
            ("srv.litware.example", Some("LITWARE.EXAMPLE")),
            ("SRV.Sub.Litware.Example", Some("SUB.EXAMPLE")),
            ("special.litware.example", Some("SPECIAL.EXAMPLE")),
            ("litware.example", None),
            ("srv.elsewhere.example", None),
        ] {
            assert_eq!(conf.realm_of(host), realm, "{host}");
        }
    }

    #[test]
    fn what_is_cut_off_or_no_file_of_this_kind_says_less() {
        for end in 0..FILE.len() {
            read(&FILE[..end]);
        }
        for text in [
            "}",
            "}}}}",
            "[",
            "[realms",
            "=",
            "= {",
            "a = {\n[b]\n}",
            "\0=\0",
            "{",
        ] {
            assert_eq!(read(text), Krb5Conf::default(), "{text}");
        }
    }
}
