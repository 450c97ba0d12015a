//! Kubernetes Events (events.k8s.io/v1) about what we did, on the object it was done to.
//!
//! They are written at least once and read by nobody here. One that cannot be written changes nothing else.

use std::time::Duration;

use aiops_engine::{
    model::target::Target,
    ports::acting::{Announcement, NotDone, NotDoneKind, Verb},
};
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Changes, request::Write};
use crate::cluster::{
    api::JSON,
    path::{Query, collection},
};

/// Longest note (API reference of Event, events.k8s.io/v1).
const NOTE: usize = 1_024;
/// Longest action (same place).
const ACTION: usize = 128;
/// Longest beginning of a generated name that the API server leaves whole.
const NAME: usize = 200;
/// Before the second try.
const PAUSE: Duration = Duration::from_millis(300);

/// The namespace of an Event: its object's, and `default` for objects of the cluster.
fn place(about: &Target) -> &str {
    if about.namespace.is_empty() { "default" } else { &about.namespace }
}

fn cut(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

/// The Event.
fn event(note: &Announcement, api_version: &str, at: jiff::Timestamp) -> Value {
    let Target { kind, namespace, name, uid, .. } = &note.about;
    let mut regarding = json!({"apiVersion": api_version, "kind": kind, "name": name});
    if let Some(regarding) = regarding.as_object_mut() {
        if !namespace.is_empty() {
            regarding.insert("namespace".to_owned(), json!(namespace));
        }
        regarding.extend(uid.iter().map(|uid| ("uid".to_owned(), json!(uid))));
    }
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            // What is generated is appended: a beginning may end in a dash and in nothing else.
            "generateName": format!("{}-", cut(&note.about.name, NAME).trim_end_matches(['.', '-'])),
            "namespace": place(&note.about),
        },
        "eventTime": format!("{at:.6}"),
        "reportingController": "aiops.io/aiops",
        "reportingInstance": "aiops",
        "action": cut(&note.action, ACTION),
        "reason": note.reason,
        "regarding": regarding,
        "note": cut(&note.message, NOTE),
        "type": if note.is_warning { "Warning" } else { "Normal" },
    })
}

impl Changes {
    pub(super) async fn write_event(&self, note: &Announcement, what: &str) -> Result<(), NotDone> {
        let first = self.try_event(note, what).await;
        let passes = |not_done: &NotDone| {
            use NotDoneKind::{NotSent, Throttled, Unknown};
            matches!(not_done.kind, NotSent | Throttled | Unknown)
        };
        match first {
            // An Event that is written twice harms nobody.
            Err(not_done) if passes(&not_done) => {
                tokio::time::sleep(PAUSE).await;
                self.try_event(note, what).await
            }
            first => first,
        }
    }

    async fn try_event(&self, note: &Announcement, what: &str) -> Result<(), NotDone> {
        let end = Instant::now() + self.within;
        let late = |_| NotDone::new(NotDoneKind::NotSent, format!("{what}: its turn did not come in time"));
        let (writer, kind) = tokio::time::timeout_at(end, self.ready(&note.about, what, Some(&self.events)))
            .await
            .map_err(late)??;
        let api_version = if kind.group.is_empty() {
            kind.version.clone()
        } else {
            format!("{}/{}", kind.group, kind.version)
        };
        let path = collection("events.k8s.io", "v1", "events", Some(place(&note.about)))
            .map_err(|error| NotDone::new(NotDoneKind::Rejected, error.message))?;
        let query = Query::default().with("fieldManager", "aiops").with("fieldValidation", "Strict");
        let body = event(note, &api_version, jiff::Timestamp::now()).to_string().into_bytes();
        let write = Write {
            verb: "create",
            method: Method::POST,
            path: query.after(path),
            content: JSON,
            body,
            workflow: String::new(),
            form: Verb::Create,
        };
        writer.send(write, what, end).await.map(drop)
    }
}
