//! [`Peer`]: a third-party program that a test starts, asks and ends.
//!
//! Every one of `tests/python` that stays up works alike: a job as JSON on the first line of its
//! standard input, what it has to say of itself as JSON on the first line of its output, an end
//! when the input ends, and what it has seen as JSON in the rest of its output.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a panic is how a fault is reported"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::interop::Interop;

/// How long a peer may live, in seconds, whatever becomes of its test: longer than any test waits by itself.
pub const LIMIT: u32 = 600;

/// A program in a process of its own.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts `script` of `tests/python` for `job`. Beside it, what it says of itself.
    pub fn start(script: &str, job: &Value) -> (Self, Value) {
        let interop = Interop::fetch().unwrap_or_else(|error| panic!("{error}"));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
        let mut child = Command::new(interop.python())
            .arg("-B")
            .arg(folder.join(script))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        writeln!(child.stdin.as_ref().unwrap(), "{job}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{script} said {line:?}: {error}"));
        (Self { child, output }, ready)
    }

    /// Ends it. What it has seen; `Null` if it says nothing.
    pub fn stop(mut self) -> Value {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success());
        if text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Peer {
    /// Lets it end by itself, since it may have started a program too.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
