//! Scaling over inventories made of JSON.

use serde_json::{Value, json};

use super::*;
use crate::{
    testing::{engine, engine_lacking},
    text::estimate_tokens,
};

const NOW: &str = "2026-07-01T12:00:00Z";
const DEPLOYMENT: &str = "00000000-0000-0000-0000-000000000001";
const SET: &str = "00000000-0000-0000-0000-000000000002";

fn owned(name: &str, uid: &str, by: (&str, &str, &str)) -> Value {
    let owner = json!({"kind": by.0, "name": by.1, "uid": by.2, "apiVersion": "apps/v1", "controller": true});
    json!({"name": name, "namespace": "shop", "uid": uid, "labels": {"app": "web"}, "ownerReferences": [owner]})
}

/// Two nodes, a Deployment with `pods` running pods of 200m and 128Mi, and what else is given.
fn world(pods: usize, more: Vec<(Kind, Value)>) -> Vec<(Kind, Value)> {
    let resources = json!({"requests": {"cpu": "200m", "memory": "128Mi"}, "limits": {"cpu": "400m"}});
    let containers = json!([{"name": "a", "image": "x", "resources": resources}]);
    let template = json!({"spec": {"containers": containers}});
    let mut objects = vec![
        (Kind::Namespace, json!({"metadata": {"name": "shop"}})),
        (
            Kind::Deployment,
            json!({
                "metadata": {"name": "web", "namespace": "shop", "uid": DEPLOYMENT},
                "spec": {"replicas": pods, "template": template, "selector": {"matchLabels": {"app": "web"}}},
                "status": {"replicas": pods, "readyReplicas": pods},
            }),
        ),
        (
            Kind::ReplicaSet,
            json!({"metadata": owned("web-1", SET, ("Deployment", "web", DEPLOYMENT)), "spec": {"replicas": pods}}),
        ),
    ];
    for node in ["n1", "n2"] {
        let status = json!({"allocatable": {"cpu": "2", "memory": "4Gi", "pods": "20"}, "conditions": [{"type": "Ready", "status": "True"}]});
        objects.push((Kind::Node, json!({"metadata": {"name": node}, "status": status})));
    }
    for i in 0..pods {
        let name = format!("web-1-{i}");
        let uid = format!("00000000-0000-0000-0001-{i:012}");
        objects.push((
            Kind::Pod,
            json!({
                "metadata": owned(&name, &uid, ("ReplicaSet", "web-1", SET)),
                "spec": {"nodeName": if i % 2 == 0 { "n1" } else { "n2" }, "containers": containers},
                "status": {"phase": "Running"},
            }),
        ));
    }
    objects.extend(more);
    objects
}

fn quota(hard: Value, used: Value) -> (Kind, Value) {
    let object = json!({
        "metadata": {"name": "team", "namespace": "shop"},
        "spec": {"hard": hard.clone()},
        "status": {"hard": hard, "used": used},
    });
    (Kind::ResourceQuota, object)
}

fn ask(target: i32) -> ScalingImpact {
    ScalingImpact {
        deployment: "web".to_owned(),
        namespace: "shop".to_owned(),
        target,
        current: None,
        predict_at: None,
        include_infrastructure: true,
    }
}

