//! From an object to the workload that a person would name: the end of its chain of controllers.
//!
//! It reads rows only; an owner whose kind has no rows ends the chain.

use aiops_inventory::{
    Inventory, Row,
    rows::{Meta, Owner},
};

use crate::issue::Object;

/// The workload at the top of an object's owner chain, or the object itself.
pub fn top(inventory: &Inventory, kind: &'static str, meta: &Meta) -> Object {
    chain(inventory, meta).pop().map_or_else(
        || Object::new(kind, meta.key.namespace.clone(), meta.key.name.clone()),
        |owner| Object::new(owner.kind.clone(), meta.key.namespace.clone(), owner.name.clone()),
    )
}

/// The owners of an object, nearest first. At most five: the longest chain of the built-in controllers has two.
pub fn chain(inventory: &Inventory, meta: &Meta) -> Vec<Owner> {
    let mut owners: Vec<Owner> = Vec::new();
    let mut next = meta.owner.clone();
    while let Some(owner) = next.take().filter(|_| owners.len() < 5) {
        next = owner_of(inventory, &meta.key.namespace, &owner);
        owners.push((*owner).clone());
    }
    owners
}

fn owner_of(inventory: &Inventory, namespace: &str, owner: &Owner) -> Option<std::sync::Arc<Owner>> {
    fn of<R: Row>(row: Option<&std::sync::Arc<R>>) -> Option<std::sync::Arc<Owner>> {
        row?.meta().owner.clone()
    }
    let name = owner.name.as_str();
    match owner.kind.as_str() {
        "ReplicaSet" => of(inventory.replica_sets().get(namespace, name)),
        "Deployment" => of(inventory.deployments().get(namespace, name)),
        "StatefulSet" => of(inventory.stateful_sets().get(namespace, name)),
        "DaemonSet" => of(inventory.daemon_sets().get(namespace, name)),
        "Job" => of(inventory.jobs().get(namespace, name)),
        "CronJob" => of(inventory.cron_jobs().get(namespace, name)),
        _ => None,
    }
}
