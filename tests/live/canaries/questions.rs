//! Everything that can be asked about what was planted, honestly and by every trick with paths, kinds and names.

use serde_json::{Value, json};

use super::objects::Planted;
use crate::support::{Aiops, Plane};

/// Paths that might lead to what is withheld.
const PATHS: [&str; 54] = [
    "",
    "*",
    "$",
    ".",
    "..",
    "$..",
    "**",
    "[*]",
    "$[*]",
    "$.*",
    "{}",
    "{.data}",
    "data",
    "Data",
    "data.*",
    "data[*]",
    "data[0]",
    "data.password",
    "data['password']",
    "data[\"password\"]",
    "data..password",
    "data.release",
    "data.kubeconfig",
    "data.greeting\u{200b}",
    "data[\".dockerconfigjson\"]",
    "data.tls\\.key",
    "stringData",
    "stringData[*]",
    "binaryData",
    "metadata",
    "metadata[*]",
    "metadata.annotations",
    "metadata.annotations[*]",
    "metadata.annotations[\"kubectl.kubernetes.io/last-applied-configuration\"]",
    "metadata.annotations[\"example.com/last-applied\"]",
    "metadata.annotations[\"example.com/backup\"]",
    "metadata.annotations[\"example.com/nested\"]",
    "metadata.annotations[\"objectset.rio.cattle.io/applied\"]",
    "metadata.managedFields",
    "metadata.managedFields[*].fieldsV1",
    "spec",
    "spec[*]",
    "spec.template",
    "spec.template.spec.containers[*].env[*].value",
    "spec.template.spec.containers[0].env[0]",
    "spec.template.spec.initContainers[*].env",
    "spec.jobTemplate.spec.template.spec.containers[*].env[*].value",
    "spec.containers[*].env[*].value",
    "spec.containers[0].env[0].value",
    "spec.env[0].value",
    "spec.objects[*].data.username",
    "spec.objects[1].stringData",
    "data.spec.template.spec.containers[*].env[*].value",
    "template.spec.containers[*].env[*].value",
];
/// Paths to values of ConfigMaps, which may be shown to who asks so.
const CONFIG: [&str; 7] = [
    "data.motto",
    "data.read",
    "data[\"secret.json\"]",
    "data[\"secret.yaml\"]",
    "data[\"deployment.json\"]",
    "data.release",
    "data.kubeconfig",
];
/// Ways to name Secrets, and what is below them.
const KINDS: [&str; 14] = [
    "secrets",
    "secret",
    "Secret",
    "SECRETS",
    "v1/Secret",
    "secrets.v1",
    "secrets.v1.",
    "/v1/secrets",
    "secrets/status",
    "secrets/opaque",
    "serviceaccounts/token",
    "pods/log",
    "../secrets",
    "secrets%2Fopaque",
];

/// Whether a question is one that may show values of ConfigMaps.
pub(super) fn asks_for_config(question: &str) -> bool {
    let asked = ["data.motto", "data.read", "data[*]", "data.*", "data[\\\""];
    question.starts_with("get-resource {\"fields\":[\"") && asked.iter().any(|path| question.contains(path))
        || question.starts_with("list-resources {\"fields\":[\"")
            && asked.iter().any(|path| question.contains(path))
}

/// Question and response, of all questions or of the honest ones.
pub(super) async fn ask(
    aiops: &Aiops,
    plane: &Plane,
    planted: &Planted,
    bearer: &str,
    is_all: bool,
) -> Vec<(String, String)> {
    let mut calls = tool_calls(planted);
    if is_all {
        calls.extend(objects(planted));
        calls.extend(kinds(plane, planted).await);
    }
    let mut answers = Vec::new();
    for (tool, arguments) in calls {
        let answer = aiops.call(tool, &arguments).await;
        // What is escaped in the response stands plain in the text.
        answers.push((format!("{tool} {arguments}"), format!("{}\n{}", answer.raw, answer.text)));
    }
    for (method, params) in requests(planted) {
        answers.push((format!("{method} {params}"), aiops.ask(method, params).await));
    }
    for path in ["/health", "/healthz", "/readyz", "/metrics"] {
        answers.push((path.to_owned(), aiops.get_as(path, bearer).await));
    }
    answers
}

fn tool_calls(planted: &Planted) -> Vec<(&'static str, Value)> {
    let namespace = planted.namespace.as_str();
    let mut calls = vec![
        ("get-cluster-health", json!({})),
        ("get-cluster-health", json!({"namespace": namespace, "limit": 200})),
        ("list-nodes", json!({"limit": 100})),
        ("list-namespaces", json!({"limit": 500})),
        ("list-pods", json!({"namespace": namespace})),
        ("list-pods", json!({"namespace": namespace, "limit": 500})),
        ("list-workloads", json!({"namespace": namespace, "limit": 500})),
        ("list-events", json!({"namespace": namespace, "limit": 500})),
        ("calculate-pod-capacity", json!({"namespace": namespace, "pod_profile": "small"})),
        (
            "analyze-scaling-impact",
            json!({"namespace": namespace, "deployment": "deployment", "target_replicas": 5}),
        ),
    ];
    for (kind, name) in &planted.objects {
        if matches!(kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob") {
            calls.push(("get-workload", json!({"namespace": namespace, "kind": kind, "name": name})));
            calls.push((
                "diagnose-pod",
                json!({"namespace": namespace, "pod": format!("{}/{name}", kind.to_lowercase())}),
            ));
        }
        if kind == "Pod" {
            calls.push(("diagnose-pod", json!({"namespace": namespace, "pod": name})));
            for container in ["app", "side", "prepare", "logs"] {
                calls.push((
                    "get-pod-logs",
                    json!({"namespace": namespace, "pod": name, "container": container}),
                ));
            }
        }
    }
    calls
}

