//! The table itself: one entry an issue. It decides nothing; [`super`] looks things up in it.
//!
//! Own words and causes are those of `docs/issues.md`; the words of the old engines stand in their references; alert
//! names are those of kubernetes-mixin, node-exporter, OpenShift and Argo CD.

use super::{IssueWord, UNSPECIFIED};
use crate::issue::Severity::{self, Critical, High, Low, Medium};

/// Through the owner first: whoever deployed a workload changes it.
const ROLLBACK_APP: &str = "rollback-application";
const SYNC: &str = "sync-application";
const ROLLBACK_RELEASE: &str = "rollback-release";
const NUDGE: &str = "nudge-operator";
const REVISION: &str = "rollback-to-good-revision";
const RESTART: &str = "restart-rollout";
const EVICT: &str = "evict-pod";

/// For what a bad template may have begun and a fresh start may end.
const CRASHES: &[&str] = &[ROLLBACK_APP, ROLLBACK_RELEASE, REVISION, SYNC, NUDGE, RESTART];
/// For what one pod of several may have by itself.
const UNREADY: &[&str] = &[ROLLBACK_APP, ROLLBACK_RELEASE, REVISION, EVICT, SYNC, NUDGE, RESTART];
/// For what only another template ends.
const TEMPLATE: &[&str] = &[ROLLBACK_APP, ROLLBACK_RELEASE, REVISION, SYNC, NUDGE];
const NONE: &[&str] = &[];

const fn issue(
    word: &'static str,
    severity: Severity,
    aliases: &'static [&'static str],
    remedies: &'static [&'static str],
    look_at: &'static str,
) -> IssueWord {
    IssueWord { word, severity, aliases, remedies, look_at }
}

