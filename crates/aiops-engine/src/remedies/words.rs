//! What a remedy's plan would be made of, in the policy's words, before anything was read: for whoever has to say so at once.
//!
//! It does not say whether the remedy fits.

use crate::{
    model::method::DeployMethod,
    settings::policy::{HELM, OPERATOR},
};

/// The policy's words for a plan of this remedy about an object of this kind that is deployed so; `None` where it never
/// fits such an object.
pub(crate) fn words(remedy: &str, kind: &str, method: DeployMethod) -> Option<Vec<&'static str>> {
    use DeployMethod::{Argocd, Helm, Manual, Operator, Unknown};
    let is_workload = matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet");
    let (words, owners, is_about): (&[&'static str], &[DeployMethod], bool) = match remedy {
        "rollback-application" => (&["rollback-application"], &[Argocd], true),
        "sync-application" => (&["sync-application"], &[Argocd], true),
        "rollback-release" => (&["revert-manifest", "record-release", HELM], &[Helm], is_workload),
        "nudge-operator" => (&["nudge-operator", OPERATOR], &[Operator], true),
        "rollback-to-good-revision" => (&["rollback-workload"], &[Manual], is_workload),
        "restart-rollout" => (&["restart-workload"], &[Manual, Helm], is_workload),
        "raise-memory-limit" | "raise-cpu-limit" => (&["set-resources"], &[Manual], is_workload),
        "scale-out" => (&["scale-workload"], &[Manual], kind == "Deployment"),
        "evict-pod" => {
            (&["evict-pod"], &[Manual, Helm, Argocd, Operator], is_workload && kind != "DaemonSet")
        }
        "delete-stuck-job-pods" => (&["delete-pod"], &[Manual, Helm, Argocd, Operator], kind == "Job"),
        "cordon-node" => (&["cordon-node"], &[Manual], kind == "Node"),
        "uncordon-node" => (&["uncordon-node"], &[Manual], kind == "Node"),
        "drain-node" => (&["cordon-node", "evict-pod"], &[Manual], kind == "Node"),
        "await-pool" => {
            (&["await-pool"], &[Manual], matches!(kind, "Node" | "MachineConfig" | "MachineConfigPool"))
        }
        _ => return None,
    };
    let may_be_of = method == Unknown || owners.contains(&method);
    (is_about && may_be_of).then(|| words.to_vec())
}
