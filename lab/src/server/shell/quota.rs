//! [`Quotas`]: how much an account may have at a server at once, and what else goes by the generation of its
//! service.

use owaim_inventory::{EndpointKind, PowerShellVersion};

use crate::server::is_winrm;

/// Quotas that differ from those of a fresh server; `None`: as its version has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Quotas {
    /// `MaxShellsPerUser`.
    pub(crate) shells: Option<usize>,
    /// `MaxConcurrentCommandsPerShell`.
    pub(crate) commands: Option<usize>,
    /// `MaxConcurrentOperationsPerUser`.
    pub(crate) operations: Option<usize>,
}

impl Quotas {
    /// Shells of an account at a service: `MaxShellsPerUser` of Windows, and
    /// `PowerShellMaxConcurrency` of Exchange's default throttling policy.
    pub(super) fn shells(&self, endpoint: EndpointKind, version: PowerShellVersion) -> usize {
        self.shells.unwrap_or(match endpoint {
            EndpointKind::Exchange => 18,
            EndpointKind::Windows | EndpointKind::Lync | EndpointKind::LyncLocal => {
                if is_first_generation(version) {
                    5
                } else {
                    30
                }
            }
        })
    }

    /// Commands of one shell that have not been terminated; `None`: there is no such quota.
    pub(super) fn commands(&self, version: PowerShellVersion) -> Option<usize> {
        let usual = (!is_first_generation(version)).then_some(1000);
        self.commands.or(usual)
    }

    /// Commands of all shells of an account at a service that have not been terminated; `None`: there is no
    /// such quota, as where IIS is the host.
    pub(super) fn operations(
        &self,
        endpoint: EndpointKind,
        version: PowerShellVersion,
    ) -> Option<usize> {
        let usual = if is_first_generation(version) {
            15
        } else {
            1500
        };
        self.operations.or(is_winrm(endpoint).then_some(usual))
    }
}

/// `MaxEnvelopeSizekb`: the largest envelope that a service takes, in KiB.
pub(super) fn max_envelope_kib(version: PowerShellVersion) -> u32 {
    if is_first_generation(version) {
        150
    } else {
        500
    }
}

/// How a service calls its own version.
pub(super) fn stack(version: PowerShellVersion) -> &'static str {
    if is_first_generation(version) {
        "2.0"
    } else {
        "3.0"
    }
}

/// Whether it came with the first Windows Remote Management that had PowerShell: 2.0, as on 2008 R2 without
/// Windows Management Framework 3.
fn is_first_generation(version: PowerShellVersion) -> bool {
    version.major < 3
}
