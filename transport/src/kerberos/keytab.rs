//! [`Keytab`]: keys of accounts in a file, as MIT's `ktutil` and Windows' `ktpass` write it.
//!
//! The format is MIT's, version 0x0502; there is no other specification than its documentation
//! (`doc/formats/keytab_file_format`). Versions with the octet order of the machine are not read.

use picky_krb::crypto::CipherSuite;
use zeroize::Zeroizing;

/// Longest file that is read, in octets.
pub(super) const MAX_FILE: u64 = 1 << 20;

/// Why octets are no keytab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeytabError {
    #[error("it is no keytab of version 0x0502")]
    Version,
    #[error("it ends in the middle of the entry at octet {at}")]
    Truncated { at: usize },
}

/// The keys of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Keytab {
    entries: Vec<Entry>,
}

/// The key of one account, of one type and version.
#[derive(PartialEq, Eq)]
pub(super) struct Entry {
    realm: String,
    name: String,
    version: u32,
    /// Number of the encryption type.
    pub(super) encryption_type: u16,
    pub(super) key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("realm", &self.realm)
            .field("name", &self.name)
            .field("version", &self.version)
            .field("encryption_type", &self.encryption_type)
            .finish_non_exhaustive()
    }
}

impl Keytab {
    /// The keys in `octets`. Entries that were deleted are passed over.
    pub(super) fn parse(octets: &[u8]) -> Result<Self, KeytabError> {
        let mut reader = Reader { octets, at: 0 };
        if reader.u16().ok_or(KeytabError::Version)? != 0x0502 {
            return Err(KeytabError::Version);
        }
        let mut entries = Vec::new();
        while reader.at < octets.len() {
            let at = reader.at;
            let truncated = KeytabError::Truncated { at };
            let length = reader.u32().ok_or(truncated)?.cast_signed();
            let entry = usize::try_from(length.unsigned_abs())
                .ok()
                .and_then(|length| reader.take(length))
                .ok_or(truncated)?;
            match length {
                // What MIT leaves at the end of a file that it has made longer in one go.
                0 => break,
                1.. => entries.push(Entry::parse(entry).ok_or(truncated)?),
                // A hole: the entry that was here has been deleted.
                _ => {}
            }
        }
        Ok(Self { entries })
    }

    /// The newest key of `name` in `realm` that can be used here, the stronger type first; and its
    /// type.
    pub(super) fn key(&self, name: &str, realm: &str) -> Result<(CipherSuite, &Entry), String> {
        let of_account: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| {
                entry.name.eq_ignore_ascii_case(name) && entry.realm.eq_ignore_ascii_case(realm)
            })
            .collect();
        let usable = |entry: &&Entry| Some((entry.cipher()?, entry.version));
        of_account
            .iter()
            .filter_map(|entry| {
                usable(entry).map(|(cipher, version)| ((version, entry.key.len()), cipher, *entry))
            })
            .max_by_key(|(order, ..)| *order)
            .map(|(_, cipher, entry)| (cipher, entry))
            .ok_or_else(|| self.nothing(&of_account))
    }

    fn nothing(&self, of_account: &[&Entry]) -> String {
        if of_account.is_empty() {
            let mut names: Vec<String> = self
                .entries
                .iter()
                .map(|entry| format!("{}@{}", entry.name, entry.realm))
                .collect();
            names.dedup();
            names.truncate(8);
            return format!("it has keys of {names:?}");
        }
        let types: Vec<u16> = of_account
            .iter()
            .map(|entry| entry.encryption_type)
            .collect();
        format!(
            "its keys are of the encryption types {types:?}, expected 18 (aes256-cts-hmac-sha1-96) or 17 (aes128-cts-hmac-sha1-96)"
        )
    }
}

impl Entry {
    fn parse(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader { octets, at: 0 };
        let components = reader.u16()?;
        let realm = reader.text()?;
        let mut name = Vec::new();
        for _ in 0..components {
            name.push(reader.text()?);
        }
        // Type of the name, and when it was written.
        reader.take(8)?;
        let short_version = reader.take(1)?[0];
        let encryption_type = reader.u16()?;
        let key = reader.counted()?.to_vec().into();
        // Versions past 255 follow in an entry that is longer for it; 0 says that none does.
        let version = match reader.u32() {
            Some(version) if version != 0 => version,
            _ => short_version.into(),
        };
        Some(Self {
            realm,
            name: name.join("/"),
            version,
            encryption_type,
            key,
        })
    }

