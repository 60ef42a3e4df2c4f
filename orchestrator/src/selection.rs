//! [`Selection`]: which steps of the site a run is about.

use owaim_inventory::HostName;

use crate::event::{Mode, Treatment};

/// What `--only`, `--skip`, `--host` and `--with-dependencies` say, checked.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    only: Option<Vec<String>>,
    skip: Vec<String>,
    host: Option<String>,
    /// Whether steps that a chosen one requires are applied too, not just looked at.
    pub with_dependencies: bool,
}

/// A name that is no phase and no step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{option} {name:?} is neither a phase nor a step; the phases are {phases}; the steps are {steps}"
)]
pub struct UnknownName {
    /// `--only` or `--skip`.
    pub option: &'static str,
    /// The name given.
    pub name: String,
    /// The phases there are.
    pub phases: String,
    /// The steps there are.
    pub steps: String,
}

/// The phase whose choice means: look at the whole site, change nothing of it. Its own steps never
/// change anything.
const VERIFY: &str = "verify";

impl Selection {
    /// Checks the names in `only` and `skip` against `phases` and `steps`. `host` is a glob
    /// (`*`, `?`) over full or short host names.
    pub fn new(
        only: Option<&[String]>,
        skip: &[String],
        host: Option<&str>,
        phases: &[&str],
        steps: &[&str],
    ) -> Result<Self, UnknownName> {
        let check = |option, names: &[String]| {
            let known = |name: &str| phases.contains(&name) || steps.contains(&name);
            names
                .iter()
                .map(|name| name.trim().to_ascii_lowercase())
                .try_fold(Vec::new(), |mut list, name| {
                    if known(&name) {
                        list.push(name);
                        Ok(list)
                    } else {
                        Err(UnknownName {
                            option,
                            name,
                            phases: phases.join(", "),
                            steps: steps.join(", "),
                        })
                    }
                })
        };
        Ok(Self {
            only: only.map(|names| check("--only", names)).transpose()?,
            skip: check("--skip", skip)?,
            host: host.map(str::to_ascii_lowercase),
            with_dependencies: false,
        })
    }

    /// What a run of `mode` does with a step of its own accord; `None` if it is not chosen.
    ///
    /// The phase `verify` stands for looking at everything: with it, steps that are not chosen
    /// otherwise are checked.
    pub fn treatment(&self, mode: Mode, step: &str, host: &HostName) -> Option<Treatment> {
        if names(&self.skip, step) || !self.host_matches(host) {
            return None;
        }
        let read_only = matches!(mode, Mode::Verify | Mode::Drift) || names(&[VERIFY.into()], step);
        let chosen = self.only.as_ref().is_none_or(|only| names(only, step));
        let verify = self
            .only
            .as_ref()
            .is_some_and(|only| only.iter().any(|name| name == VERIFY));
        match (chosen, read_only) {
            (true, true) => Some(Treatment::Check),
            (true, false) => Some(Treatment::Change),
            (false, _) if verify => Some(Treatment::Check),
            (false, _) => None,
        }
    }

    fn host_matches(&self, host: &HostName) -> bool {
        self.host.as_ref().is_none_or(|glob| {
            let glob = wildmatch::WildMatch::new(glob);
            glob.matches(host.as_str()) || glob.matches(host.short())
        })
    }
}

/// Whether the step or its phase is among `names`.
fn names(names: &[String], step: &str) -> bool {
    let phase = step.split('.').next().unwrap_or(step);
    names.iter().any(|name| name == step || name == phase)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `--only`, `--skip`, `--host`, mode, and what is done with the step.
    type Case<'a> = (
        Option<&'a [&'a str]>,
        &'a [&'a str],
        Option<&'a str>,
        Mode,
        Option<Treatment>,
    );

    const PHASES: &[&str] = &["cas", "backend", "verify"];
    const STEPS: &[&str] = &[
        "cas.owa-virtual-directory",
        "backend.recycle",
        "verify.event-112",
    ];

    fn select(
        only: Option<&[&str]>,
        skip: &[&str],
        host: Option<&str>,
    ) -> Result<Selection, UnknownName> {
        let own = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        Selection::new(only.map(own).as_deref(), &own(skip), host, PHASES, STEPS)
    }

    #[test]
    fn a_step_is_chosen_by_its_phase_its_id_and_its_host() {
        let host = HostName::new("srv-1.example.com").expect("valid");
        let cases: [Case<'_>; 10] = [
            (None, &[], None, Mode::Apply, Some(Treatment::Change)),
            (None, &[], None, Mode::Verify, Some(Treatment::Check)),
            (None, &["backend"], None, Mode::Apply, None),
            (
                Some(&["backend"]),
                &[],
                None,
                Mode::Apply,
                Some(Treatment::Change),
            ),
            (
                Some(&["backend.recycle"]),
                &[],
                None,
                Mode::Plan,
                Some(Treatment::Change),
            ),
            (Some(&["cas"]), &[], None, Mode::Apply, None),
            (
                Some(&["verify"]),
                &[],
                None,
                Mode::Apply,
                Some(Treatment::Check),
            ),
            (
                Some(&["cas", "verify"]),
                &[],
                None,
                Mode::Apply,
                Some(Treatment::Check),
            ),
            (
                None,
                &[],
                Some("SRV-*"),
                Mode::Apply,
                Some(Treatment::Change),
            ),
            (None, &[], Some("other*"), Mode::Apply, None),
        ];
        for (only, skip, glob, mode, expected) in cases {
            let selection = select(only, skip, glob).expect("known names");
            let found = selection.treatment(mode, "backend.recycle", &host);
            assert_eq!(found, expected, "{only:?} {skip:?} {glob:?} {mode:?}");
        }
    }

    #[test]
    fn an_unknown_name_is_told_with_the_known_ones() {
        let error = select(Some(&["front"]), &[], None).expect_err("unknown");
        assert!(
            error.to_string().contains("cas, backend, verify"),
            "{error}"
        );
        assert!(error.to_string().contains("backend.recycle"), "{error}");
    }
}
