//! The site file and the plan over it, before anything is contacted.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use owaim_inventory::{Site, parse_with};
use owaim_steps::{DISABLE_STEP_IDS, PHASES, Step, StepId, disable_steps, step_ids, steps_for};

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
    let mut site =
        parse_with(&path.display().to_string(), &text, &args.set).map_err(|mistakes| {
            CommandError::Site {
                path: path.clone(),
                mistakes: Box::new(mistakes),
            }
        })?;
    if let Some(folder) = path.parent() {
        site.resolve_paths(folder);
    }
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

/// What a run is to bring about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Outlook Web App offers instant messaging, and it works.
    Offered,
    /// Outlook Web App no longer offers it.
    Off,
}

impl Purpose {
    fn step_ids(self) -> &'static [StepId] {
        match self {
            Self::Offered => step_ids(),
            Self::Off => &DISABLE_STEP_IDS,
        }
    }

    fn steps(self, site: &Site) -> Vec<Box<dyn Step>> {
        match self {
            Self::Offered => steps_for(site),
            Self::Off => disable_steps(site),
        }
    }
}

/// The plan of a run of `mode` over what `args` choose of the procedure.
pub(super) fn plan(site: &Site, args: &SelectionArgs, mode: Mode) -> Result<Plan, CommandError> {
    plan_for(Purpose::Offered, site, args, mode)
}

/// The plan of a run of `mode` over what `args` choose of the steps to `purpose`.
pub(super) fn plan_for(
    purpose: Purpose,
    site: &Site,
    args: &SelectionArgs,
    mode: Mode,
) -> Result<Plan, CommandError> {
    let mut selection = Selection::new(
        args.only.as_deref(),
        &args.skip,
        args.host.as_deref(),
        &PHASES,
        purpose.step_ids(),
    )?;
    selection.with_dependencies = args.with_dependencies;
    let steps = purpose.steps(site).into_iter().map(Arc::from).collect();
    let plan = Plan::new(steps, &selection, mode)?;
    if plan.is_empty() {
        Err(CommandError::NothingChosen)
    } else {
        Ok(plan)
    }
}
