//! Speaks to a running aiops: stateless MCP, one POST a question; REST for what has no tool.
//!
//! It is no general MCP client: it knows the revision that this binary serves.

mod rest;

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use serde_json::{Map, Value, json};

pub(super) use rest::Events;

use super::{Failure, Global, table::clean};
use crate::{
    config::{Environment, Loaded},
    outbound::{Outbound, OutboundError},
};

/// Which server to ask.
#[derive(Debug, Args)]
pub(super) struct Reach {
    /// Ask this server [default: $AIOPS_SERVER, else the one that executes on the state directory, else one that listens on this machine, else none is needed]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Bearer token for that server [default: $AIOPS_TOKEN, which other users of this machine do not see]
    #[arg(long, value_name = "TOKEN", hide_default_value = true)]
    token: Option<String>,
}

const REVISION: &str = "2026-07-28";
/// A call ends after the server's own limit; this is for one that does not.
const PATIENCE: Duration = Duration::from_secs(60);
/// Whether something listens here must not be felt.
const PROBE_WITHIN: Duration = Duration::from_millis(500);
/// Whoever listens at the socket is aiops: one that is slow is waited for, one that has ended refuses at once.
const BESIDE_WITHIN: Duration = Duration::from_secs(10);
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// A running aiops.
#[derive(Debug)]
pub(super) struct Remote {
    /// Where it is, for people.
    base: String,
    /// What URLs begin with.
    origin: String,
    token: Option<HeaderValue>,
    client: Outbound,
    /// Nothing is to be changed over it.
    is_read_only: bool,
}

/// What a call came to.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) is_error: bool,
    pub(super) text: String,
    pub(super) structured: Option<Map<String, Value>>,
}

impl Reach {
    /// The server that was named, or one that answers where ours would listen; `None`: ask the cluster ourselves.
    pub(super) async fn find(
        &self,
        global: &Global,
        loaded: &Loaded,
        environment: &Environment,
    ) -> anyhow::Result<Option<Remote>> {
        let token = self.token.as_deref().or_else(|| environment.text("AIOPS_TOKEN"));
        if let Some(url) = self.server.as_deref().or_else(|| environment.text("AIOPS_SERVER")) {
            return Remote::new(url, token, loaded).map(Some);
        }
        // Who names a cluster wants that one, not the one that a server happens to read.
        let names_cluster =
            global.kubeconfig.is_some() || global.context.is_some() || global.recording.is_some();
        if names_cluster {
            return Ok(None);
        }
        if let Some(remote) = Remote::beside(loaded, token)?
            && remote.is_aiops(BESIDE_WITHIN).await?
        {
            return Ok(Some(remote));
        }
        let listen = loaded.config.http.listen;
        if listen.port() == 0 {
            return Ok(None);
        }
        let host =
            if listen.ip().is_unspecified() { "127.0.0.1".to_owned() } else { listen.ip().to_string() };
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let remote = Remote::new(&format!("http://{host}:{}", listen.port()), token, loaded)?;
        Ok(remote.is_aiops(PROBE_WITHIN).await?.then_some(remote))
    }
}

impl Reach {
    /// A server, for what only a server can do.
    ///
    /// # Errors
    /// None was named, and none answers where ours would listen.
    pub(super) async fn server(
        &self,
        global: &Global,
        loaded: &Loaded,
        environment: &Environment,
    ) -> Result<Remote, Failure> {
        let found = self.find(global, loaded, environment).await?;
        let names_cluster =
            global.kubeconfig.is_some() || global.context.is_some() || global.recording.is_some();
        if found.is_none() && names_cluster {
            return Err(Failure::usage(anyhow::anyhow!(
                "--context, --kubeconfig and --recording name a cluster, and this asks a running aiops: leave them out, or \
                 name the aiops with --server or AIOPS_SERVER"
            )));
        }
        found.ok_or_else(|| {
            Failure::from(anyhow::anyhow!(
                "no aiops runs here (nothing answers at {}{}); start one in another shell with `aiops serve --mode full`, \
                 or name one with --server or AIOPS_SERVER",
                loaded.config.http.listen,
                loaded.state_dir().map(|folder| format!(", or executes on {}", folder.display())).unwrap_or_default()
            ))
        })
    }
}

impl Remote {
    fn new(url: &str, token: Option<&str>, loaded: &Loaded) -> anyhow::Result<Self> {
        let wrong = || format!("{:?} is no URL of a server; write http://127.0.0.1:8080", clean(url));
        let uri: Uri = url.parse().with_context(wrong)?;
        anyhow::ensure!(matches!(uri.scheme_str(), Some("http" | "https")), wrong());
        let base = url.trim_end_matches('/').trim_end_matches("/mcp").to_owned();
        let client = Outbound::to(&uri).context("this system has no root certificates")?;
        let is_read_only = loaded.config.mcp.read_only;
        Ok(Self { origin: base.clone(), base, token: bearer(token)?, client, is_read_only })
    }

