//! The site file and the plan over it, before anything is contacted.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use owaim_inventory::{Site, parse_with};
use owaim_steps::{PHASES, step_ids, steps_for};

use super::error::CommandError;
use crate::cli::{SelectionArgs, SiteArgs};
use crate::event::Mode;
use crate::graph::Plan;
use crate::selection::Selection;

/// Reads and validates the site file; its warnings go to standard error.
pub(super) fn read(args: &SiteArgs) -> Result<Site, CommandError> {
    let path = &args.site;
    let text = std::fs::read_to_string(path).map_err(|source| CommandError::Read {
        path: path.clone(),
        source,
    })?;
    let site = parse_with(&path.display().to_string(), &text, &args.set).map_err(|mistakes| {
        CommandError::Site {
            path: path.clone(),
            mistakes: Box::new(mistakes),
        }
    })?;
    for warning in &site.warnings {
        // A warning that cannot be printed stops nothing.
        let _ = writeln!(std::io::stderr(), "warning: {warning}");
    }
    Ok(site)
}

/// Sets the limits that the command line overrides.
pub(super) fn override_limits(site: &mut Site, parallel: Option<u16>, timeout: Option<Duration>) {
    if let Some(parallel) = parallel {
        site.limits.parallel = parallel.into();
    }
    if let Some(timeout) = timeout {
        for policy in site
            .retry
            .by_name
            .values_mut()
            .chain([&mut site.retry.default])
        {
            policy.attempt_timeout = timeout;
        }
    }
}

/// The plan of a run of `mode` over what `args` choose.
pub(super) fn plan(site: &Site, args: &SelectionArgs, mode: Mode) -> Result<Plan, CommandError> {
    let mut selection = Selection::new(
        args.only.as_deref(),
        &args.skip,
        args.host.as_deref(),
        &PHASES,
        step_ids(),
    )?;
    selection.with_dependencies = args.with_dependencies;
    let steps = steps_for(site).into_iter().map(Arc::from).collect();
    let plan = Plan::new(steps, &selection, mode)?;
    if plan.is_empty() {
        Err(CommandError::NothingChosen)
    } else {
        Ok(plan)
    }
}
