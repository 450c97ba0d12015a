//! A rollout to an image that is not there, planned, proven and carried out on real objects: back to the revision that
//! served.

use aiops_engine::{
    Engine,
    issue::Severity,
    model::{
        plan::{Plan, Problem},
        workflow::Order,
    },
    planner::{self, Planned},
    ports::Clock,
    settings::Settings,
};
use jiff::Timestamp;

use super::*;

struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

async fn plan(hand: &Hand, target: &Target) -> Plan {
    let problem = Problem {
        issue: "image_pull".to_owned(),
        severity: Severity::High,
        description: String::new(),
        target: target.clone(),
        named: target.clone(),
    };
    let engine =
        Engine::new(SharedInventory::default(), Some(Arc::clone(&hand.cluster)), Arc::new(WallClock));
    let mut plan =
        match planner::plan(&engine, &problem, &Order::default(), &Settings::default().limits).await.unwrap()
        {
            Planned::Plan(plan) => *plan,
            Planned::NoRemedy { why } => panic!("{why}"),
        };
    planner::prove(&engine, Some(&*hand.acting), &mut plan).await.unwrap();
    plan
}

/// Gives the workload an image that is not there, and waits until a pod says so. Answers its name and uid.
async fn break_it(plane: &Plane, workload: &Workload) -> (String, String) {
    let mut object = plane.get(&workload.path).await.unwrap();
    let container = &mut object["spec"]["template"]["spec"]["containers"][0];
    container["image"] = json!(format!("{PROGRAM}:1.30-missing"));
    let patch = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
    plane.patch(&workload.path, &patch).await;
    let waits = |pod: &Value| {
        let reason = pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].as_str();
        matches!(reason, Some("ErrImagePull" | "ImagePullBackOff"))
    };
    let pods = format!("/api/v1/namespaces/{}/pods", workload.target.namespace);
    let is_broken = |found: &Value| found["items"].as_array().unwrap().iter().any(waits);
    let found = plane.wait(&pods, "broken", SOON, is_broken).await;
    let pod = found["items"].as_array().unwrap().iter().find(|pod| waits(pod)).unwrap();
    let text = |name: &str| pod["metadata"][name].as_str().unwrap().to_owned();
    (text("name"), text("uid"))
}

async fn goes_back(kind: &str, steps: &[&str]) {
    let plane = Plane::shared().await;
    let hand = Hand::of(&plane, "admin").await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    let workload = Workload::make(&plane, &namespace, kind, json!({})).await;
    let (pod, uid) = break_it(&plane, &workload).await;
    let place = plane.audit_end();
    let plan = plan(&hand, &workload.target).await;
    assert_eq!(plan.remedy, "rollback-to-good-revision", "{plan:?}");
    let names: Vec<&str> = plan.steps.iter().map(|step| step.action.name()).collect();
    assert_eq!(names, steps, "{plan:?}");
    for step in &plan.steps {
        let proof = step.proof.as_ref().unwrap();
        assert_eq!((proof.allowed, proof.accepted), (Some(true), Some(true)), "{proof:?}");
    }
    let diff = &plan.steps[0].proof.as_ref().unwrap().diff;
    assert!(diff.iter().any(|line| line.contains("1.30-missing") && line.ends_with(":1.28")), "{diff:?}");
    assert_eq!(planner::refusal(&plan), None);
    assert_eq!(accepted(&plane, &hand, place).len(), 0, "a plan changes nothing");
    for step in &plan.steps {
        if matches!(step.action, Action::EvictPod { .. }) {
            // Its controller has seen the good template, and keeps the pod that hangs all the same.
            let seen = |set: &Value| set["status"]["observedGeneration"] == set["metadata"]["generation"];
            plane.wait(&workload.path, "observed", SOON, seen).await;
            let kept = plane.get(&format!("/api/v1/namespaces/{namespace}/pods/{pod}")).await.unwrap();
            assert_eq!(kept["metadata"]["uid"], uid.as_str());
        }
        hand.take(&step.action, &format!("{namespace}/{}", step.order)).await;
    }
    workload.settles(&plane).await;
    let pods = plane.get(&format!("/api/v1/namespaces/{namespace}/pods")).await.unwrap();
    let images =
        pods["items"].as_array().unwrap().iter().map(|pod| pod["spec"]["containers"][0]["image"].clone());
    assert!(images.into_iter().all(|image| image == format!("{PROGRAM}:1.28")), "{pods}");
    assert_eq!(accepted(&plane, &hand, place).values().sum::<usize>(), steps.len());
}

#[tokio::test]
async fn a_deployment_goes_back_to_the_revision_that_served() {
    goes_back("Deployment", &["rollback-workload"]).await;
}

#[tokio::test]
async fn a_stateful_set_goes_back_and_is_freed_of_the_pod_that_hangs() {
    goes_back("StatefulSet", &["rollback-workload", "evict-pod"]).await;
}

#[tokio::test]
async fn a_daemon_set_goes_back_to_the_revision_that_served() {
    goes_back("DaemonSet", &["rollback-workload"]).await;
}
