//! What of an object must not be shown: taken out before anything else looks at it.
//!
//! `managedFields` and copies of the whole object in annotations go, a Secret's data goes and is counted, the values of
//! a ConfigMap become their sizes unless they were asked for by name. Then the redactor goes over everything. It decides
//! nothing about budgets.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{ports::ApiResource, projection::Path, redact::Redactor};

/// What was withheld of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Withheld {
    /// Keys; null when the data was not even read.
    pub keys: Option<usize>,
    /// Bytes of all values; null when the data was not even read.
    pub bytes: Option<usize>,
    /// Why.
    pub why: &'static str,
}

/// An object of which everything may be shown.
#[derive(Debug)]
pub(super) struct Guarded {
    /// The object without what must not be shown.
    pub(super) object: Value,
    /// What was taken out of a Secret.
    pub(super) withheld: Option<Withheld>,
}

/// Takes out what must not be shown. `fields` are the paths that were asked for.
pub(super) fn guard(resource: &ApiResource, mut object: Value, fields: &[Path]) -> Guarded {
    let mut withheld = None;
    if let Value::Object(members) = &mut object {
        // Items of a list carry no kind; without it nothing would tell the redactor that this is a Secret.
        members.insert("kind".to_owned(), Value::from(resource.kind.clone()));
        members.insert("apiVersion".to_owned(), Value::from(crate::discovery::api_version(resource)));
        strip_metadata(members);
        if resource.group.is_empty() && resource.kind == "Secret" {
            withheld = Some(withhold(members));
        }
        if resource.group.is_empty() && resource.kind == "ConfigMap" {
            for member in ["data", "binaryData"] {
                sizes(members, member, fields);
            }
            withhold_copies(members);
        }
    }
    Redactor::new().redact_json(&mut object);
    crate::text::clean_json(&mut object);
    Guarded { object, withheld }
}

fn strip_metadata(members: &mut Map<String, Value>) {
    let Some(Value::Object(metadata)) = members.get_mut("metadata") else { return };
    metadata.remove("managedFields");
    metadata.remove("selfLink");
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.retain(|key, _| !is_copy(key));
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
}

/// Annotations in which tools keep a copy of the whole object.
fn is_copy(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    name.contains("last-applied") || matches!(name, "applied" | "original" | "original-diff-md5")
}

fn withhold(members: &mut Map<String, Value>) -> Withheld {
    let mut keys = None;
    let mut bytes = None;
    for (member, encoded) in [("data", true), ("stringData", false)] {
        if let Some(Value::Object(data)) = members.remove(member) {
            let size = |text: &str| if encoded { base64_bytes(text) } else { text.len() };
            let total: usize = data.values().filter_map(Value::as_str).map(size).sum();
            keys = Some(keys.unwrap_or(0) + data.len());
            bytes = Some(bytes.unwrap_or(0) + total);
        }
    }
    let why =
        if keys.is_some() { "data of Secrets is never shown" } else { "data of Secrets is not even read" };
    withhold_copies(members);
    Withheld { keys, bytes, why }
}

/// Tools keep copies of the whole object in annotations under names of their own.
fn withhold_copies(members: &mut Map<String, Value>) {
    if let Some(Value::Object(metadata)) = members.get_mut("metadata")
        && let Some(Value::Object(annotations)) = metadata.get_mut("annotations")
    {
        for value in annotations.values_mut() {
            let bytes = value.as_str().map_or(0, str::len);
            let copy = value.as_str().is_some_and(|text| text.contains(['{', '\n']));
            if bytes > 200 || copy {
                *value = Value::from(format!("[withheld: {bytes} bytes]"));
            }
        }
    }
}

/// How many bytes a base64 text stands for.
fn base64_bytes(text: &str) -> usize {
    let digits = text.bytes().filter(|byte| !matches!(byte, b'=' | b'\n' | b'\r')).count();
    digits * 3 / 4
}

/// Replaces the values of a ConfigMap by a list of keys and sizes, but for those that were asked for.
fn sizes(members: &mut Map<String, Value>, member: &str, fields: &[Path]) {
    let Some(Value::Object(data)) = members.get_mut(member) else { return };
    let asked = |key: &str| fields.iter().any(|path| path.asks_for(member, key));
    if data.keys().any(|key| asked(key)) {
        data.retain(|key, _| asked(key));
        return;
    }
    let encoded = member == "binaryData";
    let size = |text: &str| if encoded { base64_bytes(text) } else { text.len() };
    let keys = data.iter().map(|(key, value)| {
        let bytes = value.as_str().map_or(0, size);
        Value::from(format!("{key} ({bytes} bytes)"))
    });
    let keys = Value::Array(keys.collect());
    members.insert(member.to_owned(), keys);
}
