//! The objects of a release's manifest: YAML documents, as Helm rendered them.
//!
//! A Secret among them is reduced to its name and a digest. It judges none of them.

use std::hash::{BuildHasher as _, RandomState};

use serde_json::{Value, json};

/// Reads the objects; the members of lists take the place of their list.
pub(super) fn objects(manifest: &str, salt: &RandomState) -> Result<Vec<Value>, String> {
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    // As sigs.k8s.io/yaml, with which Helm reads them (YAML 1.1): modes of files are written so.
    options.legacy_octal_numbers = true;
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(manifest, options)
        // Its message could hold pieces of the manifest.
        .map_err(|_| "its manifest is not the YAML that is read here".to_owned())?;
    let mut objects = Vec::new();
    for document in documents {
        let is_list = document.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
        match document {
            Value::Null => {}
            Value::Object(mut list) if is_list && list.get("items").is_some_and(Value::is_array) => {
                if let Some(Value::Array(items)) = list.remove("items") {
                    objects.extend(items);
                }
            }
            object => objects.push(object),
        }
    }
    objects.iter_mut().for_each(|object| withhold(object, salt));
    Ok(objects)
}

/// Whether a Secret differs between two revisions can be told without telling what it holds.
fn withhold(object: &mut Value, salt: &RandomState) {
    if object.get("kind").is_none_or(|kind| kind != "Secret") {
        return;
    }
    let digest = format!("{:016x}", salt.hash_one(object.to_string()));
    let of = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    let mut metadata = json!({ "name": of("/metadata/name") });
    if let (Some(metadata), namespace @ Value::String(_)) =
        (metadata.as_object_mut(), of("/metadata/namespace"))
    {
        metadata.insert("namespace".to_owned(), namespace);
    }
    *object =
        json!({"apiVersion": of("/apiVersion"), "kind": "Secret", "metadata": metadata, "digest": digest});
}
