//! Deeds on a real API server: done once, seen, verified, undone exactly, and refused where the object is another.
//!
//! What reached the API server is read from its audit log; objects are read as the admin, not through aiops.

mod nodes;
mod outages;
mod planning;
mod pods;
mod refusals;
mod workloads;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use aiops::{
    cluster::{self, Rate},
    config::{self, Environment, Sources},
    shutdown::Tasks,
    telemetry::Metrics,
};
use aiops_engine::{
    SharedInventory,
    deeds::{self, EFFECT, Observation, Ready, Sight},
    model::{
        action::Action,
        phase::{Direction, StepState, Verdict},
        target::Target,
        workflow::StepRecord,
    },
    ports::{
        Cluster,
        acting::{Accepted, Acting, Mutation, NotDone, NotDoneKind},
    },
};
use serde_json::{Value, json};

use crate::support::{Audited, Dice, Plane};

/// How soon a controller of the control plane has done its part.
const SOON: Duration = Duration::from_secs(60);

/// aiops' cluster room at work on the control plane, and able to act.
pub(crate) struct Hand {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) acting: Arc<dyn Acting>,
    tasks: Tasks,
    /// Its changes are known by it in the audit log.
    workflow: String,
    _home: tempfile::TempDir,
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.tasks.end();
    }
}

impl Hand {
    async fn of(plane: &Plane, user: &str) -> Self {
        Self::with(plane, user, "").await
    }

    /// One that may read and write Helm releases too.
    pub(crate) async fn releases(plane: &Plane) -> Self {
        Self::with(plane, "admin", "acting.helm = true").await
    }

