//! See `owaim_tests::decoders::recording`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| owaim_tests::decoders::recording(bytes));