#[test]
fn nodes_bound_what_no_quota_bounds() {
    let engine = engine(&world(4, vec![]), None, NOW);
    let answer = engine.scaling_impact(&ask(10)).unwrap();
    assert_eq!(
        (answer.current_state.replicas, answer.current_state.cpu_per_pod_avg, answer.current_state.total_cpu),
        (4, Some(200.0), Some(800.0))
    );
    assert_eq!(
        (answer.projected_state.total_cpu, answer.projected_state.total_memory),
        (Some(2_000.0), Some(1_280.0))
    );
    let impact = answer.namespace_impact.as_ref().unwrap();
    assert_eq!(
        (impact.quota_exceeded, impact.projected_usage_percent, impact.limiting_factor),
        (false, None, None)
    );
    // 1600m are left on each node: 8 pods each.
    let fit = answer.cluster_fit.as_ref().unwrap();
    assert_eq!((fit.additional_pods, fit.room_for, fit.fits), (6, 16, true));
    assert_eq!(answer.recommendation, "scaling to 10 fits quotas and nodes");
    let alternatives: Vec<(i32, bool)> =
        answer.alternative_scenarios.iter().map(|s| (s.replicas, s.safe)).collect();
    assert_eq!(alternatives, [(7, true), (11, true), (20, true)]);
    let infrastructure = answer.infrastructure_impact.as_ref().unwrap();
    assert_eq!(
        (infrastructure.etcd_impact.as_deref(), infrastructure.estimated_overhead.as_deref()),
        (None, None)
    );
    assert!(estimate_tokens(&serde_json::to_string(&answer).unwrap()) < 900);
    let answer = engine.scaling_impact(&ask(21)).unwrap();
    assert!(!answer.cluster_fit.as_ref().unwrap().fits);
    assert!(
        answer.recommendation.contains("17 more pods need a node and 16 fit, limited by cpu"),
        "{}",
        answer.recommendation
    );
    assert_eq!(
        answer.alternative_scenarios.iter().map(|s| (s.replicas, s.safe)).collect::<Vec<_>>(),
        [(12, true), (20, true), (22, false)]
    );
}

#[test]
fn any_quota_may_be_exceeded() {
    let tight = quota(
        json!({"requests.cpu": "100", "limits.cpu": "3", "requests.memory": "1Gi"}),
        json!({"requests.cpu": "800m", "limits.cpu": "1600m", "requests.memory": "512Mi"}),
    );
    let engine = engine(&world(4, vec![tight]), None, NOW);
    let answer = engine.scaling_impact(&ask(8)).unwrap();
    let impact = answer.namespace_impact.unwrap();
    // limits.cpu: 1600m + 4 × 400m = 3200m of 3000m; memory: 512Mi + 4 × 128Mi = 1Gi of 1Gi.
    assert!(impact.quota_exceeded);
    assert_eq!(impact.exceeded, ["ResourceQuota team limits.cpu: 3200 of 3000"]);
    assert_eq!(
        (impact.limiting_factor, impact.projected_usage_percent, impact.current_usage_percent),
        (Some("cpu"), Some(106.7), Some(53.3))
    );
    assert_eq!(impact.headroom_remaining_percent, Some(0.0));
    assert_eq!((impact.cpu_quota_millicores, impact.cpu_projected_millicores), (Some(3_000), Some(3_200)));
    assert!(answer.recommendation.starts_with("do not scale to 8: pods would be refused"));
    let down = engine.scaling_impact(&ask(2)).unwrap();
    let impact = down.namespace_impact.unwrap();
    assert_eq!(
        (impact.quota_exceeded, impact.limiting_factor, impact.cpu_projected_millicores),
        (false, Some("cpu"), Some(800))
    );
    assert_eq!(down.cluster_fit.unwrap().additional_pods, 0);
}

#[test]
fn who_else_has_a_say_is_named() {
    let hpa = json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"minReplicas": 2, "maxReplicas": 6, "scaleTargetRef": {"kind": "Deployment", "name": "web"}},
    });
    let pdb = json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
    });
    let engine = engine(
        &world(4, vec![(Kind::HorizontalPodAutoscaler, hpa), (Kind::PodDisruptionBudget, pdb)]),
        None,
        NOW,
    );
    let warnings = |target| engine.scaling_impact(&ask(target)).unwrap().warnings.join("\n");
    assert!(warnings(5).contains("HorizontalPodAutoscaler web (2..6) owns the replicas and may undo"));
    assert!(warnings(9).contains("brings 9 back into its range"));
    assert!(!warnings(5).contains("PodDisruptionBudget"));
    assert!(
        warnings(2)
            .contains("PodDisruptionBudget web wants 2 available: with 2 replicas no pod may be evicted")
    );
    assert_eq!(
        (needed("50%", 3), needed("100%", 3), needed("x", 3), needed("", 3)),
        (Some(2), Some(3), None, None)
    );
}

