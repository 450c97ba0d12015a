//! The OpenAPI document is what is served: every route, every method, every status, every body.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    super::process::{aiops, output, text},
    World, examples,
    schema::follows,
    world,
};

const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];

async fn document(world: &World) -> Value {
    let reply = world.get("/openapi.json").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.json()
}

/// A path with something in place of its parameters.
fn filled(path: &str) -> String {
    let id = if path.contains("/incidents/") { "inc-12345" } else { "wf-67890" };
    path.replace("{id}", id)
        .replace("{namespace}", "shop")
        .replace("{name}", "web")
        .replace("{chain}", "wf-67890")
}

/// A body that the route takes.
fn body(path: &str) -> Value {
    match path {
        "/api/v1/remediation/trigger" | "/api/v1/remediation/why-not" | "/api/v1/plans" => {
            examples::trigger()
        }
        "/api/v1/coordination/trigger" => {
            json!({ "incident_id": "inc-9", "description": "x", "resources": [{ "kind": "Node", "name": "n", "issue": "NotReady" }] })
        }
        "/api/v1/incidents" => json!({ "title": "t", "description": "d", "severity": "low" }),
        "/api/v1/alerts" => json!({ "alerts": [{ "status": "firing", "labels": { "alertname": "x" } }] }),
        "/api/v1/control" => json!({ "mode": "run" }),
        _ if path.ends_with("/approve") || path.ends_with("/deny") => json!({ "digest": "d" }),
        _ if path.starts_with("/api/v1/workflows/") && path.ends_with("/resolve") => {
            json!({ "outcome": "failed", "note": "n" })
        }
        _ => json!({}),
    }
}

fn operations(document: &Value) -> Vec<(String, String, Map<String, Value>)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(method, operation)| {
                (path.clone(), method.clone(), operation.as_object().unwrap().clone())
            })
        })
        .collect()
}

#[tokio::test]
async fn every_route_of_the_issue_is_documented() {
    let world = world().await;
    let document = document(&world).await;
    assert_eq!(document["openapi"], "3.1.0");
    let told: BTreeSet<String> =
        operations(&document).into_iter().map(|(path, method, _)| format!("{method} {path}")).collect();
    for wanted in [
        "get /api/v1/health",
        "post /api/v1/remediation/trigger",
        "get /api/v1/workflows",
        "get /api/v1/workflows/{id}",
        "get /api/v1/workflows/{id}/events",
        "post /api/v1/workflows/{id}/approve",
        "post /api/v1/workflows/{id}/deny",
        "post /api/v1/workflows/{id}/cancel",
        "post /api/v1/workflows/{id}/resolve",
        "get /api/v1/incidents",
        "post /api/v1/incidents",
        "get /api/v1/incidents/{id}",
        "post /api/v1/incidents/{id}/resolve",
        "get /api/v1/incidents/{id}/report",
        "post /api/v1/alerts",
        "post /api/v1/plans",
        "get /api/v1/detect/deployment/{namespace}/{name}",
        "get /api/v1/detect/statefulset/{namespace}/{name}",
        "get /api/v1/detect/daemonset/{namespace}/{name}",
        "post /api/v1/detect/cache/clear",
        "get /api/v1/detect/cache/stats",
        "post /api/v1/coordination/trigger",
        "get /api/v1/coordination/workflows",
        "get /api/v1/coordination/workflows/{id}",
        "get /api/v1/control",
        "put /api/v1/control",
        "get /api/v1/policy",
        "get /api/v1/audit/{chain}",
    ] {
        assert!(told.contains(wanted), "{wanted}");
    }
}

#[tokio::test]
async fn what_is_served_is_what_the_document_says() {
    let world = world().await;
    let document = document(&world).await;
    for (path, method, operation) in operations(&document) {
        let sent = if method == "get" { String::new() } else { body(&path).to_string() };
        let reply = world.send(&method.to_uppercase(), &filled(&path), "", &sent).await;
        let asked = world.fake.took();
        let served = format!("{method} {path}: {reply:?}");
        assert!((200..300).contains(&reply.status), "{served}");
        assert!(path == "/api/v1/health" || !asked.is_empty(), "{served}");
        let response = &operation["responses"][&reply.status.to_string()];
        let (media, content) = response["content"].as_object().unwrap().iter().next().unwrap();
        assert!(reply.header("content-type").unwrap().starts_with(media), "{served}");
        if media == "application/json" {
            follows(&document, &content["schema"], &reply.json(), &served);
        }
        if let Some(schema) =
            operation.get("requestBody").map(|body| &body["content"]["application/json"]["schema"])
        {
            follows(&document, schema, &body(&path), &served);
        }
    }
}

#[tokio::test]
async fn methods_that_are_not_in_the_document_are_refused_with_those_that_are() {
    let world = world().await;
    let document = document(&world).await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let told: BTreeSet<&str> = methods.as_object().unwrap().keys().map(String::as_str).collect();
        for method in METHODS.iter().filter(|method| !told.contains(**method)) {
            let reply = world.send(&method.to_uppercase(), &filled(path), "", "").await;
            assert_eq!(reply.status, 405, "{method} {path}");
            let allow = reply.header("allow").unwrap().to_lowercase();
            let allowed: BTreeSet<&str> =
                allow.split(',').map(str::trim).filter(|method| *method != "head").collect();
            assert_eq!(allowed, told, "{path}");
        }
    }
    world.fake.nothing();
}

#[tokio::test]
async fn every_refusal_has_its_form_in_the_document() {
    let world = world().await;
    let document = document(&world).await;
    let refusal = json!({ "$ref": "#/components/schemas/Refusal" });
    for (path, method, operation) in operations(&document) {
        let responses = operation["responses"].as_object().unwrap();
        for status in ["401", "403", "404", "405", "500", "503"] {
            assert!(responses.contains_key(status), "{method} {path} {status}");
        }
        if method != "get" {
            for status in ["400", "409", "413", "507"] {
                assert!(responses.contains_key(status), "{method} {path} {status}");
            }
        }
    }
    let reply = world.get("/api/v1/workflows/nothing").await;
    follows(&document, &refusal, &reply.json(), "a refusal");
}

#[test]
fn the_document_is_valid_and_the_command_prints_it() {
    let ended = output(&mut aiops(&["openapi"]));
    assert!(ended.status.success());
    let document: Value = serde_json::from_str(&text(&ended.stdout)).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(schemas.len() > 20);
    for (name, schema) in schemas {
        jsonschema::draft202012::meta::validate(schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    // Every reference leads somewhere, every id is one.
    let text = document.to_string();
    for part in text.split("\"$ref\":\"#").skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
    let ids: Vec<Value> =
        operations(&document).into_iter().map(|(.., operation)| operation["operationId"].clone()).collect();
    let unique: BTreeSet<&str> = ids.iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    // What is read strictly says so, by listing what is required.
    let trigger = &schemas["TriggerBody"];
    assert!(trigger["required"].as_array().unwrap().contains(&json!("incident_id")));
    assert!(trigger["properties"]["dry_run"].is_object());
}
