//! Pods, and the containers of anything that has a pod template.
//!
//! Of environment, arguments and volumes nothing is read but the names of claims and whether there is scratch space.

use std::{cmp::max, sync::Arc};

use super::{
    json::{Int, Loose, Present, Text, slim},
    meta::{ConditionJson, Keep, LONGEST_MESSAGE, MetaJson, Naming},
};
use crate::{
    Name, quantity,
    rows::{
        ContainerKind, ContainerRow, ContainerSpec, ContainerState, Phase, PodRow, Termination, Truth,
        pod::{Resources, Unscheduled, Waiting},
    },
};

slim! {
    PodJson<'a> { metadata "metadata": MetaJson<'a>, spec "spec": PodSpecJson<'a>, status "status": PodStatusJson<'a> }
    PodSpecJson<'a> {
        node_name "nodeName": Text<'a>,
        priority_class_name "priorityClassName": Text<'a>,
        service_account_name "serviceAccountName": Text<'a>,
        volumes "volumes": Vec<VolumeJson<'a>>,
        init_containers "initContainers": Vec<ContainerJson<'a>>,
        containers "containers": Vec<ContainerJson<'a>>,
        resources "resources": Option<ResourcesJson<'a>>,
        overhead "overhead": Option<AmountsJson<'a>>,
    }
    VolumeJson<'a> {
        name "name": Text<'a>,
        persistent_volume_claim "persistentVolumeClaim": Option<ClaimJson<'a>>,
        ephemeral "ephemeral": Present,
        empty_dir "emptyDir": Option<EmptyDirJson<'a>>,
    }
    EmptyDirJson<'a> { medium "medium": Text<'a> }
    ClaimJson<'a> { claim_name "claimName": Text<'a> }
    ContainerJson<'a> {
        name "name": Text<'a>,
        image "image": Text<'a>,
        restart_policy "restartPolicy": Text<'a>,
        resources "resources": ResourcesJson<'a>,
        liveness_probe "livenessProbe": Present,
        readiness_probe "readinessProbe": Present,
        startup_probe "startupProbe": Present,
    }
    ResourcesJson<'a> { requests "requests": Option<AmountsJson<'a>>, limits "limits": Option<AmountsJson<'a>> }
    AmountsJson<'a> { cpu "cpu": Option<Loose<'a>>, memory "memory": Option<Loose<'a>> }
    PodStatusJson<'a> {
        phase "phase": Text<'a>,
        reason "reason": Text<'a>,
        message "message": Text<'a>,
        pod_ip "podIP": Text<'a>,
        start_time "startTime": Text<'a>,
        conditions "conditions": Vec<ConditionJson<'a>>,
        init_container_statuses "initContainerStatuses": Vec<StatusJson<'a>>,
        container_statuses "containerStatuses": Vec<StatusJson<'a>>,
    }
    StatusJson<'a> {
        name "name": Text<'a>,
        restart_count "restartCount": Int,
        ready "ready": bool,
        started "started": Option<bool>,
        state "state": StateJson<'a>,
        last_state "lastState": StateJson<'a>,
    }
    StateJson<'a> {
        waiting "waiting": Option<WaitingJson<'a>>,
        running "running": Option<RunningJson<'a>>,
        terminated "terminated": Option<TerminatedJson<'a>>,
    }
    WaitingJson<'a> { reason "reason": Text<'a>, message "message": Text<'a> }
    RunningJson<'a> { started_at "startedAt": Text<'a> }
    TerminatedJson<'a> {
        reason "reason": Text<'a>,
        message "message": Text<'a>,
        exit_code "exitCode": Int,
        signal "signal": Int,
        started_at "startedAt": Text<'a>,
        finished_at "finishedAt": Text<'a>,
    }
    TemplateJson<'a> { spec "spec": TemplateSpecJson<'a> }
    TemplateSpecJson<'a> {
        init_containers "initContainers": Vec<ContainerJson<'a>>,
        containers "containers": Vec<ContainerJson<'a>>,
    }
}

/// Longest message kept of the scheduler, in bytes: it lists each reason with its number of nodes.
const LONGEST_VERDICT: usize = 1_024;

