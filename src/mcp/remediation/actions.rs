//! One action, named by the caller, as a workflow of one step.
//!
//! It passes the same guards, proof, verification and undo as any other workflow.

use std::sync::Arc;

use aiops_engine::{
    Error,
    coordination::{Coordination, Trigger},
    model::action::Action,
};

use super::ordering::{Ordered, order};
use crate::mcp::tool::CallContext;

/// What every tool of an action takes beside the action's own.
#[derive(Debug, Default)]
pub(in crate::mcp) struct Ask {
    pub(in crate::mcp) dry_run: Option<bool>,
    pub(in crate::mcp) reason: Option<String>,
    pub(in crate::mcp) idempotency_key: Option<String>,
    pub(in crate::mcp) wait: Option<u32>,
}

impl Ask {
    /// Orders what the trigger names, and waits.
    ///
    /// # Errors
    /// It was not accepted.
    pub(in crate::mcp) async fn order(
        self,
        coordination: &Arc<dyn Coordination>,
        context: &CallContext,
        trigger: Trigger,
    ) -> Result<Ordered, Error> {
        let trigger = Trigger {
            description: self.reason.unwrap_or_default(),
            dry_run: self.dry_run.unwrap_or(false),
            idempotency_key: self.idempotency_key,
            ..trigger
        };
        order(coordination, context, trigger, self.wait).await
    }
}

/// Orders the action, and waits.
///
/// # Errors
/// It was not accepted.
pub(in crate::mcp) async fn ask(
    coordination: &Arc<dyn Coordination>,
    context: &CallContext,
    action: Action,
    ask: Ask,
) -> Result<Ordered, Error> {
    let target = action.target();
    let trigger = Trigger {
        namespace: target.namespace.clone(),
        kind: target.kind.clone(),
        name: target.name.clone(),
        action: Some(action),
        ..Trigger::default()
    };
    ask.order(coordination, context, trigger).await
}
