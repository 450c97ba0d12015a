//! `list-events`: events grouped by workload and reason, warnings first.

use aiops_engine::{
    Engine, Error,
    requests::events::{EventList, EventType, ListEvents as Request},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::tool::{CallContext, Hints, Meta, Tool, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct ListEvents;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Namespace; all when absent.
    #[schemars(length(max = 253))]
    namespace: Option<String>,
    /// Only about this kind and what it owns, such as Deployment.
    #[schemars(length(max = 63))]
    kind: Option<String>,
    /// Only about the object of this name and what it owns.
    #[schemars(length(max = 253))]
    name: Option<String>,
    /// Type of events (default all).
    r#type: Option<EventType>,
    /// Only what was seen within this many minutes.
    #[schemars(range(min = 1, max = 10080))]
    since_minutes: Option<u32>,
    /// Groups at most; without it as many as fit a short answer.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// next_cursor of the call before.
    cursor: Option<String>,
}

impl Tool for ListEvents {
    const META: Meta = Meta {
        name: "list-events",
        title: "List events",
        description: "What happened lately: events grouped by workload and reason, warnings first, counted over all its pods.",
        toolset: Toolset::Cluster,
        hints: Hints::READ,
        needs_live: false,
    };
    type Input = Input;
    type Output = EventList;

    async fn call(engine: &Engine, _context: &CallContext, input: Input) -> Result<EventList, Error> {
        engine.list_events(&Request {
            namespace: input.namespace,
            kind: input.kind,
            name: input.name,
            event_type: input.r#type.unwrap_or_default(),
            since_minutes: input.since_minutes,
            limit: input.limit,
            cursor: input.cursor,
        })
    }
}
