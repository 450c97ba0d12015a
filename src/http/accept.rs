//! Accepts connections, serves each with a bound on its head and on their number, and lets them end in order.
//!
//! axum's own server has no time limit for heads and no way to end streams, so hyper's is used.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

use super::{Door, Listening};
use crate::{config, shutdown::Tasks};

/// A head that takes longer costs its connection, and so does one that says nothing between two requests.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The longest head.
const HEAD_BYTES: usize = 16 * 1024;
/// Connections beyond the requests that may run at once: kept alive, or asking only for a probe.
const SPARE_CONNECTIONS: usize = 128;
/// Requests that are being answered when the process is asked to end have this long.
const FINISH_WITHIN: Duration = Duration::from_secs(5);
/// Then streams are ended and have this long to say so.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Connections at the same time.
pub(super) const fn most_connections(settings: &config::Http) -> usize {
    settings.max_concurrent_requests.saturating_add(SPARE_CONNECTIONS)
}

/// A listener that accepts.
#[derive(Debug)]
pub struct Open {
    /// Where.
    pub address: SocketAddr,
    door: Door,
    closing: CancellationToken,
    cut: CancellationToken,
    connections: Arc<Semaphore>,
    most: usize,
}

impl Listening {
    /// Begins to accept.
    pub fn serve(self, door: &Door, router: Router, tasks: &Tasks) -> Open {
        let most = most_connections(&door.0.settings);
        let open = Open {
            address: self.address,
            door: door.clone(),
            closing: CancellationToken::new(),
            cut: CancellationToken::new(),
            connections: Arc::new(Semaphore::new(most)),
            most,
        };
        let (closing, cut, connections) =
            (open.closing.clone(), open.cut.clone(), Arc::clone(&open.connections));
        let spawner = tasks.clone();
        tasks.spawn("accept connections", async move {
            loop {
                let accepted = tokio::select! {
                    () = closing.cancelled() => return,
                    accepted = self.listener.accept() => accepted,
                };
                match accepted {
                    Ok((stream, _)) => match Arc::clone(&connections).try_acquire_owned() {
                        Ok(permit) => {
                            // Answers are small and complete; waiting for more to send only delays them.
                            let _ = stream.set_nodelay(true);
                            let connection =
                                connection(stream, router.clone(), closing.clone(), cut.clone(), permit);
                            spawner.spawn("serve a connection", connection);
                        }
                        Err(_) => turn_away(&stream),
                    },
                    // Out of file descriptors, for one: it passes when connections end.
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        });
        open
    }
}

impl Open {
    /// Not ready, no new connection, then the requests that run, then the streams. At most 7 s.
    pub async fn drain(self, tasks: &Tasks) {
        self.door.drain();
        self.closing.cancel();
        if tokio::time::timeout(FINISH_WITHIN, self.door.idle()).await.is_err() {
            tracing::warn!("requests that did not end within 5 s are cut off");
        }
        tasks.end();
        let all = u32::try_from(self.most).unwrap_or(u32::MAX);
        if tokio::time::timeout(CLOSE_WITHIN, self.connections.acquire_many(all)).await.is_err() {
            self.cut.cancel();
        }
    }
}

pub(super) async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    closing: CancellationToken,
    cut: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_BYTES);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = closing.cancelled() => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                ended = served.as_mut() => ended,
                () = cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Says in one write that there is no room.
fn turn_away(stream: &TcpStream) {
    const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    tracing::warn!("a connection was turned away: there are as many as there may be");
    // A full buffer on a new connection does not happen; the connection is closed either way.
    let _ = stream.try_write(BUSY);
}