    async fn with(plane: &Plane, user: &str, settings: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("aiops.toml");
        let kubeconfig = plane.kubeconfig(user).to_str().unwrap();
        std::fs::write(&file, format!("cluster.kubeconfig = {kubeconfig:?}\n{settings}\n")).unwrap();
        let environment = Environment::of([("HOME", home.path().as_os_str())]);
        let loaded = config::load(Sources { file: Some(file), environment, flags: Vec::new() }).unwrap();
        let tasks = Tasks::new();
        let rate = Rate { per_second: 100, burst: 100 };
        let (cluster, acting) = cluster::start_acting(
            &loaded,
            SharedInventory::default(),
            Arc::new(Metrics::new()),
            &tasks,
            rate,
        );
        let deadline = Instant::now() + SOON;
        while let Err(error) = cluster.resources().await {
            assert!(Instant::now() < deadline, "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let workflow = format!("wf-{}", Dice::new().name());
        Self { cluster, acting, tasks, workflow, _home: home }
    }

    async fn see(&self, action: &Action) -> Vec<Sight> {
        deeds::see(&*self.cluster, &deeds::looks(action)).await.unwrap()
    }

    async fn judge(&self, action: &Action, key: &str) -> Observation {
        deeds::observe(action, key, &self.workflow, &self.see(action).await)
    }

    async fn ready(&self, action: &Action, key: &str) -> Ready {
        ready(self.judge(action, key).await)
    }

    async fn send(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        self.acting.perform(mutation).await
    }

    /// Looks and sends until it is sent for the state that was looked at: controllers write statuses meanwhile.
    async fn until_accepted(&self, mut look: impl AsyncFnMut() -> Observation) -> (Ready, Accepted) {
        let deadline = Instant::now() + SOON;
        loop {
            let seen = look().await;
            if matches!(seen, Observation::Wait { .. }) {
                assert!(Instant::now() < deadline, "{seen:?}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            let ready = ready(seen);
            match self.send(&ready.mutation).await {
                Ok(accepted) => return (ready, accepted),
                Err(not_done) => {
                    assert_eq!(not_done.kind, NotDoneKind::Conflict, "{not_done}");
                    assert!(Instant::now() < deadline, "{not_done}");
                }
            }
        }
    }

    /// Does a deed, and answers the record of its step and what was sent.
    async fn take(&self, action: &Action, key: &str) -> (StepRecord, Mutation, Accepted) {
        let (ready, accepted) = self.until_accepted(async || self.judge(action, key).await).await;
        let record = StepRecord {
            order: 0,
            direction: Direction::Do,
            action: action.clone(),
            state: StepState::Applied,
            effect_key: key.to_owned(),
            pre_image: Some(ready.pre_image),
            post_image: Some(ready.post_image),
            result: None,
            started_at: None,
            finished_at: None,
        };
        (record, ready.mutation, accepted)
    }

    async fn judge_undo(&self, step: &StepRecord) -> Observation {
        let key = format!("{}-undo", step.effect_key);
        deeds::observe_undo(step, &key, &self.workflow, &self.see(&step.action).await)
    }

    async fn undo(&self, step: &StepRecord) {
        self.until_accepted(async || self.judge_undo(step).await).await;
    }

    /// Waits until a deed is verified; fails when it has failed.
    async fn verified(&self, action: &Action, key: &str) {
        let deadline = Instant::now() + SOON;
        loop {
            let seen = deeds::see(&*self.cluster, &deeds::verify_looks(action)).await.unwrap();
            let (verdict, why) = deeds::verify(action, key, &seen);
            match verdict {
                Verdict::Passed => return,
                Verdict::Failed => panic!("{action:?}: {why}"),
                _ => assert!(Instant::now() < deadline, "{action:?}: {why}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn ready(seen: Observation) -> Ready {
    match seen {
        Observation::Ready(ready) => *ready,
        other => panic!("not ready: {other:?}"),
    }
}

/// What this hand sent since then, dry runs included.
fn ours(plane: &Plane, hand: &Hand, place: u64) -> Vec<Audited> {
    let mut audited = plane.audit_since(place);
    audited.retain(|request| request.writes() && request.agent.ends_with(&format!(" wf/{}", hand.workflow)));
    audited
}

/// Those that were accepted, by object.
fn accepted(plane: &Plane, hand: &Hand, place: u64) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in ours(plane, hand, place) {
        if request.status < 300 && !request.uri.contains("dryRun") {
            *counts.entry(request.name).or_default() += 1;
        }
    }
    counts
}

/// An object as it has to be again: everything that is wanted of it, and its annotations but for those of controllers.
fn wanted(object: &Value) -> Value {
    let mut annotations = object["metadata"]["annotations"].clone();
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.retain(|key, _| {
            !key.starts_with("deployment.kubernetes.io/")
                && !key.starts_with("deprecated.daemonset.template.generation")
        });
    }
    json!({"annotations": annotations, "labels": object["metadata"]["labels"], "spec": object["spec"]})
}

/// A workload of this kind, with two revisions behind it.
struct Workload {
    target: Target,
    path: String,
}

const PROGRAM: &str = "registry.example.com/library/nginx";

impl Workload {
    async fn make(plane: &Plane, namespace: &str, kind: &str, place: Value) -> Self {
        let plural = format!("{}s", kind.to_lowercase());
        let mut spec = json!({
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
                "terminationGracePeriodSeconds": 0, "nodeSelector": place,
                "containers": [{"name": "web", "image": format!("{PROGRAM}:1.28"),
                    "env": [{"name": "PASSWORD", "value": "canary"}],
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}}}]}},
        });
        if kind != "DaemonSet" {
            spec["replicas"] = json!(2);
        }
        if kind == "StatefulSet" {
            spec["serviceName"] = json!("web");
        }
        let made = plane
            .post(
                &format!("/apis/apps/v1/namespaces/{namespace}/{plural}"),
                &json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": spec}),
            )
            .await;
        let uid = made["metadata"]["uid"].as_str().unwrap();
        let target = Target::known(kind, namespace, "web").with_uid(uid);
        let path = format!("/apis/apps/v1/namespaces/{namespace}/{plural}/web");
        let workload = Self { target, path };
        workload.settles(plane).await;
        workload
    }

    /// Waits until its controller has nothing left to do.
    async fn settles(&self, plane: &Plane) {
        let is_settled = |object: &Value| {
            let status = &object["status"];
            let is_all = |of: &str, all: &Value| status[of] == *all;
            status["observedGeneration"] == object["metadata"]["generation"]
                && match object["kind"].as_str().unwrap() {
                    "DaemonSet" => {
                        let all = &status["desiredNumberScheduled"];
                        all.as_i64() > Some(0)
                            && is_all("updatedNumberScheduled", all)
                            && is_all("numberAvailable", all)
                    }
                    kind => {
                        let all = &object["spec"]["replicas"];
                        is_all("updatedReplicas", all)
                            && is_all("readyReplicas", all)
                            && is_all("replicas", all)
                            && (kind == "Deployment" || status["currentRevision"] == status["updateRevision"])
                    }
                }
        };
        plane.wait(&self.path, "settled", SOON, is_settled).await;
    }

    /// Gives it a second revision, and answers the number and the holder of the first.
    async fn roll(&self, plane: &Plane) -> (i64, String) {
        let container = json!({"name": "web", "image": format!("{PROGRAM}:1.29")});
        let mut object = plane.get(&self.path).await.unwrap();
        let containers = &mut object["spec"]["template"]["spec"]["containers"][0];
        containers["image"] = container["image"].clone();
        let patch = json!({"spec": {"template": {"spec": {"containers": [containers]}}}});
        plane.patch(&self.path, &patch).await;
        self.settles(plane).await;
        let namespace = &self.target.namespace;
        let holder = if self.target.kind == "Deployment" { "replicasets" } else { "controllerrevisions" };
        let held = plane.get(&format!("/apis/apps/v1/namespaces/{namespace}/{holder}")).await.unwrap();
        let first =
            held["items"].as_array().unwrap().iter().find(|held| held.to_string().contains("nginx:1.28"));
        let first = first.unwrap();
        let number = match first["revision"].as_i64() {
            Some(number) => number,
            None => {
                let number = &first["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
                number.as_str().unwrap().parse().unwrap()
            }
        };
        (number, first["metadata"]["name"].as_str().unwrap().to_owned())
    }
}

/// Does a deed, does it again, verifies it, undoes it, undoes it again; answers how many changes were accepted.
async fn there_and_back(plane: &Plane, hand: &Hand, action: &Action, path: &str, key: &str) {
    let before = wanted(&plane.get(path).await.unwrap());
    let place = plane.audit_end();
    let (step, mutation, answer) = hand.take(action, key).await;
    assert_ne!(wanted(&plane.get(path).await.unwrap()), before, "{action:?}");
    assert!(answer.audit_id.is_some() && answer.warnings.is_empty(), "{answer:?}");
    assert!(!format!("{:?} {:?}", step.pre_image, step.post_image).contains("canary"));
    // The request that is sent twice.
    let again = hand.send(&mutation).await.unwrap_err();
    assert_eq!(again.kind, NotDoneKind::Conflict, "{action:?}: {again}");
    let seen = hand.judge(action, key).await;
    assert!(matches!(seen, Observation::Applied { .. }), "{action:?}: {seen:?}");
    hand.verified(action, key).await;
    hand.undo(&step).await;
    let after = plane.get(path).await.unwrap();
    assert_eq!(wanted(&after), before, "{action:?}");
    assert_eq!(after["metadata"]["annotations"].get(EFFECT), None, "{action:?}");
    let seen = hand.judge_undo(&step).await;
    assert!(matches!(seen, Observation::Applied { .. }), "{action:?}: {seen:?}");
    let counts = accepted(plane, hand, place);
    assert_eq!(counts.values().sum::<usize>(), 2, "one there and one back: {action:?}: {counts:?}");
    assert!(ours(plane, hand, place).iter().any(|request| Some(&request.id) == answer.audit_id.as_ref()));
}
