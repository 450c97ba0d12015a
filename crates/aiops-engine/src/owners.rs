//! From an object to the workload that a person would name: the end of its chain of controllers.
//!
//! It reads rows only; an owner whose kind has no rows ends the chain.

use std::collections::HashSet;

use aiops_inventory::{
    Inventory, Kind, Name, Row,
    rows::{Meta, Owner, PodRow},
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

/// Everything that a workload owns: its pods, and every object whose events are its own.
pub(crate) struct Tree<'a> {
    /// The pods.
    pub(crate) pods: Vec<&'a PodRow>,
    /// Kind and name of each object, the workload included.
    pub(crate) objects: HashSet<(Name, Name)>,
}

impl<'a> Tree<'a> {
    /// The tree under a workload.
    pub(crate) fn of(inventory: &'a Inventory, kind: Kind, root: &Meta) -> Self {
        let namespace = &root.key.namespace;
        let mut uids = HashSet::from([root.uid]);
        let mut objects = HashSet::from([(Name::from(kind.name()), root.key.name.clone())]);
        let mut adopt = |kind: &'static str, meta: &Meta, uids: &mut HashSet<u128>| {
            let owned = meta.owner.as_ref().is_some_and(|owner| owner.uid != 0 && uids.contains(&owner.uid));
            if owned {
                uids.insert(meta.uid);
                objects.insert((Name::from(kind), meta.key.name.clone()));
            }
            owned
        };
        for row in inventory.replica_sets().in_namespace(namespace) {
            adopt("ReplicaSet", &row.meta, &mut uids);
        }
        for row in inventory.jobs().in_namespace(namespace) {
            adopt("Job", &row.meta, &mut uids);
        }
        let pods = inventory.pods().in_namespace(namespace).filter(|row| adopt("Pod", &row.meta, &mut uids));
        let pods: Vec<&PodRow> = pods.map(|row| &**row).collect();
        Self { pods, objects }
    }
}
