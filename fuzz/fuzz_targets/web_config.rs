//! See `owaim_tests::decoders::web_config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| owaim_tests::decoders::web_config(bytes));
