//! [`Journal`]: the stream of events on disk.
//!
//! One JSON object a line, append-only. Each line carries the SHA-256 of the line before it
//! (`prev`; zeros in the first), so that a line altered, lost or out of place shows; it claims no
//! more than that, since whoever can write the file can write all of it. Around every change the
//! file is forced to disk before the event is acknowledged. A run that was cut short leaves at
//! most one torn line, the last.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::bus::Consumer;
use crate::event::{Event, EventKind};
use crate::outcome::Outcome;

/// Longest line that is read. A record that came back may be long; a file that is no journal
/// must not fill the memory.
const LONGEST_LINE: u64 = 256 * 1024 * 1024;

/// `prev` of the first line.
const NO_PREVIOUS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line.
#[derive(Serialize, Deserialize)]
struct Record<E> {
    prev: String,
    #[serde(flatten)]
    event: E,
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// A line does not continue the one before it.
    #[error("{}, line {line}: the chain is broken: expected prev {expected}, found {found}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// Hash of the line before.
        expected: String,
        /// What the line says.
        found: String,
    },
    /// A whole line is no event.
    #[error("{}, line {line}: expected an event: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A line is longer than any event.
    #[error("{}, line {line}: expected an event, found a line of more than {LONGEST_LINE} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
    },
}

/// What a journal holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The events, in order.
    pub events: Vec<Event>,
    /// Number of a last line that was cut off while it was written, from 1; it is not among the
    /// events.
    pub torn: Option<usize>,
}

/// Writes the journal of one run.
pub struct Journal {
    file: File,
    prev: String,
    // A line written in part breaks the chain for all that follow: nothing follows.
    failed: bool,
}

impl Journal {
    /// A new journal at `path`, which must not exist.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = owaim_platform::create_private_file(path)?;
        if let Some(folder) = path.parent() {
            owaim_platform::sync_folder(folder);
        }
        Ok(Self {
            file,
            prev: NO_PREVIOUS.into(),
            failed: false,
        })
    }

    fn append(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Record {
            prev: self.prev.clone(),
            event,
        })?;
        let next = hash(&line);
        line.push(b'\n');
        self.file.write_all(&line)?;
        if is_durable(&event.kind) {
            self.file.sync_data()?;
        }
        self.prev = next;
        Ok(())
    }
}

impl Consumer for Journal {
    fn consume(&mut self, event: &Event) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other(
                "the journal could not be written earlier in this run",
            ));
        }
        self.append(event).inspect_err(|_| self.failed = true)
    }
}

/// Whether `kind` must be on disk before the run goes on: what comes before and after a change,
/// and the ends of the run.
fn is_durable(kind: &EventKind) -> bool {
    match kind {
        EventKind::RunStarted { .. }
        | EventKind::ChangeStarting { .. }
        | EventKind::ChangeDone { .. }
        | EventKind::Interrupted { .. }
        | EventKind::RunFinished { .. } => true,
        EventKind::PipelineSent { changes, .. }
        | EventKind::PipelineReturned { changes, .. }
        | EventKind::PipelineLost { changes, .. } => *changes,
        EventKind::NodeFinished { outcome, .. } => matches!(outcome, Outcome::Changed { .. }),
        EventKind::SessionOpened { .. }
        | EventKind::AttemptStarted { .. }
        | EventKind::Assessed { .. }
        | EventKind::RetryScheduled { .. } => false,
    }
}

fn hash(line: &[u8]) -> String {
    format!("{:x}", Sha256::digest(line))
}

/// Reads the journal at `path` and checks its chain.
pub fn read(path: &Path) -> Result<Recording, JournalError> {
    let failed = |source| JournalError::Io {
        path: path.into(),
        source,
    };
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let mut recording = Recording {
        events: Vec::new(),
        torn: None,
    };
    let mut expected = NO_PREVIOUS.to_owned();
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let mut limited = io::Read::take(&mut reader, LONGEST_LINE);
        if limited.read_until(b'\n', &mut text).map_err(failed)? == 0 {
            break;
        }
        if text.pop_if(|byte| *byte == b'\n').is_none() {
            if limited.limit() == 0 {
                return Err(JournalError::TooLong {
                    path: path.into(),
                    line,
                });
            }
            recording.torn = Some(line);
            break;
        }
        let record: Record<Event> =
            serde_json::from_slice(&text).map_err(|source| JournalError::Line {
                path: path.into(),
                line,
                source,
            })?;
        if record.prev != expected {
            return Err(JournalError::Broken {
                path: path.into(),
                line,
                expected,
                found: record.prev,
            });
        }
        expected = hash(&text);
        recording.events.push(record.event);
    }
    Ok(recording)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::canned;

    fn write(folder: &Path) -> (PathBuf, Vec<Event>) {
        let path = folder.join("journal.ndjson");
        let mut journal = Journal::create(&path).unwrap();
        let events = canned::events();
        for event in &events {
            journal.consume(event).unwrap();
        }
        (path, events)
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (path, events) = write(folder.path());
        assert_eq!(read(&path).unwrap(), Recording { events, torn: None });
    }

    #[test]
    fn a_torn_last_line_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let (path, events) = write(folder.path());
        let text = fs::read(&path).unwrap();
        for cut in [1, 2, 20] {
            fs::write(&path, &text[..text.len() - cut]).unwrap();
            let recording = read(&path).unwrap();
            assert_eq!(recording.torn, Some(events.len()), "{cut}");
            assert_eq!(recording.events, events[..events.len() - 1], "{cut}");
        }
    }

    #[test]
    fn damage_is_named_by_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = write(folder.path());
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let join = |lines: &[&str]| lines.join("\n") + "\n";
        let altered = lines[1].replace("windows", "exchange");
        assert_ne!(altered, lines[1]);
        let mut with_alteration = lines.clone();
        with_alteration[1] = &altered;
        let mut swapped = lines.clone();
        swapped.swap(3, 4);
        for (damaged, line) in [
            (join(&with_alteration), 3),
            (join(&[&lines[..5], &lines[6..]].concat()), 6),
            (join(&swapped), 4),
            (join(&lines[1..]), 1),
        ] {
            fs::write(&path, damaged).unwrap();
            let error = read(&path).unwrap_err();
            assert!(
                matches!(&error, JournalError::Broken { line: found, .. } if *found == line),
                "{error}"
            );
        }
        fs::write(&path, join(&[&lines[..2], &["{}"]].concat())).unwrap();
        assert!(matches!(
            read(&path).unwrap_err(),
            JournalError::Line { line: 3, .. }
        ));
    }

    #[test]
    fn an_existing_journal_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = write(folder.path());
        assert_eq!(
            Journal::create(&path).err().unwrap().kind(),
            io::ErrorKind::AlreadyExists
        );
    }
}
