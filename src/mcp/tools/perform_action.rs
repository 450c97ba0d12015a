//! `perform-action`: one change that an engine elsewhere has decided on, made once.
//!
//! It is listed and answered only for who is granted it. What became of the change is its answer, also when nobody knows.

use aiops_engine::{
    Error,
    member::{Member, Perform, Performed},
};

use crate::mcp::tool::{CallContext, Hints, MemberTool, Meta, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct PerformAction;

impl MemberTool for PerformAction {
    const META: Meta = Meta {
        name: aiops_engine::member::PERFORM,
        title: "Act for an engine elsewhere",
        description: "For the engine that this aiops is a member of: make one change, pinned to a uid and a \
                      resourceVersion, once. Nothing is planned, verified or undone here.",
        toolset: Toolset::Member,
        hints: Hints::ACT,
        needs_live: true,
    };
    type Input = Perform;
    type Output = Performed;

    async fn call(member: &Member, context: &CallContext, input: Perform) -> Result<Performed, Error> {
        member.perform(&context.caller, input).await
    }
}