/// Every issue that is known.
#[rustfmt::skip]
pub static ISSUES: &[IssueWord] = &[
    issue("crash_loop", High, &[
        "pod_crash_loop", "CrashLoopBackOff", "pod_crash", "pod_crashing", "crash",
        "recurring_crash", "pod_restart_loop", "pod_restarts", "KubePodCrashLooping", "PodCrashLooping", "app_exit",
        "init_container_failing", "bad_command", "container_start_failed", "post_start_hook_failing",
        "liveness_probe_failing", "startup_probe_failing", "container_completes", "container_killed",
        "RunContainerError", "StartError",
    ], CRASHES, "look at the last words of its log (get-pod-logs with previous) and at what diagnose-pod says"),
    issue("oom_kill", High, &[
        "OOMKilled", "oom", "pod_oom", "out_of_memory", "node_out_of_memory", "KubePodOOMKilled",
        "ContainerOOMKilled", "PodOOMKilled",
    ], &["raise-memory-limit", ROLLBACK_APP, ROLLBACK_RELEASE, REVISION, SYNC, NUDGE],
        "look at the container's memory over time and set its limit where the workload is defined"),
    issue("image_pull", High, &[
        "ImagePullBackOff", "ErrImagePull", "image_pull_error", "image_pull_failure", "InvalidImageName",
        "image_not_found", "image_unauthorized", "image_denied_or_missing", "image_rate_limited",
        "registry_unreachable", "image_name_invalid", "image_never_pulled", "image_signature_refused",
        "image_wrong_architecture", "image_pull_failed", "image_pull_slow", "node_disk_full", "ErrImageNeverPull",
        "KubePodImagePullBackOff",
    ], TEMPLATE, "look at the image's name and tag, at the registry, and at imagePullSecrets"),
    issue("container_config", High, &[
        "CreateContainerConfigError", "CreateContainerError", "config_map_missing", "config_key_missing",
        "secret_missing", "secret_key_missing", "run_as_root_refused", "container_config_error", "config_error",
        "KubeContainerWaiting",
    ], TEMPLATE, "look at the ConfigMaps, Secrets and keys that the pod names; diagnose-pod says which is missing"),
    issue("pod_unschedulable", High, &[
        "Unschedulable", "pod_pending", "pending", "FailedScheduling", "insufficient_cpu", "insufficient_memory",
        "insufficient_pods", "insufficient_resource", "untolerated_taint", "node_selector_mismatch",
        "node_affinity_mismatch", "pod_affinity_mismatch", "pod_anti_affinity_conflict",
        "topology_spread_conflict", "host_port_conflict", "no_nodes", "pvc_missing", "volume_zone_conflict",
        "volume_limit", "volume_in_use", "scheduling_gated", "scheduler_silent", "preempted", "KubePodPending", "scaled_to_zero", "suspended", "no_node_selected",
    ], TEMPLATE, "look at what the scheduler says (explain-scheduling) and at the free resources of the nodes"),
    issue("pod_start_slow", Medium, &[
        "ContainerCreating", "volume_multi_attach", "volume_attach_failed", "volume_mount_failed",
        "sandbox_network_failed", "sandbox_runtime_missing", "sandbox_failed", "FailedMount",
        "FailedCreatePodSandBox", "init_container_waiting",
    ], TEMPLATE, "look at the mounts, volumes and the pod's sandbox; diagnose-pod says which of them it waits for"),
    issue("pod_not_ready", High, &[
        "not_ready", "unhealthy", "KubePodNotReady", "readiness_probe_failing",
        "readiness_gate_closed", "health_check_failed", "liveness", "readiness",
    ], UNREADY, "look at its readiness probe and at what the probe's endpoint answers"),
    issue("pod_evicted", Medium, &[
        "evicted", "evicted_over_limit", "node_shutdown", "deadline_exceeded", "rejected_by_kubelet",
    ], NONE, "look at the node that evicted it and at the pod's requests; its owner has made another one already"),
    issue("pod_failed", Medium, &["pod_error", "KubePodFailed"], NONE,
        "look at its log; a pod that is not restarted has to be made again by whoever made it"),
    issue("pod_unknown", High, &["kubelet_silent", "node_gone", "NodeLost"], NONE,
        "look at its node: while that does not report, nobody knows whether the pod still runs"),
    issue("terminating_stuck", Medium, &[
        "finalizer_stuck", "kill_failed", "terminating", "pod_stuck_terminating",
    ], NONE, "look at its finalizers and at its node; deleting by force may leave a process running twice"),
    issue("rollout_stuck", High, &[
        "ProgressDeadlineExceeded", "controller_silent", "KubeDeploymentRolloutStuck",
        "KubeDeploymentGenerationMismatch", "KubeStatefulSetUpdateNotRolledOut",
        "KubeStatefulSetGenerationMismatch", "KubeDaemonSetRolloutStuck", "KubeDaemonSetMisScheduled",
        "KubeDaemonSetNotScheduled", "rollout_failed", "deployment_failed",
    ], TEMPLATE, "look at why the pods of the newest revision do not become ready (diagnose-pod)"),
    issue("deployment_unavailable", High, &[
        "deployment_not_ready", "statefulset_not_ready", "daemonset_not_ready", "replicas_unavailable",
        "KubeDeploymentReplicasMismatch", "KubeStatefulSetReplicasMismatch", "KubeReplicaSetReplicasMismatch",
        "unavailable", "replica_mismatch", "service_down",
    ], UNREADY, "look at its pods: diagnose-pod with kind/name picks the worst"),
    issue("quota_exceeded", High, &["exceeded_quota"], TEMPLATE,
        "look at the namespace's ResourceQuota: raise it, or lower the requests"),
    issue("quota_needs_requests", High, &[], TEMPLATE, "set the requests and limits that the ResourceQuota demands"),
    issue("limit_range_violated", High, &[], TEMPLATE, "look at the namespace's LimitRange and at the pods' requests"),
    issue("pod_security_refused", High, &[], TEMPLATE, "look at the namespace's pod security level and at securityContext"),
    issue("scc_refused", High, &[], TEMPLATE, "look at the service account's security context constraints"),
    issue("webhook_denied", High, &["admission_denied"], TEMPLATE, "look at the admission policy that the refusal names"),
    issue("webhook_unreachable", High, &["FailedCallingWebhook"], NONE,
        "look at the webhook's Service and pods; until it answers nothing that it covers can be made"),
    issue("service_account_missing", High, &[], TEMPLATE, "create the service account that the pods name"),
    issue("priority_class_missing", High, &[], TEMPLATE, "create the priority class that the pods name"),
    issue("pod_creation_refused", High, &["FailedCreate"], TEMPLATE, "look at the events of the object that makes its pods"),
    issue("job_failed", Medium, &["BackoffLimitExceeded", "KubeJobFailed"], NONE,
        "look at the log of its last pod; a failed Job is not started again: make another one once the cause is gone"),
    issue("job_stuck", Medium, &["KubeJobNotCompleted", "KubeJobCompletion", "job_not_completed", "job_pods_stuck"],
        &["delete-stuck-job-pods"], "look at the Job's pods: diagnose-pod says what they wait for"),
    issue("service_without_endpoints", Critical, &["network_endpoint_missing", "endpoints_missing", "no_endpoints"], NONE,
        "look at the pods that the Service selects; trigger a remediation of their workload"),
    issue("pvc_pending", High, &["volume_pending", "KubePersistentVolumeClaimPending"], NONE,
        "look at the storage class and its provisioner, and at the claim's events"),
    issue("pvc_lost", High, &["KubePersistentVolumeErrors", "volume_lost"], NONE,
        "look for the volume that the claim names: its data may have to be restored"),
    issue("volume_full", High, &[
        "KubePersistentVolumeFillingUp", "KubePersistentVolumeInodesFillingUp", "disk_full", "disk_exhaustion",
        "disk_usage", "high_disk",
    ], NONE, "look at what fills the volume; enlarge the claim where its storage class allows it"),
    issue("quota_full", Medium, &["KubeQuotaAlmostFull", "KubeQuotaFullyUsed", "KubeQuotaExceeded"], NONE,
        "look at what uses the quota up; raise it, or scale something down"),
    issue("pdb_deadlock", Medium, &["PodDisruptionBudgetLimit", "KubePdbNotEnoughHealthyPods"], NONE,
        "change the disruption budget: with minAvailable equal to the replicas no node can ever be drained"),
    issue("pdb_blocked", Medium, &["PodDisruptionBudgetAtLimit"], NONE,
        "look at the pods of the budget that are not ready"),
    issue("hpa_at_limit", Medium, &["KubeHpaMaxedOut", "hpa_maxed_out"], NONE,
        "raise maxReplicas where the autoscaler is defined, if the nodes have room"),
    issue("hpa_cannot_scale", Medium, &["KubeHpaReplicasMismatch"], NONE,
        "look at the autoscaler's conditions: mostly its metric cannot be read"),
    issue("cpu_throttling", Medium, &["CPUThrottlingHigh", "cpu_throttled", "throttling"], &["raise-cpu-limit"],
        "look at the container's CPU over time and set its limit where the workload is defined"),
    issue("high_cpu", Medium, &["cpu_pressure", "high_cpu_usage", "cpu_saturation", "KubeCPUOvercommit", "resource_exhaustion"],
        &["scale-out"], "look at which container uses the CPU and whether its load has grown"),
    issue("high_memory", Medium, &["memory_pressure", "high_memory_usage", "memory_leak", "KubeMemoryOvercommit"],
        &["raise-memory-limit", SYNC, NUDGE, RESTART], "look at the container's memory over time: a leak comes back after each restart"),
    issue("network_issue", High, &["network_error", "network_failure", "connectivity", "dns_failure"],
        &[SYNC, NUDGE, RESTART], "look at its Services, network policies and the nodes' network"),
    issue("out_of_sync", Medium, &["ArgoCdAppOutOfSync", "ArgoCDAppUnhealthy", "argocd_out_of_sync", "app_unhealthy", "drift"],
        &[SYNC], "look at the Application's conditions and at the difference it reports"),
    issue("node_not_ready", Critical, &["KubeNodeNotReady", "KubeNodeUnreachable", "node_down", "KubeNodeReadinessFlapping"],
        &["await-pool"], "look at the node's kubelet and machine: Kubernetes has kept new pods away from it already"),
    issue("node_pressure", High, &[
        "disk_pressure", "pid_pressure", "network_unavailable", "KubeNodePressure", "KubeNodeEviction",
        "NodeFilesystemAlmostOutOfSpace", "NodeFilesystemSpaceFillingUp", "NodeMemoryHighUtilization",
        "KubeletTooManyPods",
    ], &["cordon-node"], "look at what fills the node: list-pods on it, its images and logs"),
    issue("node_drain", Medium, &["drain", "drain-node", "node_maintenance"], &["drain-node"],
        "look at the pods that no controller would make again and at the disruption budgets that block"),
    issue("release_rollback", Medium, &["helm_rollback", "rollback-release"], &["rollback-release"],
        "look at `helm history` of the release that the workload belongs to"),
    issue("node_cordoned", Low, &["cordoned", "uncordon", "uncordon-node", "SchedulingDisabled"], &["uncordon-node"],
        "look at who cordoned the node and why"),
    issue("namespace_stuck", Low, &["namespace_terminating"], NONE,
        "look at the namespace's conditions: they name what is left and which finalizer holds it"),
    issue("operator_unavailable", Critical, &["ClusterOperatorDown"], &["nudge-operator"],
        "look at the operator's conditions and at its pods"),
    issue("operator_degraded", High, &["ClusterOperatorDegraded", "operator_failed"], &["nudge-operator"],
        "look at the operator's conditions and at its pods"),
    issue("cluster_version_failing", Critical, &["ClusterVersionOperatorDown", "UpdateFailing"], NONE,
        "look at ClusterVersion's conditions; an update is never forced from here"),
    issue("machine_config_pool_degraded", High, &["MCCPoolAlert", "MCDRebootError", "MCPDegraded"], NONE,
        "look at the pool's conditions and at the machine-config-daemon of the degraded node"),
    issue("machine_config_pool_updating", Low, &["monitor_mcp", "monitor_mco", "monitor_machineconfig"], &["await-pool"],
        "look at the pool's conditions"),
    issue(UNSPECIFIED, Medium, &[], NONE, "say which issue it is, or name an action"),
];
