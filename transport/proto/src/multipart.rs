//! Multipart bodies of sealed messages ([MS-WSMV] 2.2.9.1).
