//! The document that describes the REST door: OpenAPI 3.1, from the same table and the same types that serve it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    ROUTES,
    route::{Form, Route},
};

/// What any request may be answered with instead of what was asked for.
const REFUSALS: [(u16, &str); 11] = [
    (400, "Something in the request cannot be: `details.field` names it"),
    (401, "A bearer token is needed, or the one that was sent is unknown or over"),
    (403, "The caller, the policy or the cluster does not allow it; `details.rule` names the rule"),
    (404, "There is no such thing, or this mode has no coordination engine (`not_in_this_mode`)"),
    (405, "The path has other methods; `Allow` names them"),
    (408, "The body came too slowly; nothing was done"),
    (409, "Something else stands in the way: `details.workflow_id` names a workflow that does"),
    (413, "The body is longer than http.maxBodyBytes"),
    (500, "A fault of aiops; report it with the request id"),
    (503, "A part is down, or there is no room for one more request; ask again after `Retry-After`"),
    (507, "The disk is full: nothing new can be kept"),
];

/// The document.
pub fn document() -> Value {
    let mut schemas = BTreeMap::new();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in ROUTES {
        let operation = operation(route, &mut schemas);
        paths.entry(route.path).or_default().insert(route.method.to_owned(), operation);
    }
    let responses: Map<String, Value> = REFUSALS
        .iter()
        .map(|(status, description)| {
            let headers = match status {
                405 => json!({ "Allow": { "schema": { "type": "string" } } }),
                503 => json!({ "Retry-After": { "schema": { "type": "integer", "minimum": 1 } } }),
                _ => json!({}),
            };
            let response = json!({
                "description": description,
                "headers": headers,
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Refusal" } } },
            });
            (status.to_string(), response)
        })
        .collect();
    schemas.insert("Refusal", refusal());
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "aiops",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Incidents, plans and durable remediation. Members of bodies are read in any case, with or \
                without underscores; a member that is not known is refused. Every answer carries X-Request-ID.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "token": [] }, {}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(route: &Route, schemas: &mut BTreeMap<&'static str, Value>) -> Value {
    let mut reference = |form: Form| {
        let name = (form.name)();
        schemas.entry(name).or_insert_with(form.schema);
        json!({ "$ref": format!("#/components/schemas/{name}") })
    };
    let mut responses = Map::new();
    for (status, form) in route.answers.into_iter().flatten() {
        let schema = reference(form);
        let description =
            if status < 400 { "What was asked for" } else { "The same, and something essential is down" };
        let content = json!({ "application/json": { "schema": schema } });
        responses.insert(status.to_string(), json!({ "description": description, "content": content }));
    }
    if let Some(media) = route.media {
        let content = json!({ media: { "schema": { "type": "string" } } });
        responses
            .insert("200".to_owned(), json!({ "description": "What was asked for", "content": content }));
    }
    for (status, _) in REFUSALS {
        let is_possible = match status {
            400 | 408 | 413 => {
                route.is_mutation() || !route.query.is_empty() || route.parameters().next().is_some()
            }
            409 | 507 => route.is_mutation(),
            _ => true,
        };
        if is_possible {
            responses
                .entry(status.to_string())
                .or_insert_with(|| json!({ "$ref": format!("#/components/responses/{status}") }));
        }
    }
    let in_path = route
        .parameters()
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = route.query.iter().map(|name| {
        let kind = if matches!(*name, "limit" | "offset" | "after") { "integer" } else { "string" };
        json!({ "name": name, "in": "query", "schema": { "type": kind } })
    });
    let key = route.is_keyed.then(|| {
        json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Makes a repetition of this request harmless",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
        })
    });
    let parameters: Vec<Value> = in_path.chain(in_query).chain(key).collect();
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), operation_id(route).into());
    operation.insert("summary".to_owned(), route.summary.into());
    operation.insert("parameters".to_owned(), parameters.into());
    if let Some(form) = route.body {
        let schema = reference(form);
        // A body without members may be left out; where members are required, their absence is told by name.
        let body = json!({ "content": { "application/json": { "schema": schema } } });
        operation.insert("requestBody".to_owned(), body);
    }
    operation.insert("responses".to_owned(), responses.into());
    operation.into()
}

/// The method and the words of the path.
fn operation_id(route: &Route) -> String {
    let words = route.path.split(['/', '-', '{', '}']).filter(|word| !matches!(*word, "" | "api" | "v1"));
    words.fold(route.method.to_owned(), |id, word| {
        let mut letters = word.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        format!("{id}{first}{}", letters.as_str())
    })
}

/// The one envelope of everything that is refused.
fn refusal() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["status", "error", "code", "message", "details", "success", "request_id"],
        "properties": {
            "status": { "const": "error" },
            "error": text,
            "code": { "type": "string", "description": "Stable; docs/errors.md has a paragraph for each" },
            "message": text,
            "details": { "type": ["object", "null"] },
            "success": { "const": false },
            "request_id": text,
        },
    })
}
