//! `drain-node`: cordons a node and evicts its pods within their disruption budgets.
//!
//! It is a remedy of many steps and no single action: what may not be evicted, the planner says.

use std::sync::Arc;

use aiops_engine::{
    Error,
    coordination::{Coordination, Trigger},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::{
    remediation::{
        actions::Ask,
        ordering::Ordered,
    },
    tool::{CallContext, CoordinatedTool, Hints, Meta, Toolset},
};

/// The tool.
#[derive(Debug)]
pub(super) struct DrainNode;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Name.
    #[schemars(length(max = 253))]
    name: String,
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

impl CoordinatedTool for DrainNode {
    const META: Meta = Meta {
        name: "drain-node",
        title: "Drain a node",
        description: "Cordon a node and evict its pods within their disruption budgets. Refused where a pod would be lost.",
        toolset: Toolset::Actions,
        hints: Hints::ACT,
        needs_live: false,
    };
    type Input = Input;
    type Output = Ordered;

    async fn call(
        coordination: &Arc<dyn Coordination>,
        context: &CallContext,
        input: Input,
    ) -> Result<Ordered, Error> {
        let ask_for = Ask {
            dry_run: input.dry_run,
            reason: input.reason,
            idempotency_key: input.idempotency_key,
            wait: input.wait,
        };
        let trigger = Trigger {
            kind: "Node".to_owned(),
            name: input.name,
            // The issue whose one remedy it is.
            issue: "node_drain".to_owned(),
            ..Trigger::default()
        };
        ask_for.order(coordination, context, trigger).await
    }
}
