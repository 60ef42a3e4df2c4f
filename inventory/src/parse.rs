//! stub
/// All mistakes of a site file.
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct Diagnostics;
/// Parses.
pub fn parse(_name: &str, _text: &str) -> Result<crate::Site, Diagnostics> { unimplemented!() }
