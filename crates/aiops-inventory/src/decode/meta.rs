//! What all objects have: metadata, conditions, label selectors.
//!
//! Annotations are not read here; the kinds that need one name it themselves.

use std::sync::Arc;

use serde::de::Error as _;

use super::{
    Shared,
    json::{Int, Pairs, Text, cut, slim},
};
use crate::{
    Interner, Key, Name,
    labels::{LabelSet, Requirement, Selector, Test},
    rows::{Condition, Marks, Meta, Owner, Truth},
};

slim! {
    MetaJson<'a> {
        name "name": Text<'a>,
        namespace "namespace": Text<'a>,
        uid "uid": Text<'a>,
        creation_timestamp "creationTimestamp": Text<'a>,
        deletion_timestamp "deletionTimestamp": Text<'a>,
        generation "generation": Int,
        labels "labels": Pairs<'a>,
        owner_references "ownerReferences": Vec<OwnerJson<'a>>,
        annotations "annotations": Notes<'a>,
    }
    OwnerJson<'a> {
        api_version "apiVersion": Text<'a>,
        kind "kind": Text<'a>,
        name "name": Text<'a>,
        uid "uid": Text<'a>,
        controller "controller": bool,
    }
    // The only annotations that a row needs.
    Notes<'a> {
        mirror "kubernetes.io/config.mirror": Text<'a>,
        revision "deployment.kubernetes.io/revision": Text<'a>,
        tracking_id "argocd.argoproj.io/tracking-id": Text<'a>,
        release "meta.helm.sh/release-name": Text<'a>,
        release_namespace "meta.helm.sh/release-namespace": Text<'a>,
    }
    ConditionJson<'a> {
        r#type "type": Text<'a>,
        status "status": Text<'a>,
        reason "reason": Text<'a>,
        message "message": Text<'a>,
        last_transition_time "lastTransitionTime": Text<'a>,
    }
    SelectorJson<'a> {
        match_labels "matchLabels": Pairs<'a>,
        match_expressions "matchExpressions": Vec<ExpressionJson<'a>>,
    }
    ExpressionJson<'a> {
        key "key": Text<'a>,
        operator "operator": Text<'a>,
        values "values": Vec<Text<'a>>,
    }
    Identified<'a> { metadata "metadata": IdentityJson<'a> }
    IdentityJson<'a> { name "name": Text<'a>, namespace "namespace": Text<'a>, uid "uid": Text<'a> }
}

/// Longest name, image or label kept, in bytes: a reference to an image with its digest is the longest of them.
const LONGEST_NAME: usize = 512;
/// Longest message kept of a condition or a container, in bytes.
pub(super) const LONGEST_MESSAGE: usize = 512;

/// Namespace, name and uid of an object; the uid is 0 when it has none.
pub(super) fn identity(json: &[u8], interner: &mut Interner) -> Result<(Key, u128), serde_json::Error> {
    let object: Identified<'_> = serde_json::from_slice(json)?;
    named(&object.metadata.name)?;
    let key = Key::new(interner.name(&object.metadata.namespace), &*object.metadata.name);
    Ok((key, object.metadata.uid.uid()))
}

fn named(name: &Text<'_>) -> Result<(), serde_json::Error> {
    if name.is_empty() { Err(serde_json::Error::custom("metadata.name is absent")) } else { Ok(()) }
}

/// Whether other rows will point at an object by its name, so that its name is worth sharing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// Owners, nodes, services: the name stands in many rows.
    Shared,
    /// Pods and slices: the name stands in its own row.
    Own,
}

/// Where the strings and values of rows are kept.
pub(super) struct Keep<'k> {
    pub(super) interner: &'k mut Interner,
    pub(super) shared: &'k mut Shared,
}

