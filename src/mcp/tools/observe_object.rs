//! `observe-object`: what an engine elsewhere has to see before it acts: an object whole and live.
//!
//! It is listed and answered only for who is granted it, and its answers are for an engine, not for a model: values stand in
//! them as they are, but for what Secrets hold, because what the engine sets back must be what was there.

use aiops_engine::{
    Error,
    member::{Member, Observe, Observed},
};

use crate::mcp::tool::{CallContext, Hints, MemberTool, Meta, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct ObserveObject;

impl MemberTool for ObserveObject {
    const META: Meta = Meta {
        name: aiops_engine::member::OBSERVE,
        title: "Observe for an engine elsewhere",
        description: "For the engine that this aiops is a member of: a live object with uid, resourceVersion and \
                      managedFields, a page, kinds, rights. What a Secret holds never. People take get-resource.",
        toolset: Toolset::Member,
        hints: Hints::READ,
        needs_live: true,
    };
    type Input = Observe;
    type Output = Observed;

    async fn call(member: &Member, context: &CallContext, input: Observe) -> Result<Observed, Error> {
        member.observe(&context.caller, input).await
    }
}
