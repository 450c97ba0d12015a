//! `get-pod-logs`: what is worth reading of a container's log.

use aiops_engine::{
    Engine, Error,
    requests::logs::{LogAnswer, PodLogs as Request},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::tool::{CallContext, Hints, Meta, Tool, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct GetPodLogs;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Namespace.
    #[schemars(length(max = 63))]
    namespace: String,
    /// Pod.
    #[schemars(length(max = 253))]
    pod: String,
    /// When absent, the one that failed most.
    #[schemars(length(max = 63))]
    container: Option<String>,
    /// Log of the instance before the last restart.
    previous: Option<bool>,
    /// 15m, 2h or RFC 3339.
    #[schemars(length(max = 40))]
    since: Option<String>,
    /// Lines read from the end.
    #[schemars(range(min = 1, max = 20000))]
    tail: Option<u32>,
    /// Regular expression.
    #[schemars(length(max = 500))]
    grep: Option<String>,
    /// Lines around each match.
    #[schemars(range(max = 20))]
    context: Option<u32>,
    /// Search further back for the first error.
    first_error: Option<bool>,
}

impl Tool for GetPodLogs {
    const META: Meta = Meta {
        name: "get-pod-logs",
        title: "Read a pod's log",
        description: "A container's log: first error, matches, newest lines, repeats folded, secrets redacted.",
        toolset: Toolset::Cluster,
        hints: Hints::READ,
        needs_live: true,
    };
    type Input = Input;
    type Output = LogAnswer;

    async fn call(engine: &Engine, _context: &CallContext, input: Input) -> Result<LogAnswer, Error> {
        engine
            .pod_logs(&Request {
                namespace: input.namespace,
                pod: input.pod,
                container: input.container.filter(|name| !name.is_empty()),
                previous: input.previous.unwrap_or(false),
                since: input.since,
                tail: input.tail,
                grep: input.grep,
                context: input.context,
                first_error: input.first_error.unwrap_or(false),
            })
            .await
    }
}
