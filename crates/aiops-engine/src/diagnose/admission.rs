//! Pods that are not made: the quota is full, a limit range, pod security or a webhook refuses them, or none is wanted.

use serde_json::Value;

use super::{
    Cause, Confidence, Evidence, Findings, Stage,
    document::{Document, below, words},
    reading::{Found, Told},
};

/// Controllers try again with growing pauses, at most a quarter of an hour apart.
const FRESH: i64 = 1_800;

/// What a refusal means: code, meaning, next step.
pub(crate) fn classify(message: &str) -> (&'static str, &'static str, &'static str) {
    let lower = message.to_ascii_lowercase();
    let has = |words: &str| lower.contains(words);
    if has("exceeded quota") {
        (
            "quota_exceeded",
            "a resource quota of the namespace is used up",
            "raise the quota, lower the requests, or remove pods; calculate-pod-capacity shows what is left",
        )
    } else if has("failed quota") || has("must specify") {
        (
            "quota_needs_requests",
            "a resource quota demands requests or limits that the pods do not set",
            "set them in the workload's template, or give the namespace a LimitRange with defaults",
        )
    } else if has("violates podsecurity") {
        (
            "pod_security_refused",
            "the namespace's pod security level forbids the pods",
            "change the securityContext as the message says, or the namespace's pod-security label",
        )
    } else if has("security context constraint") {
        (
            "scc_refused",
            "no security context constraint admits the pods",
            "grant their ServiceAccount a fitting SCC, or change the securityContext",
        )
    } else if has("failed calling webhook") || has("failed to call webhook") {
        (
            "webhook_unreachable",
            "an admission webhook does not answer",
            "bring the webhook's pods back; its failurePolicy decides whether pods are admitted without it",
        )
    } else if has("admission webhook") || has("validatingadmissionpolicy") || has("denied the request") {
        (
            "webhook_denied",
            "an admission policy refuses the pods",
            "change what the message names, or the policy",
        )
    } else if has("error looking up service account") || (has("serviceaccount") && has("not found")) {
        (
            "service_account_missing",
            "their ServiceAccount does not exist",
            "create it, or correct serviceAccountName in the workload's template",
        )
    } else if has("no priorityclass") {
        (
            "priority_class_missing",
            "their PriorityClass does not exist",
            "create it, or correct priorityClassName in the workload's template",
        )
    } else if has("usage per container") || has("usage per pod") || has("limit to request ratio") {
        (
            "limit_range_violated",
            "a LimitRange of the namespace forbids what the pods ask for",
            "change requests or limits in the workload's template, or the LimitRange",
        )
    } else {
        (
            "pod_creation_refused",
            "the API server refuses the pods",
            "correct what the message names in the workload's template",
        )
    }
}

/// What was read of a workload that lacks pods.
#[derive(Debug)]
pub(crate) struct Lacking {
    /// The workload.
    pub(crate) workload: Found<Document>,
    /// What makes its pods, when that is another object (the newest ReplicaSet, the newest Job).
    pub(crate) maker: Option<Found<Document>>,
    /// Events about both, newest first.
    pub(crate) events: Vec<Told>,
    /// The quota that a refusal names.
    pub(crate) quota: Option<Found<Document>>,
    /// It should have more pods than it has.
    pub(crate) lacks: bool,
}

/// The quota that a refusal names.
pub(crate) fn quota_of(message: &str) -> Option<&str> {
    let (_, rest) =
        message.split_once("exceeded quota: ").or_else(|| message.split_once("failed quota: "))?;
    rest.split([',', ':']).next().map(str::trim).filter(|name| !name.is_empty())
}

impl Lacking {
    /// The newest refusal: the controller's condition, else its event.
    pub(crate) fn refusal(&self, now: i64) -> Option<(String, Evidence)> {
        let documents = [self.maker.as_ref(), Some(&self.workload)];
        for document in documents.into_iter().flatten() {
            let Found::Yes(document) = document else { continue };
            let failure = document.condition("ReplicaFailure");
            let at = failure.filter(|at| document.text(&format!("{at}.status")) == "True");
            if let Some(at) = at {
                let path = format!("{at}.message");
                return Some((document.text(&path).to_owned(), document.cite(&path)));
            }
        }
        let told = self.events.iter().find(|e| e.reason == "FailedCreate" && now - e.last < FRESH)?;
        Some((told.message().to_owned(), told.cite()))
    }

    /// Why pods are missing.
    pub(crate) fn look(&self, now: i64, found: &mut Findings) {
        let workload = match &self.workload {
            Found::Yes(workload) => Some(workload),
            Found::Missing => None,
            Found::Unknown(why) => {
                found.unchecked("the workload itself", why);
                None
            }
        };
        if let Some(workload) = workload {
            unwanted(workload, found);
        }
        if !self.lacks || !found.causes.is_empty() {
            return;
        }
        let Some((message, evidence)) = self.refusal(now) else {
            if let Some(workload) = workload {
                unobserved(workload, found);
            }
            return;
        };
        let (code, meaning, next) = classify(&message);
        let what = format!("pods cannot be created because {meaning}: {}", words(&message, 220));
        let mut cause =
            Cause::new(code, Stage::Creation, Confidence::Certain, what).next(next).by([evidence]);
        match &self.quota {
            Some(Found::Yes(quota)) => cause.evidence.extend(used_up(quota, &message)),
            Some(Found::Unknown(why)) => found.unchecked("the ResourceQuota", why),
            _ => {}
        }
        if let Some(workload) = workload {
            let failure = workload.condition("ReplicaFailure");
            cause.evidence.extend(failure.map(|at| workload.cite(&format!("{at}.reason"))));
            let wanted = "spec.replicas";
            cause.evidence.extend((!workload.at(wanted).is_null()).then(|| workload.cite(wanted)));
        }
        found.add(cause);
    }
}

