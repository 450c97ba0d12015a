//! The composition root: the one file that knows every room and wires what the mode asks for.
//!
//! It decides which parts exist and nothing else. Nothing here waits for a cluster.

#[cfg(unix)]
mod carry;
mod demo;
mod engine;
mod far;
mod late;

use std::sync::Arc;

use aiops_engine::{Engine, SharedInventory, coordination::Coordination, ports, ports::acting::Acting};
use anyhow::Context as _;

use crate::{
    clock::{FixedClock, SystemClock},
    cluster,
    config::Loaded,
    http::{About, Door, Listening, Open, TokenFile},
    mcp::{Desk, Server},
    member, recording,
    rest::Rest,
    shutdown::Tasks,
    telemetry::Metrics,
};

/// What feeds the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// The recording that the configuration names, else the cluster.
    Configured,
    /// The recording that the configuration names, else the embedded one.
    Demo,
}

/// The parts of a running aiops.
#[derive(Clone)]
pub struct Booted {
    /// Answers.
    pub engine: Engine,
    /// The MCP door.
    pub server: Server,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The coordination engine, where the mode has one.
    pub coordination: Option<Arc<dyn Coordination>>,
}

/// Wires what the mode asks for, begins to feed the inventory and to work.
///
/// # Errors
/// A recording cannot be read, or what the engine is to act by. A cluster or a store that cannot be reached is no error:
/// every answer says so until it can.
pub fn boot(loaded: &Loaded, feed: Feed, tasks: &Tasks) -> anyhow::Result<Booted> {
    for missing in loaded.config.missing() {
        tracing::warn!(adapter = missing.adapter.as_str(), mode = %loaded.config.deployment.mode, "{}", missing.why);
    }
    wire(loaded, feed, loaded.config.has_engine(), loaded.config.is_member(), tasks)
}

/// Wires what one question needs: no store is opened, and nothing can be changed.
///
/// # Errors
/// A recording cannot be read.
pub fn boot_for_questions(loaded: &Loaded, feed: Feed, tasks: &Tasks) -> anyhow::Result<Booted> {
    wire(loaded, feed, false, false, tasks)
}

fn wire(
    loaded: &Loaded,
    feed: Feed,
    has_engine: bool,
    acts_for_others: bool,
    tasks: &Tasks,
) -> anyhow::Result<Booted> {
    let config = &loaded.config;
    for note in &loaded.notes {
        tracing::warn!("{note}");
    }
    let inventory = SharedInventory::default();
    let metrics = Arc::new(Metrics::new());
    let recorded = match (&config.cluster.recording, feed) {
        (Some(path), _) => Some(
            recording::open(path, &inventory)
                .with_context(|| format!("the recorded cluster {} cannot be read", path.display()))?,
        ),
        (None, Feed::Demo) => {
            Some(recording::demo(&inventory).context("the embedded recording cannot be read")?)
        }
        (None, Feed::Configured) => None,
    };
    let is_recorded = recorded.is_some();
    let mut stage = None;
    let may_act = config.acting.enabled && !config.mcp.read_only;
    let rate = {
        let limits = &config.acting.limits;
        cluster::Rate { per_second: limits.mutations_per_second, burst: limits.mutation_burst }
    };
    let (cluster, acting, clock): (_, Option<Arc<dyn Acting>>, Arc<dyn ports::Clock>) = match recorded {
        // The demo acts, on the model of what was recorded.
        Some(opened) if has_engine && feed == Feed::Demo && config.cluster.recording.is_none() => {
            let objects = recording::demo_objects()?;
            let on = demo::Stage::new(objects, opened.cluster, opened.at, inventory.clone(), tasks);
            stage = Some(Arc::clone(&on.clock));
            let acting = may_act.then(|| on.acting());
            (on.clone() as Arc<dyn ports::Cluster>, acting, on.clock.clone())
        }
        Some(opened) => {
            for note in &opened.notes {
                tracing::warn!("{note}");
            }
            (opened.cluster, None, Arc::new(FixedClock(opened.at)))
        }
        None if config.cluster.member.url.is_some() => {
            let far = member::start(loaded, inventory.clone(), tasks)?;
            let acting = (has_engine && may_act).then(|| Arc::clone(&far) as Arc<dyn Acting>);
            (far as Arc<dyn ports::Cluster>, acting, Arc::new(SystemClock))
        }
        // Where nothing may be changed, no client is made that could.
        None if may_act && (has_engine || acts_for_others) => {
            let (cluster, acting) =
                cluster::start_acting(loaded, inventory.clone(), Arc::clone(&metrics), tasks, rate);
            (cluster, Some(acting), Arc::new(SystemClock))
        }
        None => {
            let cluster = cluster::start(loaded, inventory.clone(), Arc::clone(&metrics), tasks);
            (cluster, None, Arc::new(SystemClock))
        }
    };
    let engine = Engine::new(inventory.clone(), Some(cluster), Arc::clone(&clock));
    let mut desk = Desk::new(engine.clone(), None, loaded.environment.user());
    let mut executing = None;
    let coordination: Option<Arc<dyn Coordination>> = if has_engine {
        let mut start = engine::Start { engine: engine.clone(), acting, clock, is_recorded, stage };
        // Without anything to act by there is no member, and nothing that would have to go through one.
        if config.cluster.member.in_process
            && !is_recorded
            && let Some(acting) = start.acting.take()
        {
            let far = far::within(loaded, engine.clone(), acting, Arc::clone(&metrics), tasks)?;
            // It sees the rows of the one feed, and the cluster as an engine elsewhere would.
            let cluster = Arc::clone(&far) as Arc<dyn ports::Cluster>;
            start.engine = Engine::new(inventory, Some(cluster), Arc::clone(&start.clock));
            start.acting = Some(far);
        }
        let late = engine::start(loaded, start, tasks)?;
        executing = Some(late.executing()).filter(|_| !is_recorded);
        Some(Arc::new(late))
    } else {
        if let Some(acting) = acting {
            desk = desk.with_member(far::member(loaded.settings()?, engine.clone(), acting));
        }
        None
    };
    desk.coordination.clone_from(&coordination);
    let server = Server::new(desk, &config.mcp, Arc::clone(&metrics), tasks.clone());
    let booted = Booted { engine, server, metrics, coordination };
    if let Some(executing) = executing {
        listen_beside(loaded, &booted, executing, tasks);
    }
    Ok(booted)
}

