//! Random schedules: several processes, several workflows, faults, other writers, people who approve and cancel, alerts and
//! the sweep beside them, switches that are thrown, clocks that jump. Every run is one seed.
//!
//! A seed decides first where its faults strike (most often about requests), then everything else.

use std::time::Duration;

use super::{
    coverage,
    defects::Defect,
    dice::Dice,
    faults::{Call, Faults, Focus},
    part::{Part, spread, threads},
    plans,
    run::{Base, Options, Sim},
    scene, settings,
    troubles::{request, trouble, upgrade},
};
use crate::{coordination::PolicyRule, model::plan::Approval};

/// How many schedules the whole proof runs.
const SCHEDULES: u64 = 100_000;

/// Where a schedule's faults strike: seven in ten about requests, leases and commits.
const FOCUSES: [Focus; 10] = [
    Focus::Requests,
    Focus::Requests,
    Focus::Requests,
    Focus::Requests,
    Focus::Commits,
    Focus::Leases,
    Focus::Leases,
    Focus::Reads,
    Focus::Even(20),
    Focus::Nothing,
];

/// A schedule.
pub(crate) fn schedule(base: &Base, seed: u64, defect: Option<Defect>) -> Sim {
    let mut dice = Dice::new(seed ^ 0xa1);
    let focus = *dice.pick(&FOCUSES);
    let processes = 1 + dice.place(3);
    let mut settings = settings();
    if dice.is(400) {
        (settings.limits.budget_per_namespace, settings.limits.budget_per_cluster) = (2, 3);
    }
    if dice.is(300) {
        let then = *dice.pick(&[Approval::Approve, Approval::TwoPerson]);
        let first = settings.policy.rules[0].clone();
        let actions = ["set-resources", "cordon-node", "restart-workload"].map(str::to_owned).to_vec();
        settings.policy.rules.insert(0, PolicyRule { name: "asked".to_owned(), actions, then, ..first });
    }
    if dice.is(500) {
        settings.limits.workflows_per_namespace = 2;
    }
    let sweeps = dice.is(400);
    if sweeps && dice.is(400) {
        // Incidents trigger by themselves.
        settings.policy.rules.iter_mut().for_each(|rule| rule.autonomy = true);
    }
    let jumps = dice.is(200);
    if sweeps && !jumps && dice.is(300) {
        settings.timing.retention = Duration::from_secs(30);
    }
    let options = Options { seed, processes, defect, settings, jumps, sweeps };
    let mut sim = Sim::new(base, Faults::chance(seed ^ 0xb2, focus), options);
    let catalogue = scene::catalogue(&base.model);
    if dice.is(400) {
        sim.model.refuse_effect(&format!("/{}/do", 1 + dice.below(3)));
    }
    if dice.is(250) {
        upgrade(&mut sim);
    }
    for _ in 0..2 + dice.place(3) {
        if dice.is(250) {
            request(&mut sim, &catalogue);
            continue;
        }
        let length = 1 + dice.place(4);
        let actions = plans::any(&mut dice, &catalogue, length);
        let asks = *dice.pick(&[
            Approval::Auto,
            Approval::Auto,
            Approval::Auto,
            Approval::Auto,
            Approval::Approve,
            Approval::TwoPerson,
        ]);
        let waits = *dice.pick(&[3_600_000, 3_600_000, 20_000]);
        sim.order_until(&actions, asks, waits);
    }
    sim.throw(900, |sim| trouble(sim, &catalogue));
    sim.calm();
    sim
}

/// Repeats one schedule.
pub(crate) fn again(base: &Base, rest: &[&str]) -> Option<Sim> {
    let [seed] = rest else { return None };
    Some(schedule(base, seed.parse().ok()?, None))
}

/// How many schedules are run beside the other tests; another number by `AIOPS_SCHEDULES`.
#[expect(clippy::disallowed_methods, reason = "a test, whose length is asked for from outside")]
fn count(is_whole: bool) -> u64 {
    let asked = std::env::var("AIOPS_SCHEDULES").ok().and_then(|count| count.parse().ok());
    asked.unwrap_or(if is_whole { SCHEDULES } else { 16 })
}

/// Random schedules; every hundredth is run twice, and has to give the same journal.
pub(crate) fn random(is_whole: bool) -> Part {
    let count = count(is_whole);
    let seeds: Vec<u64> = (0..count).collect();
    let is_long = count > 1_000;
    let mut part = spread("random schedules", &seeds, threads(is_long), |base, seed, part| {
        let sim = schedule(base, *seed, None);
        let name = format!("random/{seed}");
        part.take(&name, &sim);
        if seed % 100 == 7 {
            *part.counts.entry("run twice").or_default() += 1;
            if schedule(base, *seed, None).journal_hash() != sim.journal_hash() {
                part.broken.push(format!("AIOPS_RUN={name}: I19: another journal than before"));
            }
        }
    });
    part.of = SCHEDULES;
    // Forty schedules reached 144 effects and 155 faults, 21 of them between, when this was written.
    let (between, faults) = coverage::between(&part.met);
    part.floor("effects", part.effects, count);
    part.floor("faults", faults, count);
    part.floor("faults between an intent and its outcome", between, if is_long { count / 4 } else { 1 });
    if is_long {
        part.few_parked(50);
        part.none_missing(&coverage::unmet(&part.met, &Call::ALL));
        for (what, least) in [("sweeps", count), ("processes that ended in order", count / 2)] {
            let is = part.counts.get(what).copied().unwrap_or_default();
            part.floor(what, is, least);
        }
    }
    part.lines.extend(coverage::table(&part.met));
    part.lines.extend(coverage::phases(&part.met));
    part
}

#[test]
fn random_schedules_lose_nothing_and_repeat_nothing() {
    random(false).hold();
}

#[test]
fn the_same_seed_gives_the_same_journal() {
    let base = Base::new();
    for seed in 0..2 {
        let hash = schedule(&base, seed, None).journal_hash();
        let again = std::thread::scope(|scope| {
            scope.spawn(|| schedule(&Base::new(), seed, None).journal_hash()).join().unwrap()
        });
        assert_eq!(hash, again, "I19: seed {seed}");
    }
    assert_ne!(schedule(&base, 3, None).journal_hash(), schedule(&base, 4, None).journal_hash());
}