fn objects(planted: &Planted) -> Vec<(&'static str, Value)> {
    let mut calls = Vec::new();
    for (kind, name) in &planted.objects {
        let of = |fields: &[&str]| {
            (
                "get-resource",
                json!({"fields": fields, "kind": kind, "name": name, "namespace": planted.namespace}),
            )
        };
        calls.push(("get-resource", json!({"kind": kind, "name": name, "namespace": planted.namespace})));
        calls.extend(PATHS.iter().map(|path| of(&[path])));
        if kind == "ConfigMap" {
            calls.extend(CONFIG.iter().map(|path| of(&[path])));
        }
    }
    calls
}

/// Lists of every kind of the API, and of names that are none.
async fn kinds(plane: &Plane, planted: &Planted) -> Vec<(&'static str, Value)> {
    let mut kinds: Vec<String> = KINDS.iter().map(|kind| (*kind).to_owned()).collect();
    for group in [
        "api/v1",
        "apis/apps/v1",
        "apis/batch/v1",
        "apis/events.k8s.io/v1",
        "apis/apiextensions.k8s.io/v1",
        "apis/canary.example.com/v1",
        "apis/discovery.k8s.io/v1",
        "apis/rbac.authorization.k8s.io/v1",
        "apis/certificates.k8s.io/v1",
        "apis/apiregistration.k8s.io/v1",
    ] {
        let found = plane.get(&format!("/{group}")).await.unwrap();
        let group = group.split('/').nth(1).filter(|group| *group != "v1");
        for resource in found["resources"].as_array().unwrap() {
            let name = resource["name"].as_str().unwrap();
            kinds.push(group.map_or_else(|| name.to_owned(), |group| format!("{name}.{group}")));
        }
    }
    let mut calls = Vec::new();
    for kind in &kinds {
        calls.push(("list-resources", json!({"kind": kind, "limit": 500})));
        calls.push(("list-resources", json!({"kind": kind, "namespace": planted.namespace})));
        calls.push(("get-resource", json!({"kind": kind, "namespace": planted.namespace, "name": "opaque"})));
    }
    for kind in [
        "secrets",
        "configmaps",
        "controllerrevisions",
        "pods",
        "deployments",
        "replicasets",
        "cages.canary.example.com",
    ] {
        for path in PATHS {
            calls.push((
                "list-resources",
                json!({"fields": [path], "kind": kind, "namespace": planted.namespace, "limit": 100}),
            ));
        }
    }
    for name in ["opaque/../opaque", "opaque%00", "opaque?pretty=1", "sh.helm.release.v1.shop.v1/status"] {
        calls
            .push(("get-resource", json!({"kind": "secrets", "namespace": planted.namespace, "name": name})));
    }
    for selector in ["type=Opaque", "metadata.name=opaque", "data.password=x"] {
        calls.push((
            "list-resources",
            json!({"kind": "secrets", "namespace": planted.namespace, "field_selector": selector}),
        ));
    }
    calls
}

/// What is asked in other ways than by tools.
fn requests(planted: &Planted) -> Vec<(&'static str, Value)> {
    let namespace = planted.namespace.as_str();
    let mut requests = vec![
        ("server/discover", json!({})),
        ("tools/list", json!({})),
        ("prompts/list", json!({})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
    ];
    for uri in ["cluster://health", "cluster://nodes", "cluster://namespaces", "cluster://nodes/worker-001"] {
        requests.push(("resources/read", json!({"uri": uri})));
    }
    requests.push(("resources/read", json!({"uri": format!("cluster://namespaces/{namespace}")})));
    for (kind, name) in &planted.objects {
        for uri in [
            format!("cluster://workloads/{namespace}/{kind}/{name}"),
            format!("cluster://workloads/{namespace}/Deployment/..%2F{kind}%2F{name}"),
        ] {
            requests.push(("resources/read", json!({"uri": uri})));
        }
    }
    for prompt in ["diagnose-cluster-issues", "investigate-pods", "optimize-data-access"] {
        requests.push((
            "prompts/get",
            json!({"name": prompt, "arguments": {"namespace": namespace, "pod": "alone"}}),
        ));
    }
    for (name, value) in [("namespace", ""), ("name", "op")] {
        let of = json!({"type": "ref/resource", "uri": "cluster://workloads/{namespace}/{kind}/{name}"});
        requests
            .push(("completion/complete", json!({"ref": of, "argument": {"name": name, "value": value}})));
    }
    requests
}