    /// The one that executes on the state directory, if there is one.
    #[cfg(unix)]
    fn beside(loaded: &Loaded, token: Option<&str>) -> anyhow::Result<Option<Self>> {
        let Some(socket) = loaded.state_dir().map(|folder| crate::attach::socket(&folder)) else {
            return Ok(None);
        };
        if !socket.exists() {
            return Ok(None);
        }
        Ok(Some(Self {
            base: socket.display().to_string(),
            origin: "http://localhost".to_owned(),
            token: bearer(token)?,
            client: Outbound::at(socket),
            is_read_only: loaded.config.mcp.read_only,
        }))
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "as where there are sockets")]
    fn beside(_: &Loaded, _: Option<&str>) -> anyhow::Result<Option<Self>> {
        Ok(None)
    }

    /// Where it is.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// What `/health` says of the cluster it reads, in a few words.
    pub(super) async fn reads(&self) -> Option<String> {
        let (_, health) = self.health(PROBE_WITHIN).await?;
        let cluster = health.get("cluster")?;
        let text = |name: &str| cluster.get(name).and_then(Value::as_str).map(clean);
        if let Some(recording) = text("recording") {
            return Some(format!("the recording {recording}"));
        }
        text("context").or_else(|| text("server")).map(|name| format!("the cluster {name}"))
    }

    /// Whether aiops answers there. One that turns us away is there too: to go on without it, or to say that nothing
    /// answers, would be wrong, so that its refusal is the error.
    async fn is_aiops(&self, within: Duration) -> anyhow::Result<bool> {
        let Some((status, health)) = self.health(within).await else { return Ok(false) };
        let is_ours = health.get("code").is_some() && health.get("request_id").is_some();
        if is_ours && matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(self.refused(status, &health.to_string()));
        }
        Ok(health.get("name").is_some_and(|name| name == "aiops"))
    }

    async fn health(&self, within: Duration) -> Option<(StatusCode, Value)> {
        let mut request = Request::get(format!("{}/health", self.origin));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(Bytes::new()).ok()?;
        let answer = self.client.send(request, within, MOST_BYTES).await.ok()?;
        Some((answer.status(), serde_json::from_slice(answer.body()).ok()?))
    }

    /// What `tools/list` answers.
    pub(super) async fn tools(&self) -> anyhow::Result<Vec<Value>> {
        let mut result = self.ask("tools/list", None, Map::new()).await?;
        match result.remove("tools") {
            Some(Value::Array(tools)) => Ok(tools),
            _ => anyhow::bail!("{} answered tools/list without tools; is it aiops?", self.base),
        }
    }

    /// Calls a tool.
    pub(super) async fn call(&self, name: &str, arguments: Map<String, Value>) -> anyhow::Result<Called> {
        let mut params = Map::new();
        params.insert("name".to_owned(), json!(name));
        params.insert("arguments".to_owned(), Value::Object(arguments));
        let mut result = self.ask("tools/call", Some(name), params).await?;
        let texts = result.get("content").and_then(Value::as_array).into_iter().flatten();
        let text = texts.filter_map(|block| block.get("text")?.as_str()).collect::<Vec<_>>().join("\n");
        let is_error = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
        let structured = match result.remove("structuredContent") {
            Some(Value::Object(structured)) => Some(structured),
            _ => None,
        };
        Ok(Called { is_error, text, structured })
    }

    async fn ask(
        &self,
        method: &'static str,
        name: Option<&str>,
        mut params: Map<String, Value>,
    ) -> anyhow::Result<Map<String, Value>> {
        params.insert(
            "_meta".to_owned(),
            json!({
                "io.modelcontextprotocol/protocolVersion": REVISION,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": { "name": "aiops-cli", "version": env!("CARGO_PKG_VERSION") },
            }),
        );
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let mut request = Request::post(format!("{}/mcp", self.origin))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", REVISION)
            .header("mcp-method", method);
        if let Some(name) = name {
            request = request.header("mcp-name", name);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let asked = self.client.send(request.body(Bytes::from(body))?, PATIENCE, MOST_BYTES).await;
        self.result(&asked.map_err(|error| self.unasked(error))?)
    }

    /// Why it could not be asked.
    fn unasked(&self, error: OutboundError) -> anyhow::Error {
        let hint = match error {
            OutboundError::Connection(_) => {
                "start one with `aiops serve`, or leave --server and AIOPS_SERVER out"
            }
            _ => "ask again, or look at its log",
        };
        anyhow::Error::new(error).context(format!("{} cannot be asked; {hint}", self.base))
    }

    fn result(&self, answer: &Response<Bytes>) -> anyhow::Result<Map<String, Value>> {
        let text = String::from_utf8_lossy(answer.body());
        let message = message(&text);
        if let Some(Value::Object(mut message)) = message {
            if let Some(Value::Object(result)) = message.remove("result") {
                return Ok(result);
            }
            // JSON-RPC has an object here, a refusal of the listener a text.
            let error = message.get("error");
            let why = error.and_then(|error| error.get("message").or(Some(error))).and_then(Value::as_str);
            if let Some(why) = why {
                let hint = if answer.status() == StatusCode::UNAUTHORIZED {
                    "; give it with AIOPS_TOKEN or --token"
                } else {
                    ""
                };
                anyhow::bail!("{} refused: {}{hint}", self.base, clean(why));
            }
        }
        anyhow::bail!(
            "{} answered {} and no JSON-RPC; is that aiops? It serves MCP at /mcp",
            self.base,
            answer.status()
        )
    }
}

/// Why nothing is asked for that changes something.
pub(super) fn withheld(what: &str) -> Failure {
    Failure::usage(anyhow::anyhow!(
        "{what} is to change something, and here nothing may be: --read-only or mcp.readOnly is set; nothing was asked for"
    ))
}

fn bearer(token: Option<&str>) -> anyhow::Result<Option<HeaderValue>> {
    let Some(token) = token else { return Ok(None) };
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .context("the token holds characters that no token has")?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// The JSON of an answer, which may come as the last message of an event stream.
fn message(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter_map(|data| serde_json::from_str::<Value>(data.trim()).ok())
        .rfind(|message| message.get("result").is_some() || message.get("error").is_some())
}
