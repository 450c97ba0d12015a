//! Stands between aiops and the API server, sees every request whole, and holds the one that a test waits for: before it is
//! there, or when it is there and its answer is not out yet.
//!
//! It speaks plain HTTP on loopback to aiops and is the admin to the API server. It changes no request and no answer.

use std::{
    future::pending,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use http::{Method, StatusCode, request::Parts};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::support::document;

/// Larger than any request of aiops.
const LARGEST: usize = 4 * 1024 * 1024;

/// A request of aiops.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) path: String,
    /// It changes nothing.
    pub(super) is_dry_run: bool,
    /// It is one of a workflow.
    pub(super) is_of_workflow: bool,
}

impl Seen {
    fn of(parts: &Parts, body: &[u8]) -> Self {
        let agent = parts.headers.get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let query = parts.uri.query().unwrap_or_default();
        // A deletion's dry run stands in its body.
        let is_dry_run =
            query.contains("dryRun=All") || body.windows(14).any(|at| at == br#""dryRun":["All"#);
        Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            is_dry_run,
            is_of_workflow: agent.contains(" wf/"),
        }
    }

    /// A change of a workflow, not a dry run.
    pub(super) fn is_effect(&self) -> bool {
        self.method != Method::GET && self.is_of_workflow && !self.is_dry_run
    }
}

/// Where a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Before it is there; it is lost with its sender.
    Before,
    /// Before it is there; it goes on by itself when it is let go, whatever became of its sender.
    Late,
    /// It is there, and its answer waits here.
    Answer,
}

type Wanted = Box<dyn FnMut(&Seen) -> bool + Send>;

struct Trap {
    at: At,
    wanted: Wanted,
    caught: oneshot::Sender<()>,
    go: oneshot::Receiver<()>,
}

/// A request that is waited for, or held.
pub(super) struct Held {
    caught: oneshot::Receiver<()>,
    go: oneshot::Sender<()>,
}

impl Held {
    /// Waits until a request is held.
    pub(super) async fn caught(&mut self, limit: Duration) -> bool {
        matches!(tokio::time::timeout(limit, &mut self.caught).await, Ok(Ok(())))
    }

    /// Lets it go on.
    pub(super) fn let_go(self) {
        let _ = self.go.send(());
    }
}

struct Inner {
    client: Client,
    traps: Mutex<Vec<Trap>>,
}

/// A port that leads to the API server.
pub(super) struct Gate {
    address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Gate {
    /// Leads to the API server of this kubeconfig, as its user.
    pub(super) async fn to(kubeconfig: &Path) -> Self {
        let file = Kubeconfig::read_from(kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let inner = Arc::new(Inner { client, traps: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(pass).with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, inner, task }
    }

    /// A copy of a kubeconfig in `folder` that leads through here, and holds no credentials.
    pub(super) fn kubeconfig(&self, of: &Path, folder: &Path) -> PathBuf {
        let mut config = document(of);
        config["clusters"][0]["cluster"] = json!({"server": format!("http://{}", self.address)});
        config["users"][0]["user"] = json!({});
        let file = folder.join(format!("gate-{}", self.address.port()));
        std::fs::write(&file, config.to_string()).unwrap();
        file
    }

    /// Holds the first request that is wanted. It is asked about every request until then.
    pub(super) fn hold(&self, at: At, wanted: impl FnMut(&Seen) -> bool + Send + 'static) -> Held {
        let (catch, caught) = oneshot::channel();
        let (go, going) = oneshot::channel();
        let trap = Trap { at, wanted: Box::new(wanted), caught: catch, go: going };
        self.inner.traps.lock().push(trap);
        Held { caught, go }
    }

    /// Waits for nothing any more.
    pub(super) fn clear(&self) {
        self.inner.traps.lock().clear();
    }
}

async fn pass(State(gate): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else { return refused("the request was cut off") };
    let body = body.to_vec();
    let seen = Seen::of(&parts, &body);
    let trap = {
        let mut traps = gate.traps.lock();
        let at = traps.iter_mut().position(|trap| (trap.wanted)(&seen));
        at.map(|at| traps.swap_remove(at))
    };
    let Some(trap) = trap else { return forward(&gate.client, parts, body).await };
    match trap.at {
        At::Before => {
            let _ = trap.caught.send(());
            match trap.go.await {
                Ok(()) => forward(&gate.client, parts, body).await,
                Err(_) => pending().await,
            }
        }
        At::Late => {
            let client = gate.client.clone();
            tokio::spawn(async move {
                if trap.go.await.is_ok() {
                    drop(forward(&client, parts, body).await);
                }
            });
            let _ = trap.caught.send(());
            pending().await
        }
        At::Answer => {
            let response = forward(&gate.client, parts, body).await;
            let _ = trap.caught.send(());
            match trap.go.await {
                Ok(()) => response,
                Err(_) => pending().await,
            }
        }
    }
}

async fn forward(client: &Client, mut parts: Parts, body: Vec<u8>) -> Response {
    parts.headers.remove("host");
    let request = http::Request::from_parts(parts, kube::client::Body::from(body));
    match client.send(request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => refused(&error.to_string()),
    }
}

fn refused(why: &str) -> Response {
    Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::from(why.to_owned())).unwrap()
}
