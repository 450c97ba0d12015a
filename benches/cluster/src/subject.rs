//! aiops at work: how soon it knows the cluster, what it weighs, how fast and how truly it answers.
//!
//! It decides nothing about goals but names them where the figure is taken.

mod truth;

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::{Value, json};

pub(crate) use self::truth::Truth;
use crate::{
    load::{self, Connection, Question, Tally},
    plane::{BIG, Plane},
    process::{Memory, Server},
    report::{Goal, Report, say},
};

/// The name of the figure that the floor has too.
pub(crate) const FIFTY: &str = "get-cluster-health, 50 callers";
/// The kinds that are to be known first.
const FIRST: [&str; 8] =
    ["Node", "Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"];

/// How long each part takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    pub(crate) rest: Duration,
    pub(crate) load: Duration,
    pub(crate) one_caller: Duration,
    pub(crate) changes: usize,
}

pub(crate) const fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1_000.0
}

impl Lengths {
    /// Nothing takes any time.
    pub(crate) const NONE: Self =
        Self { rest: Duration::ZERO, load: Duration::ZERO, one_caller: Duration::ZERO, changes: 0 };
}

/// aiops on a cluster.
pub(crate) struct Aiops {
    server: Server,
    connection: Connection,
    /// Put before the names of figures, such as `pages: `.
    prefix: &'static str,
}

impl Aiops {
    /// Starts it and waits until it knows everything.
    pub(crate) async fn start(
        binary: &Path,
        plane: &Plane,
        scratch: &Path,
        prefix: &'static str,
        more: &[&str],
        report: &mut Report,
    ) -> anyhow::Result<Self> {
        let state = scratch.join("state");
        let mut arguments = vec![
            "serve",
            "--http",
            "127.0.0.1:0",
            "--kubeconfig",
            plane.kubeconfig()?,
            "--state-dir",
            state.to_str().context("the path is no text")?,
        ];
        arguments.extend(more);
        let server = Server::start(binary, &arguments, &scratch.join("aiops.log"))?;
        let connection = Connection::open(server.address).await?;
        let mut this = Self { server, connection, prefix };
        let started = this.server.process.started;
        if prefix.is_empty() {
            report.add("listening", "ms", Goal::AtMost(15.0), millis(this.server.listening));
        }
        this.synced(started, report).await?;
        Ok(this)
    }

    async fn states(&mut self) -> anyhow::Result<BTreeMap<String, String>> {
        let health = self.connection.get("/health").await?;
        let kinds = health.get("inventory").and_then(Value::as_array).context("no inventory in /health")?;
        let word =
            |kind: &Value, name: &str| kind.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(kinds.iter().map(|kind| (word(kind, "kind"), word(kind, "state"))).collect())
    }

