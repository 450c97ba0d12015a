//! PersistentVolumeClaims, autoscalers, disruption budgets, quotas and limit ranges.
//!
//! A quota's limit that is no quantity makes the quota unreadable: a limit must not vanish in silence.

use serde::de::Error as _;

use super::{
    json::{Int, Loose, Pairs, Present, Text, slim},
    meta::{ConditionJson, Keep, MetaJson, Naming, SelectorJson, is_wrong},
    pod::{AmountsJson, amounts},
};
use crate::{
    quantity,
    rows::{
        HorizontalPodAutoscalerRow, LimitRangeRow, PersistentVolumeClaimRow, PodDisruptionBudgetRow,
        ResourceQuotaRow, policy::QuotaItem,
    },
};

slim! {
    ClaimJson<'a> { metadata "metadata": MetaJson<'a>, spec "spec": ClaimSpecJson<'a>, status "status": ClaimStatusJson<'a> }
    ClaimSpecJson<'a> {
        storage_class_name "storageClassName": Option<Text<'a>>,
        volume_name "volumeName": Text<'a>,
        resources "resources": ClaimResourcesJson<'a>,
    }
    ClaimResourcesJson<'a> { requests "requests": StorageJson<'a> }
    StorageJson<'a> { storage "storage": Option<Loose<'a>> }
    ClaimStatusJson<'a> { phase "phase": Text<'a>, capacity "capacity": StorageJson<'a> }
    AutoscalerJson<'a> {
        metadata "metadata": MetaJson<'a>,
        spec "spec": AutoscalerSpecJson<'a>,
        status "status": AutoscalerStatusJson<'a>,
    }
    AutoscalerSpecJson<'a> {
        scale_target_ref "scaleTargetRef": TargetJson<'a>,
        min_replicas "minReplicas": Option<Int>,
        max_replicas "maxReplicas": Int,
    }
    TargetJson<'a> { kind "kind": Text<'a>, name "name": Text<'a> }
    AutoscalerStatusJson<'a> {
        current_replicas "currentReplicas": Int,
        desired_replicas "desiredReplicas": Int,
        conditions "conditions": Vec<ConditionJson<'a>>,
    }
    BudgetJson<'a> { metadata "metadata": MetaJson<'a>, spec "spec": BudgetSpecJson<'a>, status "status": BudgetStatusJson }
    BudgetSpecJson<'a> {
        selector "selector": Option<SelectorJson<'a>>,
        min_available "minAvailable": Loose<'a>,
        max_unavailable "maxUnavailable": Loose<'a>,
    }
    BudgetStatusJson {
        disruptions_allowed "disruptionsAllowed": Int,
        current_healthy "currentHealthy": Int,
        desired_healthy "desiredHealthy": Int,
        expected_pods "expectedPods": Int,
        observed_generation "observedGeneration": Int,
    }
    QuotaJson<'a> { metadata "metadata": MetaJson<'a>, spec "spec": QuotaSpecJson<'a>, status "status": QuotaStatusJson<'a> }
    QuotaSpecJson<'a> { hard "hard": Pairs<'a>, scopes "scopes": Vec<Present>, scope_selector "scopeSelector": Present }
    QuotaStatusJson<'a> { hard "hard": Pairs<'a>, used "used": Pairs<'a> }
    LimitRangeJson<'a> { metadata "metadata": MetaJson<'a>, spec "spec": LimitRangeSpecJson<'a> }
    LimitRangeSpecJson<'a> { limits "limits": Vec<LimitJson<'a>> }
    LimitJson<'a> {
        r#type "type": Text<'a>,
        default "default": Option<AmountsJson<'a>>,
        default_request "defaultRequest": Option<AmountsJson<'a>>,
        min "min": Option<AmountsJson<'a>>,
        max "max": Option<AmountsJson<'a>>,
    }
}

