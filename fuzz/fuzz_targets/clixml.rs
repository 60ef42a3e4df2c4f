//! See `owaim_tests::decoders::clixml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| owaim_tests::decoders::clixml(bytes));