impl Keep<'_> {
    pub(super) fn pod(&mut self, json: &PodJson<'_>) -> Result<PodRow, serde_json::Error> {
        let (spec, status) = (&json.spec, &json.status);
        let meta = self.meta(&json.metadata, Naming::Own)?;
        let init = spec.init_containers.iter().map(|c| (c, find(&status.init_container_statuses, &c.name)));
        let main = spec.containers.iter().map(|c| (c, find(&status.container_statuses, &c.name)));
        let kinds = init.map(|pair| (pair, true)).chain(main.map(|pair| (pair, false)));
        let containers: Box<[ContainerRow]> =
            kinds.map(|((container, status), is_init)| self.container(container, is_init, status)).collect();
        let condition = |kind: &str| status.conditions.iter().find(|c| &*c.r#type == kind);
        let ready = condition("Ready");
        let unscheduled = condition("PodScheduled").filter(|c| c.truth() == Truth::False);
        let specs = containers.iter().map(|c| &*c.spec);
        let (requests, limits) = (requests(specs.clone(), spec), limits(specs, spec));
        Ok(PodRow {
            node: (!spec.node_name.is_empty()).then(|| self.name(&spec.node_name)),
            phase: phase(&status.phase),
            reason: self.word(&status.reason),
            message: (!status.reason.is_empty() && !status.message.is_empty())
                .then(|| status.message.sentence(LONGEST_MESSAGE)),
            ip: status.pod_ip.parse().ok(),
            ready: ready.is_some_and(|c| c.truth() == Truth::True),
            ready_since: ready.map_or(0, |c| c.last_transition_time.time_or_zero()),
            unscheduled: unscheduled.map(|c| {
                Box::new(Unscheduled {
                    reason: self.word(&c.reason),
                    message: c.message.sentence(LONGEST_VERDICT),
                    since: c.last_transition_time.time_or_zero(),
                })
            }),
            started: status.start_time.time(),
            priority_class: self.name(&spec.priority_class_name),
            service_account: self.name(&spec.service_account_name),
            claims: self.claims(&meta.key.name, &spec.volumes),
            has_scratch: spec
                .volumes
                .iter()
                .filter_map(|volume| volume.empty_dir.as_ref())
                .any(|dir| &*dir.medium != "Memory"),
            is_mirror: !json.metadata.annotations.mirror.is_empty(),
            requests: self.shared.resources.share(requests),
            limits: self.shared.resources.share(limits),
            containers,
            meta,
        })
    }

    fn claims(&mut self, pod: &str, volumes: &[VolumeJson<'_>]) -> Arc<[Name]> {
        let mut claims = Vec::new();
        for volume in volumes {
            if let Some(claim) = &volume.persistent_volume_claim {
                claims.push(self.name(&claim.claim_name));
            } else if volume.ephemeral.0 {
                // The controller names the claim of an ephemeral volume so.
                claims.push(self.name(&format!("{pod}-{}", &*volume.name)));
            }
        }
        self.shared.names.share(claims)
    }

    fn container(
        &mut self,
        json: &ContainerJson<'_>,
        is_init: bool,
        status: Option<&StatusJson<'_>>,
    ) -> ContainerRow {
        let spec = self.container_spec(json, is_init);
        let Some(status) = status else {
            let state = ContainerState::Unreported;
            return ContainerRow { spec, restarts: 0, ready: false, started: None, state, last: None };
        };
        ContainerRow {
            spec,
            restarts: status.restart_count.u32(),
            ready: status.ready,
            started: status.started,
            state: self.state(&status.state),
            last: status.last_state.terminated.as_ref().map(|ended| self.termination(ended)),
        }
    }

    fn container_spec(&mut self, json: &ContainerJson<'_>, is_init: bool) -> Arc<ContainerSpec> {
        let kind = match (is_init, &*json.restart_policy) {
            (true, "Always") => ContainerKind::Sidecar,
            (true, _) => ContainerKind::Init,
            (false, _) => ContainerKind::Main,
        };
        let spec = ContainerSpec {
            name: self.name(&json.name),
            image: self.name(&json.image),
            kind,
            requests: amounts(json.resources.requests.as_ref()),
            limits: amounts(json.resources.limits.as_ref()),
            has_liveness: json.liveness_probe.0,
            has_readiness: json.readiness_probe.0,
            has_startup: json.startup_probe.0,
        };
        self.shared.specs.share(spec)
    }

    fn state(&mut self, json: &StateJson<'_>) -> ContainerState {
        if let Some(ended) = &json.terminated {
            return ContainerState::Terminated(self.termination(ended));
        }
        if let Some(running) = &json.running {
            return ContainerState::Running(running.started_at.time_or_zero());
        }
        // An empty state means waiting, says the API.
        let (reason, message) = json.waiting.as_ref().map_or_else(Default::default, |waiting| {
            (self.word(&waiting.reason), waiting.message.sentence(LONGEST_MESSAGE))
        });
        ContainerState::Waiting(Box::new(Waiting { reason, message }))
    }

    fn termination(&mut self, json: &TerminatedJson<'_>) -> Box<Termination> {
        Box::new(Termination {
            reason: self.word(&json.reason),
            message: json.message.sentence(LONGEST_MESSAGE),
            exit_code: json.exit_code.i32(),
            signal: json.signal.i32(),
            started: json.started_at.time_or_zero(),
            finished: json.finished_at.time_or_zero(),
        })
    }

    /// The containers of a pod template.
    pub(super) fn template(&mut self, json: &TemplateJson<'_>) -> Arc<[Arc<ContainerSpec>]> {
        let init = json.spec.init_containers.iter().map(|c| (c, true));
        let main = json.spec.containers.iter().map(|c| (c, false));
        let specs: Vec<_> = init.chain(main).map(|(c, is_init)| self.container_spec(c, is_init)).collect();
        self.shared.templates.share(specs)
    }
}

fn find<'s, 'a>(statuses: &'s [StatusJson<'a>], name: &str) -> Option<&'s StatusJson<'a>> {
    statuses.iter().find(|status| &*status.name == name)
}

