//! Capacity over inventories made of JSON, and against a placement one by one.

use serde_json::{Value, json};

use super::*;
use crate::{testing::engine, text::estimate_tokens};

const NOW: &str = "2026-07-01T12:00:00Z";

fn node(name: &str, cpu: &str, memory: &str, pods: &str, more: Value) -> (Kind, Value) {
    let mut object = json!({
        "metadata": {"name": name},
        "spec": more,
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": pods},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    });
    if more_is(&object, "down") {
        object["status"]["conditions"][0]["status"] = json!("False");
    }
    (Kind::Node, object)
}

fn more_is(object: &Value, word: &str) -> bool {
    object.pointer("/spec/providerID").and_then(Value::as_str) == Some(word)
}

fn pod(namespace: &str, name: &str, node: Option<&str>, cpu: &str, memory: &str) -> (Kind, Value) {
    let resources =
        json!({"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}});
    let object = json!({
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"nodeName": node, "containers": [{"name": "a", "image": "x", "resources": resources}]},
        "status": {"phase": if node.is_some() { "Running" } else { "Pending" }},
    });
    (Kind::Pod, object)
}

fn namespace(name: &str) -> (Kind, Value) {
    (Kind::Namespace, json!({"metadata": {"name": name}}))
}

fn quota(name: &str, hard: Value, used: Value) -> (Kind, Value) {
    let object = json!({
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"hard": hard.clone()},
        "status": {"hard": hard, "used": used},
    });
    (Kind::ResourceQuota, object)
}

fn ask(namespace: &str) -> PodCapacity {
    PodCapacity {
        namespace: namespace.to_owned(),
        profile: Profile::Medium,
        custom: None,
        safety_margin: 15.0,
        include_trending: true,
    }
}

fn cluster() -> Vec<(Kind, Value)> {
    vec![
        namespace("shop"),
        namespace("empty"),
        node("n1", "2", "2Gi", "10", json!({})),
        node("n2", "1", "8Gi", "5", json!({})),
        node("n3", "64", "64Gi", "110", json!({"unschedulable": true})),
        node(
            "n4",
            "64",
            "64Gi",
            "110",
            json!({"taints": [{"key": "gpu", "value": "a", "effect": "NoSchedule"}]}),
        ),
        node("n5", "64", "64Gi", "110", json!({"providerID": "down"})),
        node("n6", "1", "1Gi", "3", json!({"taints": [{"key": "x", "effect": "PreferNoSchedule"}]})),
        pod("shop", "a", Some("n1"), "1500m", "512Mi"),
        pod("shop", "b", Some("n2"), "100m", "1Gi"),
        pod("shop", "c", None, "8", "1Gi"),
    ]
}

#[test]
fn the_cluster_is_counted_node_by_node() {
    let answer = engine(&cluster(), None, NOW).pod_capacity(&ask("Cluster")).unwrap();
    // n1: 500m and 1.5Gi left, so 2 of 200m; n2: 900m, 4 places, so 4; n6: 3 places, so 3.
    let medium = &answer.pod_estimates["medium"];
    assert_eq!((medium.max_pods, medium.safe_pods, medium.limiting_factor), (Some(9), Some(7), Some("cpu")));
    assert_eq!(answer.pod_estimates["small"].max_pods, Some(5 + 4 + 3));
    assert_eq!(answer.pod_estimates["large"].max_pods, Some(1 + 2 + 2));
    assert_eq!(answer.nodes_considered, Some(3));
    let excluded: Vec<&str> = answer.excluded_nodes.iter().map(|e| e.reason.as_str()).collect();
    assert_eq!(excluded, ["cordoned", "not ready", "taint gpu:NoSchedule"]);
    assert_eq!(answer.namespace_quota.cpu_limit.as_deref(), Some("4 cores"));
    assert_eq!(answer.namespace_quota.pod_count_limit, Some(18));
    assert_eq!((answer.current_usage.cpu_percent, answer.current_usage.pod_count), (Some(40.0), Some(2)));
    assert_eq!(answer.available_capacity.cpu.as_deref(), Some("2.4 cores"));
    assert!(answer.notes.iter().any(|note| note.starts_with("1 pods wait for a node")), "{:?}", answer.notes);
    assert!(
        answer
            .recommendation
            .starts_with("7 more medium pods are safe in the cluster (9 fit, 15% kept free)")
    );
    let trending = answer.trending.clone().unwrap();
    assert_eq!((trending.days_until_85_percent, trending.daily_cpu_growth_percent), (None, None));
    assert!(estimate_tokens(&serde_json::to_string(&answer).unwrap()) < 1_200);
}

#[test]
fn all_quotas_bound_a_namespace_and_the_tightest_wins() {
    let mut objects = cluster();
    objects.push(quota(
        "wide",
        json!({"requests.cpu": "100", "limits.memory": "100Gi"}),
        json!({"requests.cpu": "1", "limits.memory": "1Gi"}),
    ));
    objects.push(quota(
        "tight",
        json!({"limits.cpu": "2", "pods": "40", "count/secrets": "1"}),
        json!({"limits.cpu": "1100m", "pods": "3", "count/secrets": "1"}),
    ));
    let scoped = json!({
        "metadata": {"name": "scoped", "namespace": "shop"},
        "spec": {"hard": {"pods": "0"}, "scopes": ["BestEffort"]},
        "status": {"hard": {"pods": "0"}, "used": {"pods": "0"}},
    });
    objects.push((Kind::ResourceQuota, scoped));
    let answer = engine(&objects, None, NOW).pod_capacity(&ask("shop")).unwrap();
    let medium = &answer.pod_estimates["medium"];
    assert_eq!((medium.max_pods, medium.limiting_factor), (Some(4), Some("cpu")));
    assert_eq!(medium.limited_by.as_deref(), Some("ResourceQuota tight limits.cpu"));
    assert_eq!(answer.namespace_quota.cpu_limit.as_deref(), Some("2 cores"));
    assert_eq!((answer.namespace_quota.pod_count_limit, answer.current_usage.pod_count), (Some(40), Some(3)));
    assert_eq!(answer.current_usage.cpu_percent, Some(55.0));
    assert_eq!(answer.available_capacity.cpu.as_deref(), Some("900m"));
    assert_eq!(answer.quotas.len(), 4);
    assert!(answer.notes[0].contains("scoped is narrowed by scopes"));
}

#[test]
fn without_a_quota_the_nodes_bound_and_quota_members_are_null() {
    let answer = engine(&cluster(), None, NOW).pod_capacity(&ask("empty")).unwrap();
    assert_eq!(
        (answer.namespace_quota.cpu_limit.as_deref(), answer.namespace_quota.pod_count_limit),
        (None, None)
    );
    assert_eq!((answer.current_usage.cpu_percent, answer.current_usage.pod_count), (None, Some(0)));
    assert_eq!(answer.pod_estimates["medium"].max_pods, Some(9));
    let json = serde_json::to_value(&answer).unwrap();
    assert!(json.pointer("/namespace_quota/cpu_limit").unwrap().is_null());
}

#[test]
fn a_limit_range_refuses_pods_outside_of_it() {
    let mut objects = cluster();
    let range = json!({
        "metadata": {"name": "lr", "namespace": "shop"},
        "spec": {"limits": [{"type": "Container", "max": {"cpu": "300m"}, "min": {"memory": "100Mi"}}]},
    });
    objects.push((Kind::LimitRange, range));
    let answer = engine(&objects, None, NOW).pod_capacity(&ask("shop")).unwrap();
    let by = |profile: &str| {
        let e = &answer.pod_estimates[profile];
        (e.max_pods, e.limited_by.clone().unwrap())
    };
    assert_eq!(by("small"), (Some(0), "LimitRange lr demands more memory".to_owned()));
    assert_eq!(by("large"), (Some(0), "LimitRange lr allows less cpu".to_owned()));
    assert_eq!(by("medium").0, Some(9));
}

#[test]
fn what_is_not_known_is_null_with_a_reason() {
    let engine = engine(&cluster(), None, NOW);
    let shared =
        |kind: Kind, request: &PodCapacity| engine_without(&cluster(), kind).pod_capacity(request).unwrap();
    let answer = shared(Kind::ResourceQuota, &ask("shop"));
    assert_eq!((answer.pod_estimates["medium"].max_pods, answer.available_capacity.pod_slots), (None, None));
    assert_eq!(answer.standing.missing[0].kind, "ResourceQuota");
    let answer = shared(Kind::Node, &ask("cluster"));
    assert_eq!((answer.recommended_limit.max_pod_count, answer.nodes_considered), (None, None));
    assert!(answer.recommendation.contains("cannot be known"));
    let answer = shared(Kind::Pod, &ask("cluster"));
    assert_eq!((answer.pod_estimates["small"].max_pods, answer.current_usage.pod_count), (None, None));
    assert!(engine.pod_capacity(&ask("cluster")).unwrap().standing.missing.is_empty());
}

fn engine_without(objects: &[(Kind, Value)], kind: Kind) -> Engine {
    let objects: Vec<_> = objects.iter().filter(|(k, _)| *k != kind).cloned().collect();
    crate::testing::engine_lacking(&objects, &[kind], NOW)
}

#[test]
fn bad_questions_are_refused() {
    let engine = engine(&cluster(), None, NOW);
    let custom = |cpu: &str, memory: &str| PodCapacity {
        profile: Profile::Custom,
        custom: Some((cpu.to_owned(), memory.to_owned())),
        ..ask("shop")
    };
    for (request, part) in [
        (PodCapacity { profile: Profile::Custom, ..ask("shop") }, "needs custom_resources"),
        (custom("2 cores", "1Gi"), "cpu \"2 cores\" is not a quantity"),
        (custom("1", "lots"), "memory \"lots\" is not a quantity"),
        (custom("0", "1Gi"), "above 0"),
        (PodCapacity { safety_margin: f64::NAN, ..ask("shop") }, "between 0 and 50"),
        (ask("shopp"), "did you mean shop?"),
    ] {
        let error = engine.pod_capacity(&request).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let answer = engine.pod_capacity(&custom("0.5", "1G")).unwrap();
    assert_eq!(answer.pod_estimates["custom"].cpu, "500m");
    assert_eq!(answer.recommended_limit.pod_profile, "custom");
}

#[test]
fn numbers_read_as_before_but_are_not_rounded_away() {
    for (milli, want) in [(0, "0m"), (999, "999m"), (4_000, "4 cores"), (1_950, "1.95 cores")] {
        assert_eq!(cpu_text(milli), want);
    }
    for (bytes, want) in [(12, "12 bytes"), (2_048, "2Ki"), (64 << 20, "64Mi"), (3 << 29, "1.5Gi")] {
        assert_eq!(memory_text(bytes), want);
    }
}

#[test]
fn the_estimate_equals_admission_and_placement_one_by_one() {
    let mut seed = 3_u64;
    let mut roll = |sides: i64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(seed >> 33).unwrap() % sides
    };
    for _ in 0..40 {
        let mut objects = vec![namespace("shop")];
        let mut nodes: Vec<[i64; 3]> = Vec::new();
        for n in 0..roll(5) {
            let (cpu, memory, pods) = (roll(4_000), roll(4_000), roll(12));
            let (cpu_text, memory_text) = (format!("{cpu}m"), format!("{memory}Mi"));
            objects.push(node(&format!("n{n}"), &cpu_text, &memory_text, &pods.to_string(), json!({})));
            nodes.push([cpu, memory, pods]);
        }
        let mut quotas: Vec<[i64; 3]> = Vec::new();
        for q in 0..roll(3) {
            let hard = [roll(6_000), roll(6_000), roll(25)];
            let used = [hard[0] / 3, hard[1] / 4, hard[2] / 5];
            let of = |a: [i64; 3]| json!({"limits.cpu": format!("{}m", a[0]), "requests.memory": format!("{}Mi", a[1]), "pods": a[2].to_string()});
            objects.push(quota(&format!("q{q}"), of(hard), of(used)));
            quotas.push([hard[0] - used[0], hard[1] - used[1], hard[2] - used[2]]);
        }
        let answer = engine(&objects, None, NOW).pod_capacity(&ask("shop")).unwrap();
        for (profile, size) in [("small", [100, 64, 1]), ("medium", [200, 128, 1]), ("large", [400, 256, 1])]
        {
            let (mut nodes, mut quotas, mut placed) = (nodes.clone(), quotas.clone(), 0);
            let fits = |left: &[i64; 3]| left.iter().zip(size).all(|(left, need)| *left >= need);
            while quotas.iter().all(fits) {
                let Some(room) = nodes.iter_mut().find(|room| fits(room)) else { break };
                for left in std::iter::once(room).chain(&mut quotas) {
                    left.iter_mut().zip(size).for_each(|(left, need)| *left -= need);
                }
                placed += 1;
            }
            assert_eq!(
                answer.pod_estimates[profile].max_pods,
                Some(placed),
                "{profile} {nodes:?} {quotas:?}"
            );
        }
    }
}
