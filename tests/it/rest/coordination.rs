//! The Go engine's multi-layer routes.

use aiops_engine::{
    coordination::{ResourceTrouble, Trigger},
    model::{layer::Layer, phase::Phase},
};
use serde_json::{Value, json};

use super::{Asked, holds, is_refusal, world};

const TRIGGER: &str = "/api/v1/coordination/trigger";

#[tokio::test]
async fn trouble_over_layers_is_triggered_as_the_go_engine_took_it() {
    let world = world().await;
    {
        let mut triggered = world.fake.triggered.lock();
        triggered.affected_layers = vec![Layer::Infrastructure, Layer::Application];
        triggered.estimated_steps = Some(2);
    }
    let body = json!({
        "incident_id": "inc-9",
        "description": "Node worker-1 NotReady, pods evicted",
        "resources": [
            { "kind": "Node", "name": "worker-1", "namespace": "", "issue": "NotReady" },
            { "kind": "Pod", "name": "web-1", "namespace": "shop", "issue": "Evicted" },
        ],
    });
    let reply = world.post(TRIGGER, body.to_string()).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    holds(
        &reply.json(),
        &json!({
            "workflow_id": "wf-67890", "status": "executing", "affected_layers": ["infrastructure", "application"],
            "root_cause_layer": "infrastructure", "estimated_steps": 2,
        }),
    );
    let wanted = Trigger {
        incident: Some("inc-9".to_owned()),
        kind: "Node".to_owned(),
        name: "worker-1".to_owned(),
        issue: "NotReady".to_owned(),
        description: "Node worker-1 NotReady, pods evicted".to_owned(),
        resources: vec![ResourceTrouble {
            kind: "Pod".to_owned(),
            name: "web-1".to_owned(),
            namespace: "shop".to_owned(),
            issue: "Evicted".to_owned(),
        }],
        ..Trigger::default()
    };
    assert_eq!(world.one(), Asked::Trigger(wanted));
}

#[tokio::test]
async fn trouble_of_one_object_has_its_layer_at_once_too() {
    let world = world().await;
    let body = json!({
        "incident_id": "inc-9", "description": "it restarts",
        "resources": [{ "kind": "Pod", "name": "web-1", "namespace": "shop", "issue": "it restarts" }],
    });
    let reply = world.post(TRIGGER, body.to_string()).await;
    let wanted = json!({ "affected_layers": ["application"], "root_cause_layer": "application", "estimated_steps": 1 });
    holds(&reply.json(), &wanted);
    assert!(matches!(world.one(), Asked::Trigger(_)));
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let world = world().await;
    let good =
        json!({ "incident_id": "i", "description": "d", "resources": [{ "kind": "Node", "name": "n" }] });
    for (path, value, field) in [
        ("/incident_id", json!(""), "incident_id"),
        ("/description", Value::Null, "description"),
        ("/resources", json!([]), "resources"),
        ("/resources", Value::Null, "resources"),
        ("/resources/0/kind", Value::Null, "resources[0].kind"),
        ("/resources/0", json!({ "kind": "Node", "name": "n", "isue": "x" }), "resources[0].isue"),
    ] {
        let mut body = good.clone();
        *body.pointer_mut(path).unwrap() = value;
        let told = is_refusal(&world.post(TRIGGER, body.to_string()).await, 400, "invalid_request");
        assert_eq!(told["details"]["field"], field, "{told}");
        world.fake.nothing();
    }
}

#[tokio::test]
async fn a_workflow_has_the_go_engines_shape_to_the_letter() {
    let world = world().await;
    let reply = world.get("/api/v1/coordination/workflows/wf-9").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(world.one(), Asked::Record("wf-9".to_owned()));
    let wanted = json!({
        "id": "wf-9",
        "incident_id": "inc-9",
        "status": "failed",
        "layered_issue": {
            "id": "inc-9",
            "description": "Node worker-1 NotReady, pods evicted",
            "affected_layers": ["infrastructure", "application"],
            "root_cause_layer": "infrastructure",
            "impacted_resources": {
                "infrastructure": [{ "kind": "Node", "name": "worker-1", "namespace": "", "issue": "node_not_ready" }],
                "application": [{ "kind": "Pod", "name": "web-1", "namespace": "shop", "issue": "evicted" }],
            },
            "detected_at": "2026-05-01T10:00:00Z",
            "severity": "high",
            "detection_method": "keyword",
        },
        "remediation_plan": {
            "id": "plan-2c26b46b68ffc68f",
            "issue_id": "inc-9",
            "layers": ["infrastructure", "application"],
            "steps": [
                {
                    "layer": "infrastructure", "order": 1, "description": "Cordon node worker-1",
                    "action_type": "cordon_node", "target": "worker-1", "wait_time": 600_000_000_000_u64, "required": true,
                    "metadata": { "node": "worker-1" },
                },
                {
                    "layer": "application", "order": 2, "description": "Restart Deployment shop/web",
                    "action_type": "restart_deployment", "target": "shop/web", "wait_time": 0, "required": false,
                    "metadata": { "deployment": "web", "namespace": "shop" },
                },
            ],
            "checkpoints": [{
                "layer": "infrastructure", "after_step": 1, "checks": ["nodes_ready"],
                "timeout": 600_000_000_000_u64, "required": true,
            }],
            "rollback_steps": [{
                "layer": "infrastructure", "order": 1, "description": "Rollback: Cordon node worker-1",
                "action_type": "rollback_cordon_node", "target": "worker-1", "wait_time": 600_000_000_000_u64,
                "required": true, "metadata": { "node": "worker-1" },
            }],
            "created_at": "2026-05-01T10:00:00Z",
            "status": "failed",
            "current_step": 1,
        },
        "execution_result": {
            "status": "failed", "reason": "the rollout did not finish", "executed_steps": 2, "failed_step": 1,
            "completed_at": "2026-05-01T10:07:01Z",
        },
        "created_at": "2026-05-01T10:00:00Z",
        "started_at": "2026-05-01T10:00:00Z",
        "completed_at": "2026-05-01T10:07:01Z",
        "error_message": "the rollout did not finish",
    });
    assert_eq!(reply.json(), wanted);
}

#[tokio::test]
async fn what_is_not_known_yet_is_absent() {
    let world = world().await;
    {
        let mut record = world.fake.record.lock();
        let workflow = &mut record.workflow;
        (workflow.phase, workflow.plan, workflow.digest) = (Phase::Planning, None, None);
        (workflow.started_at, workflow.finished_at, workflow.reason) = (None, None, None);
        record.steps.clear();
    }
    let body = world.get("/api/v1/coordination/workflows/wf-9").await.json();
    world.one();
    assert_eq!(body["status"], "executing");
    for member in ["remediation_plan", "execution_result", "started_at", "completed_at", "error_message"] {
        assert!(body.get(member).is_none(), "{member}");
    }
    // The layers of what was named are known from its kinds.
    assert_eq!(body["layered_issue"]["affected_layers"], json!(["infrastructure", "application"]));
}

#[tokio::test]
async fn workflows_are_listed_in_the_same_shape() {
    let world = world().await;
    let reply = world.get("/api/v1/coordination/workflows").await;
    assert_eq!(reply.status, 200);
    let body = reply.json();
    assert_eq!(body["total"], 7);
    assert_eq!(body["workflows"][0]["remediation_plan"]["id"], "plan-2c26b46b68ffc68f");
    let asked: Vec<Asked> = world.fake.took().into_iter().map(|(_, asked)| asked).collect();
    assert!(matches!(&*asked, [Asked::Workflows(_), Asked::Record(id)] if id == "wf-67890"), "{asked:?}");
}
