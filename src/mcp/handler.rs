//! Answers the messages of the protocol for one client: each method is one question to the room that knows.
//!
//! It keeps nothing but its session. Methods that the revision at hand does not have are refused by rmcp.

mod approving;
mod bounds;
mod calling;
mod question;
mod tasks;
mod way;

use std::sync::Arc;

use aiops_engine::Error;
use bounds::{longest, whole};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::*,
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use way::Way;

use super::{
    completion, error, prompts,
    request::{RequestId as Id, adopt, traceparent},
    resources,
    server::{Core, Server},
    session::Session,
    subscriptions::{Listener, MOST_URIS, MOST_WATCHED},
};

/// How long clients may keep a list: changes are announced where they can be.
const LIST_TTL_MS: u64 = 30_000;
/// How long clients may keep a resource: the inventory is at most a second behind the cluster.
const RESOURCE_TTL_MS: u64 = 1_000;

/// One client's handler.
pub(super) struct Handler {
    server: Server,
    session: Option<Arc<Session>>,
    way: Way,
}

impl Handler {
    fn core(&self) -> &Core {
        self.server.core()
    }

    /// What we can do in the stateless era, where each notification has its stream.
    fn capabilities(&self) -> ServerCapabilities {
        let mut capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_completions()
            .build();
        if self.core().desk.coordination.is_some() {
            capabilities.extensions = ServerCapabilities::builder().enable_tasks().build().extensions;
        }
        self.core().fixtures.declare(&mut capabilities);
        capabilities
    }

    /// Refuses a URI that no resource of ours can ever have: nothing would ever be told about it.
    fn is_ours(&self, uri: &str) -> Result<(), Error> {
        if self.core().fixtures.resource(uri).is_some() {
            Ok(())
        } else {
            resources::check(&self.core().desk, uri)
        }
    }

