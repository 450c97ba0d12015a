//! What aiops is compared with: the floor on the same cluster, and aiops itself with nothing to do.
//!
//! The floor's figures go beside aiops's of the same name; it has no goals.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::json;

use crate::{
    load::{self, Connection},
    plane::Plane,
    process::{Process, Server},
    report::{Goal, Report},
    subject::{FIFTY, Lengths, Truth, millis},
};

/// The floor on the same cluster.
pub(crate) async fn floor(
    binary: &Path,
    plane: &Plane,
    truth: &Truth,
    scratch: &Path,
    lengths: &Lengths,
    report: &mut Report,
) -> anyhow::Result<()> {
    let server = Server::start(binary, &[plane.kubeconfig()?], &scratch.join("floor.log"))?;
    report.floor("listening", millis(server.listening));
    let mut connection = Connection::open(server.address).await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    while connection.call("get-cluster-health", json!({})).await?.get("synced") != Some(&json!(true)) {
        anyhow::ensure!(Instant::now() < deadline, "the floor does not know the pods");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    report.floor("nodes, pods and workloads synced", millis(server.process.started.elapsed()));
    let _churn = plane.churn(20)?;
    tokio::time::sleep(lengths.rest / 6).await;
    let memory = server.process.memory()?;
    report.floor(&format!("RSS {} s after sync", lengths.rest.as_secs()), memory.rss);
    report.floor(&format!("of it anonymous {} s after sync", lengths.rest.as_secs()), memory.anonymous);
    report.floor("peak RSS through sync", memory.peak);
    let before = server.process.cpu()?;
    let tally = load::run(server.address, 1, &truth.counts(), lengths.one_caller).await?;
    report.floor("get-cluster-health, one caller, p50", millis(tally.percentile(50)));
    report.floor("get-cluster-health, one caller, p95", millis(tally.percentile(95)));
    let one = server.process.cpu()?;
    let each = |used: Duration, calls: usize| used.as_secs_f64() * 1e6 / calls as f64;
    report.floor("get-cluster-health, one caller, processor time a call", each(one - before, tally.calls));
    let tally = load::run(server.address, 50, &truth.counts(), lengths.load).await?;
    for (name, percent) in [("p50", 50), ("p95", 95), ("p99", 99)] {
        report.floor(&format!("{FIFTY}, {name}"), millis(tally.percentile(percent)));
    }
    report.floor(&format!("{FIFTY}, processor time a call"), each(server.process.cpu()? - one, tally.calls));
    report.floor(FIFTY, tally.per_second());
    let memory = server.process.memory()?;
    report.floor("RSS right after load", memory.rss);
    report.floor("of it anonymous right after load", memory.anonymous);
    Ok(())
}

/// aiops on standard streams without a cluster, as a desktop client starts it and leaves it.
pub(crate) async fn idle(binary: &Path, scratch: &Path, report: &mut Report) -> anyhow::Result<()> {
    use std::io::{BufRead as _, BufReader, Write as _};
    let nowhere: PathBuf = scratch.join("there-is-no-kubeconfig");
    let mut command = Command::new(binary);
    command.args(["serve", "--stdio", "--kubeconfig"]).arg(nowhere);
    command.env_remove("RUST_LOG").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process::start(&mut command)?;
    let mut input = process.child().stdin.take().context("no stdin")?;
    let mut output = BufReader::new(process.child().stdout.take().context("no stdout")?);
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}});
    writeln!(input, "{initialize}")?;
    let mut line = String::new();
    output.read_line(&mut line)?;
    report.add("stdio: first answer", "ms", Goal::AtMost(30.0), millis(process.started.elapsed()));
    writeln!(input, "{}", json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
    writeln!(input, "{}", json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}))?;
    line.clear();
    output.read_line(&mut line)?;
    anyhow::ensure!(line.contains("get-cluster-health"), "tools/list: {line}");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let memory = process.memory()?;
    report.add("stdio: RSS idle without a cluster", "MiB", Goal::AtMost(14.0), memory.rss);
    report.add("stdio: of it anonymous", "MiB", Goal::AtMost(3.0), memory.anonymous);
    Ok(())
}
