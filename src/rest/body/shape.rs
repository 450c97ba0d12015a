//! A body brought into the shape of its schema: members under their own names, types checked, what is missing and what
//! is unknown refused by name.
//!
//! The schema is the one that `/openapi.json` shows, so that the document and the door cannot differ.

use std::{
    any::type_name,
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use aiops_engine::answer::near;
use parking_lot::Mutex;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

use crate::{ordered::Node, rest::error::Failure};

/// What becomes of members that the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// The request is refused.
    Refused,
    /// They are left out.
    LeftOut,
}

/// The schema of a type, everything inlined, as it is read (`for_output: false`) or written.
pub(in crate::rest) fn schema<T: JsonSchema>(for_output: bool) -> Value {
    let mut settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.meta_schema = None;
    if for_output {
        settings = settings.for_serialize();
    }
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(members) = schema.as_object_mut() {
        members.remove("title");
    }
    schema
}

/// The schema by which a body is read, made once a process.
pub(super) fn cached<T: JsonSchema>() -> Arc<Value> {
    static SCHEMAS: LazyLock<Mutex<HashMap<&'static str, Arc<Value>>>> = LazyLock::new(Mutex::default);
    Arc::clone(SCHEMAS.lock().entry(type_name::<T>()).or_insert_with(|| Arc::new(schema::<T>(false))))
}

/// Letters of a name without case and underscores: in these Go clients, people and our own documents differ.
pub(in crate::rest) fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

/// Brings a value into the shape of its schema; `path` names it in refusals.
pub(super) fn settle(node: Node, schema: &Value, path: &str, unknown: Unknown) -> Result<Value, Failure> {
    let schema = chosen(&node, not_null(schema));
    let wanted = types(schema);
    let fits = match &node {
        Node::Null => true,
        Node::Truth(_) => wanted.contains(&"boolean"),
        Node::Number(number) => {
            wanted.contains(&"number") || (wanted.contains(&"integer") && !number.is_f64())
        }
        Node::Text(_) => wanted.contains(&"string"),
        Node::List(_) => wanted.contains(&"array"),
        Node::Object(_) => wanted.contains(&"object"),
    };
    if !wanted.is_empty() && !fits {
        let found = node.what();
        return Err(Failure::invalid(path, format!("{path} must be {}, not {found}", word(&wanted))));
    }
    match node {
        Node::Object(members) => match schema.get("properties").and_then(Value::as_object) {
            Some(properties) => object(members, properties, schema, path, unknown),
            None => map(members, schema, path, unknown),
        },
        Node::List(items) => {
            let each = schema.get("items").unwrap_or(&Value::Null);
            let item = |(at, item)| settle(item, each, &format!("{path}[{at}]"), unknown);
            items.into_iter().enumerate().map(item).collect()
        }
        other => Ok(other.into_value()),
    }
}

/// An object whose members the schema names.
fn object(
    members: Vec<(String, Node)>,
    properties: &Map<String, Value>,
    schema: &Value,
    path: &str,
    unknown: Unknown,
) -> Result<Value, Failure> {
    let mut settled: Map<String, Value> = Map::new();
    for (name, node) in members {
        let wanted = plain(&name);
        let Some((known, property)) = properties.iter().find(|(known, _)| plain(known) == wanted) else {
            if unknown == Unknown::LeftOut {
                continue;
            }
            let field = below(path, &name);
            let hint = near(&name, properties.keys().map(String::as_str));
            let all: Vec<&str> = properties.keys().map(String::as_str).collect();
            let message = format!("{field} is not known here{hint}; known are {}", all.join(", "));
            return Err(Failure::invalid(&field, message));
        };
        if node == Node::Null {
            continue;
        }
        let field = below(path, known);
        let value = settle(node, property, &field, unknown)?;
        if settled.get(known).is_some_and(|before| *before != value) {
            return Err(Failure::invalid(&field, format!("{field} is given twice, with two values")));
        }
        settled.insert(known.clone(), value);
    }
    for name in
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    {
        // A text without letters says as little as none.
        let is_there =
            settled.get(name).is_some_and(|value| value.as_str().is_none_or(|text| !text.trim().is_empty()));
        if !is_there {
            return Err(Failure::required(&below(path, name)));
        }
    }
    Ok(Value::Object(settled))
}

/// An object whose members are data: their names stay as they are.
fn map(members: Vec<(String, Node)>, schema: &Value, path: &str, unknown: Unknown) -> Result<Value, Failure> {
    let each = schema.get("additionalProperties").unwrap_or(&Value::Null);
    let mut settled = Map::new();
    for (name, node) in members {
        let field = below(path, &name);
        let value = settle(node, each, &field, unknown)?;
        if value.is_null() {
            continue;
        }
        if settled.get(&name).is_some_and(|before| *before != value) {
            return Err(Failure::invalid(&field, format!("{field} is given twice, with two values")));
        }
        settled.insert(name, value);
    }
    Ok(Value::Object(settled))
}

/// The schema of an optional value without its null.
fn not_null(schema: &Value) -> &Value {
    let any = schema.get("anyOf").and_then(Value::as_array);
    any.and_then(|any| any.iter().find(|one| one.get("type").is_none_or(|kind| kind != "null")))
        .unwrap_or(schema)
}

/// Of variants that a member tells apart, the one that the object is.
fn chosen<'s>(node: &Node, schema: &'s Value) -> &'s Value {
    let (Node::Object(members), Some(variants)) = (node, schema.get("oneOf").and_then(Value::as_array))
    else {
        return schema;
    };
    let is_it = |variant: &&Value| {
        variant.get("properties").and_then(Value::as_object).into_iter().flatten().any(|(known, property)| {
            property.get("const").and_then(Value::as_str).is_some_and(|tag| {
                members
                    .iter()
                    .any(|(name, value)| plain(name) == plain(known) && *value == Node::Text(tag.to_owned()))
            })
        })
    };
    variants.iter().find(is_it).unwrap_or(schema)
}

/// The types that a schema allows, without null; empty for any.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => {
            several.iter().filter_map(Value::as_str).filter(|one| *one != "null").collect()
        }
        _ => Vec::new(),
    }
}

fn word(types: &[&str]) -> String {
    let one = |kind: &&str| match *kind {
        "boolean" => "true or false",
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a string",
        "array" => "an array",
        _ => "an object",
    };
    types.iter().map(one).collect::<Vec<_>>().join(" or ")
}

fn below(path: &str, name: &str) -> String {
    let name: String = name.chars().take(64).collect();
    if path.is_empty() { name } else { format!("{path}.{name}") }
}
