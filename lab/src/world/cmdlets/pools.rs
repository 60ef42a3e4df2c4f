//! The cmdlets of the module WebAdministration for application pools.

use std::time::Duration;

use owaim_proto::clixml::Object;

use super::super::binder::Bound;
use super::super::errors::{Category, Failure};
use super::super::iis::POOL;
use super::Cx;

/// How long a recycle keeps the caller waiting.
pub(super) const RECYCLE: Duration = Duration::from_millis(250);

fn pool(call: &Bound) -> Result<(), Failure> {
    let name = call.text("Name").unwrap_or_default();
    if name.eq_ignore_ascii_case(POOL) {
        return Ok(());
    }
    Err(Failure::new(
        "PathNotFound",
        Category::ObjectNotFound,
        "System.Management.Automation.ItemNotFoundException",
        format!("Cannot find path 'IIS:\\AppPools\\{name}' because it does not exist."),
    )
    .about(name))
}

fn cannot(message: &str) -> Failure {
    Failure::new(
        "InvalidOperation",
        Category::InvalidOperation,
        "System.InvalidOperationException",
        message,
    )
    .about(POOL)
}

pub(super) fn get_state(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    if call.has("Name") {
        pool(call)?;
    }
    let state = if cx.host.iis.started {
        "Started"
    } else {
        "Stopped"
    };
    // The cmdlet gives an attribute of the configuration, whose value is the state.
    let attribute = Object::new()
        .with_types([
            "Microsoft.IIs.PowerShell.Framework.CodeProperty",
            "System.Object",
        ])
        .with_string("Microsoft.IIs.PowerShell.Framework.CodeProperty")
        .with("Value", state)
        .with_note(
            "ItemXPath",
            format!("/system.applicationHost/applicationPools/add[@name='{POOL}']"),
        );
    cx.output(attribute);
    Ok(())
}

pub(super) fn restart(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    pool(call)?;
    if !cx.host.iis.started {
        return Err(cannot(
            "You have to start stopped object before restarting it.",
        ));
    }
    if cx.should_process(POOL) {
        let settings = cx.host.messaging_settings();
        cx.host.iis.start_worker(settings, cx.now);
        cx.effect = true;
        cx.takes += RECYCLE;
    }
    Ok(())
}

pub(super) fn start(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    pool(call)?;
    if cx.host.iis.started {
        cx.warning("The specified object is already started.");
    } else if cx.should_process(POOL) {
        // The worker process comes with the first request.
        cx.host.iis.started = true;
        cx.effect = true;
    }
    Ok(())
}

pub(super) fn stop(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    pool(call)?;
    if !cx.host.iis.started {
        return Err(cannot("The object is already stopped."));
    }
    if cx.should_process(POOL) {
        cx.host.iis.started = false;
        cx.host.iis.worker = None;
        cx.effect = true;
    }
    Ok(())
}
