//! A full aiops that acts on a real cluster through a member, both as the binary: whole, refused, and with either side
//! killed around its changes. The audit logs of the API server and of the member say what happened.

mod binary;
mod killed;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::binary::Binary;
use crate::support::{Audited, Dice, Options, Plane};

/// Longer than one of these workflows takes on a busy machine, a lease of the dead included.
const PATIENCE: Duration = Duration::from_secs(300);
const TOKEN: &str = "a-token-of-the-hub";
/// Its SHA-256.
fn hash() -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(TOKEN.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a member is started with.
fn member_of(plane: &Plane, granted_to: &str) -> String {
    let kubeconfig = plane.kubeconfig("admin");
    format!(
        "deployment.mode = \"standalone\"\ncluster.kubeconfig = {kubeconfig:?}\nhttp.tokenFile = \"tokens.toml\"\n\
         acting.grantedTo = [{granted_to}]\nacting.limits.raised = true\nacting.limits.mutationsPerSecond = 100\n\
         acting.limits.mutationBurst = 100\n"
    )
}

/// Nothing but the member holds the engine up.
const FREE: &str = "deployment.mode = \"full\"\nmcp.toolsets = [\"cluster\", \"remediation\", \"actions\"]\n\
     [acting.limits]\nraised = true\nworkflowsPerNamespace = 100\nworkflowsPerCluster = 100\nmutationsPerSecond = 100\n\
     mutationBurst = 100\nbudgetPerCluster = 10000\nbudgetPerNamespace = 10000\n";

fn hub_of(member: &Binary) -> String {
    format!(
        "cluster.member.url = \"http://{}\"\ncluster.member.tokenFile = \"token\"\n{FREE}",
        member.address()
    )
}

fn tokens(folder: &std::path::Path) {
    std::fs::write(
        folder.join("tokens.toml"),
        format!("[[token]]\nname = \"hub\"\nsha256 = \"{}\"\n", hash()),
    )
    .unwrap();
    std::fs::write(folder.join("token"), format!("{TOKEN}\n")).unwrap();
}

async fn deployment(plane: &Plane, namespace: &str, name: &str) {
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 0,
            "containers": [{"name": "web", "image": "registry.example.com/library/nginx:1.28",
                "env": [{"name": "PASSWORD", "value": "canary"}]}]}}}});
    plane.post(&format!("/apis/apps/v1/namespaces/{namespace}/deployments"), &object).await;
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    plane.wait(&path, "ready", Duration::from_secs(60), |web| web["status"]["readyReplicas"] == 1).await;
}

/// What aiops had changed on the API server since then: effect keys, with how often each took effect for all that the API
/// server tells. A member that is killed while it waits is told nothing, and then the object alone knows.
fn effects(plane: &Plane, place: u64, namespace: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in writes(plane, place, namespace).iter().filter(|request| request.is_accepted_or_lost()) {
        let key = request.body["metadata"]["annotations"]["aiops.io/effect"].as_str().unwrap_or("none");
        *counts.entry(key.to_owned()).or_default() += usize::from(request.status < 300);
    }
    counts
}

fn writes(plane: &Plane, place: u64, namespace: &str) -> Vec<Audited> {
    let mut audited = plane.audit_since(place);
    audited.retain(|request| {
        request.writes()
            && request.agent.contains(" wf/")
            && !request.uri.contains("dryRun")
            && request.namespace == namespace
    });
    audited
}

async fn scale(hub: &Binary, namespace: &str, name: &str, key: &str) -> Result<String, String> {
    let order = json!({"namespace": namespace, "kind": "Deployment", "name": name, "replicas": 2,
        "idempotency_key": key});
    let done = hub.call("scale-workload", &order).await?;
    Ok(done["workflow_id"].as_str().unwrap().to_owned())
}