impl Keep<'_> {
    pub(super) fn claim(
        &mut self,
        json: &ClaimJson<'_>,
    ) -> Result<PersistentVolumeClaimRow, serde_json::Error> {
        let bytes = |json: &StorageJson<'_>| json.storage.as_ref().and_then(|text| quantity::bytes(text));
        Ok(PersistentVolumeClaimRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            phase: self.word(&json.status.phase),
            storage_class: json.spec.storage_class_name.as_ref().map(|class| self.name(class)),
            volume: self.name(&json.spec.volume_name),
            requested_bytes: bytes(&json.spec.resources.requests),
            capacity_bytes: bytes(&json.status.capacity),
        })
    }

    pub(super) fn autoscaler(
        &mut self,
        json: &AutoscalerJson<'_>,
    ) -> Result<HorizontalPodAutoscalerRow, serde_json::Error> {
        let (spec, status) = (&json.spec, &json.status);
        // The API omits a current 0 and writes a desired 0 before it has looked; the controller's first report always
        // brings conditions (v2) or a number.
        let reported =
            !status.conditions.is_empty() || status.current_replicas.0 > 0 || status.desired_replicas.0 > 0;
        Ok(HorizontalPodAutoscalerRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            target_kind: self.name(&spec.scale_target_ref.kind),
            target_name: self.name(&spec.scale_target_ref.name),
            min: spec.min_replicas.map_or(1, Int::i32),
            max: spec.max_replicas.i32(),
            current: reported.then(|| status.current_replicas.i32()),
            desired: reported.then(|| status.desired_replicas.i32()),
            conditions: self.conditions(&status.conditions, is_wrong),
        })
    }

    pub(super) fn disruption_budget(
        &mut self,
        json: &BudgetJson<'_>,
    ) -> Result<PodDisruptionBudgetRow, serde_json::Error> {
        let (spec, status) = (&json.spec, &json.status);
        Ok(PodDisruptionBudgetRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            selector: self.selector(spec.selector.as_ref()),
            min_available: self.name(&spec.min_available),
            max_unavailable: self.name(&spec.max_unavailable),
            allowed: status.disruptions_allowed.i32(),
            healthy: status.current_healthy.i32(),
            desired_healthy: status.desired_healthy.i32(),
            expected: status.expected_pods.i32(),
            observed_generation: status.observed_generation.0,
        })
    }

    pub(super) fn quota(&mut self, json: &QuotaJson<'_>) -> Result<ResourceQuotaRow, serde_json::Error> {
        let find = |pairs: &Pairs<'_>, resource: &str| {
            let found = pairs.0.iter().rev().find(|(key, _)| &**key == resource);
            found.and_then(|(_, amount)| amount_of(resource, amount))
        };
        let mut items: Vec<QuotaItem> = Vec::new();
        // Admission goes by the status, which lags the spec; before the first count there is only the spec.
        for (resource, hard) in json.status.hard.0.iter().chain(&json.spec.hard.0) {
            if items.iter().any(|item| item.resource == **resource) {
                continue;
            }
            let hard = amount_of(resource, hard).ok_or_else(|| {
                serde_json::Error::custom(format!("hard limit of {:?} is not a quantity", resource.cut(80)))
            })?;
            let used = find(&json.status.used, resource);
            items.push(QuotaItem { resource: self.name(resource), hard, used });
        }
        items.sort_by(|a, b| a.resource.cmp(&b.resource));
        Ok(ResourceQuotaRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            scoped: !json.spec.scopes.is_empty() || json.spec.scope_selector.0,
            items: items.into(),
        })
    }

    pub(super) fn limit_range(
        &mut self,
        json: &LimitRangeJson<'_>,
    ) -> Result<LimitRangeRow, serde_json::Error> {
        let of_type = |kind: &str| json.spec.limits.iter().find(|limit| &*limit.r#type == kind);
        let (container, pod) = (of_type("Container"), of_type("Pod"));
        Ok(LimitRangeRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            container_default: amounts(container.and_then(|limit| limit.default.as_ref())),
            container_default_request: amounts(container.and_then(|limit| limit.default_request.as_ref())),
            container_min: amounts(container.and_then(|limit| limit.min.as_ref())),
            container_max: amounts(container.and_then(|limit| limit.max.as_ref())),
            pod_min: amounts(pod.and_then(|limit| limit.min.as_ref())),
            pod_max: amounts(pod.and_then(|limit| limit.max.as_ref())),
        })
    }
}

/// A quota's amount in the unit of its resource: millicores of CPU, bytes of memory, storage and huge pages, else a
/// count. `gold.storageclass.storage.k8s.io/requests.storage` is storage, `…/persistentvolumeclaims` a count.
fn amount_of(resource: &str, amount: &str) -> Option<i64> {
    let plain = resource.rsplit('/').next().unwrap_or(resource);
    let plain = plain.strip_prefix("requests.").or_else(|| plain.strip_prefix("limits.")).unwrap_or(plain);
    match plain {
        "cpu" => quantity::cpu_milli(amount),
        "memory" | "storage" | "ephemeral-storage" => quantity::bytes(amount),
        _ if plain.starts_with("hugepages-") => quantity::bytes(amount),
        _ => quantity::count(amount),
    }
}
