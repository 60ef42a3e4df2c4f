//! The Windows half: access lists, handles of folders, renames that somebody is in the way of.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::signal::windows::{self, CtrlBreak, CtrlC};
use windows_permissions::constants::{SeObjectType, SecurityInformation};
use windows_permissions::utilities::current_process_sid;
use windows_permissions::wrappers::{ConvertSidToStringSid, SetSecurityInfo};
use windows_permissions::{LocalBox, SecurityDescriptor};

/// Rights of a handle ([MS-DTYP] 2.4.3).
const GENERIC_WRITE: u32 = 0x4000_0000;
const READ_CONTROL: u32 = 0x0002_0000;
const WRITE_DAC: u32 = 0x0004_0000;

/// Without it no handle of a folder is given (`CreateFileW`).
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;

/// `GetLastError` where somebody has the file open: a virus scanner, an indexer.
const IN_THE_WAY: [i32; 2] = [5, 32];

/// Who may read what is private: the user, and whom the user's profile lets in as well, the
/// system and its administrators.
#[derive(Clone, Copy)]
enum Inheritance {
    /// A file.
    None,
    /// A folder: what is made in it is as private.
    Contents,
}

/// The access list for `user`, a security identifier ([MS-DTYP] 2.5.1): nothing is inherited from
/// above.
fn access_list(user: &str, inheritance: Inheritance) -> String {
    let flags = match inheritance {
        Inheritance::None => "",
        Inheritance::Contents => "OICI",
    };
    let allow = |who: &str| format!("(A;{flags};FA;;;{who})");
    ["D:P".into(), allow(user), allow("SY"), allow("BA")].concat()
}

/// Replaces the access list of what `handle` is.
fn restrict(handle: &mut File, inheritance: Inheritance) -> io::Result<()> {
    let user = current_process_sid()?;
    let user = ConvertSidToStringSid(&user)?;
    let list = access_list(&user.to_string_lossy(), inheritance);
    let descriptor: LocalBox<SecurityDescriptor> = list.parse()?;
    SetSecurityInfo(
        handle,
        SeObjectType::SE_FILE_OBJECT,
        SecurityInformation::Dacl | SecurityInformation::ProtectedDacl,
        None,
        None,
        descriptor.dacl(),
        None,
    )
}

pub(crate) fn create_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)?;
    // Nothing is in it yet that anybody could have seen.
    let mut handle = OpenOptions::new()
        .access_mode(READ_CONTROL | WRITE_DAC)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
        .open(folder)?;
    restrict(&mut handle, Inheritance::Contents)
}

pub(crate) fn open_private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let mut file = options
        .access_mode(GENERIC_WRITE | READ_CONTROL | WRITE_DAC)
        .open(path)?;
    restrict(&mut file, Inheritance::None)?;
    Ok(file)
}

/// Renames over what is there. Who has it open, as a rule without wanting to keep it, is given a
/// moment.
pub(crate) fn replace(fresh: &Path, path: &Path) -> io::Result<()> {
    let mut pauses = [10, 20, 40, 80, 160, 320].into_iter();
    loop {
        match fs::rename(fresh, path) {
            Err(error)
                if error
                    .raw_os_error()
                    .is_some_and(|code| IN_THE_WAY.contains(&code)) =>
            {
                let Some(pause) = pauses.next() else {
                    return Err(error);
                };
                std::thread::sleep(Duration::from_millis(pause));
            }
            renamed => return renamed,
        }
    }
}

/// `FlushFileBuffers` wants a handle that may write.
pub(crate) fn open_folder(folder: &Path) -> io::Result<File> {
    OpenOptions::new()
        .access_mode(GENERIC_WRITE)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
        .open(folder)
}

/// The user's wishes to stop: Ctrl-C and Ctrl-Break. None is lost between two calls of
/// [`next`](Self::next).
pub struct Interrupts {
    ctrl_c: CtrlC,
    ctrl_break: CtrlBreak,
}

impl Interrupts {
    /// From here on, neither ends the process.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            ctrl_c: windows::ctrl_c()?,
            ctrl_break: windows::ctrl_break()?,
        })
    }

    /// Returns at the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            Some(()) = self.ctrl_c.recv() => {}
            Some(()) = self.ctrl_break.recv() => {}
            // No event will come any more.
            else => std::future::pending().await,
        }
    }
}

#[cfg(test)]
pub(crate) use tests::rights;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use windows_permissions::constants::{SeObjectType, SecurityInformation};
    use windows_permissions::utilities::current_process_sid;
    use windows_permissions::wrappers::{
        ConvertSecurityDescriptorToStringSecurityDescriptor, ConvertSidToStringSid,
        GetNamedSecurityInfo,
    };
    use windows_permissions::{LocalBox, SecurityDescriptor};

    use super::{Inheritance, access_list};

    /// The access list, as text.
    pub(crate) fn rights(path: &Path) -> String {
        let dacl = SecurityInformation::Dacl;
        let descriptor = GetNamedSecurityInfo(path, SeObjectType::SE_FILE_OBJECT, dacl).unwrap();
        let text = ConvertSecurityDescriptorToStringSecurityDescriptor(&descriptor, dacl).unwrap();
        text.to_string_lossy().into_owned()
    }

    /// What the system makes of the lists. What it makes of a file by them, only Windows shows.
    #[test]
    fn a_list_is_for_the_user_the_system_and_its_administrators() {
        let user = ConvertSidToStringSid(&current_process_sid().unwrap()).unwrap();
        let user = user.to_string_lossy();
        assert!(user.starts_with("S-1-"), "{user}");
        for (inheritance, flags) in [(Inheritance::None, ""), (Inheritance::Contents, "OICI")] {
            let descriptor: LocalBox<SecurityDescriptor> =
                access_list(&user, inheritance).parse().unwrap();
            let read = ConvertSecurityDescriptorToStringSecurityDescriptor(
                &descriptor,
                SecurityInformation::Dacl,
            )
            .unwrap();
            let expected =
                format!("D:P(A;{flags};FA;;;{user})(A;{flags};FA;;;SY)(A;{flags};FA;;;BA)");
            assert_eq!(read.to_string_lossy(), expected);
        }
    }
}
