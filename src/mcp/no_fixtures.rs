//! What stands in place of the conformance fixtures in every released binary: nothing.
//!
//! It has the fixtures' surface, so that the server has one shape and the suite tests the same call path.

use futures::future::BoxFuture;
use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, DetailedTask, GetPromptRequestParams, GetPromptResponse,
        InputResponses, Prompt, ReadResourceResult, Resource, ResourceTemplate, ServerCapabilities, Tool,
    },
    service::{RequestContext, SubscriptionSink},
};

/// No fixtures.
#[derive(Debug)]
pub(super) struct Fixtures;

type Outcome = Result<CallToolResponse, ErrorData>;

impl Fixtures {
    pub(super) const fn new() -> Self {
        Self
    }

    pub(super) const fn declare(&self, _capabilities: &mut ServerCapabilities) {}

    pub(super) fn tools(&self) -> impl Iterator<Item = &Tool> {
        std::iter::empty()
    }

    pub(super) const fn tool(&self, _name: &str) -> Option<&Tool> {
        None
    }

    pub(super) const fn call<'a>(
        &'a self,
        _request: &CallToolRequestParams,
        _context: &'a RequestContext<RoleServer>,
    ) -> Option<BoxFuture<'a, Outcome>> {
        None
    }

    pub(super) const fn listens(&self, _sink: &SubscriptionSink) {}

    pub(super) const fn prompts(&self) -> Vec<Prompt> {
        Vec::new()
    }

    pub(super) const fn prompt(
        &self,
        _request: &GetPromptRequestParams,
    ) -> Option<Result<GetPromptResponse, ErrorData>> {
        None
    }

    pub(super) const fn resources(&self) -> [Resource; 0] {
        []
    }

    pub(super) const fn resource_templates(&self) -> [ResourceTemplate; 0] {
        []
    }

    pub(super) const fn resource(&self, _uri: &str) -> Option<ReadResourceResult> {
        None
    }

    pub(super) fn task(&self, id: &str) -> Result<DetailedTask, ErrorData> {
        Err(unknown(id))
    }

    pub(super) fn update_task(&self, id: &str, _answers: InputResponses) -> Result<(), ErrorData> {
        Err(unknown(id))
    }

    pub(super) fn cancel_task(&self, id: &str) -> Result<(), ErrorData> {
        Err(unknown(id))
    }
}

fn unknown(id: &str) -> ErrorData {
    let shown = aiops_engine::text::clean(id, 64).text;
    ErrorData::invalid_params(format!("there is no task {shown:?}; a task is a workflow, by its id"), None)
}
