//! Rolled back means as before, on a real API server: random plans that fail at a random step, against pre-images that the
//! test reads with its own client, with another writer in half of the runs.
//!
//! Equality is that of design.md §10: every field that we wrote equals its pre-image and our markers are gone; status,
//! resourceVersion, generation, managedFields, the revision annotation and dependents are not compared. What is checked
//! shares no code with what is tested.

mod compare;
mod dice;
mod lane;
mod order;
mod release;
mod writer;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use aiops_engine::{
    coordination::{Coordination as _, Resolution},
    model::{
        phase::{Direction, Phase, StepState},
        workflow::{Outcome, Record},
    },
};
use futures::future::join_all;

pub(crate) use self::order::{desk, patient};
use self::{
    dice::{Failing, Planned},
    lane::Lane,
    writer::Edit,
};
use crate::support::{Desk, Dice, Options, Plane, caller, is_proof};

/// Lanes that run plans beside each other, each on objects of its own.
const LANES: usize = 6;
/// Longer than any plan takes.
const PATIENCE: Duration = Duration::from_secs(300);
/// The actions that can be undone.
const REVERSIBLE: [&str; 6] = [
    "scale-workload",
    "rollback-workload",
    "set-resources",
    "cordon-node",
    "uncordon-node",
    "revert-manifest",
];

/// What was seen over all plans.
#[derive(Debug, Default)]
struct Counts {
    plans: usize,
    undone: BTreeMap<&'static str, usize>,
    kinds: BTreeMap<String, usize>,
    ends: BTreeMap<String, usize>,
    failed_by: BTreeMap<String, usize>,
    edits: BTreeMap<&'static str, usize>,
    /// Accepted requests that each workflow has recorded.
    applied: BTreeMap<String, usize>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_rolled_back_is_as_it_was_and_the_edits_of_others_stay() {
    let plans = if is_proof() { 300 } else { 18 };
    let lanes = LANES.min(plans / 3);
    let nodes = u32::try_from(2 * lanes + 4).unwrap();
    let plane = Plane::own(&Options { nodes, ..Options::default() }).await;
    let desk = desk(&plane).await;
    order::refuse_failing_steps(&plane).await;
    let place = plane.audit_end();
    let begun = Instant::now();
    let runs = (0..lanes).map(|number| {
        let (plane, desk) = (&plane, &desk);
        let share = plans / lanes + usize::from(number < plans % lanes);
        async move { run(plane, desk, number, share).await }
    });
    let mut all = Counts::default();
    for counts in join_all(runs).await {
        all.add(counts);
    }
    // Every change that the API server accepted is one that a workflow knows of, and none was made twice.
    let mut accepted: BTreeMap<String, usize> = BTreeMap::new();
    for request in plane.audit_since(place) {
        let workflow = request.agent.split_once(" wf/").map(|(_, workflow)| workflow.to_owned());
        if let Some(workflow) = workflow
            && request.writes()
            && request.status < 300
            && !request.uri.contains("dryRun")
        {
            *accepted.entry(workflow).or_default() += 1;
        }
    }
    accepted.retain(|workflow, _| all.applied.contains_key(workflow));
    all.applied.retain(|_, count| *count > 0);
    assert_eq!(accepted, all.applied, "requests in the audit log and in the records");
    println!(
        "rollback on the real API server: {} plans in {:.0} s, {} requests accepted; undone: {:?}; by kind: {:?}; failed by: \
         {:?}; ends: {:?}; other writers: {:?}",
        all.plans,
        begun.elapsed().as_secs_f64(),
        accepted.values().sum::<usize>(),
        all.undone,
        all.kinds,
        all.failed_by,
        all.ends,
        all.edits
    );
    assert_eq!(all.plans, plans);
    // A plan may be over before the other writer comes, who is there in half of the runs at most.
    let edits: usize = all.edits.values().sum();
    let least = if is_proof() { plans / 3 } else { 1 };
    assert!(edits >= least, "another writer was there in {edits} of {plans} runs only");
    for name in REVERSIBLE {
        let count = all.undone.get(name).copied().unwrap_or_default();
        assert!(count >= if is_proof() { 20 } else { 1 }, "{name} was undone {count} times only");
    }
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "Node", "HorizontalPodAutoscaler"] {
        let count = all.kinds.get(kind).copied().unwrap_or_default();
        assert!(count >= if is_proof() { 20 } else { 0 }, "a {kind} was set back {count} times only");
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        fn sum<K: Ord>(into: &mut BTreeMap<K, usize>, from: BTreeMap<K, usize>) {
            for (key, count) in from {
                *into.entry(key).or_default() += count;
            }
        }
        self.plans += other.plans;
        sum(&mut self.undone, other.undone);
        sum(&mut self.kinds, other.kinds);
        sum(&mut self.ends, other.ends);
        sum(&mut self.failed_by, other.failed_by);
        sum(&mut self.edits, other.edits);
        self.applied.extend(other.applied);
    }
}

async fn run(plane: &Plane, desk: &Desk, number: usize, plans: usize) -> Counts {
    let mut dice = Dice::new();
    let lane = Lane::make(plane, &mut dice, number).await;
    let mut counts = Counts::default();
    for turn in 0..plans {
        lane.settle(plane, &mut dice).await;
        let planned = Planned::roll(plane, &lane, &mut dice, number + turn, turn == 0).await;
        let before = lane.images(plane).await;
        let id = order::accept(plane, desk, &lane.namespace, &planned).await;
        let watched = Watched { plane, desk, id: &id, planned: &planned };
        let edit = if turn % 2 == 1 { watched.meddle(&mut dice).await } else { None };
        let record = watched.end().await;
        let after = lane.images(plane).await;
        judge(&planned, &record, edit.as_ref(), &before, &after);
        counts.note(&planned, &record, edit.as_ref());
        if record.workflow.phase == Phase::NeedsOperator {
            let how = Resolution { outcome: "failed".to_owned(), note: "a person looked at it".to_owned() };
            desk.coordinator.resolve(&caller(), &id, how).await.unwrap();
        }
    }
    counts
}