fn phase(text: &str) -> Phase {
    match text {
        "Pending" => Phase::Pending,
        "Running" => Phase::Running,
        "Succeeded" => Phase::Succeeded,
        "Failed" => Phase::Failed,
        _ => Phase::Unknown,
    }
}

pub(super) fn amounts(json: Option<&AmountsJson<'_>>) -> Resources {
    json.map_or_else(Resources::default, |json| Resources {
        cpu_milli: json.cpu.as_ref().and_then(|text| quantity::cpu_milli(text)),
        memory_bytes: json.memory.as_ref().and_then(|text| quantity::bytes(text)),
    })
}

/// Applies `merge` to both resources.
fn each(a: Resources, b: Resources, merge: fn(Option<i64>, Option<i64>) -> Option<i64>) -> Resources {
    Resources {
        cpu_milli: merge(a.cpu_milli, b.cpu_milli),
        memory_bytes: merge(a.memory_bytes, b.memory_bytes),
    }
}

/// Their sum, where nothing adds nothing.
fn sum(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (one, other) => one.or(other),
    }
}

/// Their sum, where one that is unlimited makes the whole unlimited.
fn sum_of_all(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    Some(a?.saturating_add(b?))
}

/// What the scheduler counts: the larger of what runs together and of what each init container needs while the sidecars
/// before it run; what is asked for the pod as a whole goes before both; overhead is added.
fn requests<'s>(specs: impl Iterator<Item = &'s ContainerSpec>, pod: &PodSpecJson<'_>) -> Resources {
    let (mut together, mut sidecars, mut starting) =
        (Resources::default(), Resources::default(), Resources::default());
    for spec in specs {
        match spec.kind {
            ContainerKind::Main => together = each(together, spec.requests, sum),
            ContainerKind::Sidecar => {
                sidecars = each(sidecars, spec.requests, sum);
                together = each(together, spec.requests, sum);
                starting = each(starting, sidecars, max);
            }
            ContainerKind::Init => starting = each(starting, each(sidecars, spec.requests, sum), max),
        }
    }
    let whole = amounts(pod.resources.as_ref().and_then(|r| r.requests.as_ref()));
    let asked = each(whole, each(together, starting, max), Option::or);
    each(asked, amounts(pod.overhead.as_ref()), sum)
}

/// The sum over the containers that run together, where all are limited; a limit on the pod as a whole goes before it.
fn limits<'s>(specs: impl Iterator<Item = &'s ContainerSpec>, pod: &PodSpecJson<'_>) -> Resources {
    let running = specs.filter(|spec| spec.kind != ContainerKind::Init);
    let together = running.map(|spec| spec.limits).reduce(|a, b| each(a, b, sum_of_all)).unwrap_or_default();
    let whole = amounts(pod.resources.as_ref().and_then(|r| r.limits.as_ref()));
    each(whole, together, Option::or)
}
