//! A mutation as the HTTP request that it is: path, query, content type, body.
//!
//! Whatever pins the object stands in the body, where the API server compares it under its own lock. It sends nothing.

use aiops_engine::ports::{
    ApiResource,
    acting::{Mutation, Verb},
};
use http::Method;
use serde_json::{Map, Value, json};

use super::super::path::{Query, collection, push};

/// Under this name our fields stand in `managedFields`.
const MANAGER: &str = "aiops";

/// A request that changes something.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Write {
    /// Kubernetes's verb, for the metrics.
    pub(super) verb: &'static str,
    pub(super) method: Method,
    /// Path and query, encoded.
    pub(super) path: String,
    pub(super) content: &'static str,
    pub(super) body: Vec<u8>,
    /// The workflow it belongs to, for the user agent; empty for none.
    pub(super) workflow: String,
    /// How its refusals are to be read.
    pub(super) form: Verb,
}

/// What is attempted on what, for sentences.
pub(super) fn describe(mutation: &Mutation) -> String {
    let how = match mutation.verb {
        Verb::MergePatch | Verb::JsonPatch => "patch",
        Verb::Create => "create",
        Verb::Evict => "evict",
        Verb::Delete => "delete",
    };
    let dry = if mutation.dry_run { " (dry run)" } else { "" };
    format!("{how} {}{dry}", mutation.target)
}

/// Writes the request, or says why it cannot be written.
pub(super) fn write(mutation: &Mutation, kind: &ApiResource) -> Result<Write, String> {
    let target = &mutation.target;
    let namespace = match (kind.namespaced, target.namespace.is_empty()) {
        (true, true) => return Err(format!("a {} is in a namespace, and none is named", target.kind)),
        (true, false) => Some(target.namespace.as_str()),
        (false, _) => None,
    };
    let mut path =
        collection(&kind.group, &kind.version, &kind.plural, namespace).map_err(|error| error.message)?;
    if mutation.verb != Verb::Create {
        push(&mut path, "name", &target.name).map_err(|error| error.message)?;
    }
    if mutation.verb == Verb::Evict {
        path.push_str("/eviction");
    }
    let mut query = Query::default();
    if mutation.verb != Verb::Delete {
        query = query.with("fieldManager", MANAGER).with("fieldValidation", "Strict");
    }
    let query = query.maybe("dryRun", mutation.dry_run.then_some("All"));
    let (method, content, body) = match mutation.verb {
        Verb::MergePatch => (Method::PATCH, "application/merge-patch+json", merge_patch(mutation)?),
        Verb::JsonPatch => (Method::PATCH, "application/json-patch+json", json_patch(mutation)?),
        Verb::Create => (Method::POST, super::super::api::JSON, mutation.body.clone()),
        Verb::Evict => (Method::POST, super::super::api::JSON, eviction(mutation)),
        Verb::Delete => (Method::DELETE, super::super::api::JSON, deletion(mutation)),
    };
    Ok(Write {
        verb: mutation.verb.as_str(),
        method,
        path: query.after(path),
        content,
        body: body.to_string().into_bytes(),
        workflow: mutation.workflow.clone(),
        form: mutation.verb,
    })
}

/// With a resourceVersion in it, a patch is refused with 409 unless the object still has that one.
fn merge_patch(mutation: &Mutation) -> Result<Value, String> {
    let mut body = mutation.body.clone();
    let patch = body.as_object_mut().ok_or("the patch is no JSON object")?;
    let metadata = patch.entry("metadata").or_insert_with(|| json!({}));
    let metadata = metadata.as_object_mut().ok_or("the patch's metadata is no JSON object")?;
    if let Some(uid) = &mutation.uid {
        metadata.insert("uid".to_owned(), json!(uid));
    }
    if let Some(version) = &mutation.resource_version {
        metadata.insert("resourceVersion".to_owned(), json!(version));
    }
    Ok(body)
}

/// The same for a JSON patch: the API server compares the resourceVersion of the patched object with the stored one. A test
/// operation would do as well, but its failure is a 422 that looks like any other.
fn json_patch(mutation: &Mutation) -> Result<Value, String> {
    let operations = mutation.body.as_array().ok_or("the patch is no list of operations")?;
    let pin = |path: &str, value: &Option<String>| {
        value.as_ref().map(|value| json!({"op": "replace", "path": path, "value": value}))
    };
    let pins =
        [pin("/metadata/uid", &mutation.uid), pin("/metadata/resourceVersion", &mutation.resource_version)];
    Ok(Value::Array(pins.into_iter().flatten().chain(operations.iter().cloned()).collect()))
}

fn preconditions(mutation: &Mutation) -> Map<String, Value> {
    let pins = [("uid", &mutation.uid), ("resourceVersion", &mutation.resource_version)];
    pins.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))).collect()
}

/// Our own body: kube's writes `delete_options`, which the API server ignores, and with it the uid.
fn eviction(mutation: &Mutation) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": mutation.target.name, "namespace": mutation.target.namespace},
        "deleteOptions": {"preconditions": preconditions(mutation)},
    })
}

/// The API server reads no query beside these options, so a dry run must stand in them.
fn deletion(mutation: &Mutation) -> Value {
    let dry_run: &[&str] = if mutation.dry_run { &["All"] } else { &[] };
    json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": preconditions(mutation),
        "dryRun": dry_run,
    })
}
