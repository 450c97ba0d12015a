//! Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs.

use super::{
    json::{Int, Present, Text, slim},
    meta::{ConditionJson, Keep, MetaJson, Naming, SelectorJson, is_wrong},
    pod::TemplateJson,
};
use crate::rows::{CronJobRow, DaemonSetRow, DeploymentRow, JobRow, ReplicaSetRow, StatefulSetRow};

slim! {
    WorkloadJson<'a> { metadata "metadata": MetaJson<'a>, spec "spec": WorkloadSpecJson<'a>, status "status": WorkloadStatusJson<'a> }
    WorkloadSpecJson<'a> {
        replicas "replicas": Option<Int>,
        paused "paused": bool,
        progress_deadline_seconds "progressDeadlineSeconds": Option<Int>,
        strategy "strategy": StrategyJson<'a>,
        selector "selector": Option<SelectorJson<'a>>,
        template "template": TemplateJson<'a>,
    }
    StrategyJson<'a> { r#type "type": Text<'a> }
    WorkloadStatusJson<'a> {
        replicas "replicas": Int,
        updated_replicas "updatedReplicas": Int,
        ready_replicas "readyReplicas": Int,
        available_replicas "availableReplicas": Int,
        unavailable_replicas "unavailableReplicas": Int,
        observed_generation "observedGeneration": Int,
        current_revision "currentRevision": Text<'a>,
        update_revision "updateRevision": Text<'a>,
        conditions "conditions": Vec<ConditionJson<'a>>,
        desired_number_scheduled "desiredNumberScheduled": Int,
        current_number_scheduled "currentNumberScheduled": Int,
        number_ready "numberReady": Int,
        updated_number_scheduled "updatedNumberScheduled": Int,
        number_available "numberAvailable": Int,
        number_misscheduled "numberMisscheduled": Int,
    }
    JobJson<'a> { metadata "metadata": MetaJson<'a>, spec "spec": JobSpecJson<'a>, status "status": JobStatusJson<'a> }
    JobSpecJson<'a> {
        completions "completions": Option<Int>,
        parallelism "parallelism": Option<Int>,
        backoff_limit "backoffLimit": Option<Int>,
        suspend "suspend": bool,
        template "template": TemplateJson<'a>,
    }
    JobStatusJson<'a> {
        active "active": Int,
        succeeded "succeeded": Int,
        failed "failed": Int,
        start_time "startTime": Text<'a>,
        completion_time "completionTime": Text<'a>,
        conditions "conditions": Vec<ConditionJson<'a>>,
    }
    CronJobJson<'a> { metadata "metadata": MetaJson<'a>, spec "spec": CronJobSpecJson<'a>, status "status": CronJobStatusJson<'a> }
    CronJobSpecJson<'a> { schedule "schedule": Text<'a>, time_zone "timeZone": Text<'a>, suspend "suspend": bool }
    CronJobStatusJson<'a> {
        active "active": Vec<Present>,
        last_schedule_time "lastScheduleTime": Text<'a>,
        last_successful_time "lastSuccessfulTime": Text<'a>,
    }
}

fn or(value: Option<Int>, absent: i32) -> i32 {
    value.map_or(absent, Int::i32)
}

