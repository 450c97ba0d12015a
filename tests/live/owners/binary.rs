//! The same through the binary: its tools, its routes, its store. What it wrote is counted in the API server's audit log.

use serde_json::{Value, json};

use super::{
    argo::{self, Argo, Behaviour},
    deployment, to,
};
use crate::{
    helm::chart::{Chart, values},
    support::{Actor, Dice, Full, Options, Plane, changes, digest, tried},
};

const SETTINGS: &str = "acting.enabled = true\nacting.helm = true\nacting.limits.budgetPerNamespace = 100\n\
    acting.limits.budgetPerCluster = 100\nacting.limits.raised = true\nmcp.toolsets = [\"cluster\", \"remediation\", \"actions\"]";

/// The binary at work on a plane, with a user of its own.
async fn serve(plane: &Plane, home: &tempfile::TempDir) -> Full {
    let actor = Actor::of(plane, home.path()).await;
    let full = Full::start(home.path(), &actor, SETTINGS).await;
    full.synced().await;
    full
}

/// Waits until its rows know the Deployment.
async fn is_known(full: &Full, namespace: &str) {
    let deadline = std::time::Instant::now() + super::SOON;
    let arguments = json!({"namespace": namespace, "kind": "Deployment", "name": "web"});
    loop {
        let (is_error, text, _) = full.call("ann", "get-workload", &arguments).await;
        if !is_error {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{text}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// What becomes of a tool's order: everything that it says, at once or as its workflow ends.
async fn refused(full: &Full, tool: &str, arguments: Value) -> String {
    let (is_error, text, facts) = full.call("ann", tool, &arguments).await;
    let Some(id) = facts["workflow_id"].as_str() else {
        assert!(is_error, "{tool}: neither a workflow nor a refusal: {text}");
        return text;
    };
    let ended = full.workflow(id, &["refused", "failed", "completed", "rolled_back", "needs_operator"]).await;
    assert_eq!(ended["phase"], "refused", "{tool}: {ended:#}");
    ended["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn through_the_binary_what_flux_olm_an_operator_or_an_autoscaler_owns_is_left_to_them() {
    let plane = Plane::shared().await;
    let home = tempfile::tempdir().unwrap();
    let full = serve(&plane, &home).await;
    let cases = [
        (
            "Flux",
            json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop",
            "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}),
        ),
        (
            "OLM",
            json!({"labels": {"olm.owner": "web-operator.v1.2.3", "olm.owner.kind": "ClusterServiceVersion"}}),
        ),
        ("shop-operator", json!({"labels": {"app.kubernetes.io/managed-by": "shop-operator"}})),
        ("HorizontalPodAutoscaler", json!({})),
    ];
    for (owner, marks) in cases {
        let namespace = plane.namespace(&mut Dice::new()).await;
        deployment(&plane, &namespace, "1.29-missing", marks).await;
        let is_scaled = owner == "HorizontalPodAutoscaler";
        if is_scaled {
            let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": "web"}, "spec": {"minReplicas": 2, "maxReplicas": 4,
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
            let path = format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers");
            plane.post(&path, &scaler).await;
        }
        is_known(&full, &namespace).await;
        let place = plane.audit_end();
        let of = |more: Value| {
            let mut all = json!({"namespace": namespace, "kind": "Deployment", "name": "web"});
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        let mut orders = vec![("scale-workload", of(json!({"replicas": 5})))];
        if !is_scaled {
            // An autoscaler owns the replicas and nothing else.
            orders.push(("restart-workload", of(json!({}))));
            orders.push(("rollback-workload", of(json!({"revision": 1}))));
            orders.push(("set-resources", of(json!({"container": "web", "memory_limit": "64Mi"}))));
        }
        for (tool, arguments) in orders {
            let why = refused(&full, tool, arguments).await;
            assert!(why.contains(owner), "{tool} against {owner}: {why}");
        }
        // And what the remedies of an issue make of it, over REST.
        let issue = if is_scaled { "high_cpu" } else { "crash_loop" };
        let reply = full.order("ann", &namespace, "web", issue).await;
        let id = reply.body["workflow_id"].as_str().unwrap_or_else(|| panic!("{reply:?}"));
        let ended = full.workflow(id, &["refused", "failed", "completed", "awaiting_approval"]).await;
        assert_eq!(ended["phase"], "refused", "{owner}: {ended:#}");
        assert_eq!(tried(&plane, place, &namespace).len(), 0, "{owner}");
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/web");
        assert_eq!(plane.get(&path).await.unwrap()["metadata"]["generation"], 1, "{owner}");
    }
}

#[tokio::test]
async fn through_the_binary_what_argo_cd_deploys_is_synced_with_one_write_to_its_application() {
    let plane = std::sync::Arc::new(Plane::own(&Options { nodes: 2, ..Options::default() }).await);
    argo::install(&plane).await;
    let home = tempfile::tempdir().unwrap();
    let full = serve(&plane, &home).await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    let tracked = json!({"annotations": {
        "argocd.argoproj.io/tracking-id": format!("{namespace}-app:apps/Deployment:{namespace}/web")}});
    deployment(&plane, &namespace, "1.29-missing", tracked).await;
    let waits = |pods: &Value| pods.to_string().contains("\"reason\":\"ImagePullBackOff\"");
    plane
        .wait(&format!("/api/v1/namespaces/{namespace}/pods"), "waiting for an image", super::SOON, waits)
        .await;
    let argo = Argo::start(&plane, &namespace, Behaviour::Syncs).await;
    is_known(&full, &namespace).await;
    let place = plane.audit_end();
    let arguments = json!({"namespace": namespace, "resource_kind": "Deployment", "resource_name": "web",
        "issue_type": "ImagePullBackOff"});
    let (is_error, text, facts) = full.call("ann", "trigger-remediation", &arguments).await;
    assert!(!is_error, "{text}");
    let done = full.workflow(facts["workflow_id"].as_str().unwrap(), &["completed"]).await;
    assert_eq!(done["remedy"], "sync-application", "{done:#}");
    let sent = changes(&plane, place, &namespace);
    assert_eq!((to(&sent, "applications"), sent.len()), (1, 1), "{sent:?}");
    let restart = json!({"namespace": namespace, "kind": "Deployment", "name": "web"});
    // The same trouble rests; another way to the same workload is refused for its owner.
    let why = refused(&full, "restart-workload", restart).await;
    assert!(why.contains("Argo CD"), "{why}");
    let past = tried(&plane, place, &namespace);
    assert!(past.iter().all(|request| request.resource == "applications"), "{past:?}");
    argo.end().await;
}

#[tokio::test]
async fn through_the_binary_a_release_that_helm_broke_is_rolled_back_and_helm_goes_on_from_there() {
    let plane = Plane::shared().await;
    let mut dice = Dice::new();
    let namespace = plane.namespace(&mut dice).await;
    let canary = dice.canary();
    let chart = Chart::of(&plane, &namespace).await;
    chart.run("install", &values(&canary, &["tag=1.28", "greeting=hello"])).await;
    chart.is_ready(&plane).await;
    chart.run("upgrade", &values(&canary, &["tag=1.29-missing", "greeting=broken"])).await;
    chart.is_broken(&plane).await;
    let home = tempfile::tempdir().unwrap();
    let full = serve(&plane, &home).await;
    let place = plane.audit_end();
    let arguments = json!({"namespace": namespace, "resource_kind": "Deployment", "resource_name": "web",
        "issue_type": "ImagePullBackOff"});
    let (is_error, text, facts) = full.call("ann", "trigger-remediation", &arguments).await;
    assert!(!is_error, "{text}");
    // What Helm owns goes back only with an approval, and the answer says so before anything was read.
    assert_eq!(facts["status"], "pending", "{facts:#}");
    let id = facts["workflow_id"].as_str().unwrap();
    let waiting = full.workflow(id, &["awaiting_approval"]).await;
    assert_eq!(tried(&plane, place, &namespace).len(), 0);
    let approval = json!({"digest": digest(&waiting)});
    let reply = full.post("bob", &format!("/api/v1/workflows/{id}/approve"), &approval).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let done = full.workflow(id, &["completed"]).await;
    assert_eq!(done["remedy"], "rollback-release", "{done:#}");
    assert_eq!(changes(&plane, place, &namespace).len(), 4, "two objects and the two records");
    let states: Vec<String> = chart.history().await.into_iter().map(|(_, status, _)| status).collect();
    assert_eq!(states, ["superseded", "superseded", "deployed"]);
    chart.run("upgrade", &values(&canary, &["tag=1.30", "greeting=again"])).await;
    chart.is_ready(&plane).await;
    assert_eq!(chart.history().await.len(), 4);
    // Nothing of what the release holds is in its store.
    for name in ["aiops.db", "aiops.db-wal"] {
        for found in walk(home.path(), name) {
            let bytes = std::fs::read(&found).unwrap();
            let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!has(&canary) && !has("H4sI"), "{}", found.display());
        }
    }
}

/// Files of this name below a folder.
fn walk(folder: &std::path::Path, name: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path, name));
        } else if path.file_name().is_some_and(|own| own == name) {
            found.push(path);
        }
    }
    found
}
