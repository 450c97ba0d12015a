//! The storm breaker: when so much is wrong at once that acting on single objects would do harm, it opens; it closes when
//! the cluster has been calm for a while.
//!
//! Pure: figures in, the next state out. What is not known neither opens it nor counts as calm.

use crate::{
    model::Millis,
    settings::{BreakerLimits, limits::millis},
};

/// The name of its control row.
pub const CONTROL: &str = "breaker";

/// How far it is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Not at all.
    #[default]
    Closed,
    /// For what is automatic: many incidents, or many workloads.
    Automation,
    /// For everybody: nodes, or the API server.
    Open,
}

impl Mode {
    /// The word in the control row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Automation => "automation",
            Self::Open => "open",
        }
    }

    /// The mode of a stored word; one that this version does not know is open.
    pub fn parse(word: &str) -> Self {
        match word {
            "closed" => Self::Closed,
            "automation" => Self::Automation,
            _ => Self::Open,
        }
    }
}

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Of these.
    pub all: u64,
    /// These are not well.
    pub bad: u64,
}

impl Share {
    /// At or over `percent`.
    fn reaches(self, percent: u64) -> bool {
        self.all > 0 && self.bad.saturating_mul(100) >= self.all.saturating_mul(percent)
    }
}

/// What it looks at; `None` for what is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signals {
    /// Nodes that are not ready, by zone; nodes without one are one zone.
    pub zones: Option<Vec<(String, Share)>>,
    /// Incidents that were opened within 5 min.
    pub incidents: Option<u64>,
    /// Workloads with issues.
    pub workloads: Option<Share>,
    /// Requests to the API server within a minute, and those that it failed (5xx, timeouts, no connection).
    pub api: Option<Share>,
    /// The API server does not answer at all, and since when.
    pub api_down: Option<String>,
}

/// The breaker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breaker {
    /// How far it is open.
    pub mode: Mode,
    /// Since when everything has been calm.
    pub calm_since: Option<Millis>,
    /// Nothing but the silence of the API server holds it open.
    pub is_only_silence: bool,
}

/// How long an API server must answer again, when its silence alone opened the breaker: nothing in the cluster was seen
/// to be wrong, and workflows that hold run into their deadlines.
const SILENCE_CALM: Millis = 10_000;

/// It changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// To what.
    pub mode: Mode,
    /// Why, with the figures.
    pub why: String,
}

impl Breaker {
    /// Looks at the signals; the change, when there is one.
    pub fn step(&mut self, limits: &BreakerLimits, signals: &Signals, now: Millis) -> Option<Change> {
        let mut reached = over(limits, signals, 100);
        let is_only_silence = reached.is_empty() && signals.api_down.is_some();
        reached.extend(signals.api_down.clone().map(|why| (Mode::Open, why)));
        let mode = reached.iter().map(|(mode, _)| *mode).max().unwrap_or_default();
        if mode > self.mode {
            let whys = reached.into_iter().filter(|(of, _)| *of == mode).map(|(_, why)| why);
            let why = whys.collect::<Vec<_>>().join("; ");
            *self = Self { mode, calm_since: None, is_only_silence };
            return Some(Change { mode, why });
        }
        self.is_only_silence &= reached.is_empty() || is_only_silence;
        if self.mode == Mode::Closed {
            return None;
        }
        // What opened it must be seen to be well again, so what is not known is not calm.
        let calm = over(limits, signals, limits.close_percent);
        let is_known = signals.zones.is_some() && signals.incidents.is_some() && signals.workloads.is_some();
        let worst = calm.iter().map(|(mode, _)| *mode).max().unwrap_or_default();
        if !is_known || worst >= self.mode || signals.api_down.is_some() {
            self.calm_since = None;
            return None;
        }
        let since = *self.calm_since.get_or_insert(now);
        let (needed, why) = if self.is_only_silence {
            (SILENCE_CALM, format!("the API server has answered for {} s", SILENCE_CALM / 1_000))
        } else {
            let minutes = limits.calm.as_secs() / 60;
            let why = format!("below {} % of its thresholds for {minutes} min", limits.close_percent);
            (millis(limits.calm), why)
        };
        if now.saturating_sub(since) < needed {
            return None;
        }
        // Open for everybody falls back to open for automation while that has a reason of its own.
        *self = Self { mode: worst, ..Self::default() };
        Some(Change { mode: worst, why })
    }
}

