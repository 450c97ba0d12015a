//! The one table of words for issues: what the contract, the Go engine, the old MCP server, the detectors and
//! Alertmanager's usual rules call the same trouble, with its severity and the remedies that are tried for it.
//!
//! A word is compared without regard to case, blanks, `-`, `_` and `.`. A word that is not in the table is an error that
//! names near ones; nothing is guessed from its parts.

mod table;

use crate::{answer::near, error::Error, issue::Severity};

pub use self::table::ISSUES;

/// The issue of incidents that people or alerts opened without one that is known. It has no remedy but what a caller
/// names.
pub const UNSPECIFIED: &str = "unspecified";

/// Longest word that is compared, in bytes.
const LONGEST: usize = 128;

/// An issue, with the words for it and what is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssueWord {
    /// Our own word, as incidents, plans and fingerprints have it.
    pub word: &'static str,
    /// How bad it is when nobody says.
    pub severity: Severity,
    /// Words for it elsewhere.
    pub aliases: &'static [&'static str],
    /// Names of the remedies that are tried, in this order; the first that fits is taken. Empty when none helps.
    pub remedies: &'static [&'static str],
    /// What a person should look at when none fits, as an order: `look at …`.
    pub look_at: &'static str,
}

/// Words that mean one thing about one kind of object and another thing about others.
const BY_KIND: &[(&str, &[&str], &str)] = &[
    ("notready", &["Node"], "node_not_ready"),
    ("notready", &["ClusterOperator"], "operator_unavailable"),
    ("notready", &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"], "deployment_unavailable"),
    ("unhealthy", &["Node"], "node_not_ready"),
    ("unhealthy", &["ClusterOperator"], "operator_degraded"),
    ("unhealthy", &["Application"], "out_of_sync"),
    ("unhealthy", &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"], "deployment_unavailable"),
    ("unavailable", &["ClusterOperator"], "operator_unavailable"),
    ("unavailable", &["Service"], "service_without_endpoints"),
    ("degraded", &["ClusterOperator"], "operator_degraded"),
    ("degraded", &["MachineConfigPool"], "machine_config_pool_degraded"),
    ("degraded", &["Application"], "out_of_sync"),
    ("degraded", &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"], "deployment_unavailable"),
    ("updating", &["MachineConfigPool", "Node", "MachineConfig"], "machine_config_pool_updating"),
    ("progressing", &["MachineConfigPool"], "machine_config_pool_updating"),
    ("progressing", &["ClusterOperator"], "operator_degraded"),
    ("progressing", &["Deployment", "StatefulSet", "DaemonSet"], "rollout_stuck"),
    ("pending", &["PersistentVolumeClaim"], "pvc_pending"),
    ("lost", &["PersistentVolumeClaim"], "pvc_lost"),
    ("failed", &["Job"], "job_failed"),
    ("stuck", &["Job"], "job_stuck"),
    ("stuck", &["Namespace"], "namespace_stuck"),
    ("stuck", &["Deployment", "StatefulSet", "DaemonSet"], "rollout_stuck"),
    ("highmemory", &["Node"], "node_pressure"),
    ("memorypressure", &["Node"], "node_pressure"),
    ("nodecordoned", &["Pod", "Deployment", "StatefulSet", "DaemonSet", "Job"], "pod_unschedulable"),
];

/// The issue that a word means, whatever object it is about.
pub fn lookup(word: &str) -> Option<&'static IssueWord> {
    lookup_for(word, "")
}

/// The issue that a word means about an object of this kind (as manifests spell it).
pub fn lookup_for(word: &str, kind: &str) -> Option<&'static IssueWord> {
    let plain = plain(word);
    if plain.is_empty() {
        return None;
    }
    let narrowed = BY_KIND.iter().find(|(alias, kinds, _)| *alias == plain && kinds.contains(&kind));
    if let Some((_, _, own)) = narrowed {
        return of(own);
    }
    ISSUES
        .iter()
        .find(|issue| std::iter::once(&issue.word).chain(issue.aliases).any(|alias| same(alias, &plain)))
}

/// The word by which the REST contract tells an issue: its own, where its examples have one (`GET /incidents`), else ours.
/// Its callers compare it with what they sent; every other door tells our word.
pub fn contract(word: &str) -> &str {
    if word == "crash_loop" { "pod_crash_loop" } else { word }
}

/// The issue that our own word names.
pub fn of(word: &str) -> Option<&'static IssueWord> {
    ISSUES.iter().find(|issue| issue.word == word)
}

/// The issue that a caller's word means about an object of this kind.
///
/// # Errors
/// The word is in no table; the message names near ones.
pub fn find(word: &str, kind: &str) -> Result<&'static IssueWord, Error> {
    lookup_for(word, kind).ok_or_else(|| {
        let shown: String = word.chars().take(80).collect();
        let lower = word.trim().chars().take(LONGEST).collect::<String>().to_lowercase();
        let words: Vec<String> = ISSUES
            .iter()
            .flat_map(|issue| std::iter::once(&issue.word).chain(issue.aliases))
            .map(|word| word.to_lowercase())
            .collect();
        let hint = near(&lower, words.iter().map(String::as_str));
        let usual = "; usual ones are crash_loop, oom_kill, image_pull, pod_not_ready, rollout_stuck, high_cpu, \
                     node_not_ready (docs/issues.md lists all)";
        let why = format!("{shown:?} is no issue that is known{}", if hint.is_empty() { usual } else { &hint });
        Error::invalid("issue type", why)
    })
}

/// Lower case, without blanks, `-`, `_` and `.`; empty when it is longer than any word.
fn plain(word: &str) -> String {
    if word.len() > LONGEST {
        return String::new();
    }
    let kept = word.chars().filter(|c| !matches!(c, ' ' | '-' | '_' | '.' | '/'));
    kept.flat_map(char::to_lowercase).collect()
}

/// Whether a word of the table is this one, which is plain already.
fn same(alias: &str, plain: &str) -> bool {
    let kept = alias.bytes().filter(|b| !matches!(b, b'-' | b'_')).map(|b| b.to_ascii_lowercase());
    kept.eq(plain.bytes())
}

#[cfg(test)]
mod tests;
