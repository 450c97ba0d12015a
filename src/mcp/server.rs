//! The server behind the door: what it offers, and the call path that every way in shares.
//!
//! One value serves all clients; what belongs to one client is in its session. It opens no port.

use std::sync::Arc;

use aiops_engine::{
    Error,
    model::caller::{Caller, Via},
};
use rmcp::model::{Icon, Implementation, Tool as WireTool};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    calls::Calls,
    catalogue::{self, Catalogue},
    desk::Desk,
    fixtures::Fixtures,
    instructions,
    subscriptions::Hub,
    tool::{Answer, AnyTool, CallContext},
    tools::TOOLS,
    transport::{self, McpService},
};
use crate::{config, shutdown::Tasks, telemetry::Metrics};

/// The MCP server; cheap to clone.
#[derive(Debug, Clone)]
pub struct Server(Arc<Core>);

#[derive(Debug)]
pub(super) struct Core {
    pub(super) desk: Desk,
    pub(super) catalogue: Catalogue,
    pub(super) calls: Calls,
    pub(super) hub: Arc<Hub>,
    pub(super) fixtures: Fixtures,
    pub(super) tasks: Tasks,
    settings: config::Mcp,
}

impl Core {
    /// Whether only what changes nothing is offered.
    pub(super) const fn is_read_only(&self) -> bool {
        self.settings.read_only
    }
}

/// A wheel of seven spokes with a pulse through it.
const ICON: &str = concat!(
    "data:image/svg+xml;base64,",
    "PHN2ZyB4bWxucz0naHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmcnIHZpZXdCb3g9JzAgMCAyNCAyNCc+PHBhdGggZmlsbD0nIzMy",
    "NmNlNScgZD0nTTEyIDFsOC42IDQuMSAyLjEgOS4zLTYgNy41SDcuM2wtNi03LjUgMi4xLTkuM3onLz48cGF0aCBmaWxsPSdub25l",
    "JyBzdHJva2U9JyNmZmYnIHN0cm9rZS13aWR0aD0nMS44JyBkPSdNNCAxM2g0bDItNSA0IDggMi0zaDQnLz48L3N2Zz4=",
);

impl Server {
    /// A server with all tools that the settings allow.
    pub fn new(desk: impl Into<Desk>, settings: &config::Mcp, metrics: Arc<Metrics>, tasks: Tasks) -> Self {
        Self::with_tools(TOOLS, desk, settings, metrics, tasks)
    }

    /// A server with these tools instead of [`TOOLS`].
    pub fn with_tools(
        tools: &[&'static dyn AnyTool],
        desk: impl Into<Desk>,
        settings: &config::Mcp,
        metrics: Arc<Metrics>,
        tasks: Tasks,
    ) -> Self {
        let desk = desk.into();
        Self(Arc::new(Core {
            catalogue: Catalogue::new(tools, settings, desk.coordination.is_some(), desk.member.is_some()),
            calls: Calls::new(desk.clone(), settings, metrics),
            hub: Hub::new(desk.clone(), tasks.clone()),
            fixtures: Fixtures::new(),
            desk,
            tasks,
            settings: settings.clone(),
        }))
    }

    /// The endpoint for streamable HTTP, to be nested at `/mcp`.
    pub fn http(&self, http: &config::Http) -> McpService {
        McpService::new(self, &self.0.settings, http, &self.0.tasks)
    }

    /// Serves one client over standard input and output until it hangs up or the process is to end.
    pub async fn stdio(self) -> anyhow::Result<()> {
        let (read, write) = rmcp::transport::stdio_pipes();
        self.streams(read, write).await
    }

    /// Serves one client over a pair of streams until it hangs up or the process is to end.
    pub async fn streams<R, W>(self, read: R, write: W) -> anyhow::Result<()>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let tasks = self.0.tasks.clone();
        transport::streams(self, &tasks, read, write).await
    }

    /// What `tools/list` answers now, to somebody in particular.
    pub fn tools_for(&self, caller: &Caller) -> Vec<WireTool> {
        let live = catalogue::is_live(&self.0.desk.engine);
        self.0
            .catalogue
            .listed(live, self.0.desk.serves_engine(caller))
            .chain(self.0.fixtures.tools().cloned())
            .collect()
    }

    /// What `tools/list` answers now, to nobody in particular.
    pub fn tools(&self) -> Vec<WireTool> {
        self.tools_for(&Caller::anonymous(Via::Mcp))
    }

    /// Calls a tool by the name under which it is listed, or the same without the prefix. Dropping the future, or
    /// cancelling `context`, ends the call.
    pub async fn call(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        context: CallContext,
    ) -> Result<Answer, Error> {
        let catalogue = &self.0.catalogue;
        let offer = catalogue.find(name).or_else(|| catalogue.find(catalogue.name(name)?));
        let offer = offer.ok_or_else(|| catalogue.unknown(name))?;
        let context = CallContext { cancelled: context.cancelled.child_token(), ..context };
        // Whatever the tool left running ends with the call.
        let _ended = context.cancelled.clone().drop_guard();
        let answer = self.0.calls.call(offer.tool, arguments, &context).await?;
        Ok(Arc::unwrap_or_clone(answer))
    }

    /// The instructions that a client reads when it connects.
    pub fn instructions(&self) -> String {
        instructions::text(&self.0.desk.engine, &self.0.catalogue)
    }

    /// The user whose process this is, as a caller from the command line.
    pub fn user(&self) -> Caller {
        Caller::identified(&self.0.desk.user, Vec::new(), Via::Cli)
    }

    pub(super) fn core(&self) -> &Core {
        &self.0
    }

    /// Who we are, short: rmcp asks for it at each request.
    pub(super) fn implementation() -> Implementation {
        Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).with_title("aiops")
    }

    /// Who we are, for a handshake.
    pub(super) fn introduction() -> Implementation {
        let icon = Icon::new(ICON).with_mime_type("image/svg+xml").with_sizes(vec!["any".to_owned()]);
        Self::implementation().with_description(env!("CARGO_PKG_DESCRIPTION")).with_icons(vec![icon])
    }
}
