//! The deployment method as far as rows tell it: labels and owners are kept in memory, annotations are not.
//!
//! It answers only what a label or an owner decides. Where nothing does it answers nothing, because an annotation that
//! was not looked at may say otherwise.

use aiops_inventory::{
    Inventory, Kind, Row,
    rows::{Meta, Owner},
};
use serde_json::{Value, json};

use super::detect;
use crate::{
    model::method::{DeployMethod, Deployed},
    owners,
};

/// The deployment method of a workload from its row; `None` when it is not there or only its annotations can tell.
pub fn from_rows(inventory: &Inventory, kind: Kind, namespace: &str, name: &str) -> Option<Deployed> {
    fn meta<R: Row>(row: Option<&std::sync::Arc<R>>) -> Option<Meta> {
        row.map(|row| row.meta().clone())
    }
    let meta = match kind {
        Kind::Deployment => meta(inventory.deployments().get(namespace, name)),
        Kind::StatefulSet => meta(inventory.stateful_sets().get(namespace, name)),
        Kind::DaemonSet => meta(inventory.daemon_sets().get(namespace, name)),
        Kind::ReplicaSet => meta(inventory.replica_sets().get(namespace, name)),
        Kind::Job => meta(inventory.jobs().get(namespace, name)),
        Kind::CronJob => meta(inventory.cron_jobs().get(namespace, name)),
        Kind::Pod => meta(inventory.pods().get(namespace, name)),
        _ => None,
    }?;
    let object = object(kind, &meta, &owners::chain(inventory, &meta));
    let scalers: Vec<Value> = inventory
        .autoscalers()
        .in_namespace(namespace)
        .map(|row| {
            json!({
                "metadata": {"name": row.meta.key.name.as_str(), "labels": labels(&row.meta)},
                "spec": {"scaleTargetRef": {"kind": row.target_kind.as_str(), "name": row.target_name.as_str()}},
            })
        })
        .collect();
    let deployed = detect(&[object], &scalers).deployed;
    if deployed.method != DeployMethod::Manual {
        return Some(deployed);
    }
    // Helm's own mark is an annotation; the label beside it is a convention that all charts of `helm create` keep.
    let by_helm = meta.labels.get("app.kubernetes.io/managed-by").is_some_and(|tool| tool == "Helm");
    by_helm.then(|| {
        let mut details = std::collections::BTreeMap::new();
        if let Some(chart) = meta.labels.get("helm.sh/chart") {
            details.insert("chart".to_owned(), chart.to_string());
        }
        Deployed {
            method: DeployMethod::Helm,
            confidence: super::confidence(DeployMethod::Helm),
            source: "label:app.kubernetes.io/managed-by".to_owned(),
            details,
            ..deployed
        }
    })
}

/// What a row says of an object, in the API's form; its owners are those at the end of the chain.
fn object(kind: Kind, meta: &Meta, chain: &[Owner]) -> Value {
    let owner = chain.last().map(|owner| {
        json!([{
            "apiVersion": owner.api_version.as_str(), "kind": owner.kind.as_str(),
            "name": owner.name.as_str(), "controller": true,
        }])
    });
    json!({
        "kind": kind.name(),
        "metadata": {
            "name": meta.key.name.as_str(), "namespace": meta.key.namespace.as_str(),
            "labels": labels(meta), "ownerReferences": owner,
        },
    })
}

fn labels(meta: &Meta) -> Value {
    meta.labels
        .iter()
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
