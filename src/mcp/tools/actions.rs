//! Each action as a tool of its own: a workflow of one step, or of the steps of the one remedy that it names.
//!
//! One table. A tool says which arguments it takes beside those that all of them take, and the order that they make; the
//! order passes the same guards, proof, verification and undo as any other. Nothing is decided here.

use std::sync::Arc;

use aiops_engine::{
    Error,
    coordination::{Coordination, Trigger},
    model::{
        action::{Action, Resources},
        target::Target,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mcp::{
    remediation::{
        ordering::{Ordered, order},
        word,
    },
    tool::{CallContext, CoordinatedTool, Hints, Meta, Toolset},
};

/// What has revisions of a pod template.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(super) enum Workload {
    Deployment,
    StatefulSet,
    DaemonSet,
}

/// What has a number of replicas.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(super) enum Scalable {
    Deployment,
    StatefulSet,
}

/// The order of an action.
fn of(action: Action) -> Trigger {
    let target = action.target();
    Trigger {
        namespace: target.namespace.clone(),
        kind: target.kind.clone(),
        name: target.name.clone(),
        action: Some(action),
        ..Trigger::default()
    }
}

/// The order of the one remedy that an issue has.
fn remedy(issue: &str, kind: String, namespace: String, name: String) -> Trigger {
    Trigger { kind, namespace, name, issue: issue.to_owned(), ..Trigger::default() }
}

