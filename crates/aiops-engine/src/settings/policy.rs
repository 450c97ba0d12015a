//! Who has to agree to what: a table of rules, of which the first that matches decides.
//!
//! It knows words, not clusters: what a plan is about is handed over as words (actions and traits), and each is looked up.

use crate::{coordination::PolicyRule, issue::Severity, model::plan::Approval};

/// Traits of a plan that a rule may name beside actions: it is over several objects or layers.
pub const MULTI_LAYER: &str = "multi-layer";
/// It writes fields that a Helm chart owns.
pub const HELM: &str = "helm";
/// It writes an object that an operator owns.
pub const OPERATOR: &str = "operator";

/// Every word that may stand under `actions`.
pub const WORDS: [&str; 17] = [
    "restart-workload",
    "scale-workload",
    "rollback-workload",
    "set-resources",
    "evict-pod",
    "delete-pod",
    "cordon-node",
    "uncordon-node",
    "sync-application",
    "rollback-application",
    "revert-manifest",
    "record-release",
    "nudge-operator",
    "await-pool",
    MULTI_LAYER,
    HELM,
    OPERATOR,
];

/// The rule that is met when no other matches.
pub const REST: &str = "anything-else";

/// Where the parts of the cluster itself run: the patterns of the default denial, each with a namespace that it means.
const SYSTEM: [(&str, &str); 3] =
    [("kube-*", "kube-system"), ("openshift", "openshift"), ("openshift-*", "openshift-monitoring")];

/// The policy in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Where it comes from: a file, or `defaults`.
    pub source: String,
    /// Its rules, in order; the first that matches decides. What none matches needs an approval.
    pub rules: Vec<PolicyRule>,
}

impl Default for Policy {
    /// What acts out of the box: the table of the README.
    fn default() -> Self {
        let rule = |name: &str, namespaces: &[&str], actions: &[&str], then| PolicyRule {
            name: name.to_owned(),
            namespaces: namespaces.iter().map(|n| (*n).to_owned()).collect(),
            severities: Vec::new(),
            actions: actions.iter().map(|a| (*a).to_owned()).collect(),
            then,
            autonomy: false,
            elicitation: false,
            annotation: false,
        };
        Self {
            source: "defaults".to_owned(),
            rules: vec![
                rule("system-namespaces", &["kube-*", "openshift", "openshift-*"], &[], Approval::Deny),
                rule(
                    "with-approval",
                    &[],
                    &[
                        "set-resources",
                        "delete-pod",
                        "cordon-node",
                        "uncordon-node",
                        "rollback-application",
                        "revert-manifest",
                        "record-release",
                        "nudge-operator",
                        HELM,
                        OPERATOR,
                        MULTI_LAYER,
                    ],
                    Approval::Approve,
                ),
                rule(
                    "ordinary",
                    &[],
                    &[
                        "restart-workload",
                        "scale-workload",
                        "rollback-workload",
                        "evict-pod",
                        "sync-application",
                        "await-pool",
                    ],
                    Approval::Auto,
                ),
            ],
        }
    }
}

/// What the policy says to one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Says<'a> {
    /// Who has to agree.
    pub then: Approval,
    /// The rule that says so.
    pub rule: &'a str,
    /// An incident may trigger it by itself.
    pub autonomy: bool,
    /// An answer that may be a model's counts as approval.
    pub elicitation: bool,
    /// An annotation in the cluster counts as approval.
    pub annotation: bool,
}

impl Says<'_> {
    /// Whether it is stricter than another one: asks for more, or for as much and takes fewer answers for a person's. Of equals
    /// neither is.
    pub fn is_stricter_than(&self, other: &Self) -> bool {
        self.then > other.then
            || (self.then == other.then && other.takes_all_of(self) && !self.takes_all_of(other))
    }

    /// Whether every answer that counts for another one counts for this one too.
    pub const fn takes_all_of(&self, other: &Self) -> bool {
        (self.elicitation || !other.elicitation) && (self.annotation || !other.annotation)
    }
}

impl Policy {
    /// What the first rule that matches says to an action or trait in a namespace (empty for objects of the cluster).
    pub fn says(&self, namespace: &str, severity: Severity, word: &str) -> Says<'_> {
        let any = |list: &[String], holds: &dyn Fn(&str) -> bool| {
            list.is_empty() || list.iter().any(|entry| holds(entry))
        };
        let found = self.rules.iter().find(|rule| {
            any(&rule.namespaces, &|pattern| super::matches(pattern, namespace))
                && any(&rule.severities, &|name| name == severity_word(severity))
                && any(&rule.actions, &|pattern| super::matches(pattern, word))
        });
        match found {
            Some(rule) => Says {
                then: rule.then,
                rule: &rule.name,
                autonomy: rule.autonomy,
                elicitation: rule.elicitation,
                annotation: rule.annotation,
            },
            None => Says {
                then: Approval::Approve,
                rule: REST,
                autonomy: false,
                elicitation: false,
                annotation: false,
            },
        }
    }

    /// Whether an action or trait needs somebody's approval in some namespace.
    pub fn may_ask(&self, severity: Severity, word: &str) -> bool {
        let any = |list: &[String], name: &str| {
            list.is_empty() || list.iter().any(|pattern| super::matches(pattern, name))
        };
        let mut met = self
            .rules
            .iter()
            .filter(|rule| any(&rule.severities, severity_word(severity)) && any(&rule.actions, word));
        met.any(|rule| matches!(rule.then, Approval::Approve | Approval::TwoPerson))
    }

    /// What a policy of one's own should say and does not, as sentences for its author.
    pub fn warnings(&self) -> Vec<String> {
        let all = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
        let is_denied = |namespace: &str| {
            WORDS.iter().all(|word| all.iter().all(|s| self.says(namespace, *s, word).then == Approval::Deny))
        };
        let open: Vec<&str> =
            SYSTEM.iter().filter(|(_, sample)| !is_denied(sample)).map(|(name, _)| *name).collect();
        if open.is_empty() {
            return Vec::new();
        }
        vec![format!(
            "{} does not deny everything in {}, as the default table does: a file replaces it as a whole; put a rule before \
             the others with namespaces = [\"kube-*\", \"openshift\", \"openshift-*\"] and then = \"deny\", unless that is meant",
            self.source,
            open.join(" and ")
        )]
    }

    /// Whether an annotation in the cluster counts as approval of what this rule decides.
    pub fn takes_annotation(&self, rule: &str) -> bool {
        self.rules.iter().any(|candidate| candidate.name == rule && candidate.annotation)
    }

    /// Whether an answer that may be a model's counts as approval of what this rule decides.
    pub fn takes_elicitation(&self, rule: &str) -> bool {
        self.rules.iter().any(|candidate| candidate.name == rule && candidate.elicitation)
    }
}

/// The word for a severity, on every door.
pub const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
    }
}

/// The word for who has to agree, on every door.
pub const fn approval_word(approval: Approval) -> &'static str {
    match approval {
        Approval::Auto => "auto",
        Approval::Approve => "approve",
        Approval::TwoPerson => "two_person",
        Approval::Deny => "deny",
    }
}
