//! A container's log, read for what matters: the first error, what was searched for, the newest lines, repetitions
//! folded.
//!
//! Which container, and why there may be no log, is decided from the rows; the log itself is read live, at most so many
//! bytes. Whatever is shown was redacted and cleaned, line by line.

mod container;
mod lines;
mod report;
mod signs;

use std::ops::ControlFlow;

use aiops_inventory::{Inventory, Kind};
use jiff::Timestamp;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Serialize;

use report::Report;
pub use report::{LogEntry, Window};

use crate::{
    Engine, Error,
    answer::{Standing, near},
    discovery,
    error::{PortError, PortErrorKind},
    ports::{Cluster, LogRequest},
};

/// Which log, and what of it.
#[derive(Debug, Clone, Default)]
pub struct PodLogs {
    /// Namespace.
    pub namespace: String,
    /// Pod.
    pub pod: String,
    /// Container; when absent, the one that failed or restarted most.
    pub container: Option<String>,
    /// The log of the instance before the last restart.
    pub previous: bool,
    /// Only what is younger: `15m`, `2h`, or a moment as RFC 3339.
    pub since: Option<String>,
    /// Lines read, counted from the end.
    pub tail: Option<u32>,
    /// Only lines that match this regular expression.
    pub grep: Option<String>,
    /// Lines before and after each match.
    pub context: Option<u32>,
    /// Look for the first error, with its surroundings, in a longer stretch of the log.
    pub first_error: bool,
}

/// What is worth reading of a log.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LogAnswer {
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// Namespace.
    pub namespace: String,
    /// Pod.
    pub pod: String,
    /// Container; null when the pod is not known and none was named.
    pub container: Option<String>,
    /// Why this container, when there are several and none was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    /// It is the log of the instance before the last restart.
    pub previous: bool,
    /// State of the container now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why there is no log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
    /// The first line (or trace) that looks like an error; null when none does.
    pub first_error: Option<LogEntry>,
    /// Lines that match grep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<usize>,
    /// Lines in their order, repetitions folded.
    pub lines: Vec<LogEntry>,
    /// What was read; null when there is no log.
    pub window: Option<Window>,
    /// What lies outside of what was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Most bytes read at once.
const MOST_BYTES: usize = 2 << 20;
/// Lines read when nothing is looked for.
const TAIL: u32 = 200;
/// Lines read when something is looked for.
const LONG_TAIL: u32 = 5_000;
/// Most lines read.
const MOST_TAIL: u32 = 20_000;
/// Most bytes of a compiled pattern: the time of a search grows with it.
const PATTERN: usize = 256 * 1024;
/// How far a caller's clock may go ahead of ours, in seconds.
const SKEW: i64 = 120;
/// Tokens of entries in an answer.
const TOKENS: usize = 1_450;

/// Which container, and what is known about it.
#[derive(Debug, Default)]
struct Choice {
    container: Option<String>,
    chosen: Option<String>,
    state: Option<String>,
    unavailable: Option<String>,
}

impl Engine {
    /// A container's log.
    pub async fn pod_logs(&self, request: &PodLogs) -> Result<LogAnswer, Error> {
        discovery::check_namespace(&request.namespace)?;
        discovery::check_name("pod", &request.pod)?;
        if let Some(container) = &request.container {
            discovery::check_name("container", container)?;
        }
        let grep = request.grep.as_deref().filter(|grep| !grep.is_empty()).map(pattern).transpose()?;
        let since = request.since.as_deref().filter(|s| !s.trim().is_empty());
        let since = since.map(|since| since_seconds(since, self.now())).transpose()?;
        let (standing, choice) = self.choose(request)?;
        let mut answer = LogAnswer {
            standing,
            namespace: request.namespace.clone(),
            pod: request.pod.clone(),
            container: choice.container,
            chosen: choice.chosen,
            previous: request.previous,
            state: choice.state,
            unavailable: choice.unavailable,
            window: None,
            note: None,
            first_error: None,
            matches: None,
            lines: Vec::new(),
        };
        if answer.unavailable.is_some() {
            return Ok(answer);
        }
        let looks = grep.is_some() || request.first_error || since.is_some();
        let tail = request.tail.unwrap_or(if looks { LONG_TAIL } else { TAIL }).clamp(1, MOST_TAIL);
        let log_request = LogRequest {
            namespace: request.namespace.clone(),
            pod: request.pod.clone(),
            container: answer.container.clone(),
            previous: request.previous,
            since_seconds: since,
            tail_lines: Some(i64::from(tail)),
            timestamps: true,
            limit_bytes: i64::try_from(MOST_BYTES).ok(),
        };
        let (log, whole) = match Self::read_log(self.cluster("reading a log")?, log_request).await {
            Ok(read) => read,
            Err(error) if is_no_log(&error) => {
                answer.unavailable = Some(error.message);
                return Ok(answer);
            }
            Err(error) => {
                let what =
                    format!("reading the log of pod {} in namespace {}", request.pod, request.namespace);
                return Err(Error::from_port(what, error));
            }
        };
        let search = report::Search {
            grep,
            context: usize::try_from(request.context.unwrap_or(0).min(20)).unwrap_or(0),
            first_error: request.first_error,
            tokens: TOKENS,
        };
        let report = report::report(&log, &search).await;
        answer.note = note(&report, tail, whole, since.is_some());
        answer.window = Some(report.window);
        answer.first_error = report.first_error;
        answer.matches = report.matches;
        answer.lines = report.entries;
        Ok(answer)
    }