    /// The cipher that the key is for, if there is one here.
    fn cipher(&self) -> Option<CipherSuite> {
        match (self.encryption_type, self.key.len()) {
            (18, 32) => Some(CipherSuite::Aes256CtsHmacSha196),
            (17, 16) => Some(CipherSuite::Aes128CtsHmacSha196),
            _ => None,
        }
    }
}

struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.octets.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }

    fn text(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.counted()?).into_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use picky_krb::crypto::CipherSuite;

    use super::{Keytab, KeytabError};

    fn counted(octets: &[u8]) -> Vec<u8> {
        let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
        [&length, octets].concat()
    }

    fn entry(name: &[&str], version: u8, kind: u16, key: &[u8], long: Option<u32>) -> Vec<u8> {
        let mut octets = u16::try_from(name.len()).unwrap().to_be_bytes().to_vec();
        octets.extend(counted(b"LITWARE.EXAMPLE"));
        for component in name {
            octets.extend(counted(component.as_bytes()));
        }
        octets.extend([0, 0, 0, 1, 0x65, 0, 0, 0, version]);
        octets.extend(kind.to_be_bytes());
        octets.extend(counted(key));
        octets.extend(long.map(u32::to_be_bytes).unwrap_or_default());
        let length = i32::try_from(octets.len()).unwrap().to_be_bytes();
        [&length[..], &octets].concat()
    }

    fn file() -> Vec<u8> {
        let hole = [&(-5_i32).to_be_bytes()[..], b"xxxxx"].concat();
        [
            vec![5, 2],
            entry(&["robot"], 1, 18, &[1; 32], None),
            hole,
            entry(&["robot"], 2, 23, &[2; 16], Some(2)),
            entry(&["robot"], 2, 17, &[3; 16], Some(2)),
            entry(&["robot"], 2, 18, &[4; 32], Some(258)),
            entry(&["robot"], 3, 18, &[5; 31], Some(0)),
            entry(&["old"], 9, 23, &[6; 16], None),
            entry(&["HTTP", "srv.litware.example"], 3, 17, &[7; 16], None),
        ]
        .concat()
    }

    #[test]
    fn the_newest_key_that_can_be_used_is_taken() {
        let keytab = Keytab::parse(&file()).unwrap();
        let (cipher, entry) = keytab.key("robot", "LITWARE.EXAMPLE").unwrap();
        assert_eq!(cipher, CipherSuite::Aes256CtsHmacSha196);
        assert_eq!(*entry.key, [4; 32]);
        let (cipher, entry) = keytab
            .key("http/SRV.litware.example", "litware.example")
            .unwrap();
        assert_eq!(cipher, CipherSuite::Aes128CtsHmacSha196);
        assert_eq!(*entry.key, [7; 16]);
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let keytab = Keytab::parse(&file()).unwrap();
        let types = keytab.key("old", "LITWARE.EXAMPLE").unwrap_err();
        assert!(types.contains("[23]"), "{types}");
        let names = keytab.key("robot", "OTHER.EXAMPLE").unwrap_err();
        assert!(names.contains("old@LITWARE.EXAMPLE"), "{names}");
        assert_eq!(Keytab::parse(b""), Err(KeytabError::Version));
        assert_eq!(Keytab::parse(b"\x05\x01"), Err(KeytabError::Version));
    }

    #[test]
    fn broken_files_are_refused_and_never_panic() {
        let whole = file();
        for end in 0..whole.len() {
            let _ = Keytab::parse(&whole[..end]);
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut broken = whole.clone();
                broken[at] = value;
                let _ = Keytab::parse(&broken);
            }
        }
        let huge = [&[5, 2][..], &i32::MIN.to_be_bytes()].concat();
        assert_eq!(Keytab::parse(&huge), Err(KeytabError::Truncated { at: 2 }));
    }

    #[test]
    fn keys_are_not_shown() {
        let shown = format!("{:?}", Keytab::parse(&file()).unwrap());
        assert!(!shown.contains("4, 4, 4"), "{shown}");
    }
}
