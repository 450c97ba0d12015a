//! Reading and writing single members of JSON objects by pointer (RFC 6901), as the model needs it everywhere.
//!
//! A member that is missing reads as empty, zero or false, as most of Kubernetes's members do. Nothing here walks into
//! lists to change them.

use serde_json::{Map, Value, json};

/// What is there. [`Value::pointer`] unescapes, and so copies, every part of a path.
pub(crate) fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    if path.contains('~') {
        return value.pointer(path);
    }
    path.split('/').skip(1).try_fold(value, |value, part| match value {
        Value::Object(members) => members.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The text there, or none at all.
pub(crate) fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// The number there, or zero.
pub(crate) fn number(value: &Value, path: &str) -> i64 {
    at(value, path).and_then(Value::as_i64).unwrap_or_default()
}

/// Whether it says true there.
pub(crate) fn flag(value: &Value, path: &str) -> bool {
    at(value, path).and_then(Value::as_bool).unwrap_or_default()
}

/// The items of the list there.
pub(crate) fn items<'v>(value: &'v Value, path: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    at(value, path).and_then(Value::as_array).into_iter().flatten()
}

/// Whether there is anything at all.
pub(crate) fn has(value: &Value, path: &str) -> bool {
    at(value, path).is_some_and(|found| !found.is_null())
}

fn unescaped(token: &str) -> String {
    if token.contains('~') { token.replace("~1", "/").replace("~0", "~") } else { token.to_owned() }
}

/// A member's name as a part of a pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Sets a member, making the objects above it.
pub(crate) fn put(value: &mut Value, path: &str, new: impl Into<Value>) {
    let mut at = value;
    for token in path.split('/').skip(1) {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Some(members) = at.as_object_mut() else { return };
        at = members.entry(unescaped(token)).or_insert(Value::Null);
    }
    *at = new.into();
}

/// Takes a member out.
pub(crate) fn take(value: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = path.rsplit_once('/')?;
    value.pointer_mut(parent)?.as_object_mut()?.remove(&unescaped(last))
}

/// The controller of an object: kind, name and uid.
pub(crate) fn controller(value: &Value) -> Option<(&str, &str, &str)> {
    items(value, "/metadata/ownerReferences")
        .find(|owner| flag(owner, "/controller"))
        .map(|owner| (text(owner, "/kind"), text(owner, "/name"), text(owner, "/uid")))
}

/// Whether an object is controlled by the one with this uid.
pub(crate) fn is_owned_by(value: &Value, uid: &str) -> bool {
    controller(value).is_some_and(|(_, _, owner)| owner == uid)
}

/// The reference by which a controller owns an object.
pub(crate) fn reference(owner: &Value) -> Value {
    json!({
        "apiVersion": text(owner, "/apiVersion"), "kind": text(owner, "/kind"),
        "name": text(owner, "/metadata/name"), "uid": text(owner, "/metadata/uid"),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// Whether a selector (`matchLabels` and `matchExpressions`) takes these labels. One that says nothing takes nothing.
pub(crate) fn selects(selector: Option<&Value>, labels: Option<&Value>) -> bool {
    let Some(selector) = selector else { return false };
    let label = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
    let wanted = selector.get("matchLabels").and_then(Value::as_object);
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    if wanted.is_none_or(Map::is_empty) && expressions.is_none_or(Vec::is_empty) {
        return false;
    }
    wanted.into_iter().flatten().all(|(key, value)| label(key) == value.as_str())
        && expressions.into_iter().flatten().all(|test| {
            let found = label(text(test, "/key"));
            let among = found.is_some_and(|found| items(test, "/values").any(|v| v.as_str() == Some(found)));
            match text(test, "/operator") {
                "In" => among,
                "NotIn" => !among,
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}

/// Whether a plain map of labels (a Service's selector) takes these labels.
pub(crate) fn selects_plainly(selector: Option<&Value>, labels: Option<&Value>) -> bool {
    let Some(wanted) = selector.and_then(Value::as_object).filter(|wanted| !wanted.is_empty()) else {
        return false;
    };
    wanted.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

/// The status word of a condition: `True`, `False`, `Unknown`, or nothing.
pub(crate) fn condition<'v>(value: &'v Value, kind: &str) -> &'v str {
    items(value, "/status/conditions")
        .find(|condition| text(condition, "/type") == kind)
        .map_or("", |condition| text(condition, "/status"))
}

/// Whether a pod is ready and stays.
pub(crate) fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready") == "True" && !has(pod, "/metadata/deletionTimestamp")
}

/// `n` of something that Kubernetes writes as a number or as a percentage of `of`.
pub(crate) fn share(value: Option<&Value>, of: i64, default_percent: i64, rounds_up: bool) -> i64 {
    let percent = match value {
        Some(Value::Number(number)) => return number.as_i64().unwrap_or_default(),
        Some(Value::String(text)) => text.trim_end_matches('%').parse().unwrap_or(default_percent),
        _ => default_percent,
    };
    let hundredths = of.saturating_mul(percent);
    if rounds_up { hundredths.saturating_add(99) / 100 } else { hundredths / 100 }
}

/// FNV-1a, 64 bits: names that follow from contents, the same in every run and on every machine.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A number in the letters that Kubernetes takes for generated names: no vowels, so that no words come out.
pub(crate) fn letters(mut number: u64, length: usize) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut name = String::with_capacity(length);
    for _ in 0..length {
        let place = usize::try_from(number % 27).unwrap_or_default();
        name.push(ALPHABET.get(place).map_or('b', |byte| char::from(*byte)));
        number /= 27;
    }
    name
}
