//! Helm releases on a real API server: made and broken by the real helm, rolled back by aiops, and then asked of helm.
//!
//! The engine works as in the binary: a trigger, an approval, the work line. What it does not do itself is answered with
//! the command, and then nothing of the cluster was changed.

pub(crate) mod chart;
mod refused;

use std::time::Duration;

use aiops_engine::{coordination::Coordination, model::phase::Phase};
use serde_json::json;

use self::chart::{Chart, values};
use crate::support::{Desk, Dice, Plane, caller, changes};

const SOON: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_release_that_helm_broke_is_rolled_back_as_helm_does_it() {
    let plane = Plane::shared().await;
    let mut dice = Dice::new();
    let (ours, theirs) = (plane.namespace(&mut dice).await, plane.namespace(&mut dice).await);
    let (canary, greeting) = (dice.canary(), dice.canary());
    let greeting = format!("greeting={greeting}");
    let charts = [Chart::of(&plane, &ours).await, Chart::of(&plane, &theirs).await];
    for chart in &charts {
        chart.run("install", &values(&canary, &["tag=1.28", "greeting=hello"])).await;
        chart.is_ready(&plane).await;
        chart.run("upgrade", &values(&canary, &["tag=1.29-missing", &greeting, "memory=64Mi"])).await;
        chart.is_broken(&plane).await;
    }
    let [chart, other] = &charts;

    let desk = Desk::of(&plane, "acting.helm = true").await;
    let place = plane.audit_end();
    let id = desk.trigger(&ours, "web", "ImagePullBackOff").await;
    desk.approve(&id).await;
    let done = desk.until(&id, &[Phase::Completed]).await;
    assert_eq!(done.remedy.as_deref(), Some("rollback-release"), "{done:#?}");
    let actions: Vec<&str> = done.steps.iter().map(|step| step.action.as_str()).collect();
    assert_eq!(actions, ["revert-manifest", "revert-manifest", "record-release"]);
    // Nothing of what the release holds is in what is kept and shown.
    let record = desk.coordinator.record(&caller(), &id).await.unwrap();
    let kept = format!("{record:?} {done:?}");
    for told in [canary.as_str(), greeting.trim_start_matches("greeting="), "H4sI"] {
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
        [
            (1, "superseded", "Install complete"),
            (2, "superseded", "Upgrade complete"),
            (3, "deployed", "Rollback to 1")
        ]
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
async fn a_release_whose_upgrade_failed_goes_back_to_the_revision_that_is_deployed() {
    let plane = Plane::shared().await;
    let mut dice = Dice::new();
    let (ours, theirs) = (plane.namespace(&mut dice).await, plane.namespace(&mut dice).await);
    let canary = dice.canary();
    let charts = [Chart::of(&plane, &ours).await, Chart::of(&plane, &theirs).await];
    let broken = values(&canary, &["tag=1.29-missing", "greeting=other"]);
    for chart in &charts {
        chart.run("install", &values(&canary, &["tag=1.28", "greeting=hello"])).await;
        chart.is_ready(&plane).await;
        let wait = ["upgrade", "web", "./web", "--wait", "--timeout", "3s"];
        let args: Vec<&str> = wait.into_iter().chain(broken.iter().map(String::as_str)).collect();
        chart.attempt(&args).await.unwrap_err();
        chart.is_broken(&plane).await;
    }
    let [chart, other] = &charts;
    let states = async |chart: &Chart| -> Vec<String> {
        chart.history().await.into_iter().map(|(_, status, _)| status).collect()
    };
    assert_eq!(states(chart).await, ["deployed", "failed"]);
    let desk = Desk::of(&plane, "acting.helm = true").await;
    let place = plane.audit_end();
    let id = desk.trigger(&ours, "web", "ImagePullBackOff").await;
    desk.approve(&id).await;
    desk.until(&id, &[Phase::Completed]).await;
    let of_secrets = changes(&plane, place, &ours).into_iter().filter(|sent| sent.resource == "secrets");
    let mut of_secrets: Vec<String> = of_secrets.map(|sent| format!("{} {}", sent.verb, sent.name)).collect();
    of_secrets.sort();
    assert_eq!(of_secrets, ["create sh.helm.release.v1.web.v3", "patch sh.helm.release.v1.web.v1"]);
    other.helm(&["rollback", "web", "1"]).await;
    assert_eq!(states(chart).await, ["superseded", "failed", "deployed"]);
    assert_eq!(states(chart).await, states(other).await);
    chart.run("upgrade", &values(&canary, &["tag=1.30", "greeting=again"])).await;
    assert_eq!(states(chart).await, ["superseded", "failed", "superseded", "deployed"]);
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
