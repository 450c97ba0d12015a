//! Helm releases on a real API server: made and broken by the real helm, rolled back by aiops, and then asked of helm.
//!
//! The engine works as in the binary: a trigger, an approval, the work line. What it does not do itself is answered with
//! the command, and then nothing of the cluster was changed.

mod chart;
mod refused;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aiops::{
    cluster::{self, Rate},
    config::{self, Environment, Sources},
    ids::SystemIds,
    shutdown::Tasks,
    telemetry::Metrics,
};
use aiops_engine::{
    Coordinator, Engine, SharedInventory,
    coordination::{Coordination, Decision, Trigger, WorkflowView},
    coordinator::Parts,
    model::{
        Millis,
        caller::{Caller, Via},
        ids::WorkflowId,
        phase::Phase,
    },
    ports::{Clock, Timer},
    settings::Settings,
    testing::memory_store::MemoryStore,
    workflow::Executor,
};
use serde_json::json;

use self::chart::{Chart, values};
use crate::support::{Audited, Dice, Plane};

const SOON: Duration = Duration::from_secs(120);

struct Now;

impl Clock for Now {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// Milliseconds since it was made.
struct Ticking(Instant);

#[async_trait::async_trait]
impl Timer for Ticking {
    fn ticks(&self) -> Millis {
        Millis::try_from(self.0.elapsed().as_millis()).unwrap()
    }

    async fn sleep_until(&self, ticks: Millis) {
        let left = u64::try_from(ticks - self.ticks()).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(left)).await;
    }
}

/// The engine at work on the control plane.
struct Desk {
    coordinator: Coordinator,
    tasks: Tasks,
    _home: tempfile::TempDir,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.tasks.end();
    }
}

fn caller() -> Caller {
    Caller::identified("tester", Vec::new(), Via::Cli)
}

impl Desk {
    async fn of(plane: &Plane, reads_releases: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("aiops.toml");
        let kubeconfig = plane.kubeconfig("admin").to_str().unwrap();
        let text = format!("cluster.kubeconfig = {kubeconfig:?}\nacting.helm = {reads_releases}\n");
        std::fs::write(&file, text).unwrap();
        let environment = Environment::of([("HOME", home.path().as_os_str())]);
        let loaded = config::load(Sources { file: Some(file), environment, flags: Vec::new() }).unwrap();
        let tasks = Tasks::new();
        let inventory = SharedInventory::default();
        let rate = Rate { per_second: 100, burst: 100 };
        let (cluster, acting) =
            cluster::start_acting(&loaded, inventory.clone(), Arc::new(Metrics::new()), &tasks, rate);
        let clock: Arc<dyn Clock> = Arc::new(Now);
        let mut settings = Settings::default();
        settings.limits.budget_per_namespace = 100;
        settings.limits.budget_per_cluster = 100;
        let coordinator = Coordinator::new(Parts {
            engine: Engine::new(inventory, Some(cluster), Arc::clone(&clock)),
            store: Arc::new(MemoryStore::new(clock)),
            acting: Some(acting),
            ids: Arc::new(SystemIds),
            settings,
        });
        let executor = Executor::new(&coordinator, "test", Arc::new(Ticking(Instant::now())));
        let ending = tasks.ending();
        tasks.spawn("work", async move { executor.run(4, ending.cancelled()).await });
        Self { coordinator, tasks, _home: home }
    }

