//! [`FileTransfer`]: files to a server and back, over typed commands of an ordinary session.
//!
//! An upload grows a part beside the target, by `Add-Content`, and puts it in the target's place once its hash is
//! that of the file. Whatever interrupted an earlier attempt, the next one looks at what there is of the part and
//! goes on behind it; a part that is no beginning of the file is thrown away. Nothing is appended twice: after an
//! answer was lost, the caller has no session any more, and a new transfer looks before it writes.
//!
//! Needs Windows PowerShell 3 to 5.1 (`-Encoding Byte`). Hashes are made by `Get-FileHash` (PowerShell 4); where
//! there is none, what was written is read back.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};

use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, ErrorRecord, Pipeline, PipelineOutput};
use owaim_proto::wsman::stream_room;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use crate::{ClientOptions, Session, TransportError};

/// The most that is sent at once, in bytes.
const SENT_AT_MOST: usize = 512 << 10;

/// What a pipeline takes beside what it sends, in bytes.
const PIPELINE: usize = 8 << 10;

/// How much must be left to be sent that it pays to ask for the size of envelopes, in bytes.
const MUCH: u64 = 1 << 20;

/// What one record of a download holds, in bytes: each arrives as an element of its own, some 12 bytes of XML.
const RECORD: usize = 16 << 10;

/// How many of those are asked for at once.
const RECORDS: usize = 64;

/// What stands in a name and would mean more than itself where a path is not literal.
const WILDCARDS: [char; 4] = ['*', '?', '[', ']'];

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferProgress {
    /// Bytes that are there, those of an earlier attempt included.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// What a transfer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transferred {
    /// Size of the file in bytes.
    pub size: u64,
    /// How much of it was there before.
    pub resumed_at: u64,
    /// SHA-256 of the file, upper-case hexadecimal; both sides have been compared.
    pub sha256: String,
}

/// Why a file did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum FileTransferError {
    /// The way there or back failed. A transfer over a new session goes on where this one ended.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The file here cannot be read or written.
    #[error("{}: {source}", path.display())]
    Local {
        /// The file.
        path: PathBuf,
        /// What came back.
        source: std::io::Error,
    },
    /// The server refuses a command.
    #[error("{action} {path} on {host}: {message} ({error_id})")]
    Refused {
        /// What was attempted.
        action: &'static str,
        /// On which server.
        host: String,
        /// With which file.
        path: String,
        /// What the server says.
        message: String,
        /// Its name for it.
        error_id: String,
    },
    /// A path that could mean more than one file.
    #[error("{path:?} on {host}: expected the full path of one file, without wildcards")]
    Path {
        /// On which server.
        host: String,
        /// The path.
        path: String,
    },
    /// What came back makes no sense.
    #[error("{action} {path} on {host}: expected {expected}, found {found}")]
    Answer {
        /// What was attempted.
        action: &'static str,
        /// On which server.
        host: String,
        /// With which file.
        path: String,
        /// What was expected.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// What arrived is not what was sent.
    #[error(
        "{path} on {host}: its SHA-256 is {found}, expected {expected}: it was changed on the way or meanwhile; try again"
    )]
    Mismatch {
        /// On which server.
        host: String,
        /// The file there.
        path: String,
        /// The hash here.
        expected: String,
        /// The hash there.
        found: String,
    },
}

/// Moves files over one session.
pub struct FileTransfer<'a> {
    session: &'a mut dyn Session,
    host: &'a str,
    report: &'a mut (dyn FnMut(TransferProgress) + Send),
}

