//! What each cmdlet does to the model. One module per family; [`run`] finds the cmdlet.

// One signature for all cmdlets, also for those that cannot fail.
#![allow(clippy::unnecessary_wraps)]

mod cs_objects;
mod cs_store;
mod cs_trusted;
mod event_log;
mod exchange_certificates;
mod exchange_defaults;
mod exchange_objects;
mod exchange_servers;
mod exchange_settings;
mod files;
mod item_changes;
mod item_objects;
mod items;
pub(super) mod native;
pub(super) mod network;
mod objects;
mod paths;
mod pools;
mod recipients;
mod session;
mod system;
mod um_settings;

use std::time::Duration;

use jiff::Timestamp;
use owaim_inventory::catalogue::{Cmdlet, Product};
use owaim_inventory::{EndpointKind, HostName, Site};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::Record;

use super::binder::Bound;
use super::errors::{Failure, class};
use super::lync::hop;
use super::{Caller, Nested, Session};
use crate::state::{HostState, State};

/// What a cmdlet works with: the model, and where its records go.
pub(super) struct Cx<'a> {
    pub(super) site: &'a Site,
    pub(super) nested: Nested,
    pub(super) caller: &'a Caller,
    /// The site without the host called, which is [`Cx::host`].
    pub(super) state: &'a mut State,
    /// The host called.
    pub(super) host: HostState,
    pub(super) session: Session,
    pub(super) cmdlet: &'static Cmdlet,
    /// The host's clock.
    pub(super) now: Timestamp,
    /// Our clock.
    pub(super) clock: Timestamp,
    /// Only say what would be done.
    pub(super) what_if: bool,
    /// A write breaks off in the middle.
    pub(super) torn: bool,
    pub(super) records: Vec<Record>,
    /// Whether anything was changed.
    pub(super) effect: bool,
    pub(super) takes: Duration,
}

impl Cx<'_> {
    /// Gives an object to the next command.
    pub(super) fn output(&mut self, value: impl Into<Value>) {
        self.records.push(Record::Output(value.into()));
    }

    /// Reports an error that does not end the command.
    pub(super) fn error(&mut self, failure: &Failure) {
        let record = failure.record(self.cmdlet.name, &class(self.cmdlet));
        self.records.push(Record::Error(record));
    }

    /// Gives a warning.
    pub(super) fn warning(&mut self, text: impl Into<String>) {
        self.records.push(Record::Warning(text.into()));
    }

    /// Reports the error of `result`, if it is one.
    pub(super) fn checked<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        result.map_err(|failure| self.error(&failure)).ok()
    }

    /// Whether the change of `target` shall be made; says so if only that was asked.
    pub(super) fn should_process(&mut self, target: &str) -> bool {
        if self.what_if {
            let text = format!(
                "What if: Performing the operation \"{}\" on target \"{target}\".",
                self.cmdlet.name
            );
            self.records.push(Record::Verbose(text));
            return false;
        }
        true
    }

    /// The host of that name, the one called included.
    pub(super) fn host_named(&self, name: &HostName) -> Option<&HostState> {
        if *name == self.caller.host {
            Some(&self.host)
        } else {
            self.state.hosts.get(name)
        }
    }
}

