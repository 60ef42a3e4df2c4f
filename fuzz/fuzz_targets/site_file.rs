//! See `owaim_tests::decoders::site_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| owaim_tests::decoders::site_file(bytes));
