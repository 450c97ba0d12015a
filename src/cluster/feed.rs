//! The feed: connects, keeps a session of watches running, and connects again, for as long as the process lives.
//!
//! It tells the inventory which cluster this is and whether it answers. While the API server is down it asks at most
//! once a second.

mod board;
mod identity;
mod intake;
mod optional;
mod order;
mod pages;
mod pulse;
mod session;
mod watch;

use std::{sync::Arc, time::Duration};

use aiops_engine::SharedInventory;
use aiops_inventory::{
    Scope,
    inventory::{Connection as Link, Source},
};
use futures::{StreamExt as _, stream::FuturesUnordered};
use serde::Deserialize;
use tokio::time::Instant;

use self::{
    board::Board,
    identity::Identity,
    session::{End, Session},
};
use super::{
    Hub,
    api::{Api, Call},
    connect::{self, Connection, Fault, Shared},
    failure::{Failure, Trouble},
    jitter,
    kubeconfig::{Settings, Stamp},
    now,
    reach::{self, Reach},
};

/// Between two tries while the API server is down.
const RETRY: (Duration, Duration) = (Duration::from_millis(900), Duration::from_millis(1_200));
/// How long the API server is given for a small request, at first and at most.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(12));
/// Between two first requests, while none is answered.
const GREET: Duration = Duration::from_millis(2_600);
/// A server that answers within this time is not slow.
const PROMPT: Duration = Duration::from_secs(1);
/// How soon a program that hands out credentials is started again, at most and at least.
const PLUGIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// The feed of one process.
pub(super) struct Feed {
    settings: Settings,
    /// Namespaces of the configuration.
    namespaces: Vec<String>,
    shared: Shared,
    inventory: SharedInventory,
    hub: Arc<Hub>,
    board: Arc<Board>,
    /// No watch has run yet.
    is_first: bool,
    version: String,
    /// The server that the rows are of.
    server: String,
    /// How long the API server is given for a small request: it grows while it turns out to be slow.
    patience: Duration,
}

/// What an API server says of itself.
struct Facts {
    version: String,
    identity: Identity,
    reach: Reach,
}

/// Why there is no session.
enum NoSession {
    /// The kubeconfig or the credentials.
    Fault(Fault),
    /// The API server.
    Lost(pulse::Lost),
}

impl Feed {
    pub(super) fn new(
        settings: Settings,
        namespaces: Vec<String>,
        shared: Shared,
        inventory: SharedInventory,
        hub: Arc<Hub>,
    ) -> Self {
        let board = Arc::new(Board::new(inventory.clone()));
        Self {
            settings,
            namespaces,
            shared,
            inventory,
            hub,
            board,
            is_first: true,
            version: String::new(),
            server: String::new(),
            patience: PATIENCE.0,
        }
    }

    /// Runs for ever; ends by being dropped.
    pub(super) async fn run(mut self) {
        let mut connection: Option<(Arc<Connection>, Stamp, Instant)> = None;
        let mut plugin_pause = PLUGIN.0;
        loop {
            let stamp = self.settings.stamp();
            let had_plugin = connection.as_ref().is_some_and(|(connection, ..)| connection.has_plugin);
            // Without a plugin a fresh connection costs a millisecond, and no dead one can be reused.
            let is_worn = connection
                .as_ref()
                .is_none_or(|(_, old, made)| *old != stamp || !had_plugin || made.elapsed() > plugin_pause);
            if is_worn {
                connection = match connect::connect(&self.settings, &self.shared).await {
                    Ok(made) => Some((Arc::new(made), stamp.clone(), Instant::now())),
                    Err(fault) => {
                        self.tell(&NoSession::Fault(fault));
                        self.wait_for_kubeconfig(&stamp, &mut plugin_pause).await;
                        None
                    }
                };
            }
            let Some((current, ..)) = &connection else { continue };
            let current = Arc::clone(current);
            match self.session(&current).await {
                Ok(()) => plugin_pause = PLUGIN.0,
                Err(lost) => {
                    if lost.failure.trouble == Trouble::Unauthorized && current.has_plugin {
                        plugin_pause = (plugin_pause * 2).min(PLUGIN.1);
                    }
                    self.tell(&NoSession::Lost(lost));
                    tokio::time::sleep(jitter::between(RETRY.0, RETRY.1)).await;
                }
            }
        }
    }

