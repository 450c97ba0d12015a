//! Field paths over JSON objects, as `kubectl explain` and JSONPath write the simple ones.
//!
//! `spec.replicas`, `status.conditions[*].type`, `spec.containers[0].image`, `metadata.labels.app\.kubernetes\.io/name`,
//! `metadata.annotations["a.b/c"]`. No filters, no recursion, no functions: a path costs what it shows.

use serde_json::Value;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A member.
    Member(String),
    /// An entry of a list.
    Index(usize),
    /// All entries of a list, or all values of an object.
    All,
}

/// A path into an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    text: String,
    steps: Vec<Step>,
}

/// Longest path, in bytes.
const LONGEST: usize = 400;
/// Most steps of a path.
const DEEPEST: usize = 32;
/// Most values that `[*]` yields.
const MOST: usize = 10_000;

impl Path {
    /// Parses a path; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let shown: String = trimmed.chars().take(80).collect();
        let fail = |why: &str| {
            format!("path {shown:?} {why}; write it as spec.replicas or status.conditions[*].type")
        };
        if trimmed.len() > LONGEST {
            return Err(fail("is longer than 400 bytes"));
        }
        let bare = trimmed.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(trimmed);
        let bare = bare.strip_prefix('$').unwrap_or(bare);
        let bare = bare.strip_prefix('.').unwrap_or(bare);
        let mut steps = Vec::new();
        let mut chars = bare.chars().peekable();
        let mut member = String::new();
        // A bracket may be followed by a dot; two dots, or a dot at an end, name nothing.
        let mut open = true;
        while let Some(c) = chars.next() {
            match c {
                '\\' => member.push(chars.next().ok_or_else(|| fail("ends in a backslash"))?),
                '.' | '[' => {
                    if !member.is_empty() {
                        steps.push(step(std::mem::take(&mut member)));
                    } else if open && !(c == '[' && steps.is_empty()) {
                        return Err(fail("has an empty part"));
                    }
                    open = c == '.';
                    if c == '[' {
                        let mut inside = String::new();
                        loop {
                            match chars.next() {
                                Some(']') if !is_open_quote(&inside) => break,
                                Some(c) => inside.push(c),
                                None => return Err(fail("has a [ without its ]")),
                            }
                        }
                        steps.push(bracket(&inside).ok_or_else(|| {
                            fail("may have only [*], a number or a quoted name between brackets")
                        })?);
                        if chars.peek().is_some_and(|next| !matches!(next, '.' | '[')) {
                            return Err(fail("needs a dot after ]"));
                        }
                    }
                }
                ']' => return Err(fail("has a ] without its [")),
                c if c.is_control() => return Err(fail("has a control character")),
                c => {
                    member.push(c);
                    open = false;
                }
            }
        }
        if !member.is_empty() {
            steps.push(step(member));
        } else if open {
            return Err(fail("has an empty part"));
        }
        if steps.len() > DEEPEST {
            return Err(fail("has more than 32 parts"));
        }
        Ok(Self { text: trimmed.to_owned(), steps })
    }

    /// The path as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the path leads to, or into, the entry `key` of the top-level member `member`; not to the whole member.
    pub fn asks_for(&self, member: &str, key: &str) -> bool {
        let Some((Step::Member(first), rest)) = self.steps.split_first() else { return false };
        first == member
            && (rest.first() == Some(&Step::All)
                || (1..=rest.len()).any(|count| joined(rest, count).as_deref() == Some(key)))
    }

    /// The value at the path; a list of values when the path holds `[*]`. `Err` says what is there instead.
    pub fn get(&self, object: &Value) -> Result<Value, String> {
        let mut budget = MOST;
        walk(object, &self.steps, "the object", &mut budget)
    }
}

fn step(member: String) -> Step {
    if member == "*" { Step::All } else { Step::Member(member) }
}

fn is_open_quote(inside: &str) -> bool {
    inside
        .chars()
        .next()
        .is_some_and(|q| matches!(q, '"' | '\'') && (inside.len() == 1 || !inside.ends_with(q)))
}

fn bracket(inside: &str) -> Option<Step> {
    if inside == "*" {
        return Some(Step::All);
    }
    for quote in ['"', '\''] {
        if let Some(name) = inside.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return (!name.is_empty()).then(|| Step::Member(name.to_owned()));
        }
    }
    inside.parse().ok().map(Step::Index)
}

