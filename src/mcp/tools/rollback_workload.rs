//! `rollback-workload`: sets the pod template of an earlier revision.

use std::sync::Arc;

use aiops_engine::{
    Error,
    coordination::Coordination,
    model::{action::Action, target::Target},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mcp::{
    remediation::{
        actions::{Ask, ask},
        ordering::Ordered,
        word,
    },
    tool::{CallContext, CoordinatedTool, Hints, Meta, Toolset},
};

/// The tool.
#[derive(Debug)]
pub(super) struct RollbackWorkload;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Namespace.
    #[schemars(length(max = 253))]
    namespace: String,
    /// Kind.
    kind: Kind,
    /// Name.
    #[schemars(length(max = 253))]
    name: String,
    /// Revision to go back to, as get-workload lists them.
    #[schemars(range(min = 1))]
    revision: i64,
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

/// Kinds that it takes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(super) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

impl CoordinatedTool for RollbackWorkload {
    const META: Meta = Meta {
        name: "rollback-workload",
        title: "Roll back a workload",
        description: "Set the pod template of an earlier revision of a workload. Undone exactly when it does not help.",
        toolset: Toolset::Actions,
        hints: Hints::SET,
        needs_live: false,
    };
    type Input = Input;
    type Output = Ordered;

    async fn call(
        coordination: &Arc<dyn Coordination>,
        context: &CallContext,
        input: Input,
    ) -> Result<Ordered, Error> {
        let target = Target::known(&word(&input.kind), &input.namespace, &input.name);
        // Which object holds that revision's template, the planner finds.
        let action = Action::RollbackWorkload { target, revision: input.revision, source: String::new() };
        let ask_for = Ask {
            dry_run: input.dry_run,
            reason: input.reason,
            idempotency_key: input.idempotency_key,
            wait: input.wait,
        };
        ask(coordination, context, action, ask_for).await
    }
}
