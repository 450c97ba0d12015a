//! Both ends of a member as this process has them: what acts here for an engine elsewhere, and the engine of this process
//! acting through its own MCP server.
//!
//! It decides nothing about what is done.

use std::sync::Arc;

use aiops_engine::{
    Engine,
    member::{Member, MemberCluster, Parts},
    ports::{Ids as _, acting::Acting},
    settings::Settings,
};
use tokio::io::DuplexStream;

use crate::{
    clock::SystemTimer,
    config::Loaded,
    ids::SystemIds,
    mcp::{Desk, Server},
    member,
    shutdown::Tasks,
    telemetry::Metrics,
};

/// The name by which the engine of this process is known to the member of this process; nobody else can bear it.
const OURSELVES: &str = "aiops engine";

/// What acts here for an engine elsewhere.
pub(super) fn member(settings: Settings, engine: Engine, acting: Arc<dyn Acting>) -> Member {
    let process = SystemIds.unique();
    Member::new(Parts { engine, acting, timer: Arc::new(SystemTimer), process, settings })
}

/// The cluster as the engine of this process sees it through an MCP server of this process.
///
/// # Errors
/// The policy cannot be used.
pub(super) fn within(
    loaded: &Loaded,
    engine: Engine,
    acting: Arc<dyn Acting>,
    metrics: Arc<Metrics>,
    tasks: &Tasks,
) -> anyhow::Result<Arc<MemberCluster>> {
    let settings = Settings { granted_to: vec![OURSELVES.to_owned()], ..loaded.settings()? };
    let desk = Desk::new(engine.clone(), None, OURSELVES).with_member(member(settings, engine, acting));
    let server = Server::new(desk, &loaded.config.mcp, metrics, tasks.clone());
    let line = member::duplex(tasks, |stream: DuplexStream| {
        let (read, write) = tokio::io::split(stream);
        async move { server.streams(read, write).await }
    });
    Ok(member::at(line))
}
