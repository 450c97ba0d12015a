//! A store of many workflows that are over: what a year of use leaves behind.
//!
//! One workflow is executed; the others are what it left behind, under other names and an hour apart. They pass the store's own
//! door, so that every index, checksum and audit chain is as it would be.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use aiops_engine::{
    coordination::Coordination as _,
    model::{
        Millis,
        ids::{IncidentId, WorkflowId},
        incident::{Incident, IncidentStatus},
        phase::Phase,
        workflow::{Record, Workflow},
    },
    ports::store::{Acceptance, AuditLine, Report, Store, Taken, Write},
    settings::Settings,
    workflow::Executor,
};
use anyhow::Context as _;

use super::world::{World, caller, scaling};
use crate::report::say;

/// Between two of them: ten thousand are four weeks.
const APART: Millis = 240_000;

/// Makes a state directory with so many workflows in it, unless it is there; one of an older schema would be migrated while
/// it is measured.
pub(crate) async fn folder(scratch: &Path, count: usize) -> anyhow::Result<PathBuf> {
    let kept = scratch.join(format!("stored-{count}-{}", aiops::store::schema()));
    if kept.join("whole").exists() {
        return Ok(kept);
    }
    say(&format!("storing {count} workflows that are over"));
    // Not measured, so the disk need not be waited for.
    let memory = Path::new("/dev/shm");
    let place =
        if memory.is_dir() { memory } else { scratch }.join(format!("aiops-bench-{}", std::process::id()));
    let made = fill(&place, count).await;
    let copied = made.and_then(|()| {
        std::fs::create_dir_all(&kept)?;
        for file in ["aiops.db", "aiops.mark"] {
            std::fs::copy(place.join(file), kept.join(file))?;
        }
        std::fs::write(kept.join("whole"), "")?;
        Ok(())
    });
    std::fs::remove_dir_all(&place).ok();
    copied.map(|()| kept)
}

/// A copy of it to be worked on.
pub(crate) fn copy(stored: &Path, to: &Path) -> anyhow::Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::create_dir_all(to)?;
    for file in ["aiops.db", "aiops.mark"] {
        std::fs::copy(stored.join(file), to.join(file))?;
    }
    // The disk has it before anything is timed.
    std::fs::File::open(to.join("aiops.db"))?.sync_all()?;
    Ok(())
}

async fn fill(state: &Path, count: usize) -> anyhow::Result<()> {
    let mut settings = Settings::default();
    settings.timing.steady = Duration::ZERO;
    settings.limits.cooldown_success = Duration::ZERO;
    let mut world = World::new(state, 1, settings).await?;
    world.begin_to_move();
    let executor = Executor::new(&world.coordinator, "bench", Arc::clone(&world.timer));
    let ending = world.tasks.ending();
    world
        .tasks
        .spawn("bench.executor", async move { executor.run(2, async { ending.cancelled().await }).await });
    let triggered = world.coordinator.trigger(&caller(), scaling(0, 2)).await?;
    let id = WorkflowId::parse(&triggered.workflow_id.context("it was not accepted")?)?;
    let store: &dyn Store = &*world.store;
    let deadline = Instant::now() + Duration::from_secs(60);
    let record = loop {
        let record = store.workflow(&id).await?.context("it is gone")?;
        if record.workflow.phase == Phase::Completed {
            break record;
        }
        let reason = record.workflow.reason;
        anyhow::ensure!(!record.workflow.phase.is_terminal(), "the pattern ended otherwise: {reason:?}");
        anyhow::ensure!(Instant::now() < deadline, "the pattern does not end: {reason:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let incident = store.incident(&record.workflow.incident).await?.context("it has no incident")?;
    let audit = store.audit(id.as_str(), 0, 500).await?;
    for at in 0..count {
        one(store, &record, &incident, &audit, at).await?;
    }
    world.end().await
}

/// What a workflow left behind, once more.
async fn one(
    store: &dyn Store,
    record: &Record,
    incident: &Incident,
    audit: &[AuditLine],
    at: usize,
) -> anyhow::Result<()> {
    // From a day ago backwards, so that nothing of today sees them.
    let by = 86_400_000 + APART * Millis::try_from(at)?;
    let was = |moment: Option<Millis>| moment.map(|moment| moment - by);
    let mut over = record.workflow.clone();
    over.id = WorkflowId::of(&format!("stored{at:014}"));
    over.incident = IncidentId::of(&format!("stored{at:014}"));
    over.problem.target.name = format!("web-{at}");
    over.problem.named.name.clone_from(&over.problem.target.name);
    over.created_at -= by;
    over.deadline -= by;
    over.wake_at -= by;
    (over.started_at, over.finished_at) = (was(over.started_at), was(over.finished_at));
    over.version = 2;
    let begun = Workflow {
        phase: Phase::Planning,
        plan: None,
        digest: None,
        started_at: None,
        finished_at: None,
        version: 1,
        ..over.clone()
    };
    let fingerprint =
        aiops_engine::fingerprint::fingerprint(&over.cluster, &over.problem.target, &over.problem.issue);
    let opened = Incident {
        id: over.incident.clone(),
        fingerprint: fingerprint.clone(),
        target: over.problem.target.clone(),
        status: IncidentStatus::Remediating,
        first_seen: incident.first_seen - by,
        last_seen: incident.last_seen - by,
        closed_at: None,
        workflow: None,
        ..incident.clone()
    };
    let mut lines = audit.iter().map(|line| {
        let mut entry = line.entry.clone();
        entry.at -= by;
        entry
    });
    let acceptance = Acceptance {
        workflow: begun,
        fingerprint,
        incident: Report { incident: opened, into: None, line: None },
        idempotency: None,
        audit: lines.next().into_iter().collect(),
        lock: None,
        only_joins: false,
    };
    let taken = store.accept(&acceptance).await?;
    anyhow::ensure!(matches!(taken, Taken::New { .. }), "it was taken as {taken:?}");
    let id = over.id.clone();
    let mut writes = vec![Write::Incident {
        id: over.incident.clone(),
        status: incident.status,
        closed_at: was(incident.closed_at).or(over.finished_at),
    }];
    writes.push(Write::Workflow(Box::new(over)));
    for (place, step) in record.steps.iter().enumerate() {
        let mut step = step.clone();
        step.effect_key = format!("stored-{at}-{place}");
        writes.push(Write::Step(Box::new(step)));
    }
    writes.extend(record.attempts.iter().map(|attempt| Write::Attempt(Box::new(attempt.clone()))));
    writes.extend(record.checks.iter().cloned().map(Write::Check));
    writes.extend(lines.map(Write::Audit));
    store.commit(&id, None, &writes).await?;
    Ok(())
}
