//! What OpenShift tells of the cluster itself: operators, version, machine config pools.

use super::{
    json::{Int, Text, slim},
    meta::{ConditionJson, Keep, MetaJson, Naming, is_wrong},
};
use crate::rows::{ClusterOperatorRow, ClusterVersionRow, MachineConfigPoolRow, Truth};

slim! {
    OperatorJson<'a> { metadata "metadata": MetaJson<'a>, status "status": OperatorStatusJson<'a> }
    OperatorStatusJson<'a> { versions "versions": Vec<NamedVersionJson<'a>>, conditions "conditions": Vec<ConditionJson<'a>> }
    NamedVersionJson<'a> { name "name": Text<'a>, version "version": Text<'a> }
    VersionJson<'a> { metadata "metadata": MetaJson<'a>, status "status": VersionStatusJson<'a> }
    VersionStatusJson<'a> {
        desired "desired": ReleaseJson<'a>,
        history "history": Vec<HistoryJson<'a>>,
        conditions "conditions": Vec<ConditionJson<'a>>,
    }
    ReleaseJson<'a> { version "version": Text<'a> }
    HistoryJson<'a> { state "state": Text<'a>, version "version": Text<'a> }
    PoolJson<'a> { metadata "metadata": MetaJson<'a>, spec "spec": PoolSpecJson, status "status": PoolStatusJson<'a> }
    PoolSpecJson { paused "paused": bool }
    PoolStatusJson<'a> {
        machine_count "machineCount": Int,
        updated_machine_count "updatedMachineCount": Int,
        ready_machine_count "readyMachineCount": Int,
        unavailable_machine_count "unavailableMachineCount": Int,
        degraded_machine_count "degradedMachineCount": Int,
        conditions "conditions": Vec<ConditionJson<'a>>,
    }
}

impl Keep<'_> {
    pub(super) fn cluster_operator(
        &mut self,
        json: &OperatorJson<'_>,
    ) -> Result<ClusterOperatorRow, serde_json::Error> {
        let version = json.status.versions.iter().find(|version| &*version.name == "operator");
        Ok(ClusterOperatorRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            version: version.map(|version| self.word(&version.version)).unwrap_or_default(),
            conditions: self.conditions(&json.status.conditions, tells),
        })
    }

    pub(super) fn cluster_version(
        &mut self,
        json: &VersionJson<'_>,
    ) -> Result<ClusterVersionRow, serde_json::Error> {
        let status = &json.status;
        // The newest entry stands first.
        let current = status.history.iter().find(|entry| &*entry.state == "Completed");
        Ok(ClusterVersionRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            desired: self.word(&status.desired.version),
            current: current.map(|entry| self.word(&entry.version)).unwrap_or_default(),
            conditions: self.conditions(&status.conditions, tells),
        })
    }

    pub(super) fn machine_config_pool(
        &mut self,
        json: &PoolJson<'_>,
    ) -> Result<MachineConfigPoolRow, serde_json::Error> {
        let status = &json.status;
        Ok(MachineConfigPoolRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            paused: json.spec.paused,
            machines: status.machine_count.i32(),
            updated: status.updated_machine_count.i32(),
            ready: status.ready_machine_count.i32(),
            unavailable: status.unavailable_machine_count.i32(),
            degraded: status.degraded_machine_count.i32(),
            conditions: self.conditions(&status.conditions, tells),
        })
    }
}

/// An operator that moves says how far it is, which is worth keeping beside what is wrong.
fn tells(kind: &str, status: Truth) -> bool {
    is_wrong(kind, status) || (status == Truth::True && matches!(kind, "Progressing" | "Updating"))
}
