//! The start while everything that aiops reaches for is silent: it accepts connections and never says a word.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::channel,
    time::Duration,
};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{
    process::Process,
    report::{Goal, Report},
    subject::millis,
};

/// A port that accepts what the kernel's queue holds, and stays silent.
fn silent() -> anyhow::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// Measures the answers to the handshake, to `tools/list` and to a question, from before the process was started.
pub(crate) fn measure(binary: &Path, scratch: &Path, report: &mut Report) -> anyhow::Result<()> {
    let ((_database, database), (_cluster, cluster), (_others, others)) = (silent()?, silent()?, silent()?);
    let kubeconfig = scratch.join("dark.kubeconfig");
    let context = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "dark",
        "clusters": [{"name": "dark", "cluster": {"server": format!("https://127.0.0.1:{cluster}"),
            "insecure-skip-tls-verify": true}}],
        "users": [{"name": "dark", "user": {"token": "x"}}],
        "contexts": [{"name": "dark", "context": {"cluster": "dark", "user": "dark"}}],
    });
    std::fs::write(&kubeconfig, context.to_string())?;
    let settings = scratch.join("dark.toml");
    std::fs::write(
        &settings,
        format!(
            "store.url = \"postgres://aiops@127.0.0.1:{database}/aiops\"\n\
             telemetry.otlpEndpoint = \"http://127.0.0.1:{others}\"\n\
             notify.url = \"http://127.0.0.1:{others}/hook\"\n"
        ),
    )?;
    let mut command = Command::new(binary);
    command.args(["serve", "--stdio", "--mode", "full", "--kubeconfig"]).arg(&kubeconfig);
    command.arg("--config").arg(&settings).arg("--state-dir").arg(scratch.join("dark-state"));
    command.env_remove("RUST_LOG").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process::start(&mut command)?;
    let mut input = process.child().stdin.take().context("no stdin")?;
    let output = BufReader::new(process.child().stdout.take().context("no stdout")?);
    let (to, from) = channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| to.send(line)));
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}});
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let health = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call",
        "params": {"name": "get-cluster-health", "arguments": {}}});
    writeln!(input, "{initialize}\n{ready}\n{list}\n{health}")?;
    let mut last = 0.0;
    let mut answered = 0;
    while answered < 3 {
        let line = from.recv_timeout(Duration::from_secs(20)).context("it does not answer")?;
        let said: Value = serde_json::from_str(&line)?;
        if said.get("id").is_some() {
            answered += 1;
            last = millis(process.started.elapsed());
            if answered == 1 {
                report.add("in darkness: first answer over MCP", "ms", Goal::AtMost(1_000.0), last);
            }
        }
    }
    report.add("in darkness: tools/list and get-cluster-health too", "ms", Goal::AtMost(1_000.0), last);
    Ok(())
}
