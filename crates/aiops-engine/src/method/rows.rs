//! The deployment method as far as rows tell it: labels, owners, and the marks of Argo CD and Helm on workloads.
//!
//! Writers of fields are not in rows. Where they could decide, it answers nothing instead of `manual`.

use aiops_inventory::{
    Inventory, Kind, Name, Row,
    rows::{Marks, Meta, Owner},
};
use serde_json::{Value, json};

use super::detect;
use crate::{
    model::method::{DeployMethod, Deployed},
    owners,
};

/// The deployment method of a workload from its row; `None` when it is not there or only the live object can tell.
pub fn from_rows(inventory: &Inventory, kind: Kind, namespace: &str, name: &str) -> Option<Deployed> {
    fn read<R: Row>(
        row: Option<&std::sync::Arc<R>>,
        marks: impl Fn(&R) -> Option<Marks>,
    ) -> Option<(Meta, Option<Marks>)> {
        row.map(|row| (row.meta().clone(), marks(row)))
    }
    let (meta, marks) = match kind {
        Kind::Deployment => {
            read(inventory.deployments().get(namespace, name), |row| row.marks.as_deref().cloned())
        }
        Kind::StatefulSet => {
            read(inventory.stateful_sets().get(namespace, name), |row| row.marks.as_deref().cloned())
        }
        Kind::DaemonSet => {
            read(inventory.daemon_sets().get(namespace, name), |row| row.marks.as_deref().cloned())
        }
        Kind::ReplicaSet => read(inventory.replica_sets().get(namespace, name), |_| None),
        Kind::Job => read(inventory.jobs().get(namespace, name), |_| None),
        Kind::CronJob => read(inventory.cron_jobs().get(namespace, name), |_| None),
        Kind::Pod => read(inventory.pods().get(namespace, name), |_| None),
        _ => return None,
    }?;
    let object = object(kind, &meta, &marks.unwrap_or_default(), &owners::chain(inventory, &meta));
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
    let has_marks = matches!(kind, Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet);
    // Argo CD 2 tracks by this label, which charts use too: who wrote the object decides, and rows do not say.
    let may_be_tracked = meta.labels.get("app.kubernetes.io/instance").is_some();
    let is_open = deployed.method == DeployMethod::Manual && (!has_marks || may_be_tracked);
    (!is_open).then_some(deployed)
}

/// What a row says of an object, in the API's form; its owners are those at the end of the chain.
fn object(kind: Kind, meta: &Meta, marks: &Marks, chain: &[Owner]) -> Value {
    let owner = chain.last().map(|owner| {
        json!([{
            "apiVersion": owner.api_version.as_str(), "kind": owner.kind.as_str(),
            "name": owner.name.as_str(), "controller": true,
        }])
    });
    let marks: serde_json::Map<String, Value> = [
        ("argocd.argoproj.io/tracking-id", &marks.tracking_id),
        ("meta.helm.sh/release-name", &marks.release),
        ("meta.helm.sh/release-namespace", &marks.release_namespace),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(key, value)| (key.to_owned(), Value::from(Name::as_str(value))))
    .collect();
    json!({
        "kind": kind.name(),
        "metadata": {
            "annotations": marks,
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
