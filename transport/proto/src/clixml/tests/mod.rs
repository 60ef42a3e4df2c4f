//! Tests of the codec as a whole: vectors, round trips, hostile input.

#![allow(clippy::unwrap_used, reason = "tests")]

mod hostile;
mod properties;
mod vectors;
