//! The only place where a client of a cluster is made: TLS, proxies, credentials, and what failed about them.
//!
//! One connection pool serves all reads. What changes a cluster has a client of its own, which is made only where something
//! may be changed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use kube::client::{AuthError, Body, ClientBuilder, ConfigExt as _};
use tokio::sync::oneshot;
use tower::{BoxError, ServiceBuilder};
use tower_http::decompression::DecompressionLayer;

use super::{
    acting::Writer,
    api::Api,
    bucket::Bucket,
    failure::{Failure, Trouble, clean},
    kubeconfig::{Found, Plugin, Settings},
};
use crate::telemetry::Metrics;

/// Longest that finding and logging in may take; a credential plugin asks its cloud meanwhile.
const LOGIN: Duration = Duration::from_secs(20);
/// Longest until a connection stands. A lost SYN is sent again after 1 and 3 s and then ever more rarely: a new
/// connection finds out sooner than a waiting one that the network is back.
const CONNECT: Duration = Duration::from_millis(2_500);
/// Most bytes hyper reads ahead on one connection: two records of TLS. Its default of 400 KiB stays allocated on
/// every watch after a large list, and little more is had at once anyway.
const READ_AHEAD: usize = 32 * 1024;

/// A cluster, ready to be asked. Nothing was sent yet.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) api: Arc<Api>,
    /// What changes the cluster; absent where nothing may.
    pub(super) writer: Option<Arc<Writer>>,
    /// Empty in a pod.
    pub(super) context: String,
    /// Namespace meant when nobody names one.
    pub(super) namespace: String,
    /// Namespaces that may be worth a try where they cannot be listed.
    pub(super) candidates: Vec<String>,
    /// Whether making it again starts a program.
    pub(super) has_plugin: bool,
    /// How we log in.
    pub(super) login: &'static str,
}

/// Why there is no connection.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// The API server's URL, when the kubeconfig was good enough to say it.
    pub(super) server: Option<String>,
    /// One sentence with what to do.
    pub(super) reason: String,
}

/// What requests of all connections share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) metrics: Arc<Metrics>,
    pub(super) bucket: Arc<Bucket>,
    /// Whether a kubeconfig is being read: a plugin that hangs is not started a second time beside itself.
    pub(super) busy: Arc<AtomicBool>,
    /// Whether anything may be changed: without it no client is made that could.
    pub(super) acts: bool,
}

/// Says that the kubeconfig is read no more, however that ended.
struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Reads the kubeconfig, runs its credential plugin, and makes a client.
pub(super) async fn connect(settings: &Settings, shared: &Shared) -> Result<Connection, Fault> {
    let settings = settings.clone();
    let shared = shared.clone();
    let (done, finished) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let fault = |reason: String| Fault { server: None, reason };
    if shared.busy.swap(true, Ordering::AcqRel) {
        return Err(fault(
            "the credential plugin is still running; run it by hand to see what it waits for".to_owned(),
        ));
    }
    let busy = Busy(Arc::clone(&shared.busy));
    // A thread of its own, not one of the runtime's: a plugin that hangs must not hold up the end of the process.
    let thread = std::thread::Builder::new().name("kubeconfig".to_owned()).spawn(move || {
        let _busy = busy;
        let _entered = runtime.enter();
        let made = settings.find().map_err(|reason| Fault { server: None, reason });
        // Nobody waits any more when the receiver is gone.
        let _ = done.send(made.and_then(|found| assemble(found, &shared)));
    });
    drop(
        thread
            .map_err(|error| fault(format!("no thread can be started to read the kubeconfig ({error})")))?,
    );
    match tokio::time::timeout(LOGIN, finished).await {
        Ok(Ok(made)) => made,
        Ok(Err(_)) => Err(fault("the kubeconfig cannot be read; check that it is YAML in UTF-8".to_owned())),
        Err(_) => Err(fault(format!(
            "the credential plugin did not finish within {} s; run it by hand to see what it waits for",
            LOGIN.as_secs()
        ))),
    }
}

fn assemble(found: Found, shared: &Shared) -> Result<Connection, Fault> {
    let Found { config, context, others: mut candidates, plugin, login } = found;
    let server = shown(&config.cluster_url);
    let namespace = config.default_namespace.clone();
    let compress = !config.disable_compression && !is_loopback(&config.cluster_url);
    let (reading, writing) = clients(config, shared.acts).map_err(|error| Fault {
        reason: of_login(&server, &error, plugin.as_ref()).why,
        server: Some(server.clone()),
    })?;
    let writer =
        writing.map(|client| Arc::new(Writer::new(client, server.clone(), Arc::clone(&shared.metrics))));
    let api = Api::new(reading, server, compress, Arc::clone(&shared.metrics), Arc::clone(&shared.bucket));
    candidates.extend([namespace.clone(), "default".to_owned()]);
    let has_plugin = plugin.is_some();
    Ok(Connection { api: Arc::new(api), writer, context, namespace, candidates, has_plugin, login })
}