fn walk(value: &Value, steps: &[Step], at: &str, budget: &mut usize) -> Result<Value, String> {
    let Some((first, rest)) = steps.split_first() else { return Ok(value.clone()) };
    match (first, value) {
        (Step::Member(name), Value::Object(members)) => match members.get(name) {
            Some(member) => walk(member, rest, name, budget),
            None => {
                // Keys of labels, annotations and ConfigMaps hold dots that few people escape.
                let dotted = (2..=steps.len()).find_map(|count| {
                    let member = members.get(&joined(steps, count)?)?;
                    Some(walk(member, steps.get(count..)?, name, budget))
                });
                dotted.unwrap_or_else(|| Err(format!("{at} has {}", list(members.keys()))))
            }
        },
        (Step::Index(index), Value::Array(items)) => match items.get(*index) {
            Some(item) => walk(item, rest, at, budget),
            None => Err(format!("{at} has {} entries", items.len())),
        },
        (Step::All, Value::Array(items)) => every(items.iter(), rest, at, budget),
        (Step::All, Value::Object(members)) => every(members.values(), rest, at, budget),
        (Step::Member(name), Value::Array(_)) => Err(format!("{at} is a list; write [*].{name}")),
        (_, other) => Err(format!("{at} is {}", type_of(other))),
    }
}

/// What every entry has at the rest of the path; entries that have nothing there are left out.
fn every<'a>(
    items: impl Iterator<Item = &'a Value>,
    rest: &[Step],
    at: &str,
    budget: &mut usize,
) -> Result<Value, String> {
    let mut values = Vec::new();
    for item in items {
        if *budget == 0 {
            return Err(format!("the path yields more than {MOST} values"));
        }
        *budget -= 1;
        values.extend(walk(item, rest, at, budget).ok());
    }
    Ok(Value::Array(values))
}

/// The first `count` steps as one name with dots, when all are members.
fn joined(steps: &[Step], count: usize) -> Option<String> {
    let names: Option<Vec<&str>> = steps
        .get(..count)?
        .iter()
        .map(|step| match step {
            Step::Member(name) => Some(name.as_str()),
            Step::Index(_) | Step::All => None,
        })
        .collect();
    Some(names?.join("."))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut names: Vec<&str> = names.map(String::as_str).collect();
    let more = names.len().saturating_sub(12);
    names.truncate(12);
    match (names.is_empty(), more) {
        (true, _) => "no members".to_owned(),
        (false, 0) => format!("only {}", names.join(", ")),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_values() {
        let object = json!({
            "metadata": {"labels": {"app.kubernetes.io/name": "web", "a]b": "x"}},
            "spec": {"replicas": 3, "containers": [{"name": "a", "ports": [1, 2]}, {"name": "b"}]},
            "status": {"conditions": [{"type": "Ready"}, {"type": "Available"}]},
        });
        for (path, want) in [
            ("spec.replicas", json!(3)),
            (".spec.replicas", json!(3)),
            ("$.spec.replicas", json!(3)),
            ("{.spec.replicas}", json!(3)),
            ("status.conditions[*].type", json!(["Ready", "Available"])),
            ("spec.containers[1].name", json!("b")),
            ("spec.containers[*].ports", json!([[1, 2]])),
            ("spec.containers[*].ports[*]", json!([[1, 2]])),
            (r"metadata.labels.app\.kubernetes\.io/name", json!("web")),
            ("metadata.labels.app.kubernetes.io/name", json!("web")),
            (r#"metadata.labels["app.kubernetes.io/name"]"#, json!("web")),
            ("metadata.labels['a]b']", json!("x")),
            ("metadata.labels.*", json!(["x", "web"])),
            ("spec.containers[*].none", json!([])),
        ] {
            assert_eq!(Path::parse(path).unwrap().get(&object), Ok(want), "{path}");
        }
        for (path, want) in [
            ("spec.replica", "spec has only containers, replicas"),
            ("spec.containers.name", "containers is a list; write [*].name"),
            ("spec.containers[7]", "containers has 2 entries"),
            ("spec.replicas.x", "replicas is a number"),
        ] {
            assert_eq!(Path::parse(path).unwrap().get(&object), Err(want.to_owned()), "{path}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let long = format!("a{}", ".b".repeat(32));
        for bad in [
            "",
            ".",
            "a..b",
            "a.",
            "a[",
            "a[x]",
            "a]",
            "a[*]b",
            "a[-1]",
            "a[?(@.x)]",
            "a\\",
            "..",
            "a[\"\"]",
            "a\u{1}",
            "a[]",
            &"x".repeat(401),
            &long,
        ] {
            assert!(Path::parse(bad).is_err(), "{bad:?}");
        }
        let asks = |path: &str, key: &str| Path::parse(path).unwrap().asks_for("data", key);
        assert!(asks("data.key", "key") && asks("[\"data\"].key", "key") && asks("data.*", "key"));
        assert!(asks("data.app.conf", "app.conf") && asks(r"data.app\.conf", "app.conf"));
        assert!(
            !asks("data", "key")
                && !asks("data.other", "key")
                && !asks("spec.data", "data")
                && !asks("*", "key")
        );
    }
}
