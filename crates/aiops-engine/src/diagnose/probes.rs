//! Probes: the liveness or startup probe that gets a container killed, the readiness probe that keeps traffic away.

use serde_json::Value;

use super::{
    Case, Cause, Confidence, Evidence, Findings, Stage,
    container::{self, Container, Ended},
    crash::{RECENT, lived},
    document::words,
    memory::times,
};

/// Beyond the probe's own thresholds a container gets this long before its not being ready is told.
const READY_GRACE: i64 = 30;
/// The kubelet repeats a failing probe's event; its spam filter may hold it back for five minutes.
const EVENT_FRESH: i64 = 600;

/// A probe of a container.
struct Probe<'c, 'a> {
    container: &'c Container<'a>,
    member: &'static str,
    word: &'static str,
}

impl<'a> Probe<'_, 'a> {
    fn exists(&self) -> bool {
        self.container.spec(self.member).is_object()
    }

    fn number(&self, member: &str, default: i64) -> i64 {
        self.container.spec(&format!("{}.{member}", self.member)).as_i64().unwrap_or(default)
    }

    /// How long it takes until failures count, seconds.
    fn patience(&self) -> i64 {
        let period = self.number("periodSeconds", 10);
        self.number("initialDelaySeconds", 0)
            .saturating_add(period.saturating_mul(self.number("failureThreshold", 3)))
            .saturating_add(self.number("timeoutSeconds", 1))
    }

    /// The member that says where the probe knocks.
    fn port(&self) -> Option<(String, &'a Value)> {
        ["httpGet.port", "tcpSocket.port", "grpc.port"].into_iter().find_map(|member| {
            let path = format!("{}.{member}", self.member);
            let value = self.container.spec(&path);
            (!value.is_null()).then_some((path, value))
        })
    }

    /// ` (HTTP /healthz on port 8080, 3 failures 10 s apart)`.
    fn describe(&self) -> String {
        let http = self.container.spec_text(&format!("{}.httpGet.path", self.member));
        let port =
            self.port().map(|(_, port)| port.as_str().map_or_else(|| port.to_string(), |p| words(p, 20)));
        let command = self.container.spec_text(&format!("{}.exec.command[0]", self.member));
        let place = match port {
            Some(port) if !http.is_empty() => format!("HTTP {} on port {port}", words(http, 80)),
            Some(port) => format!("port {port}"),
            None if !command.is_empty() => format!("command {}", words(command, 60)),
            None => return String::new(),
        };
        let failures = self.number("failureThreshold", 3);
        format!(" ({place}, {failures} failures {} s apart)", self.number("periodSeconds", 10))
    }

    fn cite(&self) -> Vec<Evidence> {
        let mut paths: Vec<String> = Vec::new();
        for member in ["httpGet.path", "exec.command[0]", "failureThreshold"] {
            let path = format!("{}.{member}", self.member);
            if !self.container.spec(&path).is_null() {
                paths.push(path);
            }
        }
        paths.splice(0..0, self.port().map(|(path, _)| path));
        paths.iter().map(|path| self.container.cite_spec(path)).collect()
    }

    /// A port that the container does not declare. Undeclared ports work, but a name must be declared.
    fn wrong_port(&self) -> Option<String> {
        let (_, port) = self.port()?;
        let declared = self.container.spec("ports").as_array()?;
        let is_declared =
            declared.iter().any(|p| p.get("containerPort") == Some(port) || p.get("name") == Some(port));
        if is_declared || declared.is_empty() {
            return None;
        }
        let ports: Vec<String> =
            declared.iter().filter_map(|p| p.get("containerPort")).take(5).map(ToString::to_string).collect();
        let port = port.as_str().map_or_else(|| port.to_string(), |p| words(p, 20));
        Some(format!("; port {port} is not among the container's ports ({})", ports.join(", ")))
    }
}

fn probe<'c, 'a>(container: &'c Container<'a>, kind: &'static str) -> Probe<'c, 'a> {
    let (member, word) = match kind {
        "startup" => ("startupProbe", "Startup probe"),
        "liveness" => ("livenessProbe", "Liveness probe"),
        _ => ("readinessProbe", "Readiness probe"),
    };
    Probe { container, member, word }
}

/// The probe that ended a container, if one did.
pub(super) fn killed(case: &Case<'_>, c: &Container<'_>, ended: &Ended<'_>) -> Option<Cause> {
    let fresh = |last: i64| ended.finished.is_none_or(|at| (last - at).abs() < RECENT);
    let signalled = matches!(ended.exit_code, 137 | 143);
    for kind in ["startup", "liveness"] {
        let probe = probe(c, kind);
        if !probe.exists() {
            continue;
        }
        let (failed, will_kill) = (format!("{} failed", probe.word), format!("failed {kind} probe"));
        let kill = case.read.event(Some(c.name), |e| {
            e.reason == "Killing"
                && e.message().contains(c.name)
                && e.message().contains(&will_kill)
                && fresh(e.last)
        });
        let unhealthy = case.read.event(Some(c.name), |e| {
            e.reason == "Unhealthy" && e.message().starts_with(&failed) && fresh(e.last)
        });
        let confidence = match (kill, unhealthy) {
            (Some(_), _) => Confidence::Certain,
            (None, Some(_)) if signalled => Confidence::Likely,
            // Without any event: a container that never passed its startup probe and was ended from outside.
            (None, None) if signalled && kind == "startup" && c.has_started() == Some(false) => {
                Confidence::Likely
            }
            (None, None) if signalled && !(kind == "startup" && probe_of_liveness(c)) => Confidence::Possible,
            _ => continue,
        };
        let code = if kind == "startup" { "startup_probe_failing" } else { "liveness_probe_failing" };
        let said = unhealthy.map(|e| format!(": {}", words(e.message(), 160))).unwrap_or_default();
        let guess = if confidence == Confidence::Possible { "probably " } else { "" };
        let what = format!(
            "{} is {guess}killed because its {kind} probe{} fails{}{}{said}{}",
            c.title(),
            probe.describe(),
            lived(ended),
            times(c),
            probe.wrong_port().unwrap_or_default()
        );
        let mut cause = Cause::new(code, Stage::Run, confidence, what).of(c.name);
        cause = cause.by(unhealthy.map(super::reading::Told::cite)).by(kill.map(super::reading::Told::cite));
        cause = cause.by(c.cite_ended(ended, &["exitCode", "reason"])).by(probe.cite());
        return Some(cause.next(
            "correct the probe's path, port or delays, or what the process answers; get-pod-logs with previous shows its side",
        ));
    }
    None
}

