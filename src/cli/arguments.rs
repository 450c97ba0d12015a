//! `k=v` as the arguments of a tool, typed by its input schema.
//!
//! It judges no value: the tool does, and its words are better.

use aiops_engine::answer::near;
use serde_json::{Map, Value};

/// Reads `k=v` (typed by the schema) and `k:=JSON` over the members of `--args`.
///
/// # Errors
/// A pair is none, or its text is not what the schema wants; the message names the argument.
pub fn read(
    schema: &Map<String, Value>,
    json: Option<&str>,
    pairs: &[String],
) -> anyhow::Result<Map<String, Value>> {
    let mut arguments = match json.map(serde_json::from_str) {
        None => Map::new(),
        Some(Ok(Value::Object(members))) => members,
        Some(Ok(_)) => anyhow::bail!("--args must be a JSON object such as '{{\"namespace\":\"shop\"}}'"),
        Some(Err(error)) => anyhow::bail!("--args is not JSON: {error}"),
    };
    for pair in pairs {
        let (name, value) = one(schema, pair)?;
        arguments.insert(name, value);
    }
    Ok(arguments)
}

fn one(schema: &Map<String, Value>, pair: &str) -> anyhow::Result<(String, Value)> {
    let Some((name, text)) = pair.split_once('=') else {
        let names = known(schema);
        anyhow::bail!("{pair:?} is no argument; write NAME=VALUE{}", listed(&names, pair));
    };
    if let Some(name) = name.strip_suffix(':') {
        let value = serde_json::from_str(text)
            .map_err(|error| anyhow::anyhow!("{name}: {text:?} is not JSON: {error}"))?;
        return Ok((name.to_owned(), value));
    }
    let property = schema.get("properties").and_then(|all| all.get(name));
    let value = match property {
        Some(property) => typed(name, property, text)?,
        None => {
            // An unknown name is refused by the tool; it is refused here so that no server needs to be asked.
            let names = known(schema);
            anyhow::bail!("there is no argument {name:?}{}", listed(&names, name));
        }
    };
    Ok((name.to_owned(), value))
}

fn known(schema: &Map<String, Value>) -> Vec<&str> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(|all| all.keys().map(String::as_str)).collect()
}

fn listed(names: &[&str], wrong: &str) -> String {
    let close = near(wrong, names.iter().copied());
    match (close.is_empty(), names.is_empty()) {
        (false, _) => close,
        (true, true) => "; this tool takes none".to_owned(),
        (true, false) => format!("; there are {}", names.join(", ")),
    }
}

/// The text as what the schema wants.
fn typed(name: &str, property: &Value, text: &str) -> anyhow::Result<Value> {
    let types = types(property);
    let wants = |kind: &str| types.contains(&kind);
    if wants("string") || types.is_empty() {
        return Ok(Value::String(text.to_owned()));
    }
    if wants("array") {
        if text.starts_with('[') {
            return serde_json::from_str(text)
                .map_err(|error| anyhow::anyhow!("{name}: {text:?} is not a JSON list: {error}"));
        }
        let item = property.get("items").cloned().unwrap_or_default();
        let items = text.split(',').filter(|item| !item.is_empty());
        return items.map(|text| typed(name, &item, text)).collect::<Result<Vec<_>, _>>().map(Value::Array);
    }
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    let fits = parsed.as_ref().is_some_and(|value| match value {
        Value::Number(number) => wants("number") || (wants("integer") && !number.is_f64()),
        Value::Bool(_) => wants("boolean"),
        Value::Object(_) => wants("object"),
        Value::Null => wants("null"),
        Value::String(_) | Value::Array(_) => false,
    });
    match parsed {
        Some(value) if fits => Ok(value),
        _ => anyhow::bail!("{name}: {text:?} is not {}", article(&types)),
    }
}

/// The `type`s of a property, through `anyOf` and `oneOf`.
fn types(property: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    match property.get("type") {
        Some(Value::String(one)) => found.push(one.as_str()),
        Some(Value::Array(many)) => found.extend(many.iter().filter_map(Value::as_str)),
        _ => {}
    }
    for choice in ["anyOf", "oneOf"] {
        let choices = property.get(choice).and_then(Value::as_array).into_iter().flatten();
        found.extend(choices.flat_map(types));
    }
    found
}

/// The words that a property may be, when they are a closed list.
pub(super) fn words(property: &Value) -> Vec<&str> {
    let own = property.get("enum").and_then(Value::as_array).into_iter().flatten();
    let mut found: Vec<&str> = own.filter_map(Value::as_str).collect();
    found.extend(property.get("const").and_then(Value::as_str));
    for choice in ["anyOf", "oneOf"] {
        let choices = property.get(choice).and_then(Value::as_array).into_iter().flatten();
        found.extend(choices.flat_map(words));
    }
    found
}

fn article(types: &[&str]) -> String {
    let words = types.iter().filter(|kind| **kind != "null").map(|kind| match *kind {
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "object" => "a JSON object (write NAME:=JSON)",
        other => other,
    });
    words.collect::<Vec<_>>().join(" or ")
}
