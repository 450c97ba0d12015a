//! `make bench`: what aiops costs and how fast it answers on a real control plane with many pods, beside a minimal binary.
//!
//! It builds what it measures, keeps to loopback, and ends by its id what it started. It measures only what can be asked
//! from outside: the kernel, the sockets, the API server's audit log.

mod beside;
mod engine;
mod full;
mod load;
mod peer;
mod plane;
mod process;
mod report;
mod subject;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;

use self::{
    engine::Amounts,
    plane::{Plane, Size},
    report::{Goal, Part, Report, say},
    subject::{Aiops, Lengths, Truth},
};

/// Measures aiops on a cluster of many pods.
#[derive(Debug, Parser)]
struct Arguments {
    /// A smoke run: 1,000 pods on 10 nodes, everything short; writes no page
    #[arg(long)]
    quick: bool,
    /// How many pods; the nodes are a hundredth of it
    #[arg(long, default_value_t = 10_000)]
    pods: usize,
    /// Another MCP server, timed in the same run
    #[arg(long, value_name = "URL")]
    peer: Option<String>,
    /// What the other server is asked, as a tool and its arguments
    #[arg(long, value_name = "TOOL JSON", num_args = 2, default_values = ["pods_list_in_namespace", "{\"namespace\":\"load-big\"}"])]
    peer_call: Vec<String>,
    /// A control plane of that many pods that runs already, by its folder
    #[arg(long, value_name = "DIR")]
    plane: Option<PathBuf>,
    /// The binary to measure
    #[arg(long, value_name = "FILE")]
    binary: PathBuf,
    /// How it is linked, for the page
    #[arg(long, value_name = "WORDS", default_value = "as rustc does by itself")]
    linked: String,
    /// Leave out the run without streaming lists
    #[arg(long)]
    no_pages: bool,
    /// Only the coordination engine's figures
    #[arg(long)]
    engine: bool,
    /// Leave out what needs a control plane, and with it Go
    #[arg(long, requires = "engine")]
    no_plane: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.engine {
        // What is measured in this process has the threads that it would have in one of its own.
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        return threads.block_on(measure_engine(&arguments));
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(&arguments))
}

/// Runs cargo in the repository.
fn cargo(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let built = Command::new("cargo").current_dir(root).args(arguments).status()?;
    anyhow::ensure!(built.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}

/// Where cargo puts what it builds: beside this program.
fn target() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.ancestors().nth(2).context("this program has no folder")?.to_owned())
}

/// The repository, where cargo puts what it builds, and where files of a run go.
fn places() -> anyhow::Result<(&'static Path, PathBuf, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("no root")?;
    let target = target()?;
    let scratch = target.join("bench");
    std::fs::create_dir_all(&scratch)?;
    Ok((root, target, scratch))
}

/// The coordination engine alone.
async fn measure_engine(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (root, _, scratch) = places()?;
    let mut report = Report::default();
    let before = machine()?;
    let amounts = Amounts::of(arguments.quick);
    let amounts = if arguments.no_plane { amounts.without_plane() } else { amounts };
    engine::measure(&arguments.binary, root, &scratch, amounts, &mut report).await?;
    let page = (!arguments.quick && !arguments.no_plane).then(|| root.join("docs/benchmarks.md"));
    report.finish(Part::Engine, &engine_head(&before, &machine()?), page.as_deref())?;
    ended(&report)
}

