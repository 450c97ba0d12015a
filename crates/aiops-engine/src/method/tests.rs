//! Marks of tools on workloads and their owners, and what follows from them.

use aiops_inventory::Kind;
use serde_json::json;

use super::*;
use crate::testing;

fn web(labels: Value, annotations: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": labels, "annotations": annotations},
    })
}

fn judged(object: &Value) -> Ownership {
    detect(std::slice::from_ref(object), &[])
}

#[test]
fn an_application_is_named_by_the_tracking_id_of_the_object_itself() {
    let own = web(json!({}), json!({"argocd.argoproj.io/tracking-id": "store:apps/Deployment:shop/web"}));
    let found = judged(&own);
    assert_eq!(found.deployed.method, DeployMethod::Argocd);
    assert_eq!(found.deployed.confidence, 0.95);
    assert_eq!(found.deployed.source, "annotation:argocd.argoproj.io/tracking-id");
    assert_eq!(found.deployed.details["argocd_app"], "store");
    assert_eq!(found.deployed.details["tracking_id"], "store:apps/Deployment:shop/web");
    assert_eq!(found.application.unwrap().to_string(), "Application store");

    let elsewhere =
        web(json!({}), json!({"argocd.argoproj.io/tracking-id": "team-a_store:apps/Deployment:shop/web"}));
    let app = judged(&elsewhere).application.unwrap();
    assert_eq!((app.namespace.as_str(), app.name.as_str()), ("team-a", "store"));

    let copied = web(json!({}), json!({"argocd.argoproj.io/tracking-id": "store:apps/Deployment:shop/api"}));
    let found = judged(&copied);
    assert_eq!(found.deployed.method, DeployMethod::Manual);
    assert!(found.deployed.also[0].contains("copied"), "{:?}", found.deployed.also);

    for broken in ["store", "store:apps", ":apps/Deployment:shop/web", "a:b:c", "::/:/"] {
        let object = web(json!({}), json!({"argocd.argoproj.io/tracking-id": broken}));
        assert_eq!(judged(&object).deployed.method, DeployMethod::Manual, "{broken}");
    }
}

