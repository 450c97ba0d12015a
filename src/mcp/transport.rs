//! The two ways in: streamable HTTP and standard streams, both eras of the protocol on each.
//!
//! Who may speak to us over HTTP (`Host`, `Origin`, size of the body) is checked here, before anything is read. It
//! binds no port and knows no tokens; whoever listens puts those around it.

mod sessions;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::Body;
use rmcp::{
    ServiceExt as _,
    service::ServerInitializeError,
    transport::{
        async_rw::AsyncRwTransport,
        streamable_http_server::{
            StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
        },
    },
};
use sessions::BoundedSessions;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
};

use super::{handler::Handler, server::Server};
use crate::{
    config::{self, tokens::Principal},
    shutdown::Tasks,
};

/// The MCP endpoint as a `tower` service; cheap to clone.
#[derive(Clone)]
pub struct McpService(Arc<Endpoint>);

/// Requests that are worked on at once, for each processor: a request holds about 100 KiB while it is, and more of them
/// answers none sooner.
const TURNS: usize = 4;
/// Who takes longer waits for the cluster and not for a processor, and gives its turn to another.
const TURN: Duration = Duration::from_millis(5);

struct Endpoint {
    kind: Kind,
    turns: Semaphore,
    /// Whether a refused `Host` was logged already: one hint is enough, and a scanner must not fill the log.
    hinted: AtomicBool,
}

enum Kind {
    Stateless(StreamableHttpService<Handler, NeverSessionManager>),
    Sessions(StreamableHttpService<Handler, BoundedSessions>),
}

impl McpService {
    pub(super) fn new(server: &Server, mcp: &config::Mcp, http: &config::Http, tasks: &Tasks) -> Self {
        let any = |list: &[String]| list.iter().any(|entry| entry == "*");
        let mut settings = StreamableHttpServerConfig::default()
            .with_cancellation_token(tasks.child())
            .with_legacy_session_mode(mcp.sessions)
            .with_json_response(true)
            .with_allowed_hosts(http.allowed_hosts.clone())
            .with_allowed_origins(http.allowed_origins.clone())
            .enforce_origin_validation()
            .with_max_request_body_bytes(http.max_body_bytes);
        if any(&http.allowed_hosts) {
            settings = settings.disable_allowed_hosts();
        }
        if any(&http.allowed_origins) {
            settings = settings.disable_allowed_origins();
        }
        let server = server.clone();
        let http = http.clone();
        let kind = if mcp.sessions {
            let sessions = Arc::new(BoundedSessions::new(mcp.max_sessions, mcp.session_idle));
            Kind::Sessions(StreamableHttpService::new(
                move || Ok(Handler::of_session(&server, &http)),
                sessions,
                settings,
            ))
        } else {
            let never = Arc::new(NeverSessionManager::default());
            Kind::Stateless(StreamableHttpService::new(
                move || Ok(Handler::alone(&server, &http)),
                never,
                settings,
            ))
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let turns = Semaphore::new(processors * TURNS);
        Self(Arc::new(Endpoint { kind, turns, hinted: AtomicBool::new(false) }))
    }
}

/// What this service answers with.
type Answered = Response<BoxBody<Bytes, Infallible>>;

impl<B> tower::Service<Request<B>> for McpService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: std::fmt::Display,
{
    type Response = Answered;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answered, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let endpoint = Arc::clone(&self.0);
        Box::pin(async move { Ok(endpoint.answer(request).await) })
    }
}

impl Endpoint {
    async fn answer<B>(&self, request: Request<B>) -> Answered
    where
        B: Body + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let host = request.headers().get(header::HOST).cloned();
        let posted = request.method() == Method::POST;
        let asking = request.extensions().get::<Principal>().map(|principal| principal.name.clone());
        let work = match &self.kind {
            Kind::Stateless(service) => service.handle(request).boxed(),
            Kind::Sessions(service) => async {
                let (response, refused) = sessions::noting(asking, service.handle(request)).await;
                if refused { sessions::full() } else { response }
            }
            .boxed(),
        };
        let response = self.in_turn(work).await;
        let response = if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            unreadable(response).await
        } else {
            response
        };
        if response.status() == StatusCode::FORBIDDEN && posted {
            self.hint(host.as_ref());
        }
        response
    }

    async fn in_turn<T>(&self, mut work: BoxFuture<'_, T>) -> T {
        let turn = self.turns.acquire().await;
        if let Ok(done) = tokio::time::timeout(TURN, &mut work).await {
            return done;
        }
        drop(turn);
        work.await
    }

    fn hint(&self, host: Option<&HeaderValue>) {
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        let host: String = host.chars().take(120).collect();
        if self.hinted.swap(true, Ordering::Relaxed) {
            tracing::debug!(?host, "refused an MCP request by its Host or Origin");
        } else {
            tracing::warn!(
                ?host,
                "refused an MCP request by its Host or Origin; add the names clients use to http.allowedHosts and \
                 http.allowedOrigins (further refusals are logged at debug)"
            );
        }
    }
}

impl std::fmt::Debug for McpService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sessions = matches!(self.0.kind, Kind::Sessions(_));
        f.debug_struct("McpService").field("sessions", &sessions).finish_non_exhaustive()
    }
}

/// rmcp calls a body that it cannot read one of an unsupported type. It is a bad request, and JSON-RPC has its own words
/// for it.
async fn unreadable(response: Answered) -> Answered {
    const READING: &str = "fail to deserialize request body ";
    let (head, body) = response.into_parts();
    let Ok(body) = body.collect().await;
    let body = body.to_bytes();
    let text = String::from_utf8_lossy(&body);
    match text.strip_prefix(READING) {
        Some(why) if why.starts_with("unrecognized") => json_error(
            StatusCode::BAD_REQUEST,
            -32600,
            "the body is no request, notification or response of JSON-RPC 2.0: it needs jsonrpc \"2.0\", a method, and as \
             id a string or an integer; batches are not taken",
        ),
        Some(why) => {
            let why = aiops_engine::text::clean(why, 200).text;
            json_error(StatusCode::BAD_REQUEST, -32700, &format!("the body cannot be read as JSON: {why}"))
        }
        None => Response::from_parts(head, Full::new(body).boxed()),
    }
}

/// An error of the protocol that belongs to no request.
fn json_error(status: StatusCode, code: i32, message: &str) -> Answered {
    let body = serde_json::json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}});
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Serves one client over a pair of streams until it hangs up or the process is to end.
pub(super) async fn streams<R, W>(server: Server, tasks: &Tasks, read: R, write: W) -> anyhow::Result<()>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let ending = tasks.child();
    let transport = AsyncRwTransport::new_server(read, write);
    let running = match Handler::of_streams(&server).serve_with_ct(transport, ending).await {
        Ok(running) => running,
        // A client that leaves before it said anything, and our own end, are no faults.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => return Ok(()),
        Err(error) => return Err(anyhow::Error::new(error).context("the MCP handshake failed")),
    };
    running.waiting().await.map_err(|error| anyhow::Error::new(error).context("serving MCP ended"))?;
    Ok(())
}
