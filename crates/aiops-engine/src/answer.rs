//! What all answers have in common: how fresh they are, what is missing from them, and how much was left out.

use aiops_inventory::{
    ClusterInfo, Inventory, Kind, KindStatus, Sync,
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
    /// The moment for which the answer is true, RFC 3339. Kinds that are fresh again before the others are newer.
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
    /// `warming`, `stale`, `failing`, `forbidden`, `absent`, or `partial`: known but for what the reason says.
    pub state: String,
    /// Why, and what to do.
    pub reason: String,
}

impl Missing {
    pub(crate) fn new(kind: Kind, state: &str, reason: &str) -> Self {
        Self { kind: kind.name().to_owned(), state: state.to_owned(), reason: reason.to_owned() }
    }

    /// What a kind that is known lacks nevertheless: namespaces in which it is refused, objects that cannot be read.
    pub(crate) fn in_part(
        kind: Kind,
        status: &KindStatus,
        scope: &Scope,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = Self> + use<> {
        let refused: Vec<&str> = match (scope, &status.scope) {
            (Scope::Namespaces(all), Scope::Namespaces(seen)) if kind.resource().namespaced => {
                match namespace {
                    Some(asked) if seen.iter().any(|name| name == asked) => Vec::new(),
                    Some(asked) => vec![asked],
                    None => {
                        all.iter().filter(|name| !seen.contains(name)).map(|name| name.as_str()).collect()
                    }
                }
            }
            _ => Vec::new(),
        };
        let unseen = (!refused.is_empty()).then(|| {
            // Of the one namespace that was asked about nothing is known.
            let state = if namespace.is_some() { "forbidden" } else { "partial" };
            let plural = kind.resource().plural;
            let more = match refused.len() {
                0..=5 => String::new(),
                many => format!(" and {} more", many - 5),
            };
            let named: Vec<&str> = refused.into_iter().take(5).collect();
            let reason = format!(
                "{plural} may not be listed in {}{more}; grant list and watch on {plural} there",
                named.join(", ")
            );
            Self::new(kind, state, &reason)
        });
        let unread = (status.unreadable > 0).then(|| {
            let reason = format!(
                "{} of them exist and could not be read; they are left out, or shown as they were before",
                status.unreadable
            );
            Self::new(kind, "partial", &reason)
        });
        unseen.into_iter().chain(unread)
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

    /// Says that sums over the pods of a node are not known, where only some namespaces may be seen.
    pub(crate) fn note_unseen_pods(&mut self, inventory: &Inventory) {
        if inventory.status(Kind::Pod).sync.is_known() && !sees_all_pods(inventory) {
            let reason = "only pods of some namespaces may be seen, so what nodes have left is not known";
            self.missing.push(Missing::new(Kind::Pod, "partial", reason));
        }
    }

    /// Whether this kind could not be counted at all.
    pub fn lacks(&self, kind: Kind) -> bool {
        let lacking = |m: &Missing| !matches!(&*m.state, "stale" | "partial") && m.kind == kind.name();
        self.without_source || self.missing.iter().any(lacking)
    }
}

/// Whether every pod of the cluster is in the rows. Only then is what is left on a node known.
pub(crate) fn sees_all_pods(inventory: &Inventory) -> bool {
    let status = inventory.status(Kind::Pod);
    status.sync.is_known() && status.scope == Scope::Cluster
}

/// A moment as the wire has it: RFC 3339, UTC, whole seconds.
pub fn time(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).map_or_else(|_| at.to_string(), |whole| whole.to_string())
}

/// Seconds since the epoch as the wire has them; `None` for 0, which stands for absent.
pub fn seconds(at: Seconds) -> Option<String> {
    (at != 0).then(|| Timestamp::from_second(at).ok().map(time)).flatten()
}

/// An age as kubectl prints it: `45s`, `12m`, `3h`, `2d`; `unknown` for 0, which stands for absent.
pub fn age(now: Timestamp, since: Seconds) -> String {
    if since == 0 {
        return "unknown".to_owned();
    }
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
    let length = wanted.chars().count();
    let mut scored: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let holds = wanted.len() >= 3 && name.contains(&*wanted);
            // So many edits are needed at least: most names of a large cluster cost no more than this look.
            let least = name.chars().count().abs_diff(length);
            if !holds && least * 3 > length.max(3) {
                return None;
            }
            let distance = distance(&wanted, name);
            (holds || distance * 3 <= length.max(3)).then_some((distance, name))
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
        assert_eq!(near("pay", names.into_iter()), "; did you mean payments?");
    }

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (since, want) in [
            (999_955, "45s"),
            (999_280, "12m"),
            (989_200, "3h"),
            (827_200, "2d"),
            (1_000_009, "0s"),
            (0, "unknown"),
        ] {
            assert_eq!(age(now, since), want);
        }
    }
}
