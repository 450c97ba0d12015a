//! What the MCP conformance suite wants to find on a server: tools, prompts and resources with fixed answers.
//!
//! Compiled with the feature `conformance-fixtures` only, never into a released binary. It brings no transport and no
//! call path of its own, or passing the suite would prove nothing of the server; and it knows nothing of clusters.

mod asking;
mod content;
mod prompts;
mod resources;
mod rounds;
mod tasks;

use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject, RequestStateCodec,
        ServerCapabilities, Tool as WireTool,
    },
    service::{RequestContext, SubscriptionSink},
    task_manager::TaskManager,
};
use serde_json::Value;

/// Seals what a client hands back. The suite checks that a changed seal is refused; nothing secret is in it.
const SEAL_KEY: &[u8] = b"a key that seals nothing but the answers of test tools";
const _: () = assert!(SEAL_KEY.len() >= RequestStateCodec::MIN_KEY_LENGTH, "the seal needs a longer key");

/// How a fixture answers.
type Outcome = Result<CallToolResponse, ErrorData>;

/// One call of a fixture tool.
struct Call<'a> {
    fixtures: &'a Fixtures,
    request: CallToolRequestParams,
    context: &'a RequestContext<RoleServer>,
}

impl Call<'_> {
    fn argument(&self, name: &str) -> Option<&Value> {
        self.request.arguments.as_ref()?.get(name)
    }

    fn text_argument(&self, name: &str) -> Option<&str> {
        self.argument(name)?.as_str()
    }
}

/// A fixture tool.
struct Fixture {
    name: &'static str,
    description: &'static str,
    /// JSON of the input schema.
    schema: &'static str,
    call: for<'a> fn(Call<'a>) -> BoxFuture<'a, Outcome>,
}

const NO_ARGUMENTS: &str = r#"{"type":"object","properties":{}}"#;

/// All fixtures of one server.
pub(super) struct Fixtures {
    tools: Vec<(WireTool, &'static Fixture)>,
    seal: RequestStateCodec,
    tasks: TaskManager,
    listening: Mutex<Vec<SubscriptionSink>>,
}

impl Fixtures {
    /// All of them. One whose schema is not JSON is left out and logged, and the suite misses it.
    pub(super) fn new() -> Self {
        let mut tools = Vec::new();
        for fixture in [content::TOOLS, asking::TOOLS, rounds::TOOLS, tasks::TOOLS].into_iter().flatten() {
            match serde_json::from_str::<JsonObject>(fixture.schema) {
                Ok(schema) => {
                    let wire = WireTool::new(fixture.name, fixture.description, Arc::new(schema));
                    tools.push((wire, fixture));
                }
                Err(error) => {
                    tracing::error!(tool = fixture.name, %error, "a conformance tool has no schema")
                }
            }
        }
        let seal = RequestStateCodec::new_unchecked(SEAL_KEY);
        Self { tools, seal, tasks: TaskManager::new(), listening: Mutex::default() }
    }

    /// Adds what only the fixtures can do to what the server declares.
    pub(super) fn declare(&self, capabilities: &mut ServerCapabilities) {
        let declared = ServerCapabilities::builder()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_tasks()
            .build();
        capabilities.prompts = declared.prompts;
        capabilities.extensions = declared.extensions;
    }

    /// The tools, in the order of the suite's own list.
    pub(super) fn tools(&self) -> impl Iterator<Item = &WireTool> {
        self.tools.iter().map(|(wire, _)| wire)
    }

    /// The tool of this name.
    pub(super) fn tool(&self, name: &str) -> Option<&WireTool> {
        self.tools().find(|wire| wire.name == name)
    }

    /// Calls a tool; `None` when it is not one of ours.
    pub(super) fn call<'a>(
        &'a self,
        request: &CallToolRequestParams,
        context: &'a RequestContext<RoleServer>,
    ) -> Option<BoxFuture<'a, Outcome>> {
        let (_, fixture) = self.tools.iter().find(|(wire, _)| wire.name == request.name)?;
        Some((fixture.call)(Call { fixtures: self, request: request.clone(), context }))
    }

    /// Remembers a stream of `subscriptions/listen`, for the tools that announce changes on it.
    pub(super) fn listens(&self, sink: &SubscriptionSink) {
        self.listening.lock().push(sink.clone());
    }
}

impl std::fmt::Debug for Fixtures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fixtures").field("tools", &self.tools.len()).finish_non_exhaustive()
    }
}

/// A finished answer of one text.
fn text(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

/// What went wrong inside a fixture.
fn internal(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