/// Runs the cmdlet of `cx` once for each of `calls`. An error that ends it is an `Err`.
pub(super) fn run(cx: &mut Cx<'_>, calls: &[Bound]) -> Result<(), Failure> {
    let each = |cx: &mut Cx<'_>, one: fn(&mut Cx<'_>, &Bound) -> Result<(), Failure>| {
        calls.iter().try_for_each(|call| one(cx, call))
    };
    if cx.cmdlet.product == Product::Lync && cx.caller.endpoint == EndpointKind::Windows {
        let here = &cx.caller.host;
        if let Some(refused) = calls
            .iter()
            .find_map(|call| hop::refusal(cx.cmdlet, call, here))
        {
            return Err(refused);
        }
    }
    match cx.cmdlet.name {
        "Get-Content" => each(cx, files::get_content),
        "Set-Content" => files::set_content(cx, calls),
        "Add-Content" => files::add_content(cx, calls),
        "Clear-Content" => each(cx, files::clear_content),
        "Get-FileHash" => each(cx, files::get_file_hash),

        "Get-Item" => each(cx, items::get_item),
        "Get-ChildItem" => each(cx, items::get_child_item),
        "Get-ItemProperty" => each(cx, items::get_item_property),
        "Get-ItemPropertyValue" => each(cx, items::get_item_property_value),
        "Set-ItemProperty" | "New-ItemProperty" => each(cx, item_changes::set_item_property),
        "Remove-ItemProperty" => each(cx, item_changes::remove_item_property),
        "Test-Path" => each(cx, items::test_path),
        "Resolve-Path" => each(cx, items::resolve_path),
        "Copy-Item" => each(cx, item_changes::copy_item),
        "Move-Item" => each(cx, item_changes::move_item),
        "Rename-Item" => each(cx, item_changes::rename_item),
        "Remove-Item" => each(cx, item_changes::remove_item),
        "New-Item" => each(cx, item_changes::new_item),
        "Get-Acl" => each(cx, items::get_acl),
        "Join-Path" => each(cx, items::join_path),
        "Split-Path" => each(cx, items::split_path),

        "Where-Object" => objects::where_object(cx, calls),
        "Select-Object" => objects::select_object(cx, calls),
        "Sort-Object" => objects::sort_object(cx, calls),
        "Measure-Object" => objects::measure_object(cx, calls),
        "Write-Output" => each(cx, objects::write_output),
        "Write-Warning" => each(cx, objects::write_warning),

        "Get-Variable" => each(cx, session::get_variable),
        "Get-Date" => each(cx, session::get_date),
        "Get-Host" => each(cx, session::get_host),
        "Get-PSSessionConfiguration" => each(cx, session::get_configuration),
        "Get-Culture" => each(cx, session::get_culture),
        "Get-Command" => each(cx, session::get_command),
        "Get-Module" => each(cx, session::get_module),
        "Import-Module" => each(cx, session::import_module),

        "Get-Service" => each(cx, system::get_service),
        "Start-Service" | "Stop-Service" | "Restart-Service" => each(cx, system::change_service),
        "Get-Process" => each(cx, system::get_process),
        "Get-CimInstance" | "Get-WmiObject" => each(cx, system::get_instance),

        "Get-NetTCPConnection" => each(cx, network::get_tcp_connection),
        "Resolve-DnsName" => each(cx, network::resolve_dns_name),

        "Get-WinEvent" => each(cx, event_log::get_win_event),
        "Get-EventLog" => each(cx, event_log::get_event_log),

        "Get-WebAppPoolState" => each(cx, pools::get_state),
        "Restart-WebAppPool" => each(cx, pools::restart),
        "Start-WebAppPool" => each(cx, pools::start),
        "Stop-WebAppPool" => each(cx, pools::stop),

        "Get-OwaVirtualDirectory" => each(cx, exchange_settings::get_virtual_directory),
        "Set-OwaVirtualDirectory" => each(cx, exchange_settings::set_virtual_directory),
        "Get-OwaMailboxPolicy" => each(cx, exchange_settings::get_policy),
        "Set-OwaMailboxPolicy" => each(cx, exchange_settings::set_policy),

        "Get-ExchangeServer"
        | "Get-MailboxServer"
        | "Get-ClientAccessServer"
        | "Get-ClientAccessService" => each(cx, exchange_servers::get_server),
        "Get-ExchangeCertificate" => each(cx, exchange_certificates::get),
        "Import-ExchangeCertificate" => each(cx, exchange_certificates::import),
        "New-ExchangeCertificate" => each(cx, exchange_certificates::new),
        "Get-ServerComponentState" => each(cx, exchange_servers::get_component_state),
        "Get-SettingOverride" => each(cx, exchange_servers::get_override),
        "Set-SettingOverride" => each(cx, exchange_servers::set_override),
        "New-SettingOverride" => each(cx, exchange_servers::new_override),
        "Remove-SettingOverride" => each(cx, exchange_servers::remove_override),
        "Get-ADServerSettings" => each(cx, exchange_servers::get_ad_settings),
        "Set-ADServerSettings" => each(cx, exchange_servers::set_ad_settings),
        "Get-OrganizationConfig" => each(cx, exchange_servers::get_organization),
        "Get-CASMailbox" | "Get-Mailbox" | "Get-User" => each(cx, recipients::get_mailbox),
        "Get-UMDialPlan" => each(cx, um_settings::get_dial_plan),
        "New-UMDialPlan" => each(cx, um_settings::new_dial_plan),
        "Get-UMService" => each(cx, um_settings::get_service),
        "Set-UMService" => each(cx, um_settings::set_service),
        "Get-UMCallRouterSettings" => each(cx, um_settings::get_router),
        "Set-UMCallRouterSettings" => each(cx, um_settings::set_router),

        name if cx.cmdlet.product == Product::Lync => lync(cx, calls, name),
        name => Err(Failure::not_modelled(name)),
    }
}

/// Runs a cmdlet of Lync.
fn lync(cx: &mut Cx<'_>, calls: &[Bound], name: &str) -> Result<(), Failure> {
    let run: fn(&mut Cx<'_>, &Bound) -> Result<(), Failure> = match name {
        "Get-CsSite" => cs_store::get_site,
        "Get-CsPool" => cs_store::get_pool,
        "Get-CsService" => cs_store::get_service,
        "Get-CsComputer" => cs_store::get_computer,
        "Get-CsUser" => cs_store::get_user,
        "Enable-CsTopology" => cs_store::enable,
        "Get-CsManagementStoreReplicationStatus" => cs_store::replication_status,
        "Invoke-CsManagementStoreReplication" => cs_store::invoke_replication,
        "Get-CsWindowsService" => cs_store::get_windows_service,
        "Start-CsWindowsService" | "Stop-CsWindowsService" => cs_store::change_windows_service,
        "Get-CsServerVersion" => cs_store::server_version,
        "Get-CsTrustedApplicationPool" => cs_trusted::get_pool,
        "New-CsTrustedApplicationPool" => cs_trusted::new_pool,
        "Set-CsTrustedApplicationPool" => cs_trusted::set_pool,
        "Remove-CsTrustedApplicationPool" => cs_trusted::remove_pool,
        "Get-CsTrustedApplicationComputer" => cs_trusted::get_computer,
        "New-CsTrustedApplicationComputer" => cs_trusted::new_computer,
        "Remove-CsTrustedApplicationComputer" => cs_trusted::remove_computer,
        "Get-CsTrustedApplication" => cs_trusted::get_application,
        "New-CsTrustedApplication" => cs_trusted::new_application,
        "Set-CsTrustedApplication" => cs_trusted::set_application,
        "Remove-CsTrustedApplication" => cs_trusted::remove_application,
        "Get-CsTrustedApplicationEndpoint" => cs_trusted::get_endpoint,
        "New-CsTrustedApplicationEndpoint" => cs_trusted::new_endpoint,
        "Remove-CsTrustedApplicationEndpoint" => cs_trusted::remove_endpoint,
        name => return Err(Failure::not_modelled(name)),
    };
    calls.iter().try_for_each(|call| run(cx, call))
}
