//! Answers held against the OpenAPI document that the same server serves.
//!
//! [`follows`] takes a schema as it stands; [`told`] closes it first, so that a member which the document does not name
//! is an error. It knows nothing of what an answer means.

use serde_json::{Value, json};

use super::super::wire::Reply;

/// The value follows the schema, whose references are into the document.
#[track_caller]
pub(super) fn follows(document: &Value, schema: &Value, value: &Value, of: &str) {
    let errors = faults(document, schema, value);
    assert!(errors.is_empty(), "{of}\n{}", errors.join("\n"));
}

/// The answer is one that the document has for this route, this method and this status, and holds nothing that the
/// document does not name.
#[track_caller]
pub(super) fn told(document: &Value, method: &str, path: &str, reply: &Reply) -> Value {
    let of = format!("{method} {path}: {reply:?}");
    let media = reply.header("content-type").unwrap_or_default();
    assert_eq!(media, "application/json", "{of}");
    assert!(reply.header("x-request-id").is_some_and(|id| !id.is_empty()), "without a request id: {of}");
    let value = reply.json();
    let faults = faults(&closed(document), schema(document, method, path, reply.status, &of), &value);
    assert!(faults.is_empty(), "{of}\n{}", faults.join("\n"));
    value
}

fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    let validator = jsonschema::draft202012::new(&whole).unwrap();
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The schema of an answer. What no route serves, and a method that a route does not have, is answered by none of its
/// operations: there it is the form of all refusals.
#[track_caller]
fn schema<'a>(document: &'a Value, method: &str, path: &str, status: u16, of: &str) -> &'a Value {
    let path = path.split('?').next().unwrap();
    let route = route(document, path);
    let operation = route.map_or(&Value::Null, |route| &route[method.to_lowercase()]);
    if operation.is_null() {
        let wanted = if route.is_some() { 405 } else { 404 };
        assert_eq!(status, wanted, "the document has no such operation: {of}");
    }
    let response = match &operation["responses"][status.to_string()] {
        Value::Null if operation.is_null() => &document["components"]["responses"][status.to_string()],
        response => response,
    };
    let response = response["$ref"]
        .as_str()
        .map_or(response, |reference| document.pointer(reference.trim_start_matches('#')).unwrap());
    let schema = &response["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "the document does not name this answer: {of}");
    schema
}

/// The route that serves the path: the one with the fewest parameters.
fn route<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    let fits = |route: &str| {
        let (route, path) = (route.split('/'), path.split('/'));
        route.clone().count() == path.clone().count()
            && route.zip(path).all(|(route, given)| route.starts_with('{') || route == given)
    };
    let routes = document["paths"].as_object().unwrap().iter().filter(|(route, _)| fits(route));
    routes.min_by_key(|(route, _)| route.matches('{').count()).map(|(_, operations)| operations)
}

/// The same schemas, where an object has no members but those that are named.
fn closed(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let mut members: serde_json::Map<String, Value> =
                members.iter().map(|(name, value)| (name.clone(), closed(value))).collect();
            let is_object = members.get("type").is_some_and(|kind| kind.is_string() || kind.is_array());
            if is_object && members.get("properties").is_some_and(Value::is_object) {
                members.entry("additionalProperties").or_insert(json!(false));
            }
            members.into()
        }
        Value::Array(entries) => entries.iter().map(closed).collect(),
        other => other.clone(),
    }
}

#[test]
fn a_member_that_the_document_does_not_name_is_seen_at_every_depth() {
    let leaf = json!({ "type": ["object", "null"], "properties": { "b": { "type": "string" } } });
    let document = closed(&json!({ "components": { "schemas": { "Leaf": leaf } } }));
    let schema = closed(&json!({
        "type": "object",
        "properties": { "a": { "type": "array", "items": { "$ref": "#/components/schemas/Leaf" } } },
        "required": ["a"],
    }));
    let counts = |value: Value| faults(&document, &schema, &value).len();
    assert_eq!(counts(json!({ "a": [{ "b": "x" }, {}, null] })), 0, "all of it is named");
    for wrong in [
        json!({}),
        json!({ "a": "x" }),
        json!({ "a": [], "c": 1 }),
        json!({ "a": [{ "b": 7 }] }),
        json!({ "a": [{ "b": "x", "c": 1 }] }),
    ] {
        assert_eq!(counts(wrong.clone()), 1, "{wrong}");
    }
}
