//! What all answers have in common: how fresh they are, what is missing from them, and how much was left out.

use aiops_inventory::{
    ClusterInfo, Kind, Sync,
    inventory::{Scope, Source},
    rows::Seconds,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// How far an answer may be believed. Part of every answer that rests on the inventory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Standing {
    /// The moment for which the answer is true, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// The watch is broken since then: the answer is old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<String>,
    /// The first lists are still coming in: what is missing is not known yet, which does not mean that it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warming: Option<bool>,
    /// Kinds that the answer needed and that are not (or not freshly) known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// Set when only these namespaces may be seen; the answer is about them alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_namespaces: Option<Vec<String>>,
    /// Set when the answer comes from a recording: its name. Ages count from `as_of`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// There is no source of rows: every kind is missing, though the reason is told once.
    #[serde(skip)]
    pub(crate) without_source: bool,
}

/// A kind that an answer needed and did not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Missing {
    /// The kind, such as `Pod`.
    pub kind: String,
    /// `warming`, `stale`, `failing`, `forbidden` or `absent`.
    pub state: String,
    /// Why, and what to do.
    pub reason: String,
}

impl Missing {
    pub(crate) fn new(kind: Kind, state: &str, reason: &str) -> Self {
        Self { kind: kind.name().to_owned(), state: state.to_owned(), reason: reason.to_owned() }
    }

    pub(crate) fn reason(sync: &Sync) -> &str {
        match sync {
            Sync::Warming => "the first list has not come in yet; ask again in a second",
            Sync::Failing { reason } | Sync::Forbidden { reason } | Sync::Stale { reason, .. } => reason,
            Sync::Absent => "the API server does not serve this kind",
            Sync::Synced => "",
        }
    }
}

impl Standing {
    /// Adds what the source of the rows means for the answer.
    pub(crate) fn describe(&mut self, info: &ClusterInfo) {
        if let Source::Recorded { name, .. } = &info.source {
            self.recording = Some(name.to_string());
        }
        if let Source::None { reason } = &info.source {
            self.as_of = None;
            self.warming = None;
            for missing in &mut self.missing {
                missing.state = "failing".to_owned();
                missing.reason = reason.to_string();
            }
            self.missing.truncate(1);
            self.without_source = true;
        }
        if let Scope::Namespaces(names) = &info.scope {
            self.only_namespaces = Some(names.iter().map(ToString::to_string).collect());
        }
    }

    /// Whether this kind could not be counted at all.
    pub fn lacks(&self, kind: Kind) -> bool {
        self.without_source || self.missing.iter().any(|m| m.state != "stale" && m.kind == kind.name())
    }
}

/// A moment as the wire has it: RFC 3339, UTC, whole seconds.
pub fn time(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).map_or_else(|_| at.to_string(), |whole| whole.to_string())
}

/// Seconds since the epoch as the wire has them; `None` for 0, which stands for absent.
pub fn seconds(at: Seconds) -> Option<String> {
    (at != 0).then(|| Timestamp::from_second(at).ok().map(time)).flatten()
}

/// An age as kubectl prints it: `45s`, `12m`, `3h`, `2d`.
pub fn age(now: Timestamp, since: Seconds) -> String {
    let age = now.as_second().saturating_sub(since).max(0);
    match age {
        0..120 => format!("{age}s"),
        120..7_200 => format!("{}m", age / 60),
        7_200..172_800 => format!("{}h", age / 3_600),
        _ => format!("{}d", age / 86_400),
    }
}

/// The one to three names nearest to a misspelt one, as a hint that ends an error; empty when none is near.
pub fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let wanted: String = wanted.chars().take(253).collect();
    let mut scored: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let distance = distance(&wanted, name);
            let close = distance * 3 <= wanted.chars().count().max(3)
                || (wanted.len() >= 3 && name.contains(&*wanted));
            close.then_some((distance, name))
        })
        .collect();
    scored.sort_unstable();
    let names: Vec<&str> = scored.into_iter().take(3).map(|(_, name)| name).collect();
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(", ")) }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut before = i;
        let mut left = i + 1;
        for (cb, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let cost = before + usize::from(ca != *cb);
            before = *cell;
            left = cost.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, want) in
            [("", "abc", 3), ("kitten", "sitting", 3), ("pod", "pod", 0), ("payment", "payments", 1)]
        {
            assert_eq!(distance(a, b), want, "{a} {b}");
        }
    }

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        let names = ["payments", "checkout", "kube-system"];
        assert_eq!(near("payment", names.into_iter()), "; did you mean payments?");
        assert_eq!(near("zzz", names.into_iter()), "");
    }

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (since, want) in
            [(999_955, "45s"), (999_280, "12m"), (989_200, "3h"), (827_200, "2d"), (1_000_009, "0s")]
        {
            assert_eq!(age(now, since), want);
        }
    }
}