/// The resources that the refusal names, as the quota has them.
fn used_up(quota: &Document, message: &str) -> Vec<Evidence> {
    let Some(hard) = quota.at("status.hard").as_object() else { return Vec::new() };
    let limited = message.split_once("limited: ").map_or("", |(_, rest)| rest);
    let named = hard
        .keys()
        .filter(|resource| limited.split(',').any(|part| part.trim().split('=').next() == Some(resource)));
    let cite = |resource: &String| {
        [quota.cite(&below("status.used", resource)), quota.cite(&below("status.hard", resource))]
    };
    named.take(2).flat_map(cite).collect()
}

/// Workloads that want no pods.
fn unwanted(workload: &Document, found: &mut Findings) {
    let is = |path: &str, value: Value| *workload.at(path) == value;
    let (code, what, path, next) = if is("spec.replicas", Value::from(0)) {
        (
            "scaled_to_zero",
            "no pods are wanted: it is scaled to 0",
            "spec.replicas",
            "scale it up if it should run; an autoscaler does not wake it from 0",
        )
    } else if is("spec.suspend", Value::Bool(true)) {
        (
            "suspended",
            "no pods are wanted: it is suspended",
            "spec.suspend",
            "set spec.suspend to false if it should run",
        )
    } else if workload.object.kind == "DaemonSet" && is("status.desiredNumberScheduled", Value::from(0)) {
        (
            "no_node_selected",
            "no node matches the DaemonSet's node selector, affinity and tolerations",
            "status.desiredNumberScheduled",
            "correct nodeSelector or affinity in its template, or label the nodes that are meant",
        )
    } else {
        return;
    };
    let cause = Cause::new(code, Stage::Creation, Confidence::Certain, what).by([workload.cite(path)]);
    found.add(cause.next(next));
}

/// A controller that has not seen the newest change.
fn unobserved(workload: &Document, found: &mut Findings) {
    let (generation, observed) =
        (workload.at("metadata.generation").as_i64(), workload.at("status.observedGeneration").as_i64());
    if generation > observed.or(Some(0)) {
        let what = "the controller has not acted on the newest change of the workload yet";
        let cause = Cause::new("controller_silent", Stage::Creation, Confidence::Likely, what)
            .by([workload.cite("metadata.generation"), workload.cite("status.observedGeneration")]);
        found.add(cause.next("ask again in a moment; if it stays so, the controller manager does not run"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        for (text, want) in [
            (
                r#"pods "checkout-7d4b9c6f5-x2x4z" is forbidden: exceeded quota: compute, requested: requests.cpu=500m, used: requests.cpu=2, limited: requests.cpu=2"#,
                "quota_exceeded",
            ),
            (
                r#"pods "checkout-" is forbidden: failed quota: compute: must specify limits.cpu for: app; limits.memory for: app"#,
                "quota_needs_requests",
            ),
            (
                r#"pods "checkout-" is forbidden: [maximum cpu usage per Container is 500m, but limit is 1, minimum memory usage per Container is 64Mi, but request is 10Mi]"#,
                "limit_range_violated",
            ),
            (
                r#"pods "checkout-" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "app" must set securityContext.allowPrivilegeEscalation=false)"#,
                "pod_security_refused",
            ),
            (
                r#"admission webhook "validate.kyverno.svc-fail" denied the request: resource Pod/shop/checkout was blocked"#,
                "webhook_denied",
            ),
            (
                r#"Internal error occurred: failed calling webhook "mesh.io": failed to call webhook: Post "https://mesh.svc:443/inject": dial tcp 10.96.1.1:443: connect: connection refused"#,
                "webhook_unreachable",
            ),
            (
                r#"pods "checkout-" is forbidden: error looking up service account shop/checkout: serviceaccount "checkout" not found"#,
                "service_account_missing",
            ),
            (
                r#"pods "checkout-" is forbidden: no PriorityClass with name gold was found"#,
                "priority_class_missing",
            ),
            (
                r#"pods "checkout-" is forbidden: unable to validate against any security context constraint: [provider restricted-v2: .spec.hostNetwork: Invalid value: true]"#,
                "scc_refused",
            ),
            ("Pod \"x\" is invalid: spec.containers[0].image: Required value", "pod_creation_refused"),
        ] {
            assert_eq!(classify(text).0, want, "{text}");
        }
        assert_eq!(quota_of("exceeded quota: compute, requested: pods=1"), Some("compute"));
        assert_eq!(quota_of("failed quota: compute: must specify limits.cpu"), Some("compute"));
        assert_eq!(quota_of("nothing of the kind"), None);
    }
}
