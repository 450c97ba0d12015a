//! `aiops serve` and `aiops demo`: begin, serve until a signal or the end of stdin, end in order.
//!
//! In stdio mode nothing but JSON-RPC is written to stdout.

use std::{io::IsTerminal as _, time::Duration};

use clap::Args;

use super::{Failure, Global, print, run};
use crate::{
    boot::{Booted, Feed, Ports, boot},
    config::{Environment, Flag, Loaded},
    shutdown::{Signals, Tasks},
    telemetry::{self, process},
};

/// How to serve.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Listen here for MCP, health and metrics [default: 127.0.0.1:8080]; port 0 takes a free one
    ///
    /// Beyond loopback a file of tokens is needed: http.tokenFile.
    #[arg(long, value_name = "ADDRESS:PORT")]
    http: Option<String>,
    /// Speak MCP on stdin and stdout, as desktop clients want it, and open no port
    #[arg(long, conflicts_with = "http")]
    stdio: bool,
}

/// What requests in flight get when the process is asked to end.
const FINISH_WITHIN: Duration = Duration::from_secs(5);
/// What the exporter of spans gets at the end.
const EXPORT_WITHIN: Duration = Duration::from_secs(1);

pub(super) fn serve(args: &ServeArgs, global: &Global, environment: Environment) -> Result<(), Failure> {
    begin(args, Feed::Configured, global.load(environment, args.flags())?)
}

pub(super) fn demo(args: &ServeArgs, global: &Global, environment: Environment) -> Result<(), Failure> {
    let own = |key, value: &str| Flag { flag: "demo", key, value: value.to_owned() };
    let mut flags = vec![own("deployment.mode", "full")];
    flags.extend(args.flags());
    begin(args, Feed::Demo, global.load(environment, flags)?)
}

impl ServeArgs {
    fn flags(&self) -> Vec<Flag> {
        let listen = self.http.clone().map(|value| Flag { flag: "--http", key: "http.listen", value });
        listen.into_iter().collect()
    }
}

fn begin(args: &ServeArgs, feed: Feed, loaded: Loaded) -> Result<(), Failure> {
    process::started();
    let threads = if args.stdio { 2 } else { 4 };
    run::within(threads, async {
        let signals = Signals::listen()?;
        let tasks = Tasks::new();
        let telemetry = telemetry::init(&loaded.config.telemetry, &loaded.environment, &tasks);
        let ended = if args.stdio {
            stdio(&loaded, feed, signals, &tasks).await
        } else {
            http(&loaded, feed, signals, &tasks).await
        };
        // What failed has its own words; tasks and spans end either way.
        tasks.end();
        telemetry.end(EXPORT_WITHIN).await;
        ended
    })
}

async fn http(loaded: &Loaded, feed: Feed, mut signals: Signals, tasks: &Tasks) -> Result<(), Failure> {
    let ports = Ports::take(loaded).await.map_err(Failure::usage)?;
    let booted = boot(loaded, feed, tasks)?;
    let served = ports.serve(&booted, loaded, tasks)?;
    let address = served.main.address;
    tracing::info!(
        %address,
        mode = %loaded.config.deployment.mode,
        version = env!("CARGO_PKG_VERSION"),
        "listening"
    );
    if feed == Feed::Demo {
        print::err(&welcome(&booted, &format!("http://{address}")))?;
    }
    let signal = signals.next().await;
    tracing::info!(signal, "ending: no new requests, those that run have 5 s");
    tokio::select! {
        () = served.drain(tasks) => {
            tracing::info!("ended");
            Ok(())
        }
        signal = signals.next() => Err(anyhow::anyhow!("ended at once by a second {signal}").into()),
    }
}

async fn stdio(loaded: &Loaded, feed: Feed, mut signals: Signals, tasks: &Tasks) -> Result<(), Failure> {
    if std::io::stdin().is_terminal() {
        print::err(
            "aiops speaks JSON-RPC on stdin and stdout now, for a client that starts it; for people there are \
             `aiops call` and `aiops demo`. Ctrl-C ends it.",
        )?;
    }
    if loaded.config.telemetry.metrics_port.is_some() {
        tracing::warn!("telemetry.metricsPort is not served with --stdio, which opens no port");
    }
    let booted = boot(loaded, feed, tasks)?;
    let talk = booted.server.clone().stdio();
    tokio::pin!(talk);
    let talked = tokio::select! {
        talked = talk.as_mut() => talked,
        signal = signals.next() => {
            tracing::info!(signal, "ending: calls that run have 5 s");
            tasks.end();
            tokio::select! {
                ended = tokio::time::timeout(FINISH_WITHIN, talk.as_mut()) => ended.unwrap_or(Ok(())),
                signal = signals.next() => return Err(anyhow::anyhow!("ended at once by a second {signal}").into()),
            }
        }
    };
    tokio::select! {
        _ = tasks.drain(FINISH_WITHIN) => {}
        _ = signals.next() => {}
    }
    Ok(talked?)
}

/// What somebody who has just started the demo wants to know.
fn welcome(booted: &Booted, url: &str) -> String {
    let (at, name) = {
        let look = booted.engine.look();
        let name = match &look.info().source {
            aiops_inventory::inventory::Source::Recorded { name, .. } => name.to_string(),
            _ => String::new(),
        };
        (aiops_engine::answer::time(booted.engine.now()), super::table::clean(&name))
    };
    format!(
        "
aiops demo: the recorded cluster {name:?}, as it was at {at}. What you order acts on a model of it, and on nothing else.

  MCP      {url}/mcp
  REST     {url}/api/v1     described by {url}/openapi.json
  health   {url}/health

Ask it from another shell. The first line is needed: without it these words reach whichever aiops executes for you.
  export AIOPS_SERVER={url}
  aiops call get-cluster-health
  aiops call list-incidents
  aiops call plan-remediation incident_id=inc-…
  aiops call trigger-remediation incident_id=inc-… wait=25
  aiops tools

Connect a client:
  aiops client-config claude-code --url {url}/mcp --install

Ctrl-C ends it.
"
    )
}
