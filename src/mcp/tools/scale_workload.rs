//! `scale-workload`: sets the number of replicas.

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
pub(super) struct ScaleWorkload;

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
    /// Replicas.
    #[schemars(range(min = 0, max = 10_000))]
    replicas: u32,
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
}

impl CoordinatedTool for ScaleWorkload {
    const META: Meta = Meta {
        name: "scale-workload",
        title: "Scale a workload",
        description: "Set the replicas of a Deployment or StatefulSet that no autoscaler owns. Undone exactly when it does not help.",
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
        let action = Action::ScaleWorkload { target, replicas: input.replicas };
        let ask_for = Ask {
            dry_run: input.dry_run,
            reason: input.reason,
            idempotency_key: input.idempotency_key,
            wait: input.wait,
        };
        ask(coordination, context, action, ask_for).await
    }
}
