//! The binary `owaim`.
fn main() {}
