//! Every state of every pod, in the order in which the API server had them.
//!
//! A pod is healthy as the disruption controller counts: ready, and nobody has deleted it.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use http::Request;
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::{sync::oneshot, task::JoinHandle};

use super::around::App;
use crate::support::Plane;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// How many states.
    pub(super) states: usize,
    /// The fewest healthy pods that any app had over its least.
    pub(super) closest: i64,
    /// The states at which there were fewer.
    pub(super) broken: Vec<String>,
}

pub(super) struct Seen {
    task: JoinHandle<Figures>,
    enough: oneshot::Sender<()>,
}

struct Pods {
    apps: BTreeMap<String, i64>,
    /// App and health by uid.
    pods: BTreeMap<String, (String, bool)>,
    figures: Figures,
}

fn text(pod: &Value, pointer: &str) -> String {
    pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn is_healthy(pod: &Value) -> bool {
    let is_ready = pod["status"]["conditions"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"));
    is_ready && pod["metadata"].get("deletionTimestamp").is_none()
}

impl Pods {
    fn put(&mut self, pod: &Value) {
        self.pods.insert(text(pod, "/metadata/uid"), (text(pod, "/metadata/labels/app"), is_healthy(pod)));
    }

    fn take(&mut self, event: WatchEvent<Value>) {
        let what = match event {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => {
                self.put(&pod);
                text(&pod, "/metadata/name")
            }
            WatchEvent::Deleted(pod) => {
                self.pods.remove(&text(&pod, "/metadata/uid"));
                text(&pod, "/metadata/name")
            }
            WatchEvent::Bookmark(_) => return,
            WatchEvent::Error(error) => panic!("the watch broke off: {error:?}"),
        };
        self.judge(&what);
    }

    fn judge(&mut self, what: &str) {
        self.figures.states += 1;
        for (app, least) in &self.apps {
            let healthy = self.pods.values().filter(|(of, is_healthy)| of == app && *is_healthy).count();
            let over = i64::try_from(healthy).unwrap() - least;
            self.figures.closest = self.figures.closest.min(over);
            if over < 0 {
                let why = format!("{app} has {healthy} healthy pods and needs {least}, after {what}");
                self.figures.broken.push(why);
            }
        }
    }
}

impl Seen {
    pub(super) async fn begin(plane: &Plane, namespace: &str, apps: &[App]) -> Self {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let list = plane.get(&path).await.unwrap();
        let apps = apps.iter().map(|app| (app.name.clone(), i64::try_from(app.least).unwrap())).collect();
        let mut pods = Pods {
            apps,
            pods: BTreeMap::new(),
            figures: Figures { closest: i64::MAX, ..Figures::default() },
        };
        list["items"].as_array().unwrap().iter().for_each(|pod| pods.put(pod));
        pods.judge("the beginning");
        let version = list["metadata"]["resourceVersion"].as_str().unwrap();
        let watch = format!("{path}?watch=true&resourceVersion={version}&timeoutSeconds=3600");
        let request = Request::get(watch).body(Vec::new()).unwrap();
        let client = plane.client().clone();
        let (enough, mut is_enough) = oneshot::channel();
        let task = tokio::spawn(async move {
            let events = client.request_events::<Value>(request).await.unwrap();
            let mut events = Box::pin(events);
            loop {
                tokio::select! {
                    event = events.next() => match event {
                        Some(event) => pods.take(event.unwrap()),
                        None => panic!("the watch has ended"),
                    },
                    _ = &mut is_enough => return pods.figures,
                }
            }
        });
        Self { task, enough }
    }

    pub(super) async fn end(self) -> Figures {
        let _ = self.enough.send(());
        self.task.await.unwrap()
    }
}

#[test]
fn a_budget_that_is_broken_for_a_moment_is_seen() {
    let pod = |name: &str, ready: &str| {
        serde_json::json!({"metadata": {"name": name, "uid": name, "labels": {"app": "a"}},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    };
    let apps = [("a".to_owned(), 1)].into();
    let mut pods =
        Pods { apps, pods: BTreeMap::new(), figures: Figures { closest: i64::MAX, ..Figures::default() } };
    pods.take(WatchEvent::Added(pod("x", "True")));
    pods.take(WatchEvent::Added(pod("y", "True")));
    pods.take(WatchEvent::Deleted(pod("x", "True")));
    assert!(pods.figures.broken.is_empty() && pods.figures.closest == 0);
    pods.take(WatchEvent::Modified(pod("y", "False")));
    pods.take(WatchEvent::Modified(pod("y", "True")));
    assert_eq!(pods.figures.broken.len(), 1, "{:?}", pods.figures);
}