    /// Triggers, as soon as the Deployment is in memory.
    async fn trigger(&self, namespace: &str, name: &str) -> WorkflowId {
        let trigger = Trigger {
            namespace: namespace.to_owned(),
            kind: "Deployment".to_owned(),
            name: name.to_owned(),
            issue: "ImagePullBackOff".to_owned(),
            ..Trigger::default()
        };
        let deadline = Instant::now() + SOON;
        loop {
            match self.coordinator.trigger(&caller(), trigger.clone()).await {
                Ok(triggered) => return WorkflowId::parse(&triggered.workflow_id.unwrap()).unwrap(),
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until a workflow is in one of these phases; fails when it ends in another.
    async fn until(&self, id: &WorkflowId, phases: &[Phase]) -> WorkflowView {
        let deadline = Instant::now() + SOON;
        loop {
            let view = self.coordinator.workflow(&caller(), id).await.unwrap();
            if phases.contains(&view.phase) {
                return view;
            }
            let has_ended = view.phase.is_terminal() || view.phase == Phase::NeedsOperator;
            assert!(!has_ended && Instant::now() < deadline, "{view:#?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn approve(&self, id: &WorkflowId) {
        let view = self.until(id, &[Phase::AwaitingApproval]).await;
        let digest = view.awaiting.unwrap().digest;
        let decision = Decision { digest, approve: true, reason: None, by_elicitation: false };
        self.coordinator.decide(&caller(), id, decision).await.unwrap();
    }
}

/// Requests of workflows that were accepted, dry runs left out.
fn changes(plane: &Plane, place: u64, namespace: &str) -> Vec<Audited> {
    let mut audited = plane.audit_since(place);
    audited.retain(|request| {
        request.writes()
            && request.agent.starts_with("aiops/")
            && request.agent.contains(" wf/")
            && !request.uri.contains("dryRun")
            && request.namespace == namespace
            && request.status < 300
    });
    audited
}

#[tokio::test]
async fn a_release_that_helm_broke_is_rolled_back_as_helm_does_it() {
    let plane = Plane::shared().await;
    let mut dice = Dice::new();
    let (ours, theirs) = (plane.namespace(&mut dice).await, plane.namespace(&mut dice).await);
    let canary = dice.canary();
    let charts = [Chart::of(&plane, &ours).await, Chart::of(&plane, &theirs).await];
    for chart in &charts {
        chart.run("install", &values(&canary, &["tag=1.28", "greeting=hello"])).await;
        chart.is_ready(&plane).await;
        chart.run("upgrade", &values(&canary, &["tag=1.29-missing", "greeting=broken", "memory=64Mi"])).await;
        chart.is_broken(&plane).await;
    }
    let [chart, other] = &charts;

    let desk = Desk::of(&plane, true).await;
    let place = plane.audit_end();
    let id = desk.trigger(&ours, "web").await;
    desk.approve(&id).await;
    let done = desk.until(&id, &[Phase::Completed]).await;
    assert_eq!(done.remedy.as_deref(), Some("rollback-release"), "{done:#?}");
    let actions: Vec<&str> = done.steps.iter().map(|step| step.action.as_str()).collect();
    assert_eq!(actions, ["revert-manifest", "revert-manifest", "record-release"]);
    // Nothing of what the release holds is in what is kept and shown.
    let record = desk.coordinator.record(&caller(), &id).await.unwrap();
    let kept = format!("{record:?} {done:?}");
    for told in [canary.as_str(), "greeting", "H4sI"] {
        assert!(!kept.contains(told), "{told} in {kept}");
    }

    // One write an object, and the record: the new revision, the old one superseded.
    let mut sent: Vec<String> = changes(&plane, place, &ours)
        .iter()
        .map(|request| format!("{} {} {}", request.verb, request.resource, request.name))
        .collect();
    sent.sort();
    assert_eq!(
        sent,
        [
            "create secrets sh.helm.release.v1.web.v3",
            "patch configmaps web",
            "patch deployments web",
            "patch secrets sh.helm.release.v1.web.v2",
        ]
    );

    // The other one is rolled back by helm itself; the two do not differ.
    other.helm(&["rollback", "web", "1"]).await;
    other.is_ready(&plane).await;
    assert_eq!(chart.history().await, other.history().await);
    assert_eq!(
        chart.history().await,
        [(1, "superseded", "Install complete"), (2, "superseded", "Upgrade complete"), (3, "deployed", "Rollback to 1")]
            .map(|(revision, status, told)| (revision, status.to_owned(), told.to_owned()))
    );
    for of in ["values", "manifest", "notes", "hooks"] {
        let got = chart.helm(&["get", of, "web"]).await;
        assert_eq!(got.replace(&ours, "NS"), other.helm(&["get", of, "web"]).await.replace(&theirs, "NS"));
        assert_eq!(got, chart.helm(&["get", of, "web", "--revision", "1"]).await);
    }
    let (status, expected) = (chart.status().await, other.status().await);
    for pointer in ["/version", "/info/status", "/info/description", "/config", "/chart", "/hooks"] {
        assert_eq!(status.pointer(pointer), expected.pointer(pointer), "{pointer}");
    }
    assert_eq!(status["info"]["first_deployed"], chart.first_deployed().await);
    for (one, another) in chart.live(&plane).await.iter().zip(other.live(&plane).await) {
        assert_eq!(*one, another);
    }

    // Helm goes on from there.
    chart.run("upgrade", &values(&canary, &["tag=1.30", "greeting=again"])).await;
    chart.is_ready(&plane).await;
    let history = chart.history().await;
    let states: Vec<&str> = history.iter().map(|(_, status, _)| status.as_str()).collect();
    assert_eq!(states, ["superseded", "superseded", "superseded", "deployed"]);
    chart.helm(&["rollback", "web", "3"]).await;
    chart.is_ready(&plane).await;
    let map = plane.get(&format!("/api/v1/namespaces/{ours}/configmaps/web")).await.unwrap();
    assert_eq!(map["data"], json!({"greeting": "hello"}));
}

#[tokio::test]
async fn a_record_that_was_cut_off_is_finished_by_the_same_step() {
    use aiops_engine::{
        deeds::{self, Observation},
        model::{
            action::{Action, Release},
            target::Target,
        },
        ports::acting::NotDoneKind,
    };
    let plane = Plane::shared().await;
    let mut dice = Dice::new();
    let namespace = plane.namespace(&mut dice).await;
    let chart = Chart::of(&plane, &namespace).await;
    let canary = dice.canary();
    chart.run("install", &values(&canary, &["tag=1.28", "greeting=hello"])).await;
    chart.run("upgrade", &values(&canary, &["tag=1.29", "greeting=other"])).await;
    let hand = crate::acting::Hand::releases(&plane).await;
    let release = Release { name: "web".to_owned(), namespace: namespace.clone(), from: 2, to: 1 };
    let action = Action::RecordRelease {
        target: Target::new("", "Secret", namespace.clone(), "sh.helm.release.v1.web.v3"),
        release,
    };
    let judge = async |key: &str| {
        let seen = deeds::see(&*hand.cluster, &deeds::looks(&action)).await.unwrap();
        deeds::observe(&action, key, "wf-cut", &seen)
    };
    let Observation::Ready(ready) = judge("key").await else { panic!("{:?}", judge("key").await) };
    // A dry run is judged and changes nothing.
    let mut dry = ready.mutation.clone();
    dry.dry_run = true;
    hand.acting.perform(&dry).await.unwrap();
    assert_eq!(chart.history().await.len(), 2);
    hand.acting.perform(&ready.mutation).await.unwrap();
    assert!(matches!(judge("key").await, Observation::Applied { .. }));
    // As it stands when the second request was lost: two revisions are deployed.
    let path = format!("/api/v1/namespaces/{namespace}/secrets/sh.helm.release.v1.web.v2");
    plane.patch(&path, &json!({"metadata": {"labels": {"status": "deployed"}}})).await;
    let Observation::Ready(again) = judge("key").await else { panic!("{:?}", judge("key").await) };
    hand.acting.perform(&again.mutation).await.unwrap();
    assert!(matches!(judge("key").await, Observation::Applied { .. }));
    let history = chart.history().await;
    let states: Vec<&str> = history.iter().map(|(_, status, _)| status.as_str()).collect();
    assert_eq!(states, ["superseded", "superseded", "deployed"]);
    // Another step's request for the same revision is refused, and so is one that looks.
    assert!(matches!(judge("another").await, Observation::Refused { .. }));
    let mut foreign = ready.mutation.clone();
    foreign.effect_key = "another".to_owned();
    let refused = hand.acting.perform(&foreign).await.unwrap_err();
    assert_eq!(refused.kind, NotDoneKind::Conflict, "{refused}");
}
