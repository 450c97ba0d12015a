//! One container of a pod: what the spec asks and what the status tells, with the paths of both.

use aiops_inventory::rows::Seconds;
use serde_json::Value;

use super::document::{Document, Evidence, at, time, words};

/// A container.
#[derive(Debug, Clone)]
pub(crate) struct Container<'a> {
    pod: &'a Document,
    spec_at: String,
    status_at: Option<String>,
    /// Its name.
    pub(crate) name: &'a str,
    /// It runs to its end before the others start.
    pub(crate) is_init: bool,
}

/// How a container ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended<'a> {
    /// `state.terminated` or `lastState.terminated`.
    pub(crate) path: &'static str,
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
    pub(crate) exit_code: i64,
    pub(crate) started: Option<Seconds>,
    pub(crate) finished: Option<Seconds>,
}

/// All containers of a pod, init containers first.
pub(crate) fn all(pod: &Document) -> Vec<Container<'_>> {
    let mut all = Vec::new();
    for (list, statuses) in [
        ("spec.initContainers", "status.initContainerStatuses"),
        ("spec.containers", "status.containerStatuses"),
    ] {
        for (index, spec) in pod.list(list).iter().enumerate() {
            let name = spec.get("name").and_then(Value::as_str).unwrap_or_default();
            let is_sidecar = spec.get("restartPolicy").is_some_and(|policy| policy == "Always");
            let status = pod.list(statuses).iter().position(|s| s.get("name").is_some_and(|n| n == name));
            all.push(Container {
                pod,
                spec_at: format!("{list}[{index}]"),
                status_at: status.map(|index| format!("{statuses}[{index}]")),
                name,
                is_init: list == "spec.initContainers" && !is_sidecar,
            });
        }
    }
    all
}

impl<'a> Container<'a> {
    /// Path of a member of its spec.
    pub(crate) fn spec_path(&self, member: &str) -> String {
        format!("{}.{member}", self.spec_at)
    }

    /// A member of its spec.
    pub(crate) fn spec(&self, member: &str) -> &'a Value {
        self.pod.at(&self.spec_path(member))
    }

    /// A text of its spec, empty when absent.
    pub(crate) fn spec_text(&self, member: &str) -> &'a str {
        self.spec(member).as_str().unwrap_or_default()
    }

    /// Cites a member of its spec.
    pub(crate) fn cite_spec(&self, member: &str) -> Evidence {
        self.pod.cite(&self.spec_path(member))
    }

    fn status(&self, member: &str) -> &'a Value {
        static NULL: Value = Value::Null;
        self.status_at.as_ref().map_or(&NULL, |path| self.pod.at(&format!("{path}.{member}")))
    }

    fn status_text(&self, member: &str) -> &'a str {
        self.status(member).as_str().unwrap_or_default()
    }

    /// Cites a member of its status; nothing when it has no status or not that member.
    pub(crate) fn cite_status(&self, member: &str) -> Option<Evidence> {
        let path = format!("{}.{member}", self.status_at.as_ref()?);
        let value = self.pod.at(&path);
        let is_something = !value.is_null() && value.as_str() != Some("");
        is_something.then(|| self.pod.cite(&path))
    }

    /// Why it waits: reason and message, both empty when it does not.
    pub(crate) fn waiting(&self) -> (&'a str, &'a str) {
        (self.status_text("state.waiting.reason"), self.status_text("state.waiting.message"))
    }

    /// Cites why it waits.
    pub(crate) fn cite_waiting(&self) -> Vec<Evidence> {
        let members = ["state.waiting.reason", "state.waiting.message"];
        members.into_iter().filter_map(|member| self.cite_status(member)).collect()
    }

    /// Since when it runs, when it does.
    pub(crate) fn running_since(&self) -> Option<Seconds> {
        time(self.status("state.running.startedAt"))
    }

    /// It runs.
    pub(crate) fn is_running(&self) -> bool {
        self.status("state.running").is_object()
    }

    /// It is ready; an init container is when it has done its work.
    pub(crate) fn is_ready(&self) -> bool {
        self.status("ready") == &Value::Bool(true)
    }

    /// It passed its startup probe; `None` when that is not told.
    pub(crate) fn has_started(&self) -> Option<bool> {
        self.status("started").as_bool()
    }

    /// It has a status at all.
    pub(crate) fn is_reported(&self) -> bool {
        self.status_at.is_some()
    }

    /// How often it was started again.
    pub(crate) fn restarts(&self) -> i64 {
        self.status("restartCount").as_i64().unwrap_or(0)
    }

    /// How its present instance ended, else the one before.
    pub(crate) fn ended(&self) -> Option<Ended<'a>> {
        ["state.terminated", "lastState.terminated"].into_iter().find_map(|path| {
            let status = self.status(path);
            status.is_object().then(|| Ended {
                path,
                reason: at(status, "reason").as_str().unwrap_or_default(),
                message: at(status, "message").as_str().unwrap_or_default(),
                exit_code: at(status, "exitCode").as_i64().unwrap_or(0),
                started: time(at(status, "startedAt")),
                finished: time(at(status, "finishedAt")),
            })
        })
    }

    /// Cites members of the end that [`Container::ended`] tells of.
    pub(crate) fn cite_ended(&self, ended: &Ended<'_>, members: &[&str]) -> Vec<Evidence> {
        members.iter().filter_map(|member| self.cite_status(&format!("{}.{member}", ended.path))).collect()
    }

    /// `container checkout` or `init container migrate`.
    pub(crate) fn title(&self) -> String {
        let kind = if self.is_init { "init container" } else { "container" };
        format!("{kind} {}", words(self.name, 80))
    }
}
