//! Targets that somebody else owns, on a real API server: what Argo CD deploys is synced through its Application, and what
//! Flux, OLM or an autoscaler owns is left to them. Nothing is written to the workloads.
//!
//! The Application is one of the CRD of a named release (tests/controlplane/argocd). Argo CD's controller is a stand-in,
//! written from the documented contract of `operation` and `status.operationState`; it knows no git.

mod argo;
mod binary;
mod reverting;

use std::time::Duration;

use aiops_engine::{
    coordination::Trigger,
    model::{action::Action, phase::Phase, target::Target},
};
use serde_json::{Value, json};

use self::argo::{Argo, Behaviour};
use crate::support::{Audited, Desk, Dice, Options, Plane, changes, tried};

const SOON: Duration = Duration::from_secs(60);
const ENDS: [Phase; 5] =
    [Phase::Completed, Phase::Failed, Phase::Refused, Phase::RolledBack, Phase::NeedsOperator];

/// A Deployment `web` with these marks.
async fn deployment(plane: &Plane, namespace: &str, tag: &str, marks: Value) {
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "labels": marks["labels"], "annotations": marks["annotations"]},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"terminationGracePeriodSeconds": 0,
                "containers": [{"name": "web", "image": format!("registry.example.com/library/nginx:{tag}")}]}}}});
    plane.post(&format!("/apis/apps/v1/namespaces/{namespace}/deployments"), &object).await;
}

/// What workflows sent to this resource.
fn to(sent: &[Audited], resource: &str) -> usize {
    sent.iter().filter(|request| request.resource == resource).count()
}

#[tokio::test]
async fn what_argo_cd_deploys_is_synced_through_its_application() {
    let plane = std::sync::Arc::new(Plane::own(&Options { nodes: 2, ..Options::default() }).await);
    argo::install(&plane).await;
    let desk = Desk::of(&plane, "").await;
    let cases = [
        (Behaviour::Syncs, &[Phase::Completed][..]),
        (Behaviour::Heals, &[Phase::Completed]),
        (Behaviour::Fails, &[Phase::Failed, Phase::NeedsOperator]),
        (Behaviour::Hangs, &[Phase::Failed, Phase::NeedsOperator]),
    ];
    for (behaviour, ends) in cases {
        let mut dice = Dice::new();
        let namespace = plane.namespace(&mut dice).await;
        let tracked = json!({"annotations": {
            "argocd.argoproj.io/tracking-id": format!("{namespace}-app:apps/Deployment:{namespace}/web")}});
        deployment(&plane, &namespace, "1.29-missing", tracked).await;
        let waits = |pods: &Value| pods.to_string().contains("\"reason\":\"ImagePullBackOff\"");
        plane
            .wait(&format!("/api/v1/namespaces/{namespace}/pods"), "waiting for an image", SOON, waits)
            .await;
        let argo = Argo::start(&plane, &namespace, behaviour).await;
        let place = plane.audit_end();
        let id = desk.trigger(&namespace, "web", "ImagePullBackOff").await;
        let view = desk.until(&id, ends).await;
        assert_eq!(view.remedy.as_deref(), Some("sync-application"), "{view:#?}");
        let sent = changes(&plane, place, &namespace);
        assert_eq!((to(&sent, "applications"), sent.len()), (1, 1), "{behaviour:?}: {sent:?}");
        let past = tried(&plane, place, &namespace);
        assert!(past.iter().all(|request| request.resource == "applications"), "{behaviour:?}: {past:?}");
        let operation = &sent[0].body["operation"];
        assert_eq!(operation["initiatedBy"]["username"], "aiops", "{operation}");
        let application = argo.application(&plane).await;
        match behaviour {
            Behaviour::Fails => assert!(view.reason.unwrap().contains("one or more objects failed"), "{id}"),
            Behaviour::Hangs => assert_eq!(application["status"]["operationState"]["phase"], "Running"),
            _ => assert_eq!(application["status"]["operationState"]["phase"], "Succeeded"),
        }
        // Ordering a restart past Argo CD is refused, whatever the Application does.
        let place = plane.audit_end();
        let target = Target::known("Deployment", &namespace, "web");
        let view = ordered(&desk, &namespace, Action::RestartWorkload { target }).await;
        assert_eq!(view.0, Phase::Refused, "{}", view.1);
        assert!(view.1.contains("Argo CD"), "{}", view.1);
        assert!(tried(&plane, place, &namespace).is_empty());
        argo.end().await;
    }
}

/// Orders an action and answers how it ended, and why.
async fn ordered(desk: &Desk, namespace: &str, action: Action) -> (Phase, String) {
    let trigger = Trigger {
        namespace: namespace.to_owned(),
        kind: "Deployment".to_owned(),
        name: "web".to_owned(),
        action: Some(action),
        ..Trigger::default()
    };
    let id = match desk.order(trigger).await {
        Ok(id) => id,
        Err(why) => return (Phase::Refused, why),
    };
    let view = desk.until(&id, &ENDS).await;
    (view.phase, view.reason.unwrap_or_default())
}

#[tokio::test]
async fn what_flux_olm_or_an_autoscaler_owns_is_left_to_them() {
    let plane = Plane::shared().await;
    let desk = Desk::of(&plane, "").await;
    let flux = json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}});
    let olm =
        json!({"labels": {"olm.owner": "web-operator.v1.2.3", "olm.owner.kind": "ClusterServiceVersion"}});
    for (owner, marks) in [("Flux", flux), ("OLM", olm), ("HorizontalPodAutoscaler", json!({}))] {
        let namespace = plane.namespace(&mut Dice::new()).await;
        deployment(&plane, &namespace, "1.29-missing", marks).await;
        if owner == "HorizontalPodAutoscaler" {
            let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": "web"}, "spec": {"minReplicas": 2, "maxReplicas": 4,
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
            let path = format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers");
            plane.post(&path, &scaler).await;
        }
        let place = plane.audit_end();
        let target = || Target::known("Deployment", &namespace, "web");
        let mut actions = vec![Action::ScaleWorkload { target: target(), replicas: 5 }];
        if owner != "HorizontalPodAutoscaler" {
            actions.push(Action::RestartWorkload { target: target() });
        }
        for action in actions {
            let (phase, why) = ordered(&desk, &namespace, action).await;
            assert_eq!(phase, Phase::Refused, "{owner}: {why}");
            assert!(why.contains(owner), "{owner}: {why}");
        }
        assert_eq!(tried(&plane, place, &namespace).len(), 0, "{owner}");
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/web");
        assert_eq!(plane.get(&path).await.unwrap()["spec"]["replicas"], 2, "{owner}");
    }
}
