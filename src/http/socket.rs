//! The socket in the state directory: the same doors as the port, for other processes of the same user.
//!
//! Whoever may connect may read and write the state directory as well, so that no token is asked for: who calls is the OS
//! user. The file is for its owner alone (mode 0600), and a peer of another user is turned away all the same. Only the
//! process that executes on the directory makes it; what an earlier one left there is replaced.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aiops_engine::{Engine, Error, coordination::Coordination};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use tokio::{net::UnixListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use super::{About, Door, accept::connection};
use crate::{
    attach::{self, ENGINE, Order},
    config::{self, tokens::Principal},
    mcp::Server,
    rest::Rest,
    shutdown::Tasks,
};

/// Connections at once: a few processes, each with a few requests.
const MOST: u16 = 128;
/// Streams have this long to end when the process is asked to.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// What is behind the socket.
pub struct Behind {
    /// What the process is.
    pub about: About,
    /// The engine that executes.
    pub coordination: Arc<dyn Coordination>,
    /// MCP.
    pub server: Server,
    /// Limits, as the port has them.
    pub settings: config::Http,
    /// The user whose process this is.
    pub user: String,
}

/// A socket that is ours.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    listener: UnixListener,
    owner: u32,
}

impl Socket {
    /// Makes the socket at this path. The caller executes on the directory: nobody else has one there.
    ///
    /// # Errors
    /// The path is too long for a socket (some 100 bytes), or may not be written.
    pub fn bind(path: &Path) -> io::Result<Self> {
        // Nobody sees it before it is ours alone.
        let new = path.with_extension("sock.new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&new)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
        let owner = fs::metadata(&new)?.uid();
        fs::rename(&new, path)?;
        Ok(Self { path: path.to_owned(), listener, owner })
    }

    /// Serves until the process ends.
    pub fn serve(self, behind: Behind, tasks: &Tasks) {
        let router = router(behind, tasks);
        let (closing, cut) = (tasks.ending(), CancellationToken::new());
        let connections = Arc::new(Semaphore::new(usize::from(MOST)));
        let spawner = tasks.clone();
        tasks.spawn("serve the socket", async move {
            loop {
                let accepted = tokio::select! {
                    () = closing.cancelled() => break,
                    accepted = self.listener.accept() => accepted,
                };
                let stream = match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a connection to the socket could not be accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                };
                // The superuser reads the directory anyway.
                let is_ours = stream.peer_cred().is_ok_and(|peer| peer.uid() == self.owner || peer.uid() == 0);
                if !is_ours {
                    tracing::warn!(path = %self.path.display(), "another user was turned away from the socket");
                    continue;
                }
                let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else { continue };
                let served = connection(stream, router.clone(), closing.clone(), cut.clone(), permit);
                spawner.spawn("serve a connection of the socket", served);
            }
            // Those that run have their time; nobody waits for none.
            let idle = async { connections.acquire_many(u32::from(MOST)).await.map(drop) };
            let _ = tokio::time::timeout(CLOSE_WITHIN, idle).await;
            cut.cancel();
        });
    }
}

fn router(behind: Behind, tasks: &Tasks) -> Router {
    let Behind { about, coordination, server, settings, user } = behind;
    // No page in a browser reaches a socket, and what protects the port from them would only stand in the way.
    let settings =
        config::Http { allowed_hosts: vec!["*".to_owned()], listen: ([127, 0, 0, 1], 0).into(), ..settings };
    let orders = Orders { engine: about.engine.clone(), coordination: Arc::clone(&coordination) };
    let rest = Rest::new(coordination, tasks.ending());
    let door = Door::new(about, &settings, None, Some(rest));
    let paths = door.paths(server.http(&settings)).route(ENGINE, post(order).with_state(orders));
    door.behind_gate(paths).layer(Extension(Principal { name: user, groups: Vec::new() }))
}

#[derive(Clone)]
struct Orders {
    engine: Engine,
    coordination: Arc<dyn Coordination>,
}

/// An order of another process on this state directory.
async fn order(State(orders): State<Orders>, body: Bytes) -> Response {
    let order: Order = match serde_json::from_slice(&body) {
        Ok(order) => order,
        Err(error) => {
            let error = Error::invalid("order", format!("is of another version of aiops: {error}"));
            return (StatusCode::OK, Json(Err::<attach::Came, _>(error))).into_response();
        }
    };
    let came = attach::perform(&orders.engine, &*orders.coordination, order).await;
    (StatusCode::OK, Json(came)).into_response()
}
