//! A stand-in for Argo CD's application controller (operator manual, "Sync Applications with kubectl"): it takes an
//! Application's `operation` up, says in `status.operationState` how it goes, and deploys one image.
//!
//! How it behaves is the test's choice; it never looks at who asked.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::SOON;
use crate::support::Plane;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Operations succeed.
    Syncs,
    /// The same, and what is out of sync is synced without being asked.
    Heals,
    /// Operations end in failure.
    Fails,
    /// Operations never end.
    Hangs,
}

/// Installs the CRD of the named release.
pub(super) async fn install(plane: &Plane) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/controlplane/argocd");
    let made = tokio::task::spawn_blocking(move || Command::new(script).output().unwrap()).await.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let file = String::from_utf8(made.stdout).unwrap();
    plane.apply(&std::fs::read_to_string(file.trim()).unwrap()).await;
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/applications.argoproj.io";
    let is_served = |crd: &Value| {
        let conditions = crd["status"]["conditions"].as_array();
        conditions
            .is_some_and(|all| all.iter().any(|one| one["type"] == "Established" && one["status"] == "True"))
    };
    plane.wait(path, "established", SOON, is_served).await;
}

/// The controller of one Application.
pub(super) struct Argo {
    path: String,
    working: JoinHandle<()>,
}

fn now() -> String {
    format!("{:.0}", jiff::Timestamp::now())
}

impl Argo {
    /// Makes an Application that is out of sync, and starts its controller.
    pub(super) async fn start(plane: &Arc<Plane>, namespace: &str, behaviour: Behaviour) -> Self {
        let name = format!("{namespace}-app");
        let collection = format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications");
        let policy = match behaviour {
            Behaviour::Heals => json!({"automated": {"selfHeal": true}}),
            _ => json!({"syncOptions": ["ApplyOutOfSyncOnly=true"]}),
        };
        let source =
            json!({"repoURL": "https://git.example.com/shop.git", "path": "web", "targetRevision": "main"});
        let application = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": name}, "spec": {"project": "default", "source": source, "syncPolicy": policy,
                "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace}},
            "status": {"sync": {"status": "OutOfSync", "revision": "1111111"}, "health": {"status": "Degraded"},
                "history": [{"id": 0, "revision": "1111111", "deployedAt": now(), "source": source}]}});
        plane.post(&collection, &application).await;
        let path = format!("{collection}/{name}");
        let deployment = format!("/apis/apps/v1/namespaces/{namespace}/deployments/web");
        let (plane, own) = (Arc::clone(plane), path.clone());
        let working = tokio::spawn(async move {
            loop {
                step(&plane, &own, &deployment, behaviour).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Self { path, working }
    }

    pub(super) async fn application(&self, plane: &Plane) -> Value {
        plane.get(&self.path).await.unwrap()
    }

    /// Ends the controller.
    pub(super) async fn end(self) {
        self.working.abort();
        let _ = self.working.await;
    }
}

/// One turn of the controller.
async fn step(plane: &Plane, path: &str, deployment: &str, behaviour: Behaviour) {
    let application = plane.get(path).await.unwrap();
    let phase = application["status"]["operationState"]["phase"].as_str().unwrap_or_default();
    if phase == "Running" {
        if behaviour != Behaviour::Hangs {
            finish(plane, path, deployment, behaviour == Behaviour::Fails).await;
        }
    } else if application["operation"].is_object() {
        let state = json!({"phase": "Running", "startedAt": now(), "operation": application["operation"],
            "message": "waiting for healthy state"});
        plane.patch(path, &json!({"operation": null, "status": {"operationState": state}})).await;
    } else if behaviour == Behaviour::Heals && phase == "Succeeded" {
        deploy(plane, deployment).await;
    }
}

/// What git says: an image that is there.
async fn deploy(plane: &Plane, deployment: &str) {
    let container = json!({"name": "web", "image": "registry.example.com/library/nginx:1.30"});
    plane.patch(deployment, &json!({"spec": {"template": {"spec": {"containers": [container]}}}})).await;
}

async fn finish(plane: &Plane, path: &str, deployment: &str, fails: bool) {
    if fails {
        let state =
            json!({"phase": "Failed", "message": "one or more objects failed to apply", "finishedAt": now()});
        plane.patch(path, &json!({"status": {"operationState": state}})).await;
        return;
    }
    deploy(plane, deployment).await;
    let is_out = |object: &Value| {
        let status = &object["status"];
        status["observedGeneration"] == object["metadata"]["generation"]
            && ["replicas", "updatedReplicas", "readyReplicas"].iter().all(|of| status[of] == 2)
    };
    plane.wait(deployment, "rolled out", SOON, is_out).await;
    let state = json!({"phase": "Succeeded", "message": "successfully synced", "finishedAt": now()});
    plane
        .patch(
            path,
            &json!({"status": {"operationState": state, "sync": {"status": "Synced", "revision": "2222222"},
                "health": {"status": "Healthy"}, "reconciledAt": now()}}),
        )
        .await;
}