#[test]
fn pods_without_requests_are_null_and_the_effect_is_told() {
    let mut objects = world(0, vec![]);
    objects[1].1["spec"]["template"] = json!({"spec": {"containers": [{"name": "a", "image": "x"}]}});
    objects[1].1["spec"]["replicas"] = json!(2);
    objects.push(quota(json!({"requests.cpu": "4"}), json!({"requests.cpu": "1"})));
    let answer = engine(&objects, None, NOW).scaling_impact(&ask(3)).unwrap();
    assert_eq!((answer.projected_state.cpu_per_pod_est, answer.projected_state.total_cpu), (None, None));
    assert!(
        answer.warnings.iter().any(|w| w.contains("request no CPU and no memory")),
        "{:?}",
        answer.warnings
    );
    let impact = answer.namespace_impact.unwrap();
    assert_eq!(
        impact.exceeded,
        ["ResourceQuota team requests.cpu demands what the pods do not set, so they are refused"]
    );
    // A LimitRange fills in what the template leaves open.
    let range = json!({
        "metadata": {"name": "lr", "namespace": "shop"},
        "spec": {"limits": [{"type": "Container", "default": {"memory": "1Gi"}, "defaultRequest": {"cpu": "300m"}}]},
    });
    objects.push((Kind::LimitRange, range));
    let answer = engine(&objects, None, NOW).scaling_impact(&ask(3)).unwrap();
    assert_eq!(
        (answer.projected_state.cpu_per_pod_est, answer.projected_state.memory_per_pod_est),
        (Some(300.0), Some(1_024.0))
    );
    assert!(!answer.namespace_impact.unwrap().quota_exceeded);
}

#[test]
fn what_is_not_known_is_null_and_what_is_not_there_is_an_error() {
    let objects = world(4, vec![]);
    let answer =
        engine_lacking(&objects, &[Kind::ResourceQuota, Kind::Node], NOW).scaling_impact(&ask(5)).unwrap();
    assert!(
        answer.namespace_impact.is_none()
            && answer.cluster_fit.is_none()
            && answer.alternative_scenarios.is_empty()
    );
    assert!(answer.recommendation.contains("is not known"));
    let engine = engine(&objects, None, NOW);
    for (request, part, code) in [
        (
            ScalingImpact { deployment: "wbe-x".to_owned(), ..ask(5) },
            "Deployment \"wbe-x\" in namespace shop not found",
            "not_found",
        ),
        (ScalingImpact { deployment: "webb".to_owned(), ..ask(5) }, "did you mean web?", "not_found"),
        (ScalingImpact { namespace: "shops".to_owned(), ..ask(5) }, "did you mean shop?", "not_found"),
        (
            ScalingImpact { namespace: "../x".to_owned(), ..ask(5) },
            "cannot be a namespace",
            "invalid_request",
        ),
        (
            ScalingImpact { predict_at: Some("25:00".to_owned()), ..ask(5) },
            "is not a time",
            "invalid_request",
        ),
        (ScalingImpact { current: Some(-1), ..ask(5) }, "must not be negative", "invalid_request"),
        (ask(-3), "must not be negative", "invalid_request"),
    ] {
        let error = engine.scaling_impact(&request).unwrap_err();
        assert!(error.to_string().contains(part) && error.code() == code, "{error}");
    }
    let request = ScalingImpact { predict_at: Some("17:00".to_owned()), current: Some(1), ..ask(i32::MAX) };
    let answer = engine.scaling_impact(&request).unwrap();
    assert!(answer.prediction_unavailable.is_some() && !answer.cluster_fit.unwrap().fits);
    assert_eq!(answer.current_state.total_cpu, Some(200.0));
}
