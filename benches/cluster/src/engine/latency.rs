//! How soon the engine answers: from memory, with one commit, and with a plan.
//!
//! The store holds many workflows that are over; none is executed meanwhile.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use aiops_engine::{
    coordination::{Coordination as _, PlanRequest, Trigger},
    model::ids::WorkflowId,
    testing::model::{Key, Symptom, Trouble, build},
};
use anyhow::Context as _;
use serde_json::{Value, json};

use super::{
    floor::{self, gets},
    times::Times,
    world::{World, caller, place, raised, scaling},
};
use crate::{
    load::{self, Connection, Question},
    report::{Goal, Report},
};

/// Deployments; triggers go round them.
const DEPLOYMENTS: usize = 100;
const BAD: &str = "registry.test/app:bad";

/// The machine's own times.
pub(crate) struct Floors {
    pub(crate) sync: Times,
    pub(crate) commit: Times,
    pub(crate) route: Times,
}

impl Floors {
    pub(crate) async fn measure(scratch: &Path, count: usize, length: Duration) -> anyhow::Result<Self> {
        let floors = Self {
            sync: floor::sync(scratch, count)?,
            commit: floor::commit(scratch, count).await?,
            route: floor::route(length).await?,
        };
        Ok(floors)
    }

    /// What the machine takes by itself, as notes: the table has it beside the figures.
    pub(crate) fn add(&self, report: &mut Report) {
        let all = [
            ("fdatasync of 4 KiB", &self.sync),
            ("a bare commit of SQLite (WAL, FULL)", &self.commit),
            ("a bare route of axum", &self.route),
        ];
        for (what, times) in all {
            let of = |percent| crate::subject::millis(times.percentile(percent));
            report.note(format!("floor: {what}: p50 {:.3}, p95 {:.3}, p99 {:.3} ms", of(50), of(95), of(99)));
        }
    }
}

/// Measures every latency.
pub(crate) async fn measure(
    state: &Path,
    floors: &Floors,
    count: usize,
    length: Duration,
    report: &mut Report,
) -> anyhow::Result<()> {
    let world = World::new(state, DEPLOYMENTS, raised()).await?;
    report.add("the store examined and opened", "ms", Goal::None, crate::subject::millis(world.opening));
    from_memory(&world, floors, length, report).await?;
    triggers(&world, floors, count, report).await?;
    plans(&world, count, report).await?;
    lists(&world, length, report).await?;
    world.end().await
}

/// Neither the disk nor the API server is asked.
async fn from_memory(
    world: &World,
    floors: &Floors,
    length: Duration,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (address, _open) = world.serve().await?;
    let (namespace, name) = place(0);
    let health = Question { tool: "get-cluster-health", arguments: json!({}), expected: Vec::new() };
    let method = Question {
        tool: "detect-deployment-method",
        arguments: json!({"namespace": namespace, "name": name, "kind": "Deployment"}),
        expected: Vec::new(),
    };
    for question in [health, method] {
        let what = format!("MCP {}", question.tool);
        let tally = load::run(address, 1, &[question], length).await?;
        let millis = |percent| crate::subject::millis(tally.percentile(percent));
        for (percent, goal) in [(50, Goal::None), (99, Goal::AtMost(1.0))] {
            let name = format!("{what}, p{percent}");
            report.add(name.clone(), "ms", goal, millis(percent));
            report.floor(&name, crate::subject::millis(floors.route.percentile(percent)));
        }
    }
    let path = format!("/api/v1/detect/deployment/{namespace}/{name}");
    let times = gets(address, &path, length).await?;
    times.add("REST detect/deployment", (99, 1.0), Some(&floors.route), report);
    Ok(())
}

