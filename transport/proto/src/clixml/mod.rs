//! CLIXML: the serialization of PowerShell objects ([MS-PSRP] 2.2.5).
//!
//! [`decode`] and [`encode`] are lossless: base values, adapted and extended properties, type
//! names, references and string forms survive a round trip. Key type: [`Value`].
//!
//! What is not kept is spelling that carries no value: white space and comments between
//! elements, the numbers chosen for `RefId`s, the order of attributes, other spellings of the
//! same number, GUID or Boolean, and a `<TN>` that repeats another's names (it comes back as
//! `<TNRef>`). Unpaired surrogates are kept, see [`Value::String`].

mod cursor;
mod decode;
mod encode;
mod error;
mod escape;
mod limits;
mod number;
mod object;
mod primitive;
mod references;
mod session_key;
mod standard_error;
mod value;

#[cfg(test)]
mod tests;

pub use decode::{decode, decode_bytes, decode_document, decode_with};
pub use encode::{encode, encode_document, encode_with};
pub use error::{ClixmlError, ClixmlErrorKind, LimitKind};
pub use limits::Limits;
pub use object::{Base, Object, Part};
pub use session_key::{NoSessionKey, SessionKey};
pub use standard_error::{StreamText, stream_texts};
pub use value::{ProgressRecord, SecureString, Value};
