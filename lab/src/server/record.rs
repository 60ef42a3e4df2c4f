//! [`Recorder`]: what the lab notes for others to read, one JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::Serialize;

/// An append-only file of JSON lines, or nowhere at all.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    file: Option<Mutex<File>>,
    failure: OnceLock<io::Error>,
}

impl Recorder {
    /// Appends to the file at `path`, which is made if there is none.
    pub(crate) fn append_to(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self {
            file: Some(Mutex::new(file)),
            failure: OnceLock::new(),
        })
    }

    /// Writes `record` as one line. The caller has a request to answer: a failure is kept for
    /// [`failure`](Self::failure).
    pub(crate) fn write(&self, record: &impl Serialize) {
        let Some(file) = &self.file else { return };
        let line = serde_json::to_vec(record)
            .map_err(io::Error::from)
            .and_then(|mut line| {
                line.push(b'\n');
                // One call, so that a reader never sees half a line of a line's beginning.
                file.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .write_all(&line)
            });
        if let Err(error) = line {
            // Only the first failure is told; what follows is its consequence.
            let _ = self.failure.set(error);
        }
    }

    /// The first failure to write, if there was one.
    pub(crate) fn failure(&self) -> Option<&io::Error> {
        self.failure.get()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Recorder;

    #[test]
    fn lines_are_appended_across_starts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.ndjson");
        for number in 1..=2 {
            let recorder = Recorder::append_to(&path).unwrap();
            recorder.write(&serde_json::json!({ "number": number, "text": "a\nb" }));
            assert!(recorder.failure().is_none());
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "{\"number\":1,\"text\":\"a\\nb\"}\n{\"number\":2,\"text\":\"a\\nb\"}\n"
        );
    }

    #[test]
    fn without_a_file_nothing_happens() {
        let recorder = Recorder::default();
        recorder.write(&1);
        assert!(recorder.failure().is_none());
    }
}