impl Keep<'_> {
    pub(super) fn name(&mut self, text: &str) -> Name {
        // Not every name is checked by the API server: an image or an owner may be a megabyte long.
        self.interner.name(&cut(text, LONGEST_NAME))
    }

    pub(super) fn word(&mut self, text: &Text<'_>) -> Name {
        text.word(self.interner)
    }

    pub(super) fn meta(&mut self, json: &MetaJson<'_>, naming: Naming) -> Result<Meta, serde_json::Error> {
        named(&json.name)?;
        let name = match naming {
            Naming::Shared => self.name(&json.name),
            Naming::Own => Name::from(&*json.name),
        };
        let owners = &json.owner_references;
        let owner = owners.iter().find(|owner| owner.controller).or_else(|| owners.first());
        Ok(Meta {
            key: Key { namespace: self.name(&json.namespace), name },
            uid: json.uid.uid(),
            created: json.creation_timestamp.time_or_zero(),
            deleting: json.deletion_timestamp.time(),
            generation: json.generation.0,
            labels: self.labels(&json.labels),
            owner: owner.map(|owner| self.owner(owner)),
        })
    }

    /// The marks of the tools that deploy a workload; most have none.
    pub(super) fn marks(&mut self, json: &MetaJson<'_>) -> Option<Box<Marks>> {
        let Notes { tracking_id, release, release_namespace, .. } = &json.annotations;
        (!tracking_id.is_empty() || !release.is_empty()).then(|| {
            Box::new(Marks {
                tracking_id: self.name(tracking_id),
                release: self.name(release),
                release_namespace: self.name(release_namespace),
            })
        })
    }

    fn owner(&mut self, json: &OwnerJson<'_>) -> Arc<Owner> {
        let owner = Owner {
            kind: self.name(&json.kind),
            name: self.name(&json.name),
            uid: json.uid.uid(),
            api_version: self.name(&json.api_version),
        };
        self.shared.owners.share(owner)
    }

    pub(super) fn labels(&mut self, pairs: &Pairs<'_>) -> Arc<LabelSet> {
        let mut set: Vec<(Name, Name)> = Vec::with_capacity(pairs.0.len());
        // A key that is written twice counts as it stands last, as in the API server's own decoder.
        for (key, value) in pairs.0.iter().rev() {
            set.push((self.name(key), self.name(value)));
        }
        set.sort_by(|a, b| a.0.cmp(&b.0));
        set.dedup_by(|later, earlier| later.0 == earlier.0);
        self.shared.labels.share(LabelSet(set.into()))
    }

    /// A selector as the API server reads it: an absent one selects nothing, an empty one everything.
    pub(super) fn selector(&mut self, json: Option<&SelectorJson<'_>>) -> Arc<Selector> {
        let Some(json) = json else {
            return self.shared.selectors.share(Selector(Box::new([nothing()])));
        };
        let labels = self.labels(&json.match_labels);
        let mut requirements: Vec<Requirement> = labels
            .0
            .iter()
            .map(|(key, value)| Requirement { key: key.clone(), test: Test::In(Box::new([value.clone()])) })
            .collect();
        for expression in &json.match_expressions {
            let values = || expression.values.iter().map(|value| Name::from(&**value)).collect();
            let test = match &*expression.operator {
                "In" => Test::In(values()),
                "NotIn" => Test::NotIn(values()),
                "Exists" => Test::Exists,
                "DoesNotExist" => Test::Absent,
                // An operator of a later API narrows in a way that is not known here: nothing is safer than all.
                _ => {
                    requirements.push(nothing());
                    continue;
                }
            };
            requirements.push(Requirement { key: self.name(&expression.key), test });
        }
        self.shared.selectors.share(Selector(requirements.into()))
    }

    /// Conditions; the message only where `wrong` says that the condition tells of a fault.
    pub(super) fn conditions(
        &mut self,
        json: &[ConditionJson<'_>],
        wrong: fn(&str, Truth) -> bool,
    ) -> Box<[Condition]> {
        json.iter().map(|one| self.condition(one, wrong)).collect()
    }

    fn condition(&mut self, json: &ConditionJson<'_>, wrong: fn(&str, Truth) -> bool) -> Condition {
        let status = json.truth();
        let tells = wrong(&json.r#type, status) && !json.message.is_empty();
        Condition {
            kind: self.word(&json.r#type),
            status,
            reason: self.word(&json.reason),
            message: tells.then(|| json.message.sentence(LONGEST_MESSAGE)),
            since: json.last_transition_time.time_or_zero(),
        }
    }
}

impl ConditionJson<'_> {
    pub(super) fn truth(&self) -> Truth {
        match &*self.status {
            "True" => Truth::True,
            "False" => Truth::False,
            _ => Truth::Unknown,
        }
    }
}

/// A requirement that no label set meets.
fn nothing() -> Requirement {
    Requirement { key: Name::default(), test: Test::In(Box::default()) }
}

/// Whether a condition tells of a fault: by the API's convention False does, but for the types that name a fault.
pub(super) fn is_wrong(kind: &str, status: Truth) -> bool {
    match status {
        Truth::Unknown => true,
        Truth::True => names_a_fault(kind),
        Truth::False => !names_a_fault(kind),
    }
}

fn names_a_fault(kind: &str) -> bool {
    const FAULTS: [&str; 12] = [
        "Failed",
        "FailureTarget",
        "Failing",
        "ReplicaFailure",
        "NetworkUnavailable",
        "ScalingLimited",
        "NamespaceContentRemaining",
        "NamespaceFinalizersRemaining",
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionContentFailure",
        "NamespaceDeletionGroupVersionParsingFailure",
        "DisruptionTarget",
    ];
    kind.ends_with("Pressure") || kind.ends_with("Degraded") || FAULTS.contains(&kind)
}