/// A workflow that is under way.
struct Watched<'a> {
    plane: &'a Plane,
    desk: &'a Desk,
    id: &'a aiops_engine::model::ids::WorkflowId,
    planned: &'a Planned,
}

impl Watched<'_> {
    async fn record(&self) -> Record {
        patient(async || self.desk.store.workflow(self.id).await).await.unwrap()
    }

    /// Somebody else writes to an object of the plan once its step is there; `None` when the plan was over before.
    async fn meddle(&self, dice: &mut Dice) -> Option<Edit> {
        let steps = u64::try_from(self.planned.fails_at.max(1)).unwrap();
        let step = usize::try_from(dice.number(steps)).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let record = self.record().await;
            if is_over(&record) {
                return None;
            }
            let is_there = record.steps.iter().any(|taken| {
                usize::try_from(taken.order).unwrap() == step
                    && taken.direction == Direction::Do
                    && matches!(taken.state, StepState::Applied | StepState::Verified | StepState::Skipped)
            });
            if is_there {
                return Some(writer::edit(self.plane, dice, &self.planned.actions[step]).await);
            }
            assert!(Instant::now() < deadline, "{record:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn end(&self) -> Record {
        let deadline = Instant::now() + PATIENCE;
        let mut is_cancelled = false;
        loop {
            let record = self.record().await;
            if is_over(&record) {
                return record;
            }
            let cursor = usize::try_from(record.workflow.cursor).unwrap();
            let is_due = record.workflow.phase == Phase::Running && cursor >= self.planned.fails_at;
            if self.planned.failing == Failing::Cancelled && is_due && !is_cancelled {
                is_cancelled = true;
                // It may be over by now.
                let _ = self.desk.coordinator.cancel(&caller(), self.id, None).await;
            }
            assert!(Instant::now() < deadline, "{:?}: {record:#?}", self.planned);
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }
}

fn is_over(record: &Record) -> bool {
    record.workflow.phase.is_terminal() || record.workflow.phase == Phase::NeedsOperator
}

type Images = BTreeMap<String, serde_json::Value>;

fn judge(planned: &Planned, record: &Record, edit: Option<&Edit>, before: &Images, after: &Images) {
    let phase = record.workflow.phase;
    let told =
        || format!("{planned:#?}\n{edit:?}\n{phase}: {:?}\n{:#?}", record.workflow.reason, record.steps);
    let is_parked = phase == Phase::NeedsOperator;
    let is_skipped = record.steps.iter().any(|step| {
        usize::try_from(step.order).unwrap() == planned.fails_at && step.state == StepState::Skipped
    });
    match edit {
        None => {
            let as_planned = match planned.failing {
                // It may be through before somebody cancels it.
                Failing::Cancelled => {
                    matches!(phase, Phase::RolledBack | Phase::Completed | Phase::Cancelled | Phase::Failed)
                }
                Failing::Autoscaled => phase == Phase::Refused,
                // A step that asks for what is so already is skipped, and cannot fail.
                _ if is_skipped && phase == Phase::Completed => true,
                _ => matches!(phase, Phase::RolledBack | Phase::Failed),
            };
            assert!(as_planned, "without another writer: {}", told());
        }
        Some(_) => assert_ne!(phase, Phase::Running, "{}", told()),
    }
    for (path, was) in before {
        let is = &after[path];
        let edited = edit.filter(|edit| edit.path == *path);
        if let Some(edit) = edited {
            let now = is.pointer(&edit.pointer).cloned().unwrap_or_default();
            assert_eq!(now, edit.value, "{path}: the edit is lost: {}", told());
            if is_parked {
                continue;
            }
        }
        if phase == Phase::Completed {
            continue;
        }
        let pointer = edited.map(|edit| edit.pointer.as_str());
        let differing = compare::differing(was, is, pointer);
        assert!(differing.is_empty(), "{path} differs: {differing:#?}\n{}", told());
        let id = record.workflow.id.as_str();
        assert!(!compare::wanted(is).to_string().contains(id), "{path} carries a marker: {}", told());
    }
}

impl Counts {
    fn note(&mut self, planned: &Planned, record: &Record, edit: Option<&Edit>) {
        let phase = record.workflow.phase;
        self.plans += 1;
        for step in record.steps.iter().filter(|step| step.direction == Direction::Undo) {
            if step.state == StepState::Verified {
                *self.undone.entry(step.action.name()).or_default() += 1;
                *self.kinds.entry(step.action.target().kind.clone()).or_default() += 1;
            }
        }
        let with = edit.map_or("alone", |_| "with another writer");
        *self.ends.entry(format!("{} {with}", phase.as_str())).or_default() += 1;
        *self.failed_by.entry(format!("{:?}", planned.failing)).or_default() += 1;
        if let Some(edit) = edit {
            *self.edits.entry(edit.what).or_default() += 1;
        }
        let applied = record.attempts.iter().filter(|attempt| attempt.outcome == Some(Outcome::Applied));
        self.applied.insert(record.workflow.id.to_string(), applied.count());
    }
}
