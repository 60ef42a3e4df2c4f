//! [`Script`]: the recorded pipelines of an endpoint, and which of them a live one follows.
//!
//! A change follows the first recorded one like it that none has followed yet, and there has to be one. What only looks
//! may be asked more or less often than it was, since a run looks again after it had to wait: it sees what was seen
//! last, until one of the changes has been made that were recorded between that and what was seen next.

use owaim_proto::psrp::Pipeline;

use super::same;
use super::script::ScriptedPipeline;

/// The recorded pipelines of an endpoint, in order.
#[derive(Default)]
pub(super) struct Script(Vec<ScriptedPipeline>);

impl Script {
    /// Appends those of a further session.
    pub(super) fn extend(&mut self, pipelines: impl IntoIterator<Item = ScriptedPipeline>) {
        self.0.extend(pipelines);
    }

    /// The pipeline of that number.
    pub(super) fn get(&self, index: usize) -> Option<&ScriptedPipeline> {
        self.0.get(index)
    }

    /// Which one `live` follows; `None` if nothing like it was recorded.
    pub(super) fn choose(&mut self, live: &Pipeline) -> Option<usize> {
        let alike: Vec<usize> = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, scripted)| same::pipelines(&scripted.create, live))
            .map(|(index, _)| index)
            .collect();
        let taken = |index: &usize| self.0.get(*index).is_some_and(|scripted| scripted.taken);
        let first = *alike.first()?;
        let chosen = if self.0.get(first)?.changes {
            *alike.iter().find(|index| !taken(index))?
        } else {
            // Never seen, it is as if it had been seen at its first time.
            let seen = alike.iter().rev().find(|index| taken(index)).copied();
            let from = seen.unwrap_or(first);
            let later = || alike.iter().copied().filter(|index| *index > from);
            let overtaken =
                later().find(|index| self.changes(from, *index).any(|scripted| scripted.taken));
            let next = later()
                .next()
                .filter(|index| seen.is_some() && self.changes(from, *index).next().is_none());
            overtaken.or(next).unwrap_or(from)
        };
        self.0.get_mut(chosen)?.taken = true;
        Some(chosen)
    }

    /// What would have been right in place of a pipeline that was not recorded.
    pub(super) fn expected(&self, found: &Pipeline) -> String {
        let name = |pipeline: &Pipeline| {
            let first = pipeline.commands().next();
            first.map(|command| command.name.to_lowercase())
        };
        let left = || self.0.iter().filter(|scripted| !scripted.taken);
        let nearest = left()
            .find(|scripted| name(&scripted.create) == name(found))
            .or_else(|| left().next());
        match nearest {
            Some(scripted) => format!(
                "{} (exchange {} of {}), or one of {} more",
                same::described(&scripted.create),
                scripted.exchange,
                scripted.file,
                left().count() - 1
            ),
            None => "no further pipeline at this endpoint".into(),
        }
    }

    /// The changes between two pipelines.
    fn changes(&self, from: usize, to: usize) -> impl Iterator<Item = &ScriptedPipeline> {
        let between = self.0.get(from..to).unwrap_or_default();
        between.iter().filter(|scripted| scripted.changes)
    }
}

#[cfg(test)]
mod tests {
    use owaim_proto::psrp::Command;

    use super::*;

    fn script(names: &[&str]) -> Script {
        let pipelines = names
            .iter()
            .enumerate()
            .map(|(exchange, name)| ScriptedPipeline {
                file: "f".into(),
                exchange,
                create: Pipeline::new(Command::new(*name)),
                inputs: Vec::new(),
                steps: Vec::new(),
                changes: !name.starts_with("Get"),
                taken: false,
            });
        Script(pipelines.collect())
    }

    #[test]
    fn what_is_seen_follows_what_is_changed() {
        /// Recorded, asked for, and which one is followed; `None`: refused.
        type Case<'c> = (&'c [&'c str], &'c [&'c str], &'c [Option<usize>]);
        let cases: [Case<'_>; 7] = [
            (
                &["Get-A", "Get-B"],
                &["Get-B", "Get-A"],
                &[Some(1), Some(0)],
            ),
            (&["Get-A"], &["Get-A", "Get-A"], &[Some(0), Some(0)]),
            (
                &["Get-A", "Get-A", "Get-A"],
                &["Get-A", "Get-A", "Get-A"],
                &[Some(0), Some(1), Some(2)],
            ),
            (
                &["Get-A", "Set-A", "Get-A"],
                &["Get-A", "Get-A", "Set-A", "Get-A"],
                &[Some(0), Some(0), Some(1), Some(2)],
            ),
            (
                &["Get-A", "Get-A", "Set-A", "Get-A"],
                &["Get-A", "Set-A", "Get-A"],
                &[Some(0), Some(2), Some(3)],
            ),
            (
                &["Get-A", "Get-B", "Set-A", "Set-B", "Get-A", "Get-B"],
                &["Get-B", "Set-B", "Get-B", "Get-A", "Set-A", "Get-A"],
                &[Some(1), Some(3), Some(5), Some(4), Some(2), Some(4)],
            ),
            (
                &["Set-A", "Get-A"],
                &["Set-A", "Set-A", "Get-C"],
                &[Some(0), None, None],
            ),
        ];
        for (recorded, asked, expected) in cases {
            let mut script = script(recorded);
            let found: Vec<_> = asked
                .iter()
                .map(|name| script.choose(&Pipeline::new(Command::new(*name))))
                .collect();
            assert_eq!(found, expected, "{recorded:?} {asked:?}");
        }
    }
}
