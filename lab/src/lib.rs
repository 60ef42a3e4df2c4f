//! A simulated site that speaks real WinRM on loopback.
//!
//! `server` is the wire: HTTP, NTLM, sealing, WS-Management, PSRP. `world` is the site: hosts,
//! directory, files, processes, events, and the cmdlets that read and change them.

mod world;
