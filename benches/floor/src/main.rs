//! The floor: an MCP server over HTTP with one tool, and one watch of pods whose streaming list is decoded into rows.
//!
//! It has nothing that makes a server trustworthy: no limits, no tokens, no reconnects, no redaction, one kind. What it
//! costs is what rmcp, axum and kube cost, so aiops is measured against it on the same machine in the same minute.

use std::{borrow::Cow, collections::HashMap, io::Write as _, sync::Arc};

use anyhow::Context as _;
use http_body_util::BodyExt as _;
use kube::{
    Client, Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use parking_lot::RwLock;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, JsonObject,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The one tool, named as aiops's, so that the same calls can be made.
const TOOL: &str = "get-cluster-health";
const LIST: &str = "/api/v1/pods?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

/// What is kept of a pod.
#[derive(Debug)]
struct Row {
    node: Arc<str>,
    phase: Arc<str>,
    restarts: u32,
}

/// All pods by namespace and name, and each text once.
#[derive(Debug, Default)]
struct Pods {
    rows: HashMap<Arc<str>, HashMap<Box<str>, Row>>,
    texts: HashMap<Box<str>, Arc<str>>,
    is_synced: bool,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: Pod<'a>,
}

#[derive(Deserialize)]
struct Pod<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    spec: Spec<'a>,
    #[serde(borrow, default)]
    status: Status<'a>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    annotations: HashMap<Cow<'a, str>, &'a serde_json::value::RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow, default)]
    node_name: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow, default)]
    phase: Cow<'a, str>,
    #[serde(default)]
    container_statuses: Vec<Container>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default)]
    restart_count: u32,
}

impl Pods {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = text.into();
        self.texts.insert(text.into(), Arc::clone(&shared));
        shared
    }

    fn take(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let Line { kind, object: Pod { metadata, spec, status } } = serde_json::from_slice(line)?;
        match kind.as_ref() {
            "ADDED" | "MODIFIED" => {
                let row = Row {
                    node: self.text(&spec.node_name),
                    phase: self.text(&status.phase),
                    restarts: status.container_statuses.iter().map(|container| container.restart_count).sum(),
                };
                let namespace = self.text(&metadata.namespace);
                self.rows.entry(namespace).or_default().insert(metadata.name.into(), row);
            }
            "DELETED" => {
                if let Some(rows) = self.rows.get_mut(metadata.namespace.as_ref()) {
                    rows.remove(metadata.name.as_ref());
                }
            }
            "BOOKMARK" => self.is_synced |= metadata.annotations.contains_key("k8s.io/initial-events-end"),
            other => anyhow::bail!("a line of type {other}"),
        }
        Ok(())
    }

    fn answer(&self, namespace: Option<&str>) -> Value {
        let mut phases: HashMap<&str, u32> = HashMap::new();
        let mut nodes: HashMap<&str, u32> = HashMap::new();
        let (mut total, mut restarts) = (0, 0);
        let rows = match namespace {
            Some(namespace) => self.rows.get(namespace).into_iter().collect::<Vec<_>>(),
            None => self.rows.values().collect(),
        };
        for row in rows.into_iter().flat_map(HashMap::values) {
            total += 1;
            restarts += row.restarts;
            *phases.entry(&row.phase).or_default() += 1;
            *nodes.entry(&row.node).or_default() += 1;
        }
        json!({"synced": self.is_synced, "pods": {"total": total, "phases": phases}, "nodes": nodes.len(), "restarts": restarts})
    }
}

#[derive(Clone)]
struct Floor {
    pods: Arc<RwLock<Pods>>,
}

impl ServerHandler for Floor {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("aiops-floor", env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut schema = JsonObject::new();
        schema.insert("type".to_owned(), "object".into());
        Ok(ListToolsResult::with_all_items(vec![Tool::new(TOOL, "Counts of pods", Arc::new(schema))]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let answer = self.pods.read().answer(arguments.get("namespace").and_then(Value::as_str));
        let mut result = CallToolResult::success(vec![ContentBlock::text(answer.to_string())]);
        result.structured_content = Some(answer);
        Ok(result.into())
    }
}

/// Watches until the stream ends.
async fn watch(kubeconfig: &str, pods: &RwLock<Pods>) -> anyhow::Result<()> {
    let read = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    let client = Client::try_from(config)?;
    let mut body = client.send(http::Request::get(LIST).body(Body::empty())?).await?.into_body();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame?.into_data() else { continue };
        rest.extend_from_slice(&chunk);
        let Some(end) = memchr::memrchr(b'\n', &rest) else { continue };
        let (whole, _) = rest.split_at(end + 1);
        let mut held = pods.write();
        for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            held.take(line)?;
        }
        drop(held);
        rest.drain(..=end);
    }
    Ok(())
}

async fn serve(pods: Arc<RwLock<Pods>>) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stderr(), r#"{{"message":"listening","address":"{}"}}"#, listener.local_addr()?)?;
    let settings =
        StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let mcp = StreamableHttpService::new(
        move || Ok(Floor { pods: Arc::clone(&pods) }),
        Arc::new(NeverSessionManager::default()),
        settings,
    );
    axum::serve(listener, axum::Router::new().nest_service("/mcp", mcp)).await?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let kubeconfig = std::env::args().nth(1).context("usage: aiops-floor KUBECONFIG")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let pods = Arc::new(RwLock::new(Pods::default()));
        let watched = {
            let pods = Arc::clone(&pods);
            async move {
                loop {
                    // The API server cuts off who is too slow for it; then the list begins anew.
                    watch(&kubeconfig, &pods).await?;
                    *pods.write() = Pods::default();
                }
            }
        };
        #[expect(clippy::disallowed_methods, reason = "the floor has no shutdown to wait in")]
        let watching = tokio::spawn(watched);
        #[expect(clippy::disallowed_methods, reason = "the floor has no shutdown to wait in")]
        let serving = tokio::spawn(serve(pods));
        tokio::select! {
            served = serving => served?,
            watched = watching => watched?,
        }
    })
}
