//! How many workflows are finished in a minute, from their triggers to their ends, verification included.
//!
//! Every rule is in force; only limits are raised, as a configuration may raise them. What has not ended in time is no error
//! of the bench: the figure is then of what has, and a note says where the others are.

use std::{
    fmt::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use aiops_engine::{
    coordination::Coordination as _,
    model::phase::Phase,
    ports::store::{Store as _, WorkflowFilter},
    workflow::Executor,
};
use anyhow::Context as _;
use serde_json::Value;

use super::{
    latency::order,
    world::{World, caller, place, raised, scaling},
};
use crate::{
    load::Connection,
    plane::Plane,
    process::Server,
    report::{Goal, Report},
};

/// How long is waited for all of them: three times what reaches the goals.
const DEADLINE: Duration = Duration::from_secs(180);
/// As many as the highest limit lets act at once.
const AT_ONCE: usize = 1_000;
/// As many as are to be done on KWOK in a minute.
const A_MINUTE: usize = 300;

/// On the model API server, with the store on the disk.
pub(crate) async fn on_the_model(state: &Path, count: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut world = World::new(state, count, raised()).await?;
    world.begin_to_move();
    let executor = Executor::new(&world.coordinator, "bench", Arc::clone(&world.timer));
    let ending = world.tasks.ending();
    world.tasks.spawn("bench.executor", async move {
        executor.run(AT_ONCE, async { ending.cancelled().await }).await;
    });
    let before = ended(&world).await?;
    let cpu = own_cpu()?;
    let began = Instant::now();
    let mut again = 0;
    for at in 0..count {
        while let Err(error) = world.coordinator.trigger(&caller(), scaling(at, 2)).await {
            // A caller that is told to come back does.
            let is_busy = matches!(error, aiops_engine::Error::Unavailable { .. });
            anyhow::ensure!(is_busy, "trigger {at} is refused: {error}");
            anyhow::ensure!(began.elapsed() < DEADLINE, "trigger {at} is put off for {DEADLINE:?}: {error}");
            again += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let triggered = began.elapsed();
    let mut done = 0;
    while done < count as u64 && began.elapsed() < DEADLINE {
        tokio::time::sleep(Duration::from_millis(100)).await;
        done = ended(&world).await? - before;
    }
    let took = began.elapsed();
    let used = own_cpu()?.saturating_sub(cpu);
    // Few show only that it works: each of them takes longer than its part of a minute.
    let goal = if count < AT_ONCE { Goal::None } else { Goal::AtLeast(1_000.0) };
    report.add("workflows finished on the model, durable SQLite", "a minute", goal, a_minute(done, took));
    report.note(format!(
        "model: {count} one-step workflows triggered within {:.1} s ({again} times again), {done} completed after {:.1} s; {:.1} s of \
         processor time, the model's included",
        triggered.as_secs_f64(),
        took.as_secs_f64(),
        used.as_secs_f64()
    ));
    if done < count as u64 {
        report.note(format!("model: at the end of the time the others are {}", phases(&world).await?));
    }
    world.end().await
}

fn a_minute(count: u64, took: Duration) -> f64 {
    count as f64 * 60.0 / took.as_secs_f64()
}

/// How many that are not over are in each phase.
async fn phases(world: &World) -> anyhow::Result<String> {
    let mut words = Vec::new();
    for phase in Phase::ALL.into_iter().filter(|phase| !phase.is_terminal()) {
        let filter = WorkflowFilter { phase: vec![phase], limit: 1, ..WorkflowFilter::default() };
        let total = world.store.workflows(&filter).await?.total;
        if total > 0 {
            words.push(format!("{total} {phase}"));
        }
    }
    Ok(words.join(", "))
}

/// How many are completed; one that ended otherwise is an error.
async fn ended(world: &World) -> anyhow::Result<u64> {
    let of = |phases: Vec<Phase>| WorkflowFilter { phase: phases, limit: 1, ..WorkflowFilter::default() };
    let others = Phase::ALL
        .into_iter()
        .filter(|phase| {
            (phase.is_terminal() && !matches!(phase, Phase::Completed | Phase::Cancelled))
                || *phase == Phase::NeedsOperator
        })
        .collect();
    if let Some(other) = world.store.workflows(&of(others)).await?.rows.first() {
        anyhow::bail!("{} ended as {}: {:?}", other.id, other.phase, other.reason);
    }
    Ok(world.store.workflows(&of(vec![Phase::Completed])).await?.total)
}

/// Processor time of this process.
fn own_cpu() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').context("no name in stat")?.1;
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap_or(0)).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// The binary, on a control plane with KWOK, over REST.
pub(crate) async fn on_kwok(
    binary: &Path,
    plane: &Plane,
    scratch: &Path,
    state: &Path,
    count: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    plane.apply(&manifests(count))?;
    plane.ready(count as u64).await?;
    let settings = scratch.join("raised.toml");
    std::fs::write(&settings, RAISED)?;
    let text = |path: &Path| path.to_str().map(str::to_owned).context("the path is no text");
    let arguments = [
        "serve",
        "--http",
        "127.0.0.1:0",
        "--mode",
        "full",
        "--kubeconfig",
        plane.admin_text()?,
        "--state-dir",
        &text(state)?,
        "--config",
        &text(&settings)?,
    ];
    let server = Server::start(binary, &arguments, &scratch.join("aiops-engine.log"))?;
    let mut connection = Connection::open(server.address).await?;
    // The first one is accepted as soon as the cluster is known.
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) =
        connection.get(&format!("/api/v1/detect/deployment/{}/{}", place(0).0, place(0).1)).await
    {
        anyhow::ensure!(Instant::now() < deadline, "the cluster is not known: {error:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        connection = Connection::open(server.address).await?;
    }
    let before = completed(&mut connection).await?;
    let cpu = server.process.cpu()?;
    let began = Instant::now();
    let mut times = super::times::Times::default();
    for at in 0..count {
        let asked = Instant::now();
        loop {
            match connection.post("/api/v1/remediation/trigger", &order(at, 2)).await {
                Ok(_) => break,
                Err(error) => {
                    anyhow::ensure!(began.elapsed() < DEADLINE, "trigger {at} is refused: {error:#}");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    connection = Connection::open(server.address).await?;
                }
            }
        }
        times.push(asked.elapsed());
    }
    let triggered = began.elapsed();
    let mut done = 0;
    while done < count as u64 && began.elapsed() < DEADLINE {
        tokio::time::sleep(Duration::from_millis(250)).await;
        done = completed(&mut connection).await? - before;
    }
    let took = began.elapsed();
    let used = server.process.cpu()?.saturating_sub(cpu);
    // Few show only that it works.
    let goal = if count < A_MINUTE { Goal::None } else { Goal::AtLeast(300.0) };
    report.add("one-step scale workflows finished on KWOK", "a minute", goal, a_minute(done, took));
    let p95 = crate::subject::millis(times.percentile(95));
    report.add("trigger, over REST, while they are executed, p95", "ms", Goal::None, p95);
    let memory = server.process.memory()?;
    report.add("RSS after that, 10,000 stored workflows", "MiB", Goal::None, memory.rss);
    report.add("of it anonymous after that", "MiB", Goal::None, memory.anonymous);
    report.note(format!(
        "KWOK: {count} triggered within {:.1} s, {done} completed after {:.1} s; {:.1} s of aiops's processor time",
        triggered.as_secs_f64(),
        took.as_secs_f64(),
        used.as_secs_f64()
    ));
    Ok(())
}

async fn completed(connection: &mut Connection) -> anyhow::Result<u64> {
    let failed = connection.get("/api/v1/workflows?status=failed&limit=1").await?;
    if let Some(other) = failed.pointer("/workflows/0") {
        anyhow::bail!("one ended otherwise: {other}");
    }
    let list = connection.get("/api/v1/workflows?status=completed&limit=1").await?;
    list.get("total").and_then(Value::as_u64).context("no total")
}

/// Limits as high as the configuration lets them be.
const RAISED: &str = "\
[acting.limits]
raised = true
workflowsPerNamespace = 1000
workflowsPerCluster = 1000
mutationsPerSecond = 1000
mutationBurst = 1000
budgetPerCluster = 100000
budgetPerNamespace = 100000
[acting.limits.breaker]
incidents = 100000
";

/// Deployments of one pod each, where [`place`] says.
fn manifests(count: usize) -> String {
    let mut text = String::new();
    let mut last = String::new();
    for at in 0..count {
        let (namespace, name) = place(at);
        if namespace != last {
            let _ = write!(text, "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n---\n");
            last.clone_from(&namespace);
        }
        let _ = write!(
            text,
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             spec:\n  replicas: 1\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: \
             {name}}}}}\n    spec: {{containers: [{{name: app, image: \"registry.test/app:1\"}}]}}\n---\n"
        );
    }
    text
}