impl Keep<'_> {
    pub(super) fn deployment(&mut self, json: &WorkloadJson<'_>) -> Result<DeploymentRow, serde_json::Error> {
        let (spec, status) = (&json.spec, &json.status);
        Ok(DeploymentRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            marks: self.marks(&json.metadata),
            desired: or(spec.replicas, 1),
            paused: spec.paused,
            replicas: status.replicas.i32(),
            updated: status.updated_replicas.i32(),
            ready: status.ready_replicas.i32(),
            available: status.available_replicas.i32(),
            unavailable: status.unavailable_replicas.i32(),
            observed_generation: status.observed_generation.0,
            revision: revision(&json.metadata),
            progress_deadline: or(spec.progress_deadline_seconds, 600),
            strategy: if spec.strategy.r#type.is_empty() {
                self.name("RollingUpdate")
            } else {
                self.word(&spec.strategy.r#type)
            },
            selector: self.selector(spec.selector.as_ref()),
            conditions: self.conditions(&status.conditions, is_wrong),
            containers: self.template(&spec.template),
        })
    }

    pub(super) fn replica_set(
        &mut self,
        json: &WorkloadJson<'_>,
    ) -> Result<ReplicaSetRow, serde_json::Error> {
        let (spec, status) = (&json.spec, &json.status);
        let mut conditions = self.conditions(&status.conditions, is_wrong).into_vec();
        conditions.retain(|condition| is_wrong(&condition.kind, condition.status));
        Ok(ReplicaSetRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            desired: or(spec.replicas, 1),
            replicas: status.replicas.i32(),
            ready: status.ready_replicas.i32(),
            available: status.available_replicas.i32(),
            revision: revision(&json.metadata),
            conditions: conditions.into(),
            containers: self.template(&spec.template),
        })
    }

    pub(super) fn stateful_set(
        &mut self,
        json: &WorkloadJson<'_>,
    ) -> Result<StatefulSetRow, serde_json::Error> {
        let (spec, status) = (&json.spec, &json.status);
        Ok(StatefulSetRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            marks: self.marks(&json.metadata),
            desired: or(spec.replicas, 1),
            replicas: status.replicas.i32(),
            ready: status.ready_replicas.i32(),
            updated: status.updated_replicas.i32(),
            available: status.available_replicas.i32(),
            observed_generation: status.observed_generation.0,
            current_revision: self.name(&status.current_revision),
            update_revision: self.name(&status.update_revision),
            selector: self.selector(spec.selector.as_ref()),
            conditions: self.conditions(&status.conditions, is_wrong),
            containers: self.template(&spec.template),
        })
    }

    pub(super) fn daemon_set(&mut self, json: &WorkloadJson<'_>) -> Result<DaemonSetRow, serde_json::Error> {
        let (spec, status) = (&json.spec, &json.status);
        Ok(DaemonSetRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            marks: self.marks(&json.metadata),
            desired: status.desired_number_scheduled.i32(),
            current: status.current_number_scheduled.i32(),
            ready: status.number_ready.i32(),
            updated: status.updated_number_scheduled.i32(),
            available: status.number_available.i32(),
            misscheduled: status.number_misscheduled.i32(),
            observed_generation: status.observed_generation.0,
            selector: self.selector(spec.selector.as_ref()),
            conditions: self.conditions(&status.conditions, is_wrong),
            containers: self.template(&spec.template),
        })
    }

    pub(super) fn job(&mut self, json: &JobJson<'_>) -> Result<JobRow, serde_json::Error> {
        let (spec, status) = (&json.spec, &json.status);
        Ok(JobRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            completions: spec.completions.map(Int::i32),
            parallelism: or(spec.parallelism, 1),
            backoff_limit: or(spec.backoff_limit, 6),
            suspended: spec.suspend,
            active: status.active.i32(),
            succeeded: status.succeeded.i32(),
            failed: status.failed.i32(),
            started: status.start_time.time(),
            completed: status.completion_time.time(),
            conditions: self.conditions(&status.conditions, is_wrong),
            containers: self.template(&spec.template),
        })
    }

    pub(super) fn cron_job(&mut self, json: &CronJobJson<'_>) -> Result<CronJobRow, serde_json::Error> {
        let (spec, status) = (&json.spec, &json.status);
        Ok(CronJobRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            schedule: self.word(&spec.schedule),
            time_zone: self.word(&spec.time_zone),
            suspended: spec.suspend,
            active: i32::try_from(status.active.len()).unwrap_or(i32::MAX),
            last_scheduled: status.last_schedule_time.time(),
            last_successful: status.last_successful_time.time(),
        })
    }
}

/// `deployment.kubernetes.io/revision`, which the API server keeps as text.
fn revision(json: &MetaJson<'_>) -> i64 {
    json.annotations.revision.parse().unwrap_or(0)
}
