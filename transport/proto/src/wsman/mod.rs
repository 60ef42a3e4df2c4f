//! WS-Management envelopes ([MS-WSMV]), client and server role.
