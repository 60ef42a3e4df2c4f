//! stub
/// x
#[derive(Debug, Clone, thiserror::Error)]
#[error("x")]
pub struct ClixmlError;
/// x
#[derive(Debug, Clone)]
pub struct Limits;
/// x
pub fn decode(_xml: &str, _limits: &Limits) -> Result<super::Value, ClixmlError> { unimplemented!() }
/// x
pub fn decode_document(_xml: &str, _limits: &Limits) -> Result<Vec<super::Value>, ClixmlError> { unimplemented!() }