    /// Waits until a kubeconfig changes, or until it is worth trying the same one again: a plugin may have been installed
    /// or a login renewed.
    async fn wait_for_kubeconfig(&self, stamp: &Stamp, pause: &mut Duration) {
        let until = Instant::now() + *pause;
        *pause = (*pause * 2).min(PLUGIN.1);
        while Instant::now() < until && self.settings.stamp() == *stamp {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Says why nothing is connected, in the inventory and once in the log.
    fn tell(&self, why: &NoSession) {
        let (since, reason, server) = match why {
            NoSession::Fault(fault) => (now(), fault.reason.as_str(), fault.server.as_deref()),
            NoSession::Lost(lost) => (lost.since, lost.failure.why.as_str(), None),
        };
        let is_known = match &self.inventory.look().info().connection {
            Link::Down { reason: known, .. } => known == reason,
            _ => false,
        };
        if !is_known {
            tracing::warn!(reason, "the cluster does not answer; it is tried again");
        }
        let is_configured = server.is_some() || matches!(why, NoSession::Lost(_)) || !self.is_first;
        self.board.all_broken(since, reason);
        self.inventory.change(|inventory| {
            inventory.set_info(|info| {
                info.source =
                    if is_configured { Source::Live } else { Source::None { reason: reason.into() } };
                if let Some(server) = server {
                    info.server = server.into();
                }
                let since = match info.connection {
                    Link::Down { since, .. } => since,
                    _ => since,
                };
                info.connection = Link::Down { since, reason: reason.into() };
            });
        });
        self.hub.set(None);
    }

    /// Runs a session on a connection. `Ok` when it only has to be laid out anew.
    async fn session(&mut self, connection: &Arc<Connection>) -> Result<(), pulse::Lost> {
        let begun = now();
        self.inventory.change(|inventory| {
            let info = inventory.info();
            if info.server != connection.api.server() || info.context != connection.context.as_str() {
                inventory.set_info(|info| {
                    info.source = Source::Live;
                    info.server = connection.api.server().into();
                    info.context = connection.context.as_str().into();
                });
            }
        });
        let asked = Instant::now();
        let facts = self.facts(connection).await.map_err(|failure| {
            if failure.trouble == Trouble::Timeout {
                self.patience = (self.patience * 2).min(PATIENCE.1);
            }
            pulse::Lost { since: begun, failure }
        })?;
        if asked.elapsed() < PROMPT {
            self.patience = PATIENCE.0;
        }
        // From now on this cluster is meant, wherever the kubeconfig's current context goes.
        if !connection.context.is_empty() {
            self.settings.context = Some(connection.context.clone());
        }
        self.note(&facts, connection.api.server());
        self.hub.set(Some(Arc::clone(connection)));
        let session = Session::new(
            Arc::clone(&connection.api),
            self.inventory.clone(),
            Arc::clone(&self.board),
            facts.reach,
            std::mem::take(&mut self.is_first),
            self.patience,
        );
        let run = Box::pin(session.run(&self.namespaces, &connection.candidates));
        let find = identity::find(&connection.api, &self.inventory, self.patience, &facts.identity);
        tokio::select! {
            end = run => match end {
                End::OtherRights => Ok(()),
                End::Lost(lost) => Err(lost),
            },
            // Another cluster answers: everything is laid out anew.
            () = find => Ok(()),
        }
    }

    fn note(&mut self, facts: &Facts, server: &str) {
        // Empty when it may not be read, which says nothing of the server.
        if !facts.version.is_empty() && self.version != facts.version {
            self.board.try_streaming_again();
            self.version.clone_from(&facts.version);
        }
        let is_other = {
            let rows = self.inventory.look();
            let known = &rows.info().uid;
            // Another address is another cluster unless both say that they are the same: versions of the one mean nothing
            // to the other.
            let has_moved = !self.server.is_empty() && self.server != server;
            let is_told_apart = !known.is_empty() && !facts.identity.uid().is_empty();
            if is_told_apart { known != facts.identity.uid() } else { has_moved }
        };
        server.clone_into(&mut self.server);
        if is_other {
            tracing::warn!("the API server is of another cluster than before; everything is read anew");
            self.board.forget();
        }
        let scope = match &facts.reach {
            Reach::Cluster => Scope::Cluster,
            Reach::Namespaces(names) => Scope::Namespaces(names.clone()),
        };
        self.inventory.change(|inventory| {
            inventory.set_info(|info| {
                info.source = Source::Live;
                info.version = self.version.as_str().into();
                if is_other || !facts.identity.uid().is_empty() {
                    info.uid = facts.identity.uid().into();
                }
                info.scope = scope;
                info.connection = Link::Up;
            });
        });
        tracing::info!(version = facts.version, "connected to the cluster");
    }

    /// The first request. While its answer is awaited it is asked again now and then over a new connection: the one that
    /// waits may have been forgotten on the way, and a slow API server answers the oldest.
    async fn greet(&self, api: &Api) -> Result<String, Failure> {
        let end = Instant::now() + self.patience;
        let mut asked = FuturesUnordered::new();
        asked.push(version(api, self.patience));
        loop {
            tokio::select! {
                Some(answer) = asked.next() => return answer,
                () = tokio::time::sleep(GREET) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if !left.is_zero() {
                        asked.push(version(api, left));
                    }
                }
            }
        }
    }

    async fn facts(&self, connection: &Connection) -> Result<Facts, Failure> {
        let api = &connection.api;
        // Alone and first: while the API server is down this is the one request that it gets.
        let version = self.greet(api).await?;
        let (identity, reach) = tokio::join!(
            identity::identity(api, self.patience),
            reach::reach(api, &self.namespaces, &connection.candidates)
        );
        let reach = match reach {
            Ok(reach) => reach,
            Err(failure) if failure.trouble == Trouble::Unauthorized => return Err(failure),
            // Who may not even ask about rights is told by each kind what is refused.
            Err(_) => Reach::Cluster,
        };
        Ok(Facts { version, identity, reach })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionInfo {
    git_version: String,
}

/// `gitVersion` of the API server; whatever else answers there is told so.
pub(super) async fn version(api: &Api, within: Duration) -> Result<String, Failure> {
    let no_server = || {
        let why = format!(
            "{} answers but is no Kubernetes API server (GET /version is not answered as one does); check the \
             kubeconfig's server",
            api.server()
        );
        Failure::new(Trouble::Server, why)
    };
    let exchange = async {
        let response = api.open(&Call::read("get", "/version".to_owned()), within).await?;
        api.collect(response.into_body(), 64 * 1024).await
    };
    let body = match tokio::time::timeout(within, exchange).await {
        Ok(Ok(body)) => body,
        Ok(Err(failure)) if matches!(failure.trouble, Trouble::NotFound | Trouble::Refused) => {
            return Err(no_server());
        }
        // A Kubernetes that does not tell strangers its version.
        Ok(Err(failure)) if failure.trouble == Trouble::Denied => return Ok(String::new()),
        Ok(Err(failure)) => return Err(failure),
        Err(_) => return Err(Failure::timeout(api.server(), within)),
    };
    let info: VersionInfo = serde_json::from_slice(&body).map_err(|_| no_server())?;
    Ok(info.git_version)
}
