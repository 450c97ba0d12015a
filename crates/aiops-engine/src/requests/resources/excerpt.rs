//! Cuts a JSON value down to so many bytes: small members stay whole, the large ones share what is left.
//!
//! Every cut leaves a mark where it was made and a path by which the whole can be asked for. It hides nothing for
//! secrecy: see `guard`.

use serde_json::{Map, Value};

/// Less than this is not worth beginning.
const SMALLEST: usize = 60;
/// What a mark costs.
const MARK: usize = 44;
/// Most paths named.
const MOST_CUTS: usize = 8;

/// Cuts `value` to about `budget` bytes of JSON and returns the paths that were cut, as `fields` takes them.
pub(super) fn cut(value: &mut Value, budget: usize) -> Vec<String> {
    let mut cuts = Vec::new();
    shrink(value, "", budget, &mut cuts);
    let more = cuts.len().saturating_sub(MOST_CUTS);
    cuts.truncate(MOST_CUTS);
    if more > 0 {
        cuts.push(format!("… and {more} more"));
    }
    cuts
}

/// Bytes of the value as compact JSON.
pub(super) fn size(value: &Value) -> usize {
    serde_json::to_vec(value).map_or(0, |json| json.len())
}

fn shrink(value: &mut Value, path: &str, budget: usize, cuts: &mut Vec<String>) {
    let bytes = size(value);
    if bytes <= budget {
        return;
    }
    if !path.is_empty() && budget < SMALLEST && bytes > SMALLEST {
        cuts.push(path.to_owned());
        *value = Value::from(match value {
            Value::Object(members) => format!("… ({} members, {bytes} bytes)", members.len()),
            Value::Array(items) => format!("… ({} entries, {bytes} bytes)", items.len()),
            _ => format!("… ({bytes} bytes)"),
        });
        return;
    }
    match value {
        Value::String(text) => {
            if !path.is_empty() {
                cuts.push(path.to_owned());
            }
            *text = shorten(text, budget.saturating_sub(24).max(16));
        }
        Value::Array(items) => {
            if !path.is_empty() {
                cuts.push(path.to_owned());
            }
            shrink_list(items, path, budget);
        }
        Value::Object(members) => shrink_members(members, path, budget, cuts),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// As much of the text as fits into so many bytes of JSON, with a mark that says how much is missing.
fn shorten(text: &str, bytes: usize) -> String {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += match c {
            '"' | '\\' | '\n' | '\t' | '\r' => 2,
            c if c.is_control() => 6,
            c => c.len_utf8(),
        };
        if used > bytes {
            return format!("{}… (+{} bytes)", text.get(..at).unwrap_or_default(), text.len() - at);
        }
    }
    text.to_owned()
}

/// The first entries that fit; the first one is cut itself rather than left out.
fn shrink_list(items: &mut Vec<Value>, path: &str, budget: usize) {
    let room = budget.saturating_sub(MARK);
    let all = items.len();
    let mut used = 2;
    let mut kept = 0;
    for item in items.iter() {
        used += size(item) + 1;
        if used > room {
            break;
        }
        kept += 1;
    }
    if kept == 0
        && let Some(first) = items.first_mut()
    {
        // The path of the list is already named as cut; what is cut inside its entry needs no path of its own.
        let mut inner = Vec::new();
        shrink(first, &format!("{path}[0]"), room, &mut inner);
        kept = 1;
    }
    items.truncate(kept);
    if kept < all {
        items.push(Value::from(format!("… {} more entries", all - kept)));
    }
}

fn shrink_members(members: &mut Map<String, Value>, path: &str, budget: usize, cuts: &mut Vec<String>) {
    let most = (budget / MARK).max(1);
    if members.len() > most && !path.is_empty() {
        cuts.push(path.to_owned());
    }
    let all = members.len();
    let surplus: Vec<String> = members.keys().skip(most).cloned().collect();
    for key in &surplus {
        members.remove(key);
    }
    let mut sizes: Vec<(usize, String)> =
        members.iter().map(|(key, value)| (size(value) + key.len() + 4, key.clone())).collect();
    sizes.sort();
    let mut left = budget.saturating_sub(2 + if surplus.is_empty() { 0 } else { MARK });
    let mut waiting = sizes.len();
    for (bytes, key) in sizes {
        let share = left / waiting.max(1);
        waiting -= 1;
        if bytes > share
            && let Some(value) = members.get_mut(&key)
        {
            let below = if path.is_empty() { escape(&key) } else { format!("{path}.{}", escape(&key)) };
            shrink(value, &below, share.saturating_sub(key.len() + 4), cuts);
        }
        let taken = members.get(&key).map_or(0, |value| size(value) + key.len() + 4);
        left = left.saturating_sub(taken);
    }
    if !surplus.is_empty() {
        members.insert("…".to_owned(), Value::from(format!("{} more members", all - most)));
    }
}

/// A member's name as a path has it.
fn escape(key: &str) -> String {
    let mut escaped = String::with_capacity(key.len());
    for c in key.chars() {
        if matches!(c, '.' | '[' | ']' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::projection::Path;

    /// A small generator of numbers, the same in each run.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % sides
        }

        fn value(&mut self, depth: u64) -> Value {
            match self.roll(if depth > 1 { 3 } else { 6 }) {
                0 => json!(self.roll(1_000_000)),
                1 | 2 => {
                    let longest = if self.roll(9) == 0 { 4_000 } else { 40 };
                    let length = self.roll(longest);
                    Value::from("né\"\n".chars().cycle().take(length as usize).collect::<String>())
                }
                3 => (0..self.roll(30)).map(|_| self.value(depth + 1)).collect(),
                _ => {
                    let most = if self.roll(9) == 0 { 300 } else { 12 };
                    let members = 0..self.roll(most);
                    members
                        .map(|i| (format!("member.{i}"), self.value(depth + 1)))
                        .collect::<Map<_, _>>()
                        .into()
                }
            }
        }
    }

    #[test]
    fn a_cut_value_fits_and_its_cuts_can_be_asked_for() {
        let mut dice = Dice(7);
        let mut cut_ones = 0;
        for budget in [300, 1_000, 4_000] {
            for _ in 0..60 {
                let whole = json!({"a": dice.value(0), "b": dice.value(0), "c": dice.value(0)});
                let mut value = whole.clone();
                let cuts = cut(&mut value, budget);
                assert!(size(&value) <= budget + budget / 5 + 120, "{} of {budget}", size(&value));
                assert_eq!(cuts.is_empty(), value == whole);
                cut_ones += usize::from(!cuts.is_empty());
                for path in cuts.iter().filter(|path| !path.starts_with('…')) {
                    let found = Path::parse(path).unwrap().get(&whole);
                    assert!(found.is_ok(), "{path}: {found:?}");
                }
            }
        }
        assert!(cut_ones > 60, "{cut_ones}");
    }

    #[test]
    fn small_members_survive_a_large_neighbour() {
        let mut value = json!({"spec": {"replicas": 3, "big": "x".repeat(9_000)}, "status": {"ready": 2}});
        let cuts = cut(&mut value, 500);
        assert_eq!(value.pointer("/spec/replicas"), Some(&json!(3)));
        assert_eq!(value.pointer("/status/ready"), Some(&json!(2)));
        assert_eq!(cuts, ["spec.big"]);
        assert!(value.pointer("/spec/big").unwrap().as_str().unwrap().ends_with(" bytes)"));
    }
}
