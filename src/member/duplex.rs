//! A line within this process: rmcp's client at one end of a duplex in memory, a server of ours at the other.
//!
//! It ends with the process; a call that is dropped is cancelled, and what became of it nobody knows.

use std::{sync::Arc, time::Duration};

use aiops_engine::{
    member::{Line, Reply},
    ports::acting::{NotDone, NotDoneKind},
};
use async_trait::async_trait;
use rmcp::{
    RoleClient,
    model::{CallToolRequestParams, CallToolResponse, ProtocolVersion},
    service::{ClientLifecycleMode, RunningService, ServiceError, serve_client_with_lifecycle},
};
use serde_json::{Map, Value};
use tokio::{io::DuplexStream, sync::SetOnce};

use crate::shutdown::Tasks;

/// Bytes on their way in one direction.
const BUFFER: usize = 256 * 1024;

/// A line within this process.
struct Duplex {
    /// The client, once it has shaken hands; `None` when that failed.
    client: Arc<SetOnce<Option<RunningService<RoleClient, ()>>>>,
}

/// A line to the server that is given the other end of it.
pub fn duplex<F, S>(tasks: &Tasks, serve: F) -> Arc<dyn Line>
where
    F: FnOnce(DuplexStream) -> S,
    S: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let (ours, theirs) = tokio::io::duplex(BUFFER);
    let serving = serve(theirs);
    tasks.spawn("serve the engine of this process", async move {
        if let Err(error) = serving.await {
            tracing::error!(error = format!("{error:#}"), "the member of this process serves no more");
        }
    });
    let client = Arc::new(SetOnce::new());
    let made = Arc::clone(&client);
    // Beside the calls: one that is given up must not take the handshake with it.
    tasks.spawn("speak to the member of this process", async move {
        let mode = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
        let client = match serve_client_with_lifecycle((), ours, mode).await {
            Ok(client) => Some(client),
            Err(error) => {
                tracing::error!(%error, "the member of this process cannot be spoken to");
                None
            }
        };
        // It is set nowhere else.
        let _ = made.set(client);
    });
    Arc::new(Duplex { client })
}

/// Whether an error of JSON-RPC says that no tool was called: the message could not be read, or there is no such tool.
pub(super) const fn is_uncalled(code: i64) -> bool {
    matches!(code, -32_700 | -32_602..=-32_600)
}

/// The parts of a tool's result that count.
pub(super) fn parts(result: &Map<String, Value>) -> Reply {
    let blocks = result.get("content").and_then(Value::as_array).into_iter().flatten();
    let texts: Vec<&str> = blocks.filter_map(|block| block.get("text")?.as_str()).collect();
    let code = result.get("_meta").and_then(|meta| meta.get("aiops.io/code")).and_then(Value::as_str);
    let is_error = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
    Reply {
        is_error,
        code: code.map(str::to_owned),
        // The text of an answer is the same once more.
        text: if is_error { texts.join("\n") } else { String::new() },
        structured: result.get("structuredContent").and_then(Value::as_object).cloned(),
    }
}

#[async_trait]
impl Line for Duplex {
    async fn call(
        &self,
        tool: &'static str,
        arguments: Map<String, Value>,
        _: Duration,
        _: bool,
    ) -> Result<Reply, NotDone> {
        let Some(client) = self.client.wait().await else {
            let why = "the member of this process cannot be spoken to; nothing was sent";
            return Err(NotDone::new(NotDoneKind::NotSent, why));
        };
        let request = CallToolRequestParams::new(tool).with_arguments(arguments);
        let unknown = |why: String| {
            let why = format!(
                "the member of this process did not answer ({why}); whether it had an effect is not known"
            );
            NotDone::new(NotDoneKind::Unknown, why)
        };
        match client.peer().call_tool_once(request).await {
            Ok(CallToolResponse::Complete(result)) => match serde_json::to_value(&result) {
                Ok(Value::Object(result)) => Ok(parts(&result)),
                _ => Err(unknown("its result is no object".to_owned())),
            },
            Ok(_) => Err(unknown("it answered with something else than a result".to_owned())),
            Err(ServiceError::McpError(error)) if is_uncalled(i64::from(error.code.0)) => Err(NotDone::new(
                NotDoneKind::Unsupported,
                format!("the member of this process says: {}", error.message),
            )),
            Err(error) => Err(unknown(error.to_string())),
        }
    }

    fn place(&self) -> &str {
        "this process"
    }
}
