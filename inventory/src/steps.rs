//! [`STEP_IDS`]: what the steps are called, so that a site file that names none is refused.
//!
//! The steps themselves are another crate's, which knows this one; a test there holds that this
//! list and its own are the same.

/// Phases of a run, in their order.
pub const PHASES: [&str; 7] = [
    "preflight",
    "lync",
    "um",
    "cas",
    "backend",
    "mailbox",
    "verify",
];

/// The ids of every step that there is, in the order of the procedure; last those that take
/// instant messaging out of service.
pub const STEP_IDS: [&str; 22] = [
    "preflight.host",
    "um.dial-plans",
    "lync.certificate",
    "lync.site",
    "lync.trusted-pool",
    "lync.trusted-application",
    "lync.topology",
    "lync.replication",
    "cas.owa-virtual-directory",
    "cas.web-config-clean",
    "mailbox.policy",
    "backend.ucma",
    "backend.certificate",
    "backend.virtual-directory-off",
    "backend.web-config",
    "backend.recycle",
    "mailbox.users",
    "mailbox.lync-users",
    "verify.event-112",
    "verify.log-folder",
    "verify.lync-events",
    "cas.owa-virtual-directory-off",
];
