//! What stands in place of the conformance fixtures in every released binary: nothing.
//!
//! It has the fixtures' surface, so that the server has one shape and the suite tests the same call path.

use futures::future::BoxFuture;
use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CancelTaskMethod, DetailedTask, GetPromptRequestParams,
        GetPromptResponse, GetTaskMethod, InputResponses, Prompt, ReadResourceResult, Resource,
        ResourceTemplate, ServerCapabilities, Tool, UpdateTaskMethod,
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

    pub(super) fn task(&self, _id: &str) -> Result<DetailedTask, ErrorData> {
        Err(ErrorData::method_not_found::<GetTaskMethod>())
    }

    pub(super) fn update_task(&self, _id: &str, _answers: InputResponses) -> Result<(), ErrorData> {
        Err(ErrorData::method_not_found::<UpdateTaskMethod>())
    }

    pub(super) fn cancel_task(&self, _id: &str) -> Result<(), ErrorData> {
        Err(ErrorData::method_not_found::<CancelTaskMethod>())
    }
}