/// Opens the socket in the state directory once this process executes on it: for the command line, and for other
/// processes that are attached.
#[cfg(unix)]
fn listen_beside(
    loaded: &Loaded,
    booted: &Booted,
    mut executing: tokio::sync::watch::Receiver<bool>,
    tasks: &Tasks,
) {
    // Replicas on PostgreSQL need no attaching: each of them executes.
    let is_shared = loaded.config.store.url.is_some() || loaded.config.store.url_file.is_some();
    let (Some(folder), Some(coordination), false) =
        (loaded.state_dir(), booted.coordination.clone(), is_shared)
    else {
        return;
    };
    let behind = crate::http::Behind {
        about: booted.about(loaded),
        coordination,
        server: booted.server.clone(),
        settings: loaded.config.http.clone(),
        user: loaded.environment.user().to_owned(),
    };
    let (spawner, ending) = (tasks.clone(), tasks.ending());
    tasks.spawn("open the socket", async move {
        let became = tokio::select! {
            () = ending.cancelled() => return,
            became = executing.wait_for(|executes| *executes) => became.is_ok(),
        };
        if !became {
            return;
        }
        let path = crate::attach::socket(&folder);
        match crate::http::Socket::bind(&path) {
            Ok(socket) => {
                tracing::info!(path = %path.display(), "other processes of this user reach this one by its socket");
                socket.serve(behind, &spawner);
            }
            Err(error) => tracing::warn!(
                path = %path.display(), %error,
                "there is no socket: other processes on this state directory can read, and nobody orders through them"
            ),
        }
    });
}

#[cfg(not(unix))]
fn listen_beside(_: &Loaded, _: &Booted, _: tokio::sync::watch::Receiver<bool>, _: &Tasks) {}

impl Booted {
    fn about(&self, loaded: &Loaded) -> About {
        About {
            engine: self.engine.clone(),
            metrics: Arc::clone(&self.metrics),
            mode: loaded.config.deployment.mode,
            missing: loaded.config.missing(),
        }
    }
}

/// How the member of the configuration is, for `doctor`.
///
/// # Errors
/// It cannot be used: what is wrong, and what to do about it.
pub async fn member_doctor(loaded: &Loaded) -> Result<String, (String, String)> {
    member::doctor(loaded).await
}

/// The listeners of a running aiops.
#[derive(Debug)]
pub struct Served {
    /// MCP, health and metrics.
    pub main: Open,
    /// Metrics alone, when they have a port of their own.
    pub metrics: Option<Open>,
}

/// Ports that are taken and not yet served.
#[derive(Debug)]
pub struct Ports {
    main: Listening,
    metrics: Option<Listening>,
}

impl Ports {
    /// Takes the ports: first of all, so that two processes do not both boot.
    ///
    /// # Errors
    /// Other machines could come in without a token, or a port is not to be had.
    pub async fn take(loaded: &Loaded) -> anyhow::Result<Self> {
        loaded.may_serve_http()?;
        let address = loaded.config.http.listen;
        let main = Listening::bind(address, "--http").await?;
        let metrics = match loaded.config.telemetry.metrics_port {
            Some(port) => Some(Listening::bind((address.ip(), port).into(), "telemetry.metricsPort").await?),
            None => None,
        };
        Ok(Self { main, metrics })
    }

    /// Begins to serve.
    ///
    /// # Errors
    /// The token file cannot be used.
    pub fn serve(self, booted: &Booted, loaded: &Loaded, tasks: &Tasks) -> anyhow::Result<Served> {
        let config = &loaded.config;
        let tokens = config.http.token_file.clone().map(TokenFile::open).transpose()?;
        if let Some(tokens) = &tokens {
            tokens.watch(tasks);
        }
        let about = booted.about(loaded);
        let rest = booted.coordination.clone().map(|engine| Rest::new(engine, tasks.ending()));
        let door = Door::new(about, &config.http, tokens, rest);
        let metrics = self.metrics.map(|port| port.serve(&door, door.metrics_router(), tasks));
        let main = self.main.serve(&door, door.router(booted.server.http(&config.http)), tasks);
        Ok(Served { main, metrics })
    }
}

impl Served {
    /// Ends in order, within 10 s: not ready, no new request, those that run, streams, everything else.
    pub async fn drain(self, tasks: &Tasks) {
        let metrics = async {
            if let Some(metrics) = self.metrics {
                metrics.drain(tasks).await;
            }
        };
        tokio::join!(self.main.drain(tasks), metrics);
        if !tasks.drain(std::time::Duration::from_secs(1)).await {
            tracing::warn!("some tasks did not end in time and are left behind");
        }
    }
}