    /// The bytes of the log, and whether they are all that was asked for. Lines too long for the budget push the newest
    /// out: then fewer of them are asked for, once.
    async fn read_log(cluster: &dyn Cluster, mut request: LogRequest) -> Result<(Vec<u8>, bool), PortError> {
        for again in [true, false] {
            let mut log = Vec::new();
            let mut whole = true;
            let mut sink = |chunk: &[u8]| {
                let room = MOST_BYTES - log.len();
                log.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
                whole = log.len() < MOST_BYTES;
                if whole { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            cluster.logs(&request, &mut sink).await?;
            let lines = log.iter().filter(|byte| **byte == b'\n').count();
            if whole || !again || lines < 2 {
                return Ok((log, whole));
            }
            request.tail_lines = i64::try_from(lines / 2).ok();
        }
        Ok((Vec::new(), true))
    }

    fn choose(&self, request: &PodLogs) -> Result<(Standing, Choice), Error> {
        let inventory = self.look();
        let standing = self.standing_in(&inventory, &[Kind::Pod], Some(&request.namespace));
        let Some(pod) = inventory.pods().get(&request.namespace, &request.pod) else {
            if standing.lacks(Kind::Pod) {
                // What the rows do not know yet the API server may.
                let container = request.container.clone();
                return Ok((standing, Choice { container, ..Choice::default() }));
            }
            self.known_namespace(&inventory, &request.namespace)?;
            return Err(no_such_pod(&inventory, request));
        };
        let (container, chosen) = match &request.container {
            Some(name) => (container::find(pod, name)?, None),
            None => container::pick(pod),
        };
        let unavailable = container.map_or_else(
            || Some(format!("the pod is {} and its containers are not known yet", pod.status())),
            |container| container::no_log(pod, container, request.previous),
        );
        let choice = Choice {
            container: container.map(|c| c.spec.name.to_string()),
            chosen,
            state: container.map(container::state),
            unavailable,
        };
        Ok((standing, choice))
    }
}

fn no_such_pod(inventory: &Inventory, request: &PodLogs) -> Error {
    let hint = near(&request.pod, inventory.pods().names(&request.namespace).map(|name| name.as_str()));
    let hint = if hint.is_empty() {
        // A workload's name is what people know; its pods begin with it.
        let prefix = format!("{}-", request.pod);
        let pods = inventory.pods().names(&request.namespace).filter(|name| name.starts_with(&prefix));
        let pods: Vec<&str> = pods.take(3).map(|name| name.as_str()).collect();
        if pods.is_empty() { String::new() } else { format!("; pods of that prefix are {}", pods.join(", ")) }
    } else {
        hint
    };
    Error::NotFound { what: format!("pod {:?} in namespace {}", request.pod, request.namespace), hint }
}

/// Whether the API server's refusal only says that there is no such log.
fn is_no_log(error: &PortError) -> bool {
    matches!(error.kind, PortErrorKind::Invalid | PortErrorKind::NotFound | PortErrorKind::Unsupported)
        && ["previous terminated container", "waiting to start", "no log", "no previous"]
            .iter()
            .any(|part| error.message.contains(part))
}

/// What lies outside of what was read.
fn note(report: &Report, tail: u32, whole: bool, since: bool) -> Option<String> {
    let unread = unread(report.window.lines, tail, whole, since);
    if report.unsearched == 0 {
        return unread;
    }
    let (lines, bytes) = (report.unsearched, report::SEARCHED);
    let unsearched = format!("{lines} lines were searched in their first {bytes} bytes only");
    Some(unread.map_or_else(|| unsearched.clone(), |unread| format!("{unsearched}; {unread}")))
}

fn unread(lines: usize, tail: u32, whole: bool, since: bool) -> Option<String> {
    let tail = usize::try_from(tail).unwrap_or(usize::MAX);
    if !whole {
        return Some(format!(
            "reading stopped after {MOST_BYTES} bytes: newer lines were not read; a smaller tail or since shows them"
        ));
    }
    if lines >= tail {
        let bound = if since { "since" } else { "the beginning" };
        return Some(format!("only the last {lines} lines were read; a larger tail goes back to {bound}"));
    }
    (lines == 0).then(|| "the log is empty in what was asked for".to_owned())
}

/// Compiles what a caller searches for; a pattern that would take much memory, or much time for each byte, is refused.
fn pattern(text: &str) -> Result<Regex, Error> {
    let fail = |why: String| Error::invalid("argument \"grep\"", why);
    if text.len() > 500 {
        return Err(fail("must be at most 500 bytes long".to_owned()));
    }
    RegexBuilder::new(text).size_limit(PATTERN).dfa_size_limit(1 << 20).build().map_err(|e| {
        let lines = e.to_string();
        let why = lines.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        fail(format!("is not a regular expression: {why}"))
    })
}

/// `90s`, `15m`, `2h`, `1d` or an RFC 3339 moment, as seconds back from now.
fn since_seconds(text: &str, now: Timestamp) -> Result<i64, Error> {
    let text = text.trim();
    let fail = || {
        let shown: String = text.chars().take(40).collect();
        let why = format!("{shown:?} is neither a duration such as 15m, 2h, 1d nor a moment as RFC 3339");
        Error::invalid("argument \"since\"", why)
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        if at.as_second() > now.as_second() + SKEW {
            // It would be answered by the lines of the last second, which nobody asked for.
            let why = format!("{at} is later than now, which is {}", crate::answer::time(now));
            return Err(Error::invalid("argument \"since\"", why));
        }
        return Ok(now.as_second().saturating_sub(at.as_second()).max(1));
    }
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(fail)?;
    let (digits, unit) = text.split_at_checked(split).ok_or_else(fail)?;
    let count: i64 = digits.parse().map_err(|_| fail())?;
    let unit = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(fail()),
    };
    count.checked_mul(unit).filter(|seconds| (1..=10 * 366 * 86_400).contains(seconds)).ok_or_else(fail)
}

#[cfg(test)]
mod tests;