/// Asks until the engine takes it: it may be between two lives, or not know its cluster yet.
async fn ordered(hub: &Binary, namespace: &str, name: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // The same key again is the same order.
        match scale(hub, namespace, name, name).await {
            Ok(id) => return id,
            Err(why) => assert!(Instant::now() < deadline, "{why}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn over(hub: &Binary, id: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = hub.call("get-workflow", &json!({"workflow_id": id, "wait": 20})).await;
        if let Ok(workflow) = &seen
            && (workflow["completed_at"].is_string() || workflow["phase"] == "needs_operator")
        {
            return workflow.clone();
        }
        assert!(Instant::now() < deadline, "{id}: {seen:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_member_an_order_is_planned_done_verified_and_told() {
    let plane = Plane::shared().await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    deployment(&plane, &namespace, "web").await;
    let home = tempfile::tempdir().unwrap();
    tokens(home.path());
    let member = Binary::start(home.path(), "member", &member_of(&plane, "\"hub\""));
    let hub = Binary::start(home.path(), "hub", &hub_of(&member));
    let place = plane.audit_end();
    let dry =
        json!({"namespace": namespace, "kind": "Deployment", "name": "web", "replicas": 2, "dry_run": true});
    let deadline = Instant::now() + PATIENCE;
    let plan = loop {
        match hub.call("scale-workload", &dry).await {
            Ok(plan) if plan["plan"]["steps"][0]["dry_run_accepted"] == true => break plan,
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(plan.to_string().contains("spec.replicas: 1 -> 2"), "{plan}");
    assert_eq!(effects(&plane, place, &namespace), BTreeMap::new(), "a dry run changes nothing");
    let id = ordered(&hub, &namespace, "web").await;
    let done = over(&hub, &id).await;
    assert_eq!(done["phase"], "completed", "{done}");
    let counts = effects(&plane, place, &namespace);
    assert_eq!(counts.values().collect::<Vec<_>>(), [&1], "{counts:?}");
    // The API server heard of the workflow, though the engine never spoke to it; the member wrote down who had it done.
    assert!(writes(&plane, place, &namespace)[0].agent.ends_with(&format!("wf/{id}")));
    let (key, _) = counts.first_key_value().unwrap();
    assert_eq!(member.audited("intent", key).len(), 1);
    let told = member.audited("outcome", key);
    assert_eq!((told[0]["outcome"].as_str(), told[0]["principal"].as_str()), (Some("done"), Some("hub")));
    // What stays with the member is said.
    let health = hub.get("/health").await;
    let health: Value = serde_json::from_str(health.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!((&health["cluster"]["connection"], &health["status"]), (&json!("up"), &json!("degraded")));
    assert!(health["inventory"][0]["reason"].as_str().unwrap().contains("kept by the member"), "{health}");
    let doctor = hub.doctor().await;
    assert!(doctor.contains("grants us observing and acting"), "{doctor}");
    assert!(!member.log().contains("canary") && !hub.log().contains("canary"), "a log holds an environment");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_without_the_grant_refuses_each_verb() {
    let plane = Plane::shared().await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    deployment(&plane, &namespace, "web").await;
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/web");
    let object = plane.get(&path).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    tokens(home.path());
    let place = plane.audit_end();
    for (name, granted_to, code) in [
        ("others", "\"somebody-else\", \"group:engines\"", "refused_by_guard"),
        ("none", "", "not_in_this_mode"),
    ] {
        let member = Binary::start(home.path(), name, &member_of(&plane, granted_to));
        let listed = member.ask("tools/list", json!({}), Some(TOKEN)).await.unwrap().to_string();
        assert!(
            listed.contains("list-pods")
                && !listed.contains("perform-action")
                && !listed.contains("observe-object")
        );
        let (uid, version) = (&object["metadata"]["uid"], &object["metadata"]["resourceVersion"]);
        let target = json!({"group": "apps", "kind": "Deployment", "namespace": namespace, "name": "web"});
        let pod = json!({"kind": "Pod", "namespace": namespace, "name": "web-1"});
        let action = |word: &str, more: Value| {
            let mut action = json!({"action": word, "target": target});
            action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            action
        };
        let of_pod = |word: &str| json!({"action": word, "target": pod});
        let template =
            json!([{"op": "replace", "path": "/spec/template", "value": object["spec"]["template"]}]);
        let release = json!({"name": "web", "namespace": namespace, "from": 2, "to": 1});
        for (action, change) in [
            (action("scale-workload", json!({"replicas": 5})), json!({"merge": {"spec": {"replicas": 5}}})),
            (
                action("rollback-workload", json!({"revision": 1, "source": "x"})),
                json!({"operations": template}),
            ),
            (action("record-release", json!({"release": release})), json!({"create": {}})),
            (of_pod("evict-pod"), json!({"evict": {}})),
            (of_pod("delete-pod"), json!({"delete": {}})),
        ] {
            let asked = json!({"moment": "x:1", "request": "r", "cluster": "c", "action": action, "change": change,
                "uid": uid, "resource_version": version, "effect_key": "wf-x/0/do", "workflow": "wf-x"});
            for token in [Some(TOKEN), None] {
                let refused = member.call_as("perform-action", &asked, token).await.unwrap_err();
                let wanted = if token.is_some() { code } else { "401" };
                assert!(refused.contains(wanted) || refused.contains("is no member"), "{change}: {refused}");
            }
        }
        let seen = member.call_as("observe-object", &target, Some(TOKEN)).await.unwrap_err();
        assert!(seen.contains(code) || seen.contains("is no member"), "{seen}");
        // An engine in front of it says why it cannot work, and sends nothing.
        let hub = Binary::start(home.path(), &format!("hub-{name}"), &hub_of(&member));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let why = scale(&hub, &namespace, "web", name).await.unwrap_err();
            if why.contains("has not been read yet") {
                break;
            }
            // Until then its store is being opened.
            assert!(why.contains("its store") && Instant::now() < deadline, "{why}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let doctor = hub.doctor().await;
        assert!(doctor.contains("acting.grantedTo"), "{doctor}");
    }
    assert_eq!(effects(&plane, place, &namespace), BTreeMap::new());
    assert_eq!(plane.get(&path).await.unwrap()["spec"], object["spec"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_one_process_the_engine_acts_over_mcp_and_each_kind_is_watched_once() {
    let plane = Plane::own(&Options { nodes: 2, ..Options::default() }).await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    deployment(&plane, &namespace, "web").await;
    let home = tempfile::tempdir().unwrap();
    let place = plane.audit_end();
    let kubeconfig = plane.kubeconfig("admin");
    let config = format!("cluster.kubeconfig = {kubeconfig:?}\ncluster.member.inProcess = true\n{FREE}");
    let hub = Binary::start(home.path(), "both", &config);
    let done = over(&hub, &ordered(&hub, &namespace, "web").await).await;
    assert_eq!(done["phase"], "completed", "{done}");
    let counts = effects(&plane, place, &namespace);
    assert_eq!(counts.values().collect::<Vec<_>>(), [&1], "{counts:?}");
    let (key, _) = counts.first_key_value().unwrap();
    // It went over MCP: the member of this process wrote it down.
    let told = hub.audited("outcome", key);
    assert_eq!((told.len(), told[0]["principal"].as_str()), (1, Some("aiops engine")));
    let mut watches: BTreeMap<String, usize> = BTreeMap::new();
    for request in plane.audit_since(place) {
        if request.agent.starts_with("aiops/") && request.verb == "watch" {
            *watches.entry(request.resource).or_default() += 1;
        }
    }
    println!("watches of the whole process: {watches:?}");
    assert!(watches.len() >= 10, "{watches:?}");
    assert!(watches.values().all(|count| *count == 1), "{watches:?}");
}