/// A goal that was missed fails the run, after the page is written: what was measured is on it either way.
fn ended(report: &Report) -> anyhow::Result<ExitCode> {
    let missed = report.missed();
    if missed > 0 {
        say(&format!("{missed} goals missed"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (root, target, scratch) = places()?;
    let pods = if arguments.quick { 1_000 } else { arguments.pods };
    let size = Size { nodes: (pods / 100).max(1), pods };
    let lengths = if arguments.quick {
        Lengths { rest: secs(10), load: secs(5), one_caller: secs(2), changes: 40 }
    } else {
        Lengths { rest: secs(60), load: secs(20), one_caller: secs(5), changes: 200 }
    };
    let aiops = &arguments.binary;
    let floor_package = ["build", "--locked", "--release", "--package", "aiops-floor"];
    cargo(root, &floor_package)?;
    let floor = target.join("release/aiops-floor");
    let mut report = Report::of_many(size.is_bound());
    let before = machine()?;

    let dir = scratch.join("plane");
    let plane = match &arguments.plane {
        Some(dir) => Plane::running(root, dir).await?,
        None => {
            // What an earlier run left behind is another number of pods.
            if dir.exists() {
                std::fs::remove_dir_all(&dir)?;
            }
            say("starting the control plane");
            Plane::start(root, &dir, size.nodes, "").await?
        }
    };
    say(&format!("making {pods} pods, unless they are there"));
    plane.fill(root, size).await?;
    let truth = Truth::of(&plane).await?;
    say(&format!("{} pods on {} nodes", truth.pods, truth.nodes));

    beside::idle(aiops, &scratch, &mut report).await?;
    {
        let mut subject = Aiops::start(aiops, &plane, &scratch, "", &[], &mut report).await?;
        subject.every_tool(&plane).await?;
        let _churn = plane.churn(20)?;
        subject.rest(&plane, &lengths, 26.0, &mut report).await?;
        subject.visibility(&plane, &lengths, &mut report).await?;
        subject.load(&truth, &lengths, &mut report).await?;
        subject.after_load(&lengths, &mut report).await?;
        drop(_churn);
        // With so many pods an API server takes longer to come back than its callers wait for it.
        if arguments.plane.is_none() && !size.is_bound() {
            subject.relist(&plane, &mut report).await?;
        }
    }
    {
        let stored = engine::stored::folder(&scratch, engine::STORED).await?;
        full::weigh(aiops, &plane, &scratch, (&stored, engine::STORED), &lengths, &mut report).await?;
    }
    {
        beside::floor(&floor, &plane, &truth, &scratch, &lengths, &mut report).await?;
        if let (Some(url), [tool, asked]) = (&arguments.peer, arguments.peer_call.as_slice()) {
            let _churn = plane.churn(20)?;
            peer::measure(url, tool, asked, &lengths, &mut report).await?;
        }
    }
    if arguments.plane.is_none() && !arguments.no_pages {
        let dir = plane.end()?;
        say("starting the control plane without streaming lists");
        let plane = Plane::start(root, &dir, size.nodes, "WatchList=false").await?;
        plane.fill(root, size).await?;
        let mut subject = Aiops::start(aiops, &plane, &scratch, "pages: ", &[], &mut report).await?;
        subject.every_tool(&plane).await?;
        let _churn = plane.churn(20)?;
        subject.rest(&plane, &lengths, 30.0, &mut report).await?;
        drop(_churn);
        subject.relist(&plane, &mut report).await?;
        drop(subject);
        plane.end()?;
        std::fs::remove_dir_all(&dir)?;
    }
    let megabytes = |path: &Path| -> anyhow::Result<f64> { Ok(std::fs::metadata(path)?.len() as f64 / 1e6) };
    report.add("binary", "MB", Goal::AtMost(25.0), megabytes(aiops)?);
    report.floor("binary", megabytes(&floor)?);
    if size.is_bound() {
        report.note("pods were made for a node each, without the scheduler: all of a Deployment on one");
    }
    report.note(format!("the binary is linked {}; the floor as rustc does by itself", arguments.linked));
    let part = match pods {
        10_000 => Some(Part::Cluster),
        100_000 => Some(Part::Large),
        _ => None,
    };
    let page = part.filter(|_| !arguments.quick && arguments.plane.is_none());
    let page = page.map(|_| root.join("docs/benchmarks.md"));
    let (part, after) = (part.unwrap_or(Part::Cluster), machine()?);
    let head = if part == Part::Large { large_head(&truth, &after) } else { head(&truth, &before, &after) };
    report.finish(part, &head, page.as_deref())?;
    ended(&report)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What the machine is and how busy it is.
struct Machine {
    name: String,
    load: String,
}

fn machine() -> anyhow::Result<Machine> {
    let processors = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let memory: f64 = memory.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let cores = std::thread::available_parallelism()?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    Ok(Machine {
        name: format!(
            "{cores} cores ({}), {:.0} GiB, Linux {}",
            model.trim_start_matches([' ', '\t', ':']),
            memory / 1024.0 / 1024.0,
            kernel.trim()
        ),
        load: load.split(' ').take(3).collect::<Vec<_>>().join(", "),
    })
}

/// The beginning of the engine's part of the page.
fn engine_head(before: &Machine, after: &Machine) -> String {
    format!(
        "Written by `make bench-engine`; do not edit. {date}, commit {commit}, on the same kind of machine: {name}; load average\n\
         {before} before, {after} after.\n\n\
         The store holds {stored} workflows that are over. Latencies are taken in one process, on the model API server, with the\n\
         durable SQLite store of a shipped binary (WAL, FULL) and its doors on loopback, one caller; the floor is the machine's own:\n\
         a bare route of axum, or a bare commit of SQLite. Throughput is from the first trigger to the last end, every rule in\n\
         force, limits raised as a configuration may raise them; each workflow is one step, watched for 10 s after it has settled.\n",
        date = jiff::Timestamp::now().strftime("%Y-%m-%d"),
        commit = commit(),
        name = after.name,
        before = before.load,
        after = after.load,
        stored = engine::STORED,
    )
}

fn commit() -> String {
    let commit = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    commit.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default()
}

/// The beginning of the part about many more pods.
fn large_head(truth: &Truth, after: &Machine) -> String {
    format!(
        "Written by `make bench PODS=100000`; do not edit. {date}, commit {commit}, {name}.\n\n\
         Cluster: {pods} pods on {nodes} nodes in {namespaces} namespaces, and everything else as above.\n",
        date = jiff::Timestamp::now().strftime("%Y-%m-%d"),
        commit = commit(),
        name = after.name,
        pods = truth.pods,
        nodes = truth.nodes,
        namespaces = truth.namespaces.len(),
    )
}

/// The beginning of the page.
fn head(truth: &Truth, before: &Machine, after: &Machine) -> String {
    format!(
        "# Benchmarks\n\n\
         Written by `make bench`; do not edit. {date}, commit {commit}.\n\n\
         Machine: {name}; load average {before} before, {after} after. The control plane (etcd, kube-apiserver, controllers,\n\
         scheduler, KWOK), aiops and the callers share its cores.\n\n\
         Cluster: {pods} pods on {nodes} nodes in {namespaces} namespaces, Kubernetes of `tests/controlplane/go.mod`; 20 pods\n\
         change every second but during relists. Every kind is watched and every tool was called once before. Each answer was\n\
         parsed and its counts compared with the API server's, or was byte by byte one that had been.\n\n\
         Floor: `benches/floor`, a server with the same libraries, one watch of pods, one tool and nothing else. \"pages\" is\n\
         the same API server with the feature WatchList off. MiB of the kernel's VmRSS, RssAnon and VmHWM.\n",
        date = jiff::Timestamp::now().strftime("%Y-%m-%d"),
        commit = commit(),
        name = after.name,
        before = before.load,
        after = after.load,
        pods = truth.pods,
        nodes = truth.nodes,
        namespaces = truth.namespaces.len(),
    )
}
