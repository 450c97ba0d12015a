//! Credentials in every written form, where people and programs leave them: annotations, events, arguments, logs and
//! custom resources. Of each, a tag must be shown in its place.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    dice,
    shapes::{self, Shape},
};
use crate::support::{Aiops, Dice, Plane, SOON};

/// What is left of a credential: all of it when short, any twelve characters of it when long.
fn leaks(text: &str, secret: &str) -> bool {
    if secret.len() < 16 {
        return text.contains(secret);
    }
    let chars: Vec<char> = secret.chars().collect();
    chars.windows(12).any(|part| text.contains(&part.iter().collect::<String>()))
}

/// Strings of a value and its texts, unescaped, one below the other.
fn strings(value: &Value, into: &mut String) {
    match value {
        Value::String(text) => {
            into.push_str(text);
            into.push('\n');
        }
        Value::Array(items) => items.iter().for_each(|item| strings(item, into)),
        Value::Object(members) => members.iter().for_each(|(key, item)| {
            into.push_str(key);
            into.push('\n');
            strings(item, into);
        }),
        _ => {}
    }
}

struct Field {
    namespace: String,
    shapes: Vec<Shape>,
}

/// How far into a message a credential begins: at once, and where lists and rows cut messages.
const BEGINNINGS: [usize; 3] = [0, 232, 504];

struct Question {
    place: &'static str,
    at: usize,
    tool: &'static str,
    arguments: Value,
    /// Whether the credential's place is in the answer; else all of it may have been cut off.
    is_shown: bool,
}

impl Field {
    /// Where each planting is read.
    fn questions(&self) -> Vec<Question> {
        let namespace = &self.namespace;
        let get = |kind: &str, name: &str, path: &str| json!({"kind": kind, "name": name, "namespace": namespace, "fields": [path]});
        let mut asked = Vec::new();
        for at in 0..self.shapes.len() {
            let mut ask = |place, tool, arguments, is_shown| {
                asked.push(Question { place, at, tool, arguments, is_shown });
            };
            let note = format!("metadata.annotations[\"planted.example.com/n{at}\"]");
            ask("annotation", "get-resource", get("deployment", "planted", &note), true);
            let argument = format!("spec.template.spec.containers[0].args[{at}]");
            ask("argument", "get-resource", get("deployment", "planted", &argument), true);
            let item = format!("spec.items[{at}].inline");
            ask("custom resource", "get-resource", get("graves.planted.example.com", "grave", &item), true);
            let log = json!({"namespace": namespace, "pod": "writer", "grep": format!("^line {at} "), "context": 12});
            ask("log", "get-pod-logs", log, true);
            for beginning in BEGINNINGS {
                let event = get("event", &format!("planted.{at:04}.{beginning}"), "message");
                ask("event", "get-resource", event, true);
                let of = json!({"namespace": namespace, "name": format!("thing-{at}-{beginning}")});
                ask("list of events", "list-events", of, beginning == 0);
            }
        }
        asked
    }
}

