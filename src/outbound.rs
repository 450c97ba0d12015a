//! A small HTTP client: spans to a collector, commands of the shell to a running server, messages to a webhook, calls of a
//! member's tools.
//!
//! It follows no redirect, retries nothing and reads no more of an answer than it is told. It does not speak to
//! clusters; their client is made in `cluster/`.

#[cfg(unix)]
mod unix;

use std::{io, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, ResponseFuture, connect::HttpConnector},
    rt::TokioExecutor,
};

/// Longest until a connection stands, where it matters whether one was had.
const CONNECT: Duration = Duration::from_millis(2_500);

/// Sends requests to one place.
#[derive(Debug)]
pub(crate) enum Outbound {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
    #[cfg(unix)]
    Socket(Client<unix::Connector, Full<Bytes>>),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboundError {
    #[error("no connection, or it broke")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    #[error("the answer could not be read, or is longer than it may be")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl OutboundError {
    /// Whether nothing was sent for certain: no connection was had.
    pub(crate) fn is_unsent(&self) -> bool {
        let Self::Connection(source) = self else { return false };
        let error = source.downcast_ref::<hyper_util::client::legacy::Error>();
        error.is_some_and(hyper_util::client::legacy::Error::is_connect)
    }
}

impl Outbound {
    /// A client for this URL that makes a connection for each request, and sends each at most once: not even one is sent
    /// again of which nothing had been written.
    ///
    /// # Errors
    /// It is https and the system has no root certificates.
    pub(crate) fn once(url: &Uri) -> io::Result<Self> {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_max_idle_per_host(0).retry_canceled_requests(false);
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        Ok(if url.scheme_str() == Some("https") {
            tcp.enforce_http(false);
            let connector = HttpsConnectorBuilder::new()
                .with_native_roots()?
                .https_only()
                .enable_http1()
                .wrap_connector(tcp);
            Self::Tls(builder.build(connector))
        } else {
            Self::Plain(builder.build(tcp))
        })
    }

    /// A client for this URL.
    ///
    /// # Errors
    /// It is https and the system has no root certificates.
    pub(crate) fn to(url: &Uri) -> io::Result<Self> {
        let builder = || {
            let mut builder = Client::builder(TokioExecutor::new());
            builder.pool_max_idle_per_host(1);
            builder
        };
        // Roots are only asked for where they are needed: a minimal image may have none.
        Ok(if url.scheme_str() == Some("https") {
            let connector =
                HttpsConnectorBuilder::new().with_native_roots()?.https_only().enable_http1().build();
            Self::Tls(builder().build(connector))
        } else {
            Self::Plain(builder().build(HttpConnector::new()))
        })
    }

    /// A client for whoever listens at this socket; the host of a URL means nothing then.
    #[cfg(unix)]
    pub(crate) fn at(socket: std::path::PathBuf) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_max_idle_per_host(1);
        Self::Socket(builder.build(unix::Connector(socket)))
    }

    fn ask(&self, request: Request<Bytes>) -> ResponseFuture {
        match self {
            Self::Plain(client) => client.request(request.map(Full::new)),
            Self::Tls(client) => client.request(request.map(Full::new)),
            #[cfg(unix)]
            Self::Socket(client) => client.request(request.map(Full::new)),
        }
    }

    /// Asks, and reads the head of the answer; its body flows as long as it flows.
    pub(crate) async fn open(
        &self,
        request: Request<Bytes>,
        patience: Duration,
    ) -> Result<Response<Incoming>, OutboundError> {
        let asked = self.ask(request);
        match tokio::time::timeout(patience, asked).await {
            Ok(answer) => answer.map_err(|error| OutboundError::Connection(error.into())),
            Err(_) => Err(OutboundError::Timeout(patience)),
        }
    }

    /// Asks, and reads the whole answer.
    pub(crate) fn send(
        &self,
        request: Request<Bytes>,
        patience: Duration,
        most: usize,
    ) -> impl Future<Output = Result<Response<Bytes>, OutboundError>> + Send + use<> {
        let asked = self.ask(request);
        async move {
            let whole = async {
                let (head, body) = asked.await.map_err(|e| OutboundError::Connection(e.into()))?.into_parts();
                let body = Limited::new(body, most).collect().await.map_err(OutboundError::Body)?;
                Ok(Response::from_parts(head, body.to_bytes()))
            };
            tokio::time::timeout(patience, whole).await.unwrap_or(Err(OutboundError::Timeout(patience)))
        }
    }
}