/// Each is one durable commit. It is cancelled at once, so that the next finds an engine at rest.
async fn triggers(world: &World, floors: &Floors, count: usize, report: &mut Report) -> anyhow::Result<()> {
    let coordinator = &world.coordinator;
    let mut times = Times::default();
    for at in 0..count {
        let trigger = scaling(at % DEPLOYMENTS, 2);
        let began = Instant::now();
        let triggered = coordinator.trigger(&caller(), trigger).await?;
        times.push(began.elapsed());
        let id = WorkflowId::parse(&triggered.workflow_id.context("not accepted")?)?;
        coordinator.cancel(&caller(), &id, None).await?;
    }
    times.add("trigger, in process", (99, 5.0), Some(&floors.commit), report);

    let (address, _open) = world.serve().await?;
    let mut connection = Connection::open(address).await?;
    let mut times = Times::default();
    for at in 0..count {
        let body = order(at % DEPLOYMENTS, 2);
        let began = Instant::now();
        let answer = connection.post("/api/v1/remediation/trigger", &body).await?;
        times.push(began.elapsed());
        let id = answer.get("workflow_id").and_then(Value::as_str).context("not accepted")?;
        coordinator.cancel(&caller(), &WorkflowId::parse(id)?, None).await?;
    }
    times.add("trigger, over REST", (95, 10.0), Some(&floors.commit), report);

    // With as many active as there are Deployments.
    let mut times = Times::default();
    let mut begun = Vec::new();
    for at in 0..DEPLOYMENTS {
        let began = Instant::now();
        let triggered = coordinator.trigger(&caller(), scaling(at, 2)).await?;
        times.push(began.elapsed());
        begun.push(WorkflowId::parse(&triggered.workflow_id.context("not accepted")?)?);
    }
    times.add(
        &format!("trigger, in process, with up to {DEPLOYMENTS} active"),
        (99, 5.0),
        Some(&floors.commit),
        report,
    );
    for id in begun {
        coordinator.cancel(&caller(), &id, None).await?;
    }
    Ok(())
}

/// The body of a trigger over REST.
pub(crate) fn order(at: usize, replicas: u32) -> Value {
    let (namespace, name) = place(at);
    let target = json!({"kind": "Deployment", "namespace": namespace, "name": name});
    json!({
        "incident_id": format!("bench-{at}"), "namespace": namespace, "resource": {"kind": "Deployment", "name": name},
        "issue": {"description": "a benchmark"},
        "action": {"action": "scale-workload", "target": target, "replicas": replicas},
    })
}

/// Plans of two kinds, their time in the model taken off. What the model takes is no measure of an API server.
async fn plans(world: &World, count: usize, report: &mut Report) -> anyhow::Result<()> {
    // A rollout of an image that is not there, with a revision to go back to.
    let key = world.model.put("kubectl", build::deployment("shop-0", "broken", "registry.test/app:1", 3));
    world.pass(30);
    let message = format!("Failed to pull image \"{BAD}\": manifest unknown");
    world.model.ail(Symptom { image: BAD.to_owned(), command: None, trouble: Trouble::Pull { message } });
    set_image(world, &key)?;
    world.pass(700);
    world.feed();
    let broken = Trigger {
        namespace: "shop-0".to_owned(),
        kind: "Deployment".to_owned(),
        name: "broken".to_owned(),
        issue: "image_pull".to_owned(),
        ..Trigger::default()
    };
    for (what, trigger) in [("scale", scaling(3, 2)), ("roll back a bad image", broken)] {
        let (mut own, mut calls) = (Times::default(), 0);
        for _ in 0..count {
            world.timed.spent();
            let began = Instant::now();
            let view = world.coordinator.plan(&caller(), PlanRequest { trigger: trigger.clone() }).await?;
            let whole = began.elapsed();
            let (inside, asked) = world.timed.spent();
            own.push(whole.saturating_sub(inside));
            calls = asked;
            anyhow::ensure!(!view.steps.is_empty(), "the plan has no step: {view:?}");
        }
        own.add(&format!("plan-remediation ({what}), its own time"), (99, 5.0), None, report);
        report.note(format!("plan-remediation ({what}) asks the API server {calls} times"));
    }
    Ok(())
}

fn set_image(world: &World, key: &Key) -> anyhow::Result<()> {
    let changed = world.model.edit("kubectl", key, |object| {
        if let Some(image) = object.pointer_mut("/spec/template/spec/containers/0/image") {
            *image = json!(BAD);
        }
    });
    anyhow::ensure!(changed, "the image cannot be changed");
    Ok(())
}

/// Lists out of the store, which have no goal of their own.
async fn lists(world: &World, length: Duration, report: &mut Report) -> anyhow::Result<()> {
    let (address, _open) = world.serve().await?;
    for (what, path) in [
        ("GET workflows", "/api/v1/workflows"),
        ("GET workflows?status=active", "/api/v1/workflows?status=active"),
        ("GET incidents", "/api/v1/incidents"),
        ("GET incidents?status=active", "/api/v1/incidents?status=active"),
    ] {
        let times = gets(address, path, length / 2).await?;
        report.add(
            format!("REST {what}, p95"),
            "ms",
            Goal::None,
            crate::subject::millis(times.percentile(95)),
        );
    }
    Ok(())
}
