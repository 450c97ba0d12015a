//! A part of the proof: what it ran, what it met and what it found, from as many threads as there are cores.
//!
//! Every run is known by a name, which is all that is needed to do it again (`again.rs`). Which thread ran it changes
//! nothing.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::{
    coverage,
    faults::Met,
    run::{Base, Sim},
};
use crate::{
    model::phase::Phase,
    testing::{
        checker::{self, Violation},
        model::OURSELVES,
    },
};

/// More broken runs than this say nothing more.
const MOST_BROKEN: usize = 10;

/// What came of a part.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) runs: u64,
    /// Of how many there are.
    pub(crate) of: u64,
    pub(crate) effects: u64,
    pub(crate) met: Met,
    pub(crate) ends: BTreeMap<Phase, u64>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// Lines that are printed below the table.
    pub(crate) lines: Vec<String>,
    /// Runs that broke an invariant, and floors that were not reached.
    pub(crate) broken: Vec<String>,
    pub(crate) took: Duration,
}

impl Part {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// Takes in one run, and judges it.
    pub(crate) fn take(&mut self, name: &str, sim: &Sim) {
        let history = sim.history();
        for record in &history.records {
            *self.ends.entry(record.workflow.phase).or_default() += 1;
        }
        let effects = history.journal.iter().filter(|e| e.actor == OURSELVES && e.is_effect()).count();
        self.runs += 1;
        self.effects += u64::try_from(effects).unwrap();
        coverage::add(&mut self.met, sim.faults.met());
        *self.counts.entry("processes that ended in order").or_default() += sim.drained;
        *self.counts.entry("sweeps").or_default() += sim.swept;
        let violations = checker::check(&history);
        if !violations.is_empty() {
            let lines: Vec<String> = violations.iter().take(6).map(Violation::to_string).collect();
            self.broken.push(format!("AIOPS_RUN={name}\n    {}", lines.join("\n    ")));
        }
    }

    fn merge(&mut self, other: Self) {
        self.runs += other.runs;
        self.of += other.of;
        self.effects += other.effects;
        coverage::add(&mut self.met, other.met);
        other.ends.into_iter().for_each(|(phase, n)| *self.ends.entry(phase).or_default() += n);
        other.counts.into_iter().for_each(|(what, n)| *self.counts.entry(what).or_default() += n);
        self.lines.extend(other.lines);
        self.broken.extend(other.broken);
    }

    /// A floor: without so much, the part proves less than it says.
    pub(crate) fn floor(&mut self, what: &str, is: u64, least: u64) {
        if is < least {
            self.broken.push(format!("the floor of {what} is {least}, and {is} were reached"));
        }
    }

    /// A ceiling: an engine that leaves to a person whatever meets a fault breaks nothing, and is of no use.
    pub(crate) fn few_parked(&mut self, one_in: u64) {
        let all: u64 = self.ends.values().sum();
        let parked = self.ends.get(&Phase::NeedsOperator).copied().unwrap_or_default();
        self.lines.push(format!("{parked} of {all} workflows wait for a person"));
        if parked > all / one_in {
            self.broken
                .push(format!("{parked} of {all} workflows wait for a person, more than one in {one_in}"));
        }
    }

    /// A floor of coverage: nothing of this may be missing.
    pub(crate) fn none_missing(&mut self, missing: &[String]) {
        if !missing.is_empty() {
            let shown = missing.iter().take(12).cloned().collect::<Vec<_>>().join("; ");
            self.broken.push(format!("{} were never met: {shown}", missing.len()));
        }
    }

    /// Fails when something is broken; the counts are printed first.
    pub(crate) fn hold(&self) {
        println!(
            "{}: {} of {} runs, {} effects, {:.1?}",
            self.name, self.runs, self.of, self.effects, self.took
        );
        let (between, all) = coverage::between(&self.met);
        println!(
            "  {all} faults, {between} of them between an intent and its outcome; ends: {:?}",
            self.ends
        );
        for line in &self.lines {
            println!("  {line}");
        }
        assert!(
            self.broken.is_empty(),
            "{}: {} broken (again: AIOPS_RUN=NAME cargo test -p aiops-engine --lib testing::sim::again -- --nocapture):\n  {}",
            self.name,
            self.broken.len(),
            self.broken.iter().take(MOST_BROKEN).cloned().collect::<Vec<_>>().join("\n  ")
        );
    }
}

/// Runs every item, spread over so many threads. `work` adds what one came to.
pub(crate) fn spread<T: Sync>(
    name: &'static str,
    items: &[T],
    threads: usize,
    work: impl Fn(&Base, &T, &mut Part) + Sync,
) -> Part {
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let broken = AtomicUsize::new(0);
    let minutes = AtomicU64::new(0);
    let parts: Vec<Part> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads.max(1))
            .map(|_| {
                scope.spawn(|| {
                    let base = Base::new();
                    let mut part = Part::new(name);
                    while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let before = part.broken.len();
                        work(&base, item, &mut part);
                        let minute = began.elapsed().as_secs() / 60;
                        if minutes.fetch_max(minute, Ordering::Relaxed) < minute {
                            let begun = next.load(Ordering::Relaxed).min(items.len());
                            println!("{name}: {begun} of {} begun after {minute} min", items.len());
                        }
                        let new = part.broken.len() - before;
                        // At once: a run that is ended before its end has said what it found.
                        part.broken
                            .iter()
                            .skip(before)
                            .for_each(|broken| println!("{name}: BROKEN {broken}"));
                        if broken.fetch_add(new, Ordering::Relaxed) + new > MOST_BROKEN * 4 {
                            break;
                        }
                    }
                    part
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut all = Part::new(name);
    parts.into_iter().for_each(|part| all.merge(part));
    all.of = all.of.max(u64::try_from(items.len()).unwrap());
    all.took = began.elapsed();
    all
}

/// As many threads as there are cores for the whole proof, one beside other tests.
pub(crate) fn threads(is_whole: bool) -> usize {
    if is_whole { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 }
}