    /// Runs something that is not a tool's own question with the same turn, limit and net.
    async fn guarded<T>(
        &self,
        what: &str,
        context: &RequestContext<RoleServer>,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.core().calls.guard(what, &context.ct, work).await
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(self.capabilities()).with_server_info(Server::implementation())
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let mut result = self.negotiate_initialize(&request)?;
        context.peer.set_peer_info(request);
        result.server_info = Server::introduction();
        result.instructions = Some(self.server.instructions());
        let capabilities = &mut result.capabilities;
        if self.session.is_some() {
            capabilities.logging = Some(JsonObject::new());
        } else {
            // Without a session there is no way back to the client, so nothing that needs one is promised.
            capabilities.tools = Some(ToolsCapability::default());
            capabilities.prompts = Some(PromptsCapability::default());
            capabilities.resources = Some(ResourcesCapability::default());
        }
        Ok(result)
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let info = ServerConfig::new(self.capabilities())
            .with_server_info(Server::introduction())
            .with_instructions(self.server.instructions());
        Ok(DiscoverResult::from_server_info(self.supported_protocol_versions().into_owned(), info))
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if let Some(session) = &self.session {
            session.join(&self.core().hub, &context.peer);
        }
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        whole(request)?;
        Ok(ListToolsResult::with_all_items(self.server.tools_for(&self.caller(&context)))
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let ours = self.core().catalogue.find(name).map(|offer| &offer.wire);
        // rmcp asks for the schema at each call, and for nothing else.
        ours.or_else(|| self.core().fixtures.tool(name))
            .map(|tool| Tool::new_with_raw("", None, Arc::clone(&tool.input_schema)))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(call) = self.core().fixtures.call(&request, &context) {
            let id = Id::of(&context);
            let done = self.guarded(&request.name, &context, async { Ok(call.await) }).await;
            return done.unwrap_or_else(|failure| {
                error::log(&request.name, &failure, id);
                Ok(error::failed(&failure, id).into())
            });
        }
        let Some(offer) = self.core().catalogue.find(&request.name) else {
            let unknown = self.core().catalogue.unknown(&request.name);
            return Err(ErrorData::invalid_params(error::words(&unknown, Id::of(&context)), None));
        };
        if request.request_state.is_some() {
            return self.resumed(offer, &request, &context).await;
        }
        if self.is_task(offer, &context) {
            return Ok(self.begun(offer, request, &context).await);
        }
        let wait = approving::wait(&request);
        let answered = self.answer(offer, request, &context).await;
        Ok(self.or_asked(offer, answered, wait, &context).await)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        whole(request)?;
        let mut items = resources::list(&self.core().desk);
        items.extend(self.core().fixtures.resources());
        Ok(ListResourcesResult::with_all_items(items)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        whole(request)?;
        let mut items = resources::templates(&self.core().desk);
        items.extend(self.core().fixtures.resource_templates());
        Ok(ListResourceTemplatesResult::with_all_items(items)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri;
        if let Some(result) = self.core().fixtures.resource(&uri) {
            return Ok(result.with_ttl_ms(RESOURCE_TTL_MS).with_cache_scope(CacheScope::Private).into());
        }
        let id = Id::of(&context);
        let span =
            tracing::info_span!("resources/read", request_id = %id, traceparent = traceparent(&context));
        adopt(&span, &context);
        let caller = self.caller(&context);
        let read =
            self.guarded("resources/read", &context, resources::read(&self.core().desk, &caller, &uri));
        match read.instrument(span).await {
            Ok(answer) => {
                let contents = ResourceContents::text(answer.text, uri).with_mime_type(resources::MIME);
                Ok(ReadResourceResult::new(vec![contents])
                    .with_ttl_ms(RESOURCE_TTL_MS)
                    .with_cache_scope(CacheScope::Private)
                    .into())
            }
            Err(failure) => {
                error::log("resources/read", &failure, id);
                Err(error::resource(&failure, &uri, id))
            }
        }
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        whole(request)?;
        let mut items = prompts::list(&self.core().catalogue);
        items.extend(self.core().fixtures.prompts());
        Ok(ListPromptsResult::with_all_items(items)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        match self.core().fixtures.prompt(&request) {
            Some(result) => result,
            None => prompts::get(&self.core().catalogue, &request).map(Into::into),
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let caller = self.caller(&context);
        let work = async { Ok(completion::complete(&self.core().desk, &caller, &request).await) };
        let id = Id::of(&context);
        self.guarded("completion/complete", &context, work).await.unwrap_or_else(|failure| {
            error::log("completion/complete", &failure, id);
            Err(ErrorData::internal_error(error::words(&failure, id), None))
        })
    }

    #[expect(deprecated, reason = "clients of 2025-11-25 still set a level")]
    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        // Without a session no log message is ever sent, which satisfies every level.
        if let Some(session) = &self.session {
            session.set_level(request.level);
        }
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        longest(&request.uri)?;
        // Without a session nothing was promised and nothing can be told; a client that subscribes all the same is not
        // refused, because rejecting what is harmless breaks clients that ask without looking.
        let Some(session) = &self.session else { return Ok(()) };
        // The same goes for what stands under a scheme that is not ours: there is never news of it, and it takes no place.
        if !request.uri.starts_with("cluster://") {
            return Ok(());
        }
        self.is_ours(&request.uri).map_err(|e| error::resource(&e, &request.uri, Id::of(&context)))?;
        if session.subscribe(&self.core().hub, &context.peer, &request.uri).await {
            Ok(())
        } else {
            let why = format!(
                "too many subscriptions: a client may have {MOST_URIS}, and all clients together listen to {MOST_WATCHED} \
                 different resources at most; unsubscribe from others first"
            );
            Err(ErrorData::invalid_request(why, None))
        }
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if let Some(session) = &self.session {
            session.unsubscribe(&request.uri);
        }
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        // A full hub accepts nothing, and the acknowledgement says so.
        if !self.core().hub.has_room() {
            return Some(SubscriptionFilter::new());
        }
        let mut accepted = requested.clone();
        if let Some(uris) = &mut accepted.resource_subscriptions {
            uris.retain(|uri| self.is_ours(uri).is_ok());
            uris.truncate(MOST_URIS);
            self.core().hub.keep_fitting(uris);
        }
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.core().fixtures.listens(context.sink());
        let uris = context.accepted().resource_subscriptions.clone().unwrap_or_default();
        let listener = Listener::Stream(context.sink().clone());
        // Others took the last places meanwhile: an end tells the client that it will hear nothing.
        let Some(seat) = self.core().hub.join(listener) else { return Ok(()) };
        for uri in &uris {
            seat.subscribe(uri).await;
        }
        let ending: CancellationToken = self.core().tasks.ending();
        tokio::select! {
            () = context.cancelled() => {}
            () = ending.cancelled() => {}
        }
        Ok(())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let is_stateless =
            context.protocol_version().is_some_and(|spoken| spoken >= ProtocolVersion::V_2026_07_28);
        Err(error::unread(&request.method, is_stateless, self.capabilities().supports_tasks()))
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        match tasks::workflow(&request.task_id) {
            Some(id) => self.task(&id, &context).await.map(GetTaskResult::new),
            None => self.core().fixtures.task(&request.task_id).map(GetTaskResult::new),
        }
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        match tasks::workflow(&request.task_id) {
            Some(id) => self.answered(&id, &request.input_responses, &context).await,
            None => self.core().fixtures.update_task(&request.task_id, request.input_responses),
        }
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        match tasks::workflow(&request.task_id) {
            Some(id) => self.stopped(&id, &context).await,
            None => self.core().fixtures.cancel_task(&request.task_id),
        }
    }
}