#[test]
fn labels_and_writers_name_an_application_too() {
    let labelled = web(json!({"argocd.argoproj.io/instance": "store"}), json!({}));
    let found = judged(&labelled);
    assert_eq!(found.deployed.source, "label:argocd.argoproj.io/instance");
    assert_eq!(found.deployed.details["app_name"], "store");

    // The label by which Argo CD tracks by default is everybody's: it counts where Argo CD's controller wrote the spec.
    let mut written = web(json!({"app.kubernetes.io/instance": "store"}), json!({}));
    assert_eq!(judged(&written).deployed.method, DeployMethod::Manual);
    written["metadata"]["managedFields"] =
        json!([{"manager": "argocd-controller", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {}}}]);
    let found = judged(&written);
    assert_eq!(found.deployed.source, "managedFields:argocd-controller");
    assert_eq!(found.deployed.details["field_managers"], "argocd-controller");
    // However many wrote it since.
    let since = ["a", "b", "c", "d", "e"].map(|name| {
        json!({"manager": name, "time": format!("2026-01-02T00:00:0{}Z", name.len()), "fieldsV1": {"f:spec": {}}})
    });
    let entries = written["metadata"]["managedFields"].as_array_mut().unwrap();
    entries.extend(since);
    let found = judged(&written);
    assert_eq!(found.deployed.method, DeployMethod::Argocd);
    assert!(!found.deployed.details["field_managers"].contains("argocd"), "{found:?}");
    // Only its status is no word about who deploys it.
    written["metadata"]["managedFields"] = json!([{"manager": "argocd-controller", "subresource": "status",
        "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {}}}]);
    assert_eq!(judged(&written).deployed.method, DeployMethod::Manual);
}

#[test]
fn a_release_is_named_by_its_annotation() {
    let object = web(
        json!({"helm.sh/chart": "web-1.2.0", "app.kubernetes.io/managed-by": "Helm"}),
        json!({"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "releases"}),
    );
    let found = judged(&object);
    assert_eq!(found.deployed.method, DeployMethod::Helm);
    assert_eq!(found.deployed.confidence, 0.9);
    assert_eq!(found.deployed.details["chart"], "web-1.2.0");
    assert_eq!(found.release, Some(("releases".to_owned(), "web".to_owned())));

    let by_flux = web(
        json!({"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "flux"}),
        json!({"meta.helm.sh/release-name": "web"}),
    );
    let found = judged(&by_flux);
    assert_eq!(found.deployed.method, DeployMethod::Helm);
    assert_eq!(found.deployed.owner.unwrap().to_string(), "HelmRelease flux/web");
}

#[test]
fn operators_are_seen_by_owner_references_labels_and_olm() {
    let mut object = web(json!({}), json!({"meta.helm.sh/release-name": "inner"}));
    object["metadata"]["ownerReferences"] = json!([
        {"apiVersion": "kafka.strimzi.io/v1", "kind": "Kafka", "name": "events", "uid": "u1", "controller": true},
    ]);
    let found = judged(&object);
    assert_eq!(found.deployed.method, DeployMethod::Operator);
    assert_eq!(found.deployed.source, "ownerReferences:Kafka/events");
    assert_eq!(found.deployed.owner.unwrap().uid.as_deref(), Some("u1"));

    // Two levels up: a pod of a ReplicaSet of a custom resource.
    let pod = json!({"kind": "Pod", "metadata": {"name": "web-1", "namespace": "shop",
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5", "controller": true}]}});
    let set = json!({"kind": "ReplicaSet", "metadata": {"name": "web-5", "namespace": "shop",
        "ownerReferences": [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web", "controller": true}]}});
    assert_eq!(detect(&[pod, set], &[]).deployed.source, "ownerReferences:Rollout/web");

    let labelled = web(
        json!({"app.kubernetes.io/managed-by": "Postgres-Operator", "app.kubernetes.io/name": "pg"}),
        json!({}),
    );
    let found = judged(&labelled);
    assert_eq!(found.deployed.source, "label:app.kubernetes.io/managed-by");
    assert_eq!(found.deployed.details["operator_name"], "pg");
    assert_eq!(found.deployed.owner, None);

    let olm = web(json!({"olm.owner": "etcd.v1", "olm.owner.kind": "ClusterServiceVersion"}), json!({}));
    let found = judged(&olm);
    assert_eq!(
        (found.deployed.method, found.deployed.source.as_str()),
        (DeployMethod::Operator, "label:olm.owner")
    );

    let kustomized = web(
        json!({"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}),
        json!({}),
    );
    let found = judged(&kustomized);
    assert_eq!(found.deployed.method, DeployMethod::Operator);
    assert_eq!(found.flux.unwrap().to_string(), "Kustomization flux-system/apps");
}

#[test]
fn what_no_mark_says_is_manual_and_what_was_not_read_is_unknown() {
    let found = judged(&web(json!({"app": "web", "version": "v1"}), json!({})));
    assert_eq!(found.deployed.method, DeployMethod::Manual);
    assert_eq!((found.deployed.confidence, found.deployed.source.as_str()), (0.6, "default"));
    assert_eq!(
        (found.deployed.details["app"].as_str(), found.deployed.details["version"].as_str()),
        ("web", "v1")
    );
    let found = detect(&[], &[]);
    assert_eq!((found.deployed.method, found.deployed.confidence), (DeployMethod::Unknown, 0.5));
    for managed_by in ["Helm", "helm-operator", "kubectl", "tilt"] {
        let object = web(json!({"app.kubernetes.io/managed-by": managed_by}), json!({}));
        assert_eq!(judged(&object).deployed.method, DeployMethod::Manual, "{managed_by}");
    }
}

#[test]
fn autoscalers_own_replicas_and_requests() {
    let horizontal = json!({
        "metadata": {"name": "web-hpa", "labels": {"scaledobject.keda.sh/name": "web-so"}},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}},
    });
    let vertical = |mode: &str| {
        json!({
            "metadata": {"name": "web-vpa"},
            "spec": {"targetRef": {"kind": "Deployment", "name": "web"}, "updatePolicy": {"updateMode": mode}},
        })
    };
    let object = web(json!({}), json!({}));
    let found = detect(std::slice::from_ref(&object), &[horizontal.clone(), vertical("Auto")]);
    assert_eq!(found.autoscaler.as_ref().unwrap().name, "web-hpa");
    assert_eq!(found.keda.as_deref(), Some("web-so"));
    assert_eq!(found.vertical.as_ref().unwrap().name, "web-vpa");
    assert_eq!(found.deployed.also.len(), 2, "{:?}", found.deployed.also);
    assert_eq!(detect(&[object], &[vertical("Off")]).vertical, None);
    let other = json!({"kind": "Deployment", "metadata": {"name": "api", "namespace": "shop"}});
    assert_eq!(detect(&[other], &[horizontal]).autoscaler, None);
}

#[test]
fn rows_answer_what_labels_owners_and_marks_decide() {
    let deployment = |name: &str, labels: Value, annotations: Value, owners: Value| {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": "shop", "labels": labels, "annotations": annotations, "ownerReferences": owners},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": {}},
        });
        (Kind::Deployment, object)
    };
    let none = || json!({});
    let by_thing = json!([{"apiVersion": "a.b/v1", "kind": "Thing", "name": "t", "controller": true}]);
    let engine = testing::engine(
        &[
            deployment("label", json!({"argocd.argoproj.io/instance": "store"}), none(), json!([])),
            deployment(
                "argo",
                none(),
                json!({"argocd.argoproj.io/tracking-id": "store:apps/Deployment:shop/argo"}),
                json!([]),
            ),
            deployment(
                "copied",
                none(),
                json!({"argocd.argoproj.io/tracking-id": "store:apps/Deployment:shop/argo"}),
                json!([]),
            ),
            deployment(
                "helm",
                json!({"helm.sh/chart": "w-1", "app.kubernetes.io/instance": "rel"}),
                json!({"meta.helm.sh/release-name": "rel", "meta.helm.sh/release-namespace": "releases"}),
                json!([]),
            ),
            deployment("owned", none(), none(), by_thing),
            deployment("plain", json!({"app": "plain"}), none(), json!([])),
            deployment("tracked", json!({"app.kubernetes.io/instance": "rel"}), none(), json!([])),
        ],
        None,
        "2026-01-01T00:00:00Z",
    );
    let inventory = engine.look();
    let of = |name: &str| from_rows(&inventory, Kind::Deployment, "shop", name);
    for (name, method, source) in [
        ("label", DeployMethod::Argocd, "label:argocd.argoproj.io/instance"),
        ("argo", DeployMethod::Argocd, "annotation:argocd.argoproj.io/tracking-id"),
        ("copied", DeployMethod::Manual, "default"),
        ("helm", DeployMethod::Helm, "annotation:meta.helm.sh/release-name"),
        ("owned", DeployMethod::Operator, "ownerReferences:Thing/t"),
        ("plain", DeployMethod::Manual, "default"),
    ] {
        let found = of(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!((found.method, found.source.as_str()), (method, source), "{name}");
    }
    assert_eq!(of("helm").unwrap().details["release_namespace"], "releases");
    assert_eq!(of("tracked"), None, "who wrote it is not in rows");
    assert_eq!(of("absent"), None);
    assert_eq!(from_rows(&inventory, Kind::Node, "", "x"), None);
}
