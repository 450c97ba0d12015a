//! How long things took: percentiles of what was timed one by one.

use std::time::Duration;

use crate::{
    report::{Goal, Report},
    subject::millis,
};

/// Durations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The smallest duration below which so many percent lie; the slowest one when there are few.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(at).copied().unwrap_or_default()
    }

    /// Adds the median, and the percentile that has a goal, in milliseconds; beside each what the machine takes.
    pub(crate) fn add(
        &self,
        what: &str,
        (percent, most): (usize, f64),
        floor: Option<&Self>,
        report: &mut Report,
    ) {
        for (percent, goal) in [(50, Goal::None), (percent, Goal::AtMost(most))] {
            let name = format!("{what}, p{percent}");
            report.add(name.clone(), "ms", goal, millis(self.percentile(percent)));
            if let Some(floor) = floor {
                report.floor(&name, millis(floor.percentile(percent)));
            }
        }
    }
}