/// Every threshold, taken at `percent` of it, that the signals are over.
fn over(limits: &BreakerLimits, signals: &Signals, percent: u32) -> Vec<(Mode, String)> {
    let part = |threshold: u32| u64::from(threshold).saturating_mul(u64::from(percent)) / 100;
    let mut found = Vec::new();
    let zones = signals.zones.as_deref().unwrap_or_default();
    for (zone, nodes) in zones {
        if nodes.bad > part(limits.zone_nodes) && nodes.reaches(part(limits.zone_percent)) {
            let zone = if zone.is_empty() { "the only zone" } else { zone };
            found.push((Mode::Open, format!("{} of {} nodes of {zone} are not ready", nodes.bad, nodes.all)));
        }
    }
    let all = zones.iter().fold(Share::default(), |sum, (_, zone)| Share {
        all: sum.all.saturating_add(zone.all),
        bad: sum.bad.saturating_add(zone.bad),
    });
    if all.bad > part(limits.nodes) && all.reaches(part(limits.nodes_percent)) {
        found.push((Mode::Open, format!("{} of {} nodes are not ready", all.bad, all.all)));
    }
    if let Some(api) = signals.api
        && api.all >= u64::from(limits.api_requests)
        && api.reaches(part(limits.api_errors_percent).max(1))
    {
        found.push((
            Mode::Open,
            format!("{} of {} requests to the API server failed within a minute", api.bad, api.all),
        ));
    }
    if let Some(incidents) = signals.incidents
        && incidents > part(limits.incidents)
    {
        found.push((Mode::Automation, format!("{incidents} incidents were opened within 5 min")));
    }
    if let Some(workloads) = signals.workloads
        && workloads.bad >= u64::from(limits.workloads)
        && workloads.reaches(part(limits.workloads_percent))
    {
        let why = format!("{} of {} workloads are not well", workloads.bad, workloads.all);
        found.push((Mode::Automation, why));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Millis = 60_000;

    fn nodes(bad: u64, all: u64) -> Signals {
        Signals {
            zones: Some(vec![(String::new(), Share { all, bad })]),
            incidents: Some(0),
            workloads: Some(Share { all: 10, bad: 0 }),
            ..Signals::default()
        }
    }

    #[test]
    fn each_signal_opens_it_at_its_threshold_and_not_below() {
        let calm = nodes(0, 10);
        for (signals, want) in [
            (calm.clone(), Mode::Closed),
            // More than 2 and at least 55 % of a zone.
            (nodes(3, 5), Mode::Open),
            (nodes(2, 3), Mode::Closed),
            (nodes(6, 10), Mode::Open),
            (nodes(4, 9), Mode::Closed),
            // At least 45 % of all, and more than 3.
            (
                Signals {
                    zones: Some(vec![
                        ("a".to_owned(), Share { all: 10, bad: 5 }),
                        ("b".to_owned(), Share { all: 10, bad: 4 }),
                    ]),
                    ..calm.clone()
                },
                Mode::Open,
            ),
            (Signals { incidents: Some(31), ..calm.clone() }, Mode::Automation),
            (Signals { incidents: Some(30), ..calm.clone() }, Mode::Closed),
            (Signals { workloads: Some(Share { all: 25, bad: 5 }), ..calm.clone() }, Mode::Automation),
            (Signals { workloads: Some(Share { all: 26, bad: 5 }), ..calm.clone() }, Mode::Closed),
            (Signals { workloads: Some(Share { all: 4, bad: 4 }), ..calm.clone() }, Mode::Closed),
            (Signals { api: Some(Share { all: 20, bad: 4 }), ..calm.clone() }, Mode::Open),
            (Signals { api: Some(Share { all: 19, bad: 19 }), ..calm.clone() }, Mode::Closed),
            (Signals { api_down: Some("down".to_owned()), ..calm.clone() }, Mode::Open),
            (Signals::default(), Mode::Closed),
        ] {
            let mut breaker = Breaker::default();
            let change = breaker.step(&BreakerLimits::default(), &signals, 0);
            assert_eq!(breaker.mode, want, "{signals:?}");
            assert_eq!(change.is_some(), want != Mode::Closed, "{signals:?}");
        }
    }

    #[test]
    fn it_closes_only_after_ten_calm_minutes_in_a_row() {
        let limits = BreakerLimits::default();
        let mut breaker = Breaker::default();
        let opened = breaker.step(&limits, &nodes(6, 10), 0).unwrap();
        assert_eq!(opened.mode, Mode::Open);
        assert!(opened.why.contains("6 of 10 nodes"), "{}", opened.why);
        // Below the threshold and above 80 % of it: it stays open, and no time counts.
        for at in 1..30 {
            assert_eq!(breaker.step(&limits, &nodes(5, 10), at * MINUTE), None);
        }
        assert_eq!(breaker.calm_since, None);
        assert_eq!(breaker.step(&limits, &nodes(0, 10), 30 * MINUTE), None);
        assert_eq!(breaker.step(&limits, &nodes(0, 10), 39 * MINUTE), None);
        // A relapse begins the time anew, and so does not knowing.
        assert_eq!(breaker.step(&limits, &nodes(5, 10), 40 * MINUTE), None);
        assert_eq!(breaker.step(&limits, &nodes(0, 10), 41 * MINUTE), None);
        assert_eq!(breaker.step(&limits, &Signals::default(), 45 * MINUTE), None);
        assert_eq!(breaker.step(&limits, &nodes(0, 10), 46 * MINUTE), None);
        assert_eq!(breaker.step(&limits, &nodes(0, 10), 55 * MINUTE), None);
        let closed = breaker.step(&limits, &nodes(0, 10), 56 * MINUTE).unwrap();
        assert_eq!(closed.mode, Mode::Closed);
    }

    #[test]
    fn the_silence_of_the_api_server_alone_ends_soon_after_it() {
        let limits = BreakerLimits::default();
        let silent = |bad| Signals { api_down: Some("it does not answer".to_owned()), ..nodes(bad, 10) };
        let mut breaker = Breaker::default();
        assert_eq!(breaker.step(&limits, &silent(0), 0).unwrap().mode, Mode::Open);
        assert_eq!(breaker.step(&limits, &nodes(0, 10), 1_000), None);
        assert_eq!(breaker.step(&limits, &nodes(0, 10), 10_999), None);
        assert_eq!(breaker.step(&limits, &nodes(0, 10), 11_000).unwrap().mode, Mode::Closed);
        // Nodes that are lost meanwhile make a storm of it.
        assert_eq!(breaker.step(&limits, &silent(0), 20_000).unwrap().mode, Mode::Open);
        assert_eq!(breaker.step(&limits, &silent(7), 30_000), None);
        assert_eq!(breaker.step(&limits, &nodes(0, 10), 40_000), None);
        assert_eq!(breaker.step(&limits, &nodes(0, 10), 60_000), None);
        assert_eq!(breaker.step(&limits, &nodes(0, 10), 40_000 + 10 * MINUTE).unwrap().mode, Mode::Closed);
    }

    #[test]
    fn it_opens_further_at_once_and_falls_back_to_what_still_has_a_reason() {
        let limits = BreakerLimits::default();
        let mut breaker = Breaker::default();
        let flood = |bad| Signals { incidents: Some(100), ..nodes(bad, 10) };
        assert_eq!(breaker.step(&limits, &flood(0), 0).unwrap().mode, Mode::Automation);
        assert_eq!(breaker.step(&limits, &flood(7), 1).unwrap().mode, Mode::Open);
        assert_eq!(breaker.step(&limits, &flood(0), 2), None);
        let back = breaker.step(&limits, &flood(0), 2 + 10 * MINUTE).unwrap();
        assert_eq!(back.mode, Mode::Automation);
    }

    #[test]
    fn a_word_of_a_later_version_is_open() {
        for mode in [Mode::Closed, Mode::Automation, Mode::Open] {
            assert_eq!(Mode::parse(mode.as_str()), mode);
        }
        assert_eq!(Mode::parse("half"), Mode::Open);
    }
}