async fn plant(plane: &Plane) -> Field {
    let mut names = Dice::new();
    let seed = names.number(u64::MAX);
    let namespace = plane.namespace(&mut names).await;
    let shapes = shapes::all(&mut dice::Dice::new(seed));
    let texts: Vec<&str> = shapes.iter().map(|shape| shape.text.as_str()).collect();
    let notes: serde_json::Map<String, Value> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| (format!("planted.example.com/n{at}"), json!(text)))
        .collect();
    let log: Vec<String> = texts.iter().enumerate().map(|(at, text)| format!("line {at} {text}")).collect();
    let image = "registry.example.com/app:1";
    let mut documents = vec![
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "planted", "namespace": namespace, "annotations": notes},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "planted"}}, "template": {
                "metadata": {"labels": {"app": "planted"}},
                "spec": {"containers": [{"name": "app", "image": image, "args": texts}]}}}}),
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "writer", "namespace": namespace, "annotations": {"kubelet.test/log": log.join("\n")}},
            "spec": {"containers": [{"name": "app", "image": image}]}}),
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "graves.planted.example.com"},
            "spec": {"group": "planted.example.com", "scope": "Namespaced",
                "names": {"plural": "graves", "singular": "grave", "kind": "Grave"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                    {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}),
    ];
    let now = jiff::Timestamp::now().to_string();
    for (at, text) in texts.iter().enumerate() {
        for beginning in BEGINNINGS {
            let before = "cannot start because of what it was told: ".repeat(13);
            let message = format!("{} {text}", before.get(before.len() - beginning..).unwrap());
            documents.push(json!({"apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": "Planted",
                "metadata": {"name": format!("planted.{at:04}.{beginning}"), "namespace": namespace}, "message": message,
                "involvedObject": {"kind": "Thing", "name": format!("thing-{at}-{beginning}"), "namespace": namespace},
                "firstTimestamp": now, "lastTimestamp": now, "count": 1, "source": {"component": "test"}}));
        }
    }
    let documents: Vec<String> = documents.iter().map(Value::to_string).collect();
    plane.apply(&documents.join("\n---\n")).await;
    plane.wait("/apis/planted.example.com/v1", "served", SOON, |found| found["resources"].is_array()).await;
    let items: Vec<Value> = texts.iter().map(|text| json!({ "inline": text })).collect();
    let grave = json!({"apiVersion": "planted.example.com/v1", "kind": "Grave",
        "metadata": {"name": "grave", "namespace": namespace}, "spec": {"items": items}});
    plane.apply(&grave.to_string()).await;
    let pod = format!("/api/v1/namespaces/{namespace}/pods/writer");
    let runs = |found: &Value| found["status"]["phase"] == "Running";
    plane.wait(&pod, "running", Duration::from_secs(60), runs).await;
    Field { namespace, shapes }
}

#[tokio::test]
async fn no_planted_credential_passes_and_a_tag_stands_in_its_place() {
    let plane = Plane::shared().await;
    let aiops = Aiops::serve(plane.kubeconfig("admin"), &[("RUST_LOG", "debug")]).await;
    let field = plant(&plane).await;
    let seen = json!({"namespace": field.namespace, "limit": 500});
    let all = (field.shapes.len() * BEGINNINGS.len()) as u64;
    let there = |list: &crate::support::Answer| list.structured["total"].as_u64() >= Some(all);
    aiops.until("list-events", &seen, "complete", SOON, there).await;

    let mut kinds: Vec<&str> = field.shapes.iter().map(|shape| shape.name).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let (mut plantings, mut wrong) = (0, Vec::new());
    for Question { place, at, tool, arguments, is_shown } in field.questions() {
        let shape = &field.shapes[at];
        let answer = aiops.call(tool, &arguments).await;
        plantings += 1;
        let mut shown = format!("{}\n{}\n", answer.raw, answer.text);
        strings(&answer.structured, &mut shown);
        let escaped = serde_json::to_string(&shape.secret).unwrap();
        if leaks(&shown, &shape.secret) || leaks(&shown, escaped.trim_matches('"')) {
            wrong.push(format!("{} in {place} passed: {}", shape.name, answer.text));
        } else if answer.is_error || is_shown && !shown.contains("[redacted:") {
            wrong.push(format!("{} in {place} has no tag: {}", shape.name, answer.text));
        }
    }
    let log = aiops.log();
    let is_logged = |shape: &&Shape| {
        let middle: String = shape.secret.chars().skip(shape.secret.chars().count() / 2).take(12).collect();
        log.contains(&middle)
    };
    wrong.extend(field.shapes.iter().filter(is_logged).map(|shape| format!("{} in our log", shape.name)));
    // Searching for a credential must not tell whether it is there.
    for shape in field.shapes.iter().filter(|shape| shape.secret.len() > 16) {
        let part: String = shape.secret.chars().take(14).collect();
        let grep =
            part.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\{c}") });
        let arguments =
            json!({"namespace": field.namespace, "pod": "writer", "grep": grep.collect::<String>()});
        let answer = aiops.call("get-pod-logs", &arguments).await;
        if !answer.is_error && answer.structured["matches"].as_u64() > Some(0) {
            wrong.push(format!("{} is found by searching the log for {part:?}", shape.name));
        }
    }
    println!(
        "{} kinds of credentials in {} forms, {plantings} plantings, {} wrong",
        kinds.len(),
        field.shapes.len(),
        wrong.len()
    );
    plane.delete(&format!("/api/v1/namespaces/{}", field.namespace)).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(kinds.len() >= 40 && plantings >= 500);
}
