//! Corrupt and hostile bytes for every decoder: an error, never a panic, never a long wait.
//!
//! The same functions as the fuzz targets under `fuzz/`, for a toolchain without a fuzzer.
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::panic::catch_unwind;
use std::str::FromStr;
use std::time::{Duration, Instant};

use owaim_tests::decoders::{TARGETS, Target};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use uuid::Uuid;

/// How many inputs each target gets.
const INPUTS: u32 = 300;

/// Another number of them, for a longer siege.
const INPUTS_VARIABLE: &str = "OWAIM_HOSTILE_INPUTS";

/// What the inputs are made from, to have the same ones again; without it they differ from run to run.
const SEED_VARIABLE: &str = "OWAIM_HOSTILE_SEED";

/// The longest that any of these inputs, all small, may take in a build without optimization on a machine that has
/// much else to do.
const LONGEST: Duration = Duration::from_secs(20);

/// A change to bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// Copies a piece to another place.
    Copy(Index, usize, Index),
    Truncate(Index),
    /// Repeats a piece many times.
    Repeat(Index, usize, usize),
}

/// Pieces that mean something to one decoder or another.
const TOKENS: [&[u8]; 24] = [
    b"<",
    b">",
    b"/>",
    b"</",
    b"&",
    b"&amp;",
    b"&#0;",
    b"<!--",
    b"<![CDATA[",
    b"<!DOCTYPE a [<!ENTITY b \"c\">]>",
    b"<?x?>",
    b"<Obj RefId=\"0\">",
    b"<Ref RefId=\"0\"/>",
    b"_xD800_",
    b"_x0000_",
    b"\0",
    b"\xFF\xFE",
    b"\xEF\xBB\xBF",
    b"--Encrypted Boundary\r\n",
    b"\xFF\xFF\xFF\xFF",
    b"\r\n",
    b"[[hosts]]\n",
    b"\"\"\"",
    b"99999999999999999999",
];

fn mutation() -> impl Strategy<Value = Mutation> {
    let token = prop::sample::select(TOKENS.to_vec()).prop_map(<[u8]>::to_vec);
    let piece = prop_oneof![2 => token, 1 => prop::collection::vec(any::<u8>(), 1..8)];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (any::<Index>(), piece).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        (any::<Index>(), 1_usize..40).prop_map(|(at, length)| Mutation::Remove(at, length)),
        (any::<Index>(), 1_usize..80, any::<Index>())
            .prop_map(|(from, length, to)| Mutation::Copy(from, length, to)),
        any::<Index>().prop_map(Mutation::Truncate),
        (any::<Index>(), 1_usize..40, 2_usize..300)
            .prop_map(|(at, length, times)| Mutation::Repeat(at, length, times)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    let piece =
        |from: &Index, size: usize| from.index(length)..(from.index(length) + size).min(length);
    match mutation {
        Mutation::Set(at, byte) => bytes[at.index(length)] = *byte,
        Mutation::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Mutation::Insert(at, inserted) => {
            let at = at.index(length);
            bytes.splice(at..at, inserted.iter().copied());
        }
        Mutation::Remove(at, size) => {
            bytes.drain(piece(at, *size));
        }
        Mutation::Copy(from, size, to) => {
            let copy = bytes[piece(from, *size)].to_vec();
            let to = to.index(length);
            bytes.splice(to..to, copy);
        }
        Mutation::Truncate(at) => bytes.truncate(at.index(length)),
        Mutation::Repeat(at, size, times) => {
            let range = piece(at, *size);
            let repeated = bytes[range.clone()].repeat(*times);
            bytes.splice(range.start..range.start, repeated);
        }
    }
}

/// Input for one call: a seed with changes, or, now and then, anything at all.
fn input(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let mutated = (
        prop::sample::select(seeds),
        prop::collection::vec(mutation(), 0..6),
    )
        .prop_map(|(mut bytes, mutations)| {
            for mutation in &mutations {
                mutate(&mut bytes, mutation);
            }
            bytes
        });
    prop_oneof![9 => mutated, 1 => prop::collection::vec(any::<u8>(), 0..400)]
}

/// Runs one input; what goes wrong, with the input in a form to be copied.
fn attack(target: &Target, bytes: &[u8], seed: u64) {
    let start = Instant::now();
    let outcome = catch_unwind(|| (target.run)(bytes));
    let shown = bytes.escape_ascii();
    let what = format!("{} ({SEED_VARIABLE}={seed}) at b\"{shown}\"", target.name);
    assert!(outcome.is_ok(), "a panic in {what}");
    let took = start.elapsed();
    assert!(took < LONGEST, "{took:?} in {what}");
}

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap()
}

/// The number that a variable of the environment holds.
fn number<N: FromStr<Err: Debug>>(variable: &str) -> Option<N> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap())
}

/// Tries the seeds, and what becomes of them.
fn besiege(name: &str) {
    let target = target(name);
    let seeds = (target.seeds)();
    assert!(
        seeds.iter().all(|seed| !seed.is_empty()),
        "{name} has an empty seed"
    );
    let seed = number(SEED_VARIABLE).unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0);
    for bytes in &seeds {
        attack(target, bytes, seed);
    }
    let strategy = input(seeds);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed.to_le_bytes().repeat(4));
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for _ in 0..number(INPUTS_VARIABLE).unwrap_or(INPUTS) {
        let bytes = strategy.new_tree(&mut runner).unwrap().current();
        attack(target, &bytes, seed);
    }
}

#[test]
fn clixml() {
    besiege("clixml");
}

#[test]
fn fragment() {
    besiege("fragment");
}

#[test]
fn pool() {
    besiege("pool");
}

#[test]
fn envelope() {
    besiege("envelope");
}

#[test]
fn multipart() {
    besiege("multipart");
}

#[test]
fn site_file() {
    besiege("site_file");
}

#[test]
fn web_config() {
    besiege("web_config");
}

#[test]
fn certificate() {
    besiege("certificate");
}

#[test]
fn recording() {
    besiege("recording");
}

#[test]
fn every_fuzz_target_is_one_of_these() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/fuzz_targets");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    files.sort();
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    assert_eq!(files, names);
}
