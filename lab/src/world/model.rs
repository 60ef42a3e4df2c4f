//! The parts of the site as data; each lives in its own module.

pub(crate) use super::certificates::{
    Certificate, IssueError, Purpose, Request, SigningKey, USER_PRINCIPAL_NAME,
};
pub(crate) use super::directory::Directory;
pub(crate) use super::events::Event;
pub(crate) use super::filesystem::FileSystem;
pub(crate) use super::iis::Iis;
pub(crate) use super::lync::Lync;
pub(crate) use super::registry::Registry;
pub(crate) use super::services::ServiceState;
