//! What OpenShift tells of the cluster itself: operators, version, machine config pools.

use super::{
    json::{Int, Text, slim},
    meta::{ConditionJson, Keep, MetaJson, Naming, is_wrong},
};
use crate::rows::{ClusterOperatorRow, ClusterVersionRow, MachineConfigPoolRow, Truth};

slim! {
    OperatorJson<'a> { metadata: MetaJson<'a>, status: OperatorStatusJson<'a> }
    OperatorStatusJson<'a> { versions: Vec<NamedVersionJson<'a>>, conditions: Vec<ConditionJson<'a>> }
    NamedVersionJson<'a> { name: Text<'a>, version: Text<'a> }
    VersionJson<'a> { metadata: MetaJson<'a>, status: VersionStatusJson<'a> }
    VersionStatusJson<'a> {
        desired: ReleaseJson<'a>,
        history: Vec<HistoryJson<'a>>,
        conditions: Vec<ConditionJson<'a>>,
    }
    ReleaseJson<'a> { version: Text<'a> }
    HistoryJson<'a> { state: Text<'a>, version: Text<'a> }
    PoolJson<'a> { metadata: MetaJson<'a>, spec: PoolSpecJson, status: PoolStatusJson<'a> }
    PoolSpecJson { paused: bool }
    PoolStatusJson<'a> {
        machine_count: Int,
        updated_machine_count: Int,
        ready_machine_count: Int,
        unavailable_machine_count: Int,
        degraded_machine_count: Int,
        conditions: Vec<ConditionJson<'a>>,
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
