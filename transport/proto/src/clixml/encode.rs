//! stub
/// x
pub fn encode(_v: &super::Value) -> String { unimplemented!() }
/// x
pub fn encode_document(_v: &[super::Value]) -> String { unimplemented!() }
