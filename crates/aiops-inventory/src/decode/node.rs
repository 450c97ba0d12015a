//! Nodes and namespaces.
//!
//! Images, volumes and extended resources of a node are skipped.

use super::{
    json::{Loose, Text, slim},
    meta::{ConditionJson, Keep, MetaJson, Naming, is_wrong},
};
use crate::{
    Name, quantity,
    rows::{NamespaceRow, NodeRow, Taint, Truth, node::NodeResources},
};

slim! {
    NodeJson<'a> { metadata "metadata": MetaJson<'a>, spec "spec": NodeSpecJson<'a>, status "status": NodeStatusJson<'a> }
    NodeSpecJson<'a> { unschedulable "unschedulable": bool, taints "taints": Vec<TaintJson<'a>> }
    TaintJson<'a> { key "key": Text<'a>, value "value": Text<'a>, effect "effect": Text<'a>, time_added "timeAdded": Text<'a> }
    NodeStatusJson<'a> {
        conditions "conditions": Vec<ConditionJson<'a>>,
        capacity "capacity": NodeAmountsJson<'a>,
        allocatable "allocatable": NodeAmountsJson<'a>,
        node_info "nodeInfo": NodeInfoJson<'a>,
        addresses "addresses": Vec<AddressJson<'a>>,
    }
    NodeAmountsJson<'a> {
        cpu "cpu": Option<Loose<'a>>,
        memory "memory": Option<Loose<'a>>,
        pods "pods": Option<Loose<'a>>,
        ephemeral "ephemeral-storage": Option<Loose<'a>>,
    }
    NodeInfoJson<'a> {
        kubelet_version "kubeletVersion": Text<'a>,
        os_image "osImage": Text<'a>,
        container_runtime_version "containerRuntimeVersion": Text<'a>,
        architecture "architecture": Text<'a>,
    }
    AddressJson<'a> { r#type "type": Text<'a>, address "address": Text<'a> }
    NamespaceJson<'a> { metadata "metadata": MetaJson<'a>, status "status": NamespaceStatusJson<'a> }
    NamespaceStatusJson<'a> { phase "phase": Text<'a>, conditions "conditions": Vec<ConditionJson<'a>> }
}

impl Keep<'_> {
    pub(super) fn node(&mut self, json: &NodeJson<'_>) -> Result<NodeRow, serde_json::Error> {
        let meta = self.meta(&json.metadata, Naming::Shared)?;
        let mut roles: Vec<Name> = Vec::new();
        for (key, value) in meta.labels.iter() {
            if let Some(role) = key.strip_prefix("node-role.kubernetes.io/") {
                roles.push(self.name(role));
            } else if key == "kubernetes.io/role" {
                roles.push(self.name(value));
            }
        }
        roles.retain(|role| !role.is_empty());
        roles.sort();
        roles.dedup();
        let taints: Vec<Taint> = json.spec.taints.iter().map(|taint| self.taint(taint)).collect();
        let status = &json.status;
        let mut conditions = self.conditions(&status.conditions, node_is_wrong);
        conditions.sort_by_key(|condition| condition.kind != "Ready");
        let internal = status.addresses.iter().find(|a| &*a.r#type == "InternalIP");
        Ok(NodeRow {
            roles: self.shared.names.share(roles),
            cordoned: json.spec.unschedulable,
            taints: self.shared.taints.share(taints),
            conditions,
            capacity: amounts(&status.capacity),
            allocatable: amounts(&status.allocatable),
            kubelet: self.word(&status.node_info.kubelet_version),
            os_image: self.word(&status.node_info.os_image),
            runtime: self.word(&status.node_info.container_runtime_version),
            architecture: self.word(&status.node_info.architecture),
            internal_ip: internal.map(|a| self.word(&a.address)).unwrap_or_default(),
            meta,
        })
    }

    fn taint(&mut self, json: &TaintJson<'_>) -> Taint {
        Taint {
            key: self.name(&json.key),
            value: self.name(&json.value),
            effect: self.name(&json.effect),
            since: json.time_added.time(),
        }
    }

    pub(super) fn namespace(&mut self, json: &NamespaceJson<'_>) -> Result<NamespaceRow, serde_json::Error> {
        Ok(NamespaceRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            phase: self.word(&json.status.phase),
            conditions: self.conditions(&json.status.conditions, is_wrong),
        })
    }
}

/// Detectors on a node add conditions that name a problem (`KernelDeadlock`); only what ends in `Ready` is good news.
fn node_is_wrong(kind: &str, status: Truth) -> bool {
    match status {
        Truth::Unknown => true,
        Truth::True => !kind.ends_with("Ready"),
        Truth::False => kind.ends_with("Ready"),
    }
}

fn amounts(json: &NodeAmountsJson<'_>) -> NodeResources {
    NodeResources {
        cpu_milli: json.cpu.as_ref().and_then(|text| quantity::cpu_milli(text)),
        memory_bytes: json.memory.as_ref().and_then(|text| quantity::bytes(text)),
        pods: json.pods.as_ref().and_then(|text| quantity::count(text)),
        ephemeral_bytes: json.ephemeral.as_ref().and_then(|text| quantity::bytes(text)),
    }
}
