//! CLIXML: the serialization of PowerShell objects ([MS-PSRP] 2.2.5).
//!
//! [`decode`] and [`encode`] are lossless: base values, adapted and extended properties, type
//! names, references and string forms survive a round trip. Key type: [`Value`].

mod decode;
mod encode;
mod escape;
mod object;
mod value;

pub use decode::{ClixmlError, Limits, decode, decode_document};
pub use encode::{encode, encode_document};
pub use object::{Base, Object};
pub use value::{ProgressRecord, SecureString, Value};