macro_rules! actions {
    ($(
        $file:ident::$tool:ident, $name:literal, $hints:ident, $title:literal, $description:literal,
        { $($(#[$about:meta])* $field:ident: $type:ty,)* } => |$input:ident| $order:expr;
    )+) => { $(
        pub(super) mod $file {
            use super::*;

            /// The tool.
            #[derive(Debug)]
            pub(in crate::mcp::tools) struct $tool;

            /// Its arguments.
            #[derive(Debug, Deserialize, JsonSchema)]
            #[serde(deny_unknown_fields)]
            pub(in crate::mcp::tools) struct Input {
                $($(#[$about])* $field: $type,)*
                /// Plan and prove only.
                dry_run: Option<bool>,
                /// Why.
                #[schemars(length(max = 2000))]
                reason: Option<String>,
                /// Makes repeating this call harmless.
                #[schemars(length(max = 128))]
                idempotency_key: Option<String>,
                /// Seconds to wait for its end, at most 300; over HTTP without progress at most 25.
                #[schemars(range(min = 0, max = 300))]
                wait: Option<u32>,
            }

            impl CoordinatedTool for $tool {
                const META: Meta = Meta {
                    name: $name,
                    title: $title,
                    description: $description,
                    toolset: Toolset::Actions,
                    hints: Hints::$hints,
                    needs_live: false,
                };
                type Input = Input;
                type Output = Ordered;

                async fn call(
                    coordination: &Arc<dyn Coordination>,
                    context: &CallContext,
                    $input: Input,
                ) -> Result<Ordered, Error> {
                    let wait = $input.wait;
                    let asked = Trigger {
                        description: $input.reason.unwrap_or_default(),
                        dry_run: $input.dry_run.unwrap_or(false),
                        idempotency_key: $input.idempotency_key,
                        ..$order
                    };
                    order(coordination, context, asked, wait).await
                }
            }
        }
    )+ };
}

actions! {
    cordon_node::CordonNode, "cordon-node", SET, "Cordon a node",
    "Let no new pod be scheduled to a node.",
    {
        /// Name.
        #[schemars(length(max = 253))]
        name: String,
    } => |input| of(Action::CordonNode { target: Target::known("Node", "", &input.name) });

    uncordon_node::UncordonNode, "uncordon-node", SET, "Uncordon a node",
    "Let pods be scheduled to a node again.",
    {
        /// Name.
        #[schemars(length(max = 253))]
        name: String,
    } => |input| of(Action::UncordonNode { target: Target::known("Node", "", &input.name) });

    drain_node::DrainNode, "drain-node", ACT, "Drain a node",
    "Cordon a node and evict its pods within their disruption budgets. Refused where a pod would be lost.",
    {
        /// Name.
        #[schemars(length(max = 253))]
        name: String,
    } => |input| remedy("node_drain", "Node".to_owned(), String::new(), input.name);

    evict_pod::EvictPod, "evict-pod", ACT, "Evict a pod",
    "Evict a pod through the eviction API, which keeps its disruption budgets. Its owner makes another.",
    {
        /// Namespace.
        #[schemars(length(max = 253))]
        namespace: String,
        /// Name.
        #[schemars(length(max = 253))]
        name: String,
    } => |input| of(Action::EvictPod { target: Target::known("Pod", &input.namespace, &input.name) });

    delete_pod::DeletePod, "delete-pod", ACT, "Delete a Job's pod",
    "Delete a pod that a Job left stuck. Never one of another owner: evict-pod keeps disruption budgets.",
    {
        /// Namespace.
        #[schemars(length(max = 253))]
        namespace: String,
        /// Name.
        #[schemars(length(max = 253))]
        name: String,
    } => |input| of(Action::DeletePod { target: Target::known("Pod", &input.namespace, &input.name) });

    restart_workload::RestartWorkload, "restart-workload", ACT, "Restart a workload",
    "Replace all pods of a workload one after another, as its strategy says. Verified by its rollout.",
    {
        /// Namespace.
        #[schemars(length(max = 253))]
        namespace: String,
        /// Kind.
        kind: Workload,
        /// Name.
        #[schemars(length(max = 253))]
        name: String,
    } => |input| of(Action::RestartWorkload {
        target: Target::known(&word(&input.kind), &input.namespace, &input.name),
    });

    scale_workload::ScaleWorkload, "scale-workload", SET, "Scale a workload",
    "Set the replicas of a Deployment or StatefulSet that no autoscaler owns. Undone exactly when it does not help.",
    {
        /// Namespace.
        #[schemars(length(max = 253))]
        namespace: String,
        /// Kind.
        kind: Scalable,
        /// Name.
        #[schemars(length(max = 253))]
        name: String,
        /// Replicas.
        #[schemars(range(min = 0, max = 10_000))]
        replicas: u32,
    } => |input| of(Action::ScaleWorkload {
        target: Target::known(&word(&input.kind), &input.namespace, &input.name),
        replicas: input.replicas,
    });

    rollback_workload::RollbackWorkload, "rollback-workload", SET, "Roll back a workload",
    "Set the pod template of an earlier revision of a workload. Undone exactly when it does not help.",
    {
        /// Namespace.
        #[schemars(length(max = 253))]
        namespace: String,
        /// Kind.
        kind: Workload,
        /// Name.
        #[schemars(length(max = 253))]
        name: String,
        /// Revision to go back to, as get-workload lists them.
        #[schemars(range(min = 1))]
        revision: i64,
    } => |input| of(Action::RollbackWorkload {
        target: Target::known(&word(&input.kind), &input.namespace, &input.name),
        revision: input.revision,
        // Which object holds that revision's template, the planner finds.
        source: String::new(),
    });

    set_resources::SetResources, "set-resources", SET, "Set resources",
    "Set requests and limits of one container in the template of a workload; what is not named stays. Undone exactly when it does not help.",
    {
        /// Namespace.
        #[schemars(length(max = 253))]
        namespace: String,
        /// Kind.
        kind: Workload,
        /// Name.
        #[schemars(length(max = 253))]
        name: String,
        /// Container.
        #[schemars(length(max = 253))]
        container: String,
        /// Such as 250m.
        #[schemars(length(max = 32))]
        cpu_request: Option<String>,
        /// Such as 1.
        #[schemars(length(max = 32))]
        cpu_limit: Option<String>,
        /// Such as 256Mi.
        #[schemars(length(max = 32))]
        memory_request: Option<String>,
        /// Such as 512Mi.
        #[schemars(length(max = 32))]
        memory_limit: Option<String>,
    } => |input| {
        let resources = Resources {
            cpu_request: input.cpu_request,
            cpu_limit: input.cpu_limit,
            memory_request: input.memory_request,
            memory_limit: input.memory_limit,
        };
        if resources == Resources::default() {
            return Err(Error::invalid(
                "argument \"memory_limit\"",
                "name at least one of cpu_request, cpu_limit, memory_request and memory_limit",
            ));
        }
        let target = Target::known(&word(&input.kind), &input.namespace, &input.name);
        of(Action::SetResources { target, container: input.container, resources })
    };

    rollback_release::RollbackRelease, "rollback-release", ACT, "Roll back a Helm release",
    "Put the Helm release of a workload back to its revision before, as helm rollback records it. What that cannot do object by object is answered with the helm command.",
    {
        /// Namespace.
        #[schemars(length(max = 253))]
        namespace: String,
        /// Kind of a workload of the release.
        kind: Workload,
        /// Its name.
        #[schemars(length(max = 253))]
        name: String,
    } => |input| remedy("release_rollback", word(&input.kind), input.namespace, input.name);

    sync_application::SyncApplication, "sync-application", ACT, "Sync an Application",
    "Ask Argo CD to sync an Application: what it owns is changed through it and never directly.",
    {
        /// Namespace.
        #[schemars(length(max = 253))]
        namespace: String,
        /// Name.
        #[schemars(length(max = 253))]
        name: String,
    } => |input| of(Action::SyncApplication {
        target: Target::known("Application", &input.namespace, &input.name),
    });

    rollback_application::RollbackApplication, "rollback-application", ACT, "Roll back an Application",
    "Ask Argo CD to sync an Application to an earlier entry of its history.",
    {
        /// Namespace.
        #[schemars(length(max = 253))]
        namespace: String,
        /// Name.
        #[schemars(length(max = 253))]
        name: String,
        /// Id of the entry in status.history.
        #[schemars(range(min = 0))]
        history: i64,
    } => |input| of(Action::RollbackApplication {
        target: Target::known("Application", &input.namespace, &input.name),
        history: input.history,
    });

    nudge_operator::NudgeOperator, "nudge-operator", ACT, "Nudge an operator",
    "Make an operator look at its resource again, by an annotation that changes nothing of what it says.",
    {
        /// Namespace; none for objects of the cluster.
        #[schemars(length(max = 253))]
        namespace: Option<String>,
        /// Kind of the operator's resource.
        #[schemars(length(max = 63))]
        kind: String,
        /// Its API group.
        #[schemars(length(max = 253))]
        group: String,
        /// Name.
        #[schemars(length(max = 253))]
        name: String,
    } => |input| of(Action::NudgeOperator {
        target: Target::new(input.group, input.kind, input.namespace.unwrap_or_default(), input.name),
    });

    await_pool::AwaitPool, "await-pool", SET, "Wait for a MachineConfigPool",
    "Wait until a MachineConfigPool is updated. Changes nothing.",
    {
        /// Name.
        #[schemars(length(max = 253))]
        name: String,
    } => |input| of(Action::AwaitPool { target: Target::known("MachineConfigPool", "", &input.name) });
}
