//! `set-resources`: sets requests and limits of one container.

use std::sync::Arc;

use aiops_engine::{
    Error,
    coordination::Coordination,
    model::{
        action::{Action, Resources},
        target::Target,
    },
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
pub(super) struct SetResources;

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

impl CoordinatedTool for SetResources {
    const META: Meta = Meta {
        name: "set-resources",
        title: "Set resources",
        description: "Set requests and limits of one container in the template of a workload; what is not named stays. Undone exactly when it does not help.",
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
        let action = Action::SetResources { target, container: input.container, resources };
        let ask_for = Ask {
            dry_run: input.dry_run,
            reason: input.reason,
            idempotency_key: input.idempotency_key,
            wait: input.wait,
        };
        ask(coordination, context, action, ask_for).await
    }
}
