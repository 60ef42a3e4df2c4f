//! A simulated site that speaks real WinRM on loopback.
//!
//! `server` is the wire: HTTP, NTLM, sealing, WS-Management, PSRP. `world` is the site: hosts,
//! directory, files, processes, events, and the cmdlets that read and change them. Key type:
//! [`Lab`].

mod endpoints;
mod lab;
mod overlay;
pub mod recording;
mod replay;
mod server;
mod state;
mod world;

pub use endpoints::{
    AuthScheme, CertificateEntry, EndpointEntry, EndpointsError, EndpointsFile, Password, Realm,
};
pub use lab::{Lab, LabError, LabOptions};
pub use overlay::{Overlay, OverlayError};
pub use replay::ReplayError;
pub use server::{FaultError, TlsError};
pub use world::WorldError;