fn probe_of_liveness(c: &Container<'_>) -> bool {
    probe(c, "liveness").exists()
}

pub(super) fn look(case: &Case<'_>, found: &mut Findings) {
    let pod = &case.read.pod;
    let containers = container::all(pod);
    let mut ready = 0;
    for c in containers.iter().filter(|c| !c.is_init) {
        if c.is_ready() {
            ready += 1;
        } else if let Some(cause) = unready(case, c) {
            found.add(cause);
        }
    }
    let all = containers.iter().filter(|c| !c.is_init).count();
    if all > 0 && ready == all {
        found.fine("all containers are ready");
        gates(case, found);
    }
}

/// Why a container that runs is not ready; nothing while it may still become so.
fn unready(case: &Case<'_>, c: &Container<'_>) -> Option<Cause> {
    let since = c.running_since()?;
    let pod = &case.read.pod;
    let startup = probe(c, "startup");
    let starting = startup.exists() && c.has_started() == Some(false);
    let probe = if starting { startup } else { probe(c, "readiness") };
    let unready_since =
        pod.condition("Ready").and_then(|path| pod.time(&format!("{path}.lastTransitionTime")));
    let patience = probe.patience() + if starting { 0 } else { startup_patience(c) };
    let running = case.now - since.max(unready_since.unwrap_or(since));
    if running < patience.saturating_add(READY_GRACE) {
        return None;
    }
    let failed = format!("{} ", probe.word);
    let told = case.read.event(Some(c.name), |e| {
        e.reason == "Unhealthy"
            && e.message().starts_with(&failed)
            && case.now - e.last < EVENT_FRESH.max(patience)
    });
    let kind = if starting { "startup" } else { "readiness" };
    if !probe.exists() {
        // Without a probe a container is ready as soon as it runs; that it is not is for the kubelet to explain.
        return None;
    }
    let code = if starting { "startup_probe_failing" } else { "readiness_probe_failing" };
    let confidence = if told.is_some() { Confidence::Certain } else { Confidence::Likely };
    let said = told.map(|e| format!(": {}", words(e.message(), 160))).unwrap_or_default();
    let now = jiff::Timestamp::from_second(case.now).unwrap_or_default();
    let what = format!(
        "{} runs since {} and is not ready because its {kind} probe{} fails{said}{}",
        c.title(),
        crate::answer::age(now, since),
        probe.describe(),
        probe.wrong_port().unwrap_or_default()
    );
    let mut cause =
        Cause::new(code, Stage::Ready, confidence, what).of(c.name).by(told.map(super::reading::Told::cite));
    cause.evidence.extend(c.cite_status("ready"));
    cause.evidence.extend(probe.cite());
    Some(cause.next(
        "correct the probe's path, port or delays, or what the process answers; get-pod-logs shows its side",
    ))
}

fn startup_patience(c: &Container<'_>) -> i64 {
    let startup = probe(c, "startup");
    if startup.exists() && c.has_started() != Some(true) { startup.patience() } else { 0 }
}

/// All containers are ready and the pod is not: somebody's readiness gate.
fn gates(case: &Case<'_>, found: &mut Findings) {
    let pod = &case.read.pod;
    let Some(ready) = pod.condition("Ready") else { return };
    let unready_since = pod.time(&format!("{ready}.lastTransitionTime")).unwrap_or(case.now);
    if pod.text(&format!("{ready}.status")) != "False" || case.now - unready_since < 2 * READY_GRACE {
        return;
    }
    for index in 0..pod.list("spec.readinessGates").len() {
        let path = format!("spec.readinessGates[{index}].conditionType");
        let gate = pod.text(&path);
        let condition = pod.condition(gate);
        if condition.as_ref().is_some_and(|at| pod.text(&format!("{at}.status")) == "True") {
            continue;
        }
        let what = format!("all containers are ready, but readiness gate {} is not true", words(gate, 120));
        let mut cause = Cause::new("readiness_gate_closed", Stage::Ready, Confidence::Certain, what);
        cause.evidence.push(pod.cite(&path));
        cause.evidence.push(pod.cite(&format!("{ready}.reason")));
        cause.evidence.extend(condition.map(|at| pod.cite(&format!("{at}.status"))));
        found.add(cause.next(
            "ask the controller that sets this condition (often a load balancer's): list-events of the pod",
        ));
    }
}