    /// Waits for the first kinds, for all but events, and for those.
    async fn synced(&mut self, started: Instant, report: &mut Report) -> anyhow::Result<()> {
        let deadline = started + Duration::from_secs(120);
        let prefix = self.prefix;
        let steps = [
            ("nodes, pods and workloads synced", 1_000.0),
            ("all kinds but events synced", 2_000.0),
            ("events synced", f64::INFINITY),
        ];
        for (what, most) in steps {
            loop {
                let states = self.states().await?;
                let late: Vec<_> = states
                    .iter()
                    .filter(|(kind, _)| match what {
                        "events synced" => *kind == "Event",
                        "all kinds but events synced" => *kind != "Event",
                        _ => FIRST.contains(&kind.as_str()),
                    })
                    .filter(|(_, state)| !matches!(state.as_str(), "synced" | "absent"))
                    .collect();
                if late.is_empty() {
                    break;
                }
                anyhow::ensure!(Instant::now() < deadline, "still not synced: {late:?}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let goal = if most.is_finite() && prefix.is_empty() { Goal::AtMost(most) } else { Goal::None };
            report.add(format!("{prefix}{what}"), "ms", goal, millis(started.elapsed()));
        }
        Ok(())
    }

    fn weigh(&self, when: &str, most: f64, report: &mut Report) -> anyhow::Result<Memory> {
        let memory = self.server.process.memory()?;
        report.add(format!("{}RSS {when}", self.prefix), "MiB", Goal::AtMost(most), memory.rss);
        report.add(format!("{}of it anonymous {when}", self.prefix), "MiB", Goal::None, memory.anonymous);
        Ok(memory)
    }

    fn peak(&self, when: &str, most: f64, report: &mut Report) -> anyhow::Result<()> {
        let peak = self.server.process.memory()?.peak;
        report.add(format!("{}peak RSS {when}", self.prefix), "MiB", Goal::AtMost(most), peak);
        Ok(())
    }

    /// Calls every tool once.
    pub(crate) async fn every_tool(&mut self, plane: &Plane) -> anyhow::Result<()> {
        let pod = plane.pods(BIG, 1).await?.pop().context("no pod")?;
        let calls = [
            ("get-cluster-health", json!({})),
            ("list-pods", json!({})),
            ("list-nodes", json!({})),
            ("list-namespaces", json!({})),
            ("list-workloads", json!({})),
            ("list-events", json!({})),
            ("get-workload", json!({"namespace": BIG, "kind": "Deployment", "name": "crowd"})),
            ("get-resource", json!({"namespace": BIG, "kind": "Deployment", "name": "crowd"})),
            ("list-resources", json!({"namespace": BIG, "kind": "pods", "limit": 5})),
            ("get-pod-logs", json!({"namespace": BIG, "pod": pod})),
            ("diagnose-pod", json!({"namespace": BIG, "pod": pod})),
            ("calculate-pod-capacity", json!({"namespace": BIG})),
            (
                "analyze-scaling-impact",
                json!({"namespace": BIG, "deployment": "crowd", "target_replicas": 600}),
            ),
        ];
        for (tool, arguments) in calls {
            let begun = Instant::now();
            let answered = self.connection.call(tool, arguments).await;
            match answered {
                Ok(_) => say(&format!("  {tool}: {:.1} ms at first", millis(begun.elapsed()))),
                Err(error) => say(&format!("  {tool} gave no answer: {error:#}")),
            }
        }
        Ok(())
    }

    /// At rest: what it weighs after a minute and what it asked of the API server meanwhile.
    pub(crate) async fn rest(
        &self,
        plane: &Plane,
        lengths: &Lengths,
        most: f64,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let mark = plane.mark();
        let cpu = self.server.process.cpu()?;
        tokio::time::sleep(lengths.rest).await;
        let used = self.server.process.cpu()? - cpu;
        let prefix = self.prefix;
        self.weigh(&format!("{} s after sync", lengths.rest.as_secs()), most, report)?;
        self.peak("through sync", if prefix.is_empty() { 36.0 } else { 40.0 }, report)?;
        let minutes = lengths.rest.as_secs_f64() / 60.0;
        report.add(
            format!("{prefix}processor time at rest with 20 changes a second"),
            "% of a core",
            Goal::None,
            100.0 * used.as_secs_f64() / lengths.rest.as_secs_f64(),
        );
        let asked = plane.asked_since(mark)?;
        let (watches, others): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|((verb, _), _)| verb.starts_with("watch"));
        let count =
            |list: &[((String, String), usize)]| list.iter().map(|(_, count)| *count).sum::<usize>() as f64;
        report.add(
            format!("{prefix}requests of the API server at rest, watches left out"),
            "a minute",
            Goal::AtMost(6.0),
            count(&others) / minutes,
        );
        report.add(
            format!("{prefix}watches that were begun again at rest"),
            "a minute",
            Goal::None,
            count(&watches) / minutes,
        );
        for ((verb, path), count) in others {
            report.note(format!(
                "{prefix}at rest: {verb} {path} {count} times in {:.0} s",
                lengths.rest.as_secs_f64()
            ));
        }
        Ok(())
    }

    fn calls(&self, what: &str, tally: &Tally, used: Duration, goal: Goal, report: &mut Report) {
        let prefix = self.prefix;
        report.add(format!("{prefix}{what}, p50"), "ms", Goal::None, millis(tally.percentile(50)));
        report.add(format!("{prefix}{what}, p95"), "ms", goal, millis(tally.percentile(95)));
        report.add(format!("{prefix}{what}, p99"), "ms", Goal::None, millis(tally.percentile(99)));
        let each = used.as_secs_f64() * 1e6 / tally.calls as f64;
        report.add(format!("{prefix}{what}, processor time a call"), "µs", Goal::None, each);
        say(&format!(
            "  {} calls, {:.0}/s, {} answers parsed and compared, the others equal to one of them, at most {} bytes",
            tally.calls,
            tally.per_second(),
            tally.parsed,
            tally.bytes
        ));
    }

    async fn timed(
        &self,
        callers: usize,
        questions: &[Question],
        length: Duration,
    ) -> anyhow::Result<(Tally, Duration)> {
        let before = self.server.process.cpu()?;
        let tally = load::run(self.server.address, callers, questions, length).await?;
        Ok((tally, self.server.process.cpu()? - before))
    }

    /// One caller, then fifty.
    pub(crate) async fn load(
        &self,
        truth: &Truth,
        lengths: &Lengths,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let whole = Question {
            tool: "get-cluster-health",
            arguments: json!({}),
            expected: vec![("/pods/total", json!(truth.pods)), ("/nodes/total", json!(truth.nodes))],
        };
        let (tally, used) = self.timed(1, &[whole], lengths.one_caller).await?;
        self.calls("get-cluster-health, one caller", &tally, used, Goal::AtMost(0.5), report);
        let big = truth.namespaces.iter().find(|(name, _)| name == BIG).map_or(0, |(_, pods)| *pods);
        let crowd = Question {
            tool: "list-pods",
            arguments: json!({"namespace": BIG}),
            expected: vec![("/total", json!(big))],
        };
        let (tally, used) = self.timed(1, &[crowd], lengths.one_caller).await?;
        self.calls("list-pods of 500, one caller", &tally, used, Goal::AtMost(1.0), report);
        let (tally, used) = self.timed(50, &truth.health(), lengths.load).await?;
        self.calls("get-cluster-health, 50 callers", &tally, used, Goal::AtMost(4.0), report);
        report.add(FIFTY, "a second", Goal::AtLeast(20_000.0), tally.per_second());
        Ok(())
    }

    pub(crate) async fn after_load(&self, lengths: &Lengths, report: &mut Report) -> anyhow::Result<()> {
        self.weigh("right after load", 36.0, report)?;
        tokio::time::sleep(lengths.rest).await;
        self.weigh(&format!("{} s after load", lengths.rest.as_secs()), 32.0, report)?;
        Ok(())
    }

    /// Changes labels one after the other and looks how soon each is in an answer.
    pub(crate) async fn visibility(
        &mut self,
        plane: &Plane,
        lengths: &Lengths,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        // The one from before was quiet for so long that the server has closed it.
        self.connection = Connection::open(self.server.address).await?;
        let pods = plane.pods(BIG, lengths.changes).await?;
        let run = jiff::Timestamp::now().as_second();
        let mut times = Vec::new();
        for (at, pod) in pods.iter().enumerate() {
            let value = format!("{run}-{at}");
            plane.label(BIG, pod, &value).await?;
            let changed = Instant::now();
            loop {
                let arguments = json!({"namespace": BIG, "label_selector": format!("bench={value}")});
                let answer = self.connection.call("list-pods", arguments).await?;
                if answer.get("total") == Some(&json!(1)) {
                    break;
                }
                anyhow::ensure!(
                    changed.elapsed() < Duration::from_secs(10),
                    "a change of {pod} was not seen in 10 s"
                );
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            times.push(changed.elapsed());
        }
        times.sort_unstable();
        let within = |limit| times.iter().filter(|time| **time <= Duration::from_secs(limit)).count();
        let share = |limit| 100.0 * within(limit) as f64 / times.len() as f64;
        report.add("changes visible within 1 s", "%", Goal::AtLeast(99.0), share(1));
        report.add("changes visible within 5 s", "%", Goal::AtLeast(100.0), share(5));
        let last = times.last().copied().unwrap_or_default();
        report.add(format!("the slowest of {} changes", times.len()), "ms", Goal::None, millis(last));
        Ok(())
    }

    /// When every kind is fresh.
    async fn fresh(&mut self) -> anyhow::Result<Instant> {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let states = self.states().await?;
            if states.values().all(|state| matches!(state.as_str(), "synced" | "absent")) {
                return Ok(Instant::now());
            }
            anyhow::ensure!(Instant::now() < deadline, "not fresh again: {states:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Takes the API server away and gives it back: everything is read again. The time runs from when its port takes
    /// connections.
    pub(crate) async fn relist(&mut self, plane: &Plane, report: &mut Report) -> anyhow::Result<()> {
        self.connection = Connection::open(self.server.address).await?;
        plane.control("down").await?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.states().await?.get("Pod").is_some_and(|state| state == "synced") {
            anyhow::ensure!(Instant::now() < deadline, "the loss of the API server was not noticed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mark = plane.mark();
        // Side by side: by when the control plane says that it is up, aiops can have been fresh for long.
        let (opened, fresh, ()) = tokio::try_join!(plane.opened(), self.fresh(), plane.control("up"))?;
        let prefix = self.prefix;
        report.add(
            format!("{prefix}fresh after the API server's return"),
            "ms",
            Goal::AtMost(5_000.0),
            millis(fresh.saturating_duration_since(opened)),
        );
        tokio::time::sleep(Duration::from_secs(5)).await;
        let lists = plane
            .asked_since(mark)?
            .into_iter()
            .filter(|((verb, _), _)| verb == "watch with list" || verb == "list");
        let lists: Vec<String> =
            lists.map(|((_, path), _)| path.rsplit('/').next().unwrap_or_default().to_owned()).collect();
        report.note(format!("{prefix}read again after the API server's return: {}", lists.join(", ")));
        self.peak("through relist", if prefix.is_empty() { 36.0 } else { 40.0 }, report)
    }
}