impl std::fmt::Debug for FileTransfer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileTransfer")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl<'a> FileTransfer<'a> {
    /// Transfers over `session`, a session of the configuration `Microsoft.PowerShell` on `host`; `report` hears
    /// how far it is after each piece.
    pub fn new(
        session: &'a mut dyn Session,
        host: &'a str,
        report: &'a mut (dyn FnMut(TransferProgress) + Send),
    ) -> Self {
        Self {
            session,
            host,
            report,
        }
    }

    /// Sends the file `local` to the full path `remote`, in place of what may be there. A file that is there
    /// already, hash for hash, is left alone.
    pub async fn upload(
        &mut self,
        local: &Path,
        remote: &str,
    ) -> Result<Transferred, FileTransferError> {
        self.check(remote)?;
        let here = |source| FileTransferError::Local {
            path: local.into(),
            source,
        };
        let mut file = File::open(local).await.map_err(here)?;
        let size = file.metadata().await.map_err(here)?.len();
        let sha256 = hash_of(&mut file, size).await.map_err(here)?;
        let transferred = |resumed_at| Transferred {
            size,
            resumed_at,
            sha256: sha256.clone(),
        };
        if self.length(remote).await? == Some(size) && self.hash(remote).await? == sha256 {
            return Ok(transferred(size));
        }
        let part = format!("{remote}.owaim-part");
        let resumed_at =
            self.beginning(&part, &mut file, size)
                .await
                .map_err(|error| match error {
                    Beginning::Local(source) => here(source),
                    Beginning::Remote(error) => error,
                })?;
        file.seek(SeekFrom::Start(resumed_at)).await.map_err(here)?;
        let mut done = resumed_at;
        (self.report)(TransferProgress { done, total: size });
        let room = if size - done >= MUCH {
            self.session.learn_room().await
        } else {
            stream_room(ClientOptions::default().send_limit)
        };
        // It is Base64 in the pipeline, which goes into one Command.
        let most = (room.saturating_sub(PIPELINE) / 4 * 3).clamp(1, SENT_AT_MOST);
        while done < size {
            let length = usize::try_from(size - done).unwrap_or(most).min(most);
            let mut piece = vec![0; length];
            file.read_exact(&mut piece).await.map_err(here)?;
            let append = Command::new("Add-Content")
                .with("LiteralPath", part.as_str())
                .with("Encoding", "Byte")
                .with("Value", piece);
            self.run("append to", &part, Pipeline::new(append)).await?;
            done += length as u64;
            (self.report)(TransferProgress { done, total: size });
        }
        if size == 0 {
            let create = Command::new("New-Item")
                .with("Path", part.as_str())
                .with("ItemType", "File")
                .switch("Force");
            self.run("create", &part, Pipeline::new(create)).await?;
        }
        self.compare(&part, &sha256).await?;
        let replace = Command::new("Move-Item")
            .with("LiteralPath", part.as_str())
            .with("Destination", remote)
            .switch("Force");
        self.run("replace", remote, Pipeline::new(replace)).await?;
        self.compare(remote, &sha256).await?;
        Ok(transferred(resumed_at))
    }

    /// Fetches the file at the full path `remote` into `local`, in place of what may be there. What an interrupted
    /// attempt left in `local` with the ending `.owaim-part` is gone on with.
    pub async fn download(
        &mut self,
        remote: &str,
        local: &Path,
    ) -> Result<Transferred, FileTransferError> {
        self.check(remote)?;
        let mut part = local.as_os_str().to_owned();
        part.push(".owaim-part");
        let part = PathBuf::from(part);
        let here = |source| FileTransferError::Local {
            path: part.clone(),
            source,
        };
        let Some(size) = self.length(remote).await? else {
            return Err(self.answer("read", remote, "a file", "none".into()));
        };
        let sha256 = self.hash_where_it_is_made(remote).await?;
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&part)
            .await
            .map_err(here)?;
        // Whole records only: that is what can be skipped on the other side.
        let there = file.metadata().await.map_err(here)?.len();
        let resumed_at = if there > size {
            0
        } else {
            there - there % RECORD as u64
        };
        let mut done = resumed_at;
        file.set_len(done).await.map_err(here)?;
        file.seek(SeekFrom::Start(done)).await.map_err(here)?;
        (self.report)(TransferProgress { done, total: size });
        while done < size {
            let bytes = self.read(remote, done / RECORD as u64).await?;
            if bytes.is_empty() || bytes.len() as u64 > size - done {
                let found = format!("{} bytes at {done} of {size}", bytes.len());
                return Err(self.answer("read", remote, "the rest of the file", found));
            }
            file.write_all(&bytes).await.map_err(here)?;
            done += bytes.len() as u64;
            (self.report)(TransferProgress { done, total: size });
        }
        file.sync_all().await.map_err(here)?;
        let found = hash_of(&mut file, size).await.map_err(here)?;
        let expected = match sha256 {
            Some(sha256) => sha256,
            None => self.hash(remote).await?,
        };
        drop(file);
        if found != expected {
            // A beginning of another file is of no use to anyone.
            tokio::fs::remove_file(&part).await.map_err(here)?;
            return Err(FileTransferError::Mismatch {
                host: self.host.into(),
                path: remote.into(),
                expected: found,
                found: expected,
            });
        }
        let place = |source| FileTransferError::Local {
            path: local.into(),
            source,
        };
        tokio::fs::rename(&part, local).await.map_err(place)?;
        Ok(Transferred {
            size,
            resumed_at,
            sha256: found,
        })
    }

    /// A full path (drive or share), which means one file wherever a command takes it.
    fn check(&self, remote: &str) -> Result<(), FileTransferError> {
        let bytes = remote.as_bytes();
        let drive = bytes.len() > 3 && bytes[0].is_ascii_alphabetic() && &bytes[1..3] == b":\\";
        let share = remote.starts_with(r"\\") && remote.len() > 2;
        let plain = !remote.contains(WILDCARDS) && !remote.contains(char::is_control);
        if (drive || share) && plain && !remote.ends_with('\\') {
            return Ok(());
        }
        Err(FileTransferError::Path {
            host: self.host.into(),
            path: remote.into(),
        })
    }

    /// How much of a part that is there can stay.
    async fn beginning(
        &mut self,
        part: &str,
        file: &mut File,
        size: u64,
    ) -> Result<u64, Beginning> {
        let Some(length) = self.length(part).await? else {
            return Ok(0);
        };
        if length <= size {
            file.seek(SeekFrom::Start(0)).await?;
            if length == 0 || hash_of(file, length).await? == self.hash(part).await? {
                return Ok(length);
            }
        }
        let remove = Command::new("Remove-Item").with("LiteralPath", part);
        self.run("remove", part, Pipeline::new(remove)).await?;
        Ok(0)
    }

    /// Size of the file at `path`, if there is one.
    async fn length(&mut self, path: &str) -> Result<Option<u64>, FileTransferError> {
        let get = Command::new("Get-Item")
            .with("LiteralPath", path)
            .switch("Force");
        let output = self.session.run(&Pipeline::new(get)).await?;
        if let Some(error) = output.errors().next() {
            if error.id() == "PathNotFound" || error.id() == "ItemNotFound" {
                return Ok(None);
            }
            return Err(self.refused("look at", path, error));
        }
        let length = output
            .objects()
            .next()
            .and_then(|item| item.get("Length")?.as_i64());
        match length.and_then(|length| u64::try_from(length).ok()) {
            Some(length) => Ok(Some(length)),
            None => Err(self.answer(
                "look at",
                path,
                "a file",
                "something without a length".into(),
            )),
        }
    }

    async fn compare(&mut self, path: &str, expected: &str) -> Result<(), FileTransferError> {
        let found = self.hash(path).await?;
        if found == expected {
            return Ok(());
        }
        Err(FileTransferError::Mismatch {
            host: self.host.into(),
            path: path.into(),
            expected: expected.into(),
            found,
        })
    }

    /// SHA-256 of the file at `path`.
    async fn hash(&mut self, path: &str) -> Result<String, FileTransferError> {
        if let Some(hash) = self.hash_where_it_is_made(path).await? {
            return Ok(hash);
        }
        let mut hasher = Sha256::new();
        let mut record = 0;
        loop {
            let bytes = self.read(path, record).await?;
            if bytes.is_empty() {
                return Ok(hex::encode_upper(hasher.finalize()));
            }
            hasher.update(&bytes);
            record += RECORDS as u64;
        }
    }

    /// SHA-256 of the file at `path`; `None` where the server cannot make it.
    async fn hash_where_it_is_made(
        &mut self,
        path: &str,
    ) -> Result<Option<String>, FileTransferError> {
        let hash = Command::new("Get-FileHash")
            .with("LiteralPath", path)
            .with("Algorithm", "SHA256");
        let output = self.session.run(&Pipeline::new(hash)).await?;
        if let Some(error) = output.errors().next() {
            if error.exception_type.ends_with(".CommandNotFoundException")
                || error.id() == "CommandNotFoundException"
            {
                return Ok(None);
            }
            return Err(self.refused("hash", path, error));
        }
        let hash = output
            .objects()
            .next()
            .and_then(|hash| hash.get("Hash")?.text());
        match hash {
            Some(hash) => Ok(Some(hash.to_ascii_uppercase())),
            None => Err(self.answer("hash", path, "a hash", "nothing".into())),
        }
    }

    /// Some of the file at `path`, from the record of that number on; nothing behind its end.
    async fn read(&mut self, path: &str, record: u64) -> Result<Vec<u8>, FileTransferError> {
        let number = |number: usize| Value::from(i32::try_from(number).unwrap_or(i32::MAX));
        let skip = i32::try_from(record).map_err(|_| {
            self.answer(
                "read",
                path,
                "a file of less than 32 TiB",
                "a longer one".into(),
            )
        })?;
        let get = Command::new("Get-Content")
            .with("LiteralPath", path)
            .with("Encoding", "Byte")
            .with("ReadCount", i64::try_from(RECORD).unwrap_or(i64::MAX));
        let select = Command::new("Select-Object")
            .with("Skip", skip)
            .with("First", number(RECORDS));
        let output = self
            .run("read", path, Pipeline::new(get).pipe(select))
            .await?;
        let mut bytes = Vec::new();
        for object in output.objects() {
            match (object.as_bytes(), object.as_i64()) {
                (Some(some), _) => bytes.extend_from_slice(&some),
                // A record of one byte comes as that byte.
                (None, Some(byte)) => bytes.extend(u8::try_from(byte).ok()),
                (None, None) => {
                    return Err(self.answer("read", path, "bytes", "something else".into()));
                }
            }
        }
        Ok(bytes)
    }

    /// Runs a pipeline that must give no error.
    async fn run(
        &mut self,
        action: &'static str,
        path: &str,
        pipeline: Pipeline,
    ) -> Result<PipelineOutput, FileTransferError> {
        let output = self.session.run(&pipeline).await?;
        if let Some(error) = output.errors().next() {
            return Err(self.refused(action, path, error));
        }
        Ok(output)
    }

    fn refused(&self, action: &'static str, path: &str, error: &ErrorRecord) -> FileTransferError {
        FileTransferError::Refused {
            action,
            host: self.host.into(),
            path: path.into(),
            message: error.message.clone(),
            error_id: error.error_id.clone(),
        }
    }

    fn answer(
        &self,
        action: &'static str,
        path: &str,
        expected: &'static str,
        found: String,
    ) -> FileTransferError {
        FileTransferError::Answer {
            action,
            host: self.host.into(),
            path: path.into(),
            expected,
            found,
        }
    }
}

/// Why it is not known how much of a part can stay.
enum Beginning {
    Local(std::io::Error),
    Remote(FileTransferError),
}

impl From<std::io::Error> for Beginning {
    fn from(error: std::io::Error) -> Self {
        Self::Local(error)
    }
}

impl From<FileTransferError> for Beginning {
    fn from(error: FileTransferError) -> Self {
        Self::Remote(error)
    }
}

/// SHA-256 of the first `size` bytes of `file`.
async fn hash_of(file: &mut File, size: u64) -> std::io::Result<String> {
    file.seek(SeekFrom::Start(0)).await?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut rest = size;
    while rest > 0 {
        let room = usize::try_from(rest)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = file.read(&mut buffer[..room]).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        hasher.update(&buffer[..read]);
        rest -= read as u64;
    }
    Ok(hex::encode_upper(hasher.finalize()))
}