/// The server's URL as it may be shown: without what stands before an `@`.
fn shown(server: &http::Uri) -> String {
    let place = server.authority().map_or("", |authority| authority.as_str());
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    format!("{}://{place}{}", server.scheme_str().unwrap_or("https"), server.path().trim_end_matches('/'))
}

/// Whether the server is on this machine.
pub(super) fn is_loopback(server: &http::Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Kube's layers for the base URL, credentials and impersonation around a hyper client with bounded buffers; and the same
/// once more for changes, around a pool of their own. Behind a proxy kube's whole stack is taken as it is, but for its
/// retries: it would send changes again as well.
///
/// Both share the credentials: a plugin runs once.
fn clients(
    mut config: kube::Config,
    acts: bool,
) -> Result<(kube::Client, Option<kube::Client>), kube::Error> {
    if config.proxy_url.is_some() {
        config.default_retry = false;
        let client = ClientBuilder::try_from(config)?.build();
        let writing = acts.then(|| client.clone());
        return Ok((client, writing));
    }
    let auth = config.auth_layer()?;
    let stack = |hyper: HyperClient<_, Body>| -> Result<kube::Client, kube::Error> {
        let service = ServiceBuilder::new()
            .layer(config.base_uri_layer())
            .layer(DecompressionLayer::new())
            .option_layer(auth.as_ref())
            .layer(config.extra_headers_layer()?)
            .map_err(BoxError::from)
            .service(hyper);
        Ok(kube::Client::new(service, config.default_namespace.clone()))
    };
    let connector = || {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(30)));
        tcp.set_connect_timeout(Some(CONNECT));
        config.rustls_https_connector_with_connector(tcp)
    };
    let pool = |idle: usize, retries: bool| {
        let mut pool = HyperClient::builder(TokioExecutor::new());
        pool.pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(idle)
            .http1_max_buf_size(READ_AHEAD)
            .retry_canceled_requests(retries);
        pool
    };
    let reading = stack(pool(4, true).build(connector()?))?;
    let writing = if acts { Some(stack(pool(1, false).build(connector()?))?) } else { None };
    Ok((reading, writing))
}

/// Why a request got no answer.
pub(super) fn failure(server: &str, error: &kube::Error) -> Failure {
    match error {
        kube::Error::Auth(_) => of_login(server, error, None),
        kube::Error::Service(inner) => match inner.downcast_ref::<kube::Error>() {
            Some(inner) => failure(server, inner),
            None => match inner.downcast_ref::<AuthError>() {
                Some(auth) => of_auth(auth, None),
                None => Failure::of_transport(server, error),
            },
        },
        _ => Failure::of_transport(server, error),
    }
}

fn of_login(server: &str, error: &kube::Error, plugin: Option<&Plugin>) -> Failure {
    match error {
        kube::Error::Auth(auth) => of_auth(auth, plugin),
        kube::Error::RustlsTls(inner) => Failure::new(
            Trouble::Unauthorized,
            format!("the kubeconfig's certificates for {server} cannot be used ({inner}); fetch it again"),
        ),
        kube::Error::ProxyProtocolDisabled { .. } | kube::Error::ProxyProtocolUnsupported { .. } => {
            Failure::new(
                Trouble::Unreachable,
                "the proxy's scheme is not supported; use an http:// or https:// proxy".to_owned(),
            )
        }
        other => Failure::new(
            Trouble::Unauthorized,
            format!("the kubeconfig cannot be used for {server} ({}); correct it", clean(&other.to_string())),
        ),
    }
}

fn of_auth(error: &AuthError, plugin: Option<&Plugin>) -> Failure {
    let name = plugin.map_or_else(String::new, |plugin| format!(" {:?}", plugin.command));
    let why = match error {
        AuthError::AuthExecStart(source) => {
            let hint =
                plugin.and_then(|p| p.hint.as_ref()).map(|hint| format!(": {hint}")).unwrap_or_default();
            format!(
                "the credential plugin{name} cannot be started ({source}); install it or write its full path into the kubeconfig{hint}"
            )
        }
        AuthError::AuthExecRun { out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = said.lines().rev().find(|line| !line.trim().is_empty()).map(clean).unwrap_or_default();
            format!(
                "the credential plugin{name} failed with {} ({said}); run it in a terminal and log in again",
                out.status
            )
        }
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            format!(
                "the credential plugin{name} printed no ExecCredential; run it by hand and look at its output"
            )
        }
        AuthError::ReadTokenFile(source, path) => {
            format!("the token file {} cannot be read ({source}); correct the kubeconfig", path.display())
        }
        other => format!("logging in failed ({}); log in again", clean(&other.to_string())),
    };
    Failure::new(Trouble::Unauthorized, why)
}
