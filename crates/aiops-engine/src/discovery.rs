//! Finds the kind that a caller means, among those the API serves, and refuses names that could not stand in a path.
//!
//! It asks nobody: what is served comes in as a list. Where a word names several kinds, those that Kubernetes itself
//! keeps in the core group or the inventory go first, as in kubectl; otherwise nothing is guessed.

use aiops_inventory::{Inventory, Key, Kind, Row, Table};

use crate::{Error, answer::near, ports::ApiResource};

/// The kind that `text` names: `Deployment`, `deployments`, `deploy`, `deployments.apps`, `apps/v1/Deployment`; letters
/// may be of either case.
pub fn find<'a>(kinds: &'a [ApiResource], text: &str) -> Result<&'a ApiResource, Error> {
    let field = || "argument \"kind\"";
    let wanted = text.trim();
    if wanted.is_empty() || wanted.len() > 253 {
        return Err(Error::invalid(
            field(),
            "must be a kind, such as Deployment, deploy or deployments.apps",
        ));
    }
    let found = matching(kinds, wanted);
    let preferred: Vec<&ApiResource> = if found.len() > 1 {
        found.iter().copied().filter(|kind| inventory_kind(kind).is_some() || kind.group.is_empty()).collect()
    } else {
        found.clone()
    };
    match (preferred.as_slice(), found.as_slice()) {
        ([one], _) => Ok(one),
        (_, []) => Err(Error::invalid(field(), unknown(kinds, wanted))),
        (several, all) => {
            let candidates = if several.is_empty() { all } else { several };
            let names: Vec<String> = candidates.iter().take(8).map(|kind| full_name(kind)).collect();
            let shown: String = wanted.chars().take(80).collect();
            Err(Error::invalid(field(), format!("{shown:?} is ambiguous; say one of {}", names.join(", "))))
        }
    }
}

fn matching<'a>(kinds: &'a [ApiResource], wanted: &str) -> Vec<&'a ApiResource> {
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    if let Some((api_version, name)) = wanted.rsplit_once('/') {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let of_group = |kind: &&ApiResource| same(&kind.group, group) && same(&kind.version, version);
        return kinds.iter().filter(of_group).filter(|kind| is_called(kind, name)).collect();
    }
    let plain: Vec<&ApiResource> = kinds.iter().filter(|kind| is_called(kind, wanted)).collect();
    if !plain.is_empty() {
        return plain;
    }
    if let Some((name, group)) = wanted.split_once('.') {
        let of_group = |kind: &&ApiResource| {
            same(&kind.group, group) || same(&format!("{}.{}", kind.version, kind.group), group)
        };
        return kinds.iter().filter(of_group).filter(|kind| is_called(kind, name)).collect();
    }
    kinds.iter().filter(|kind| kind.short_names.iter().any(|short| same(short, wanted))).collect()
}

fn is_called(kind: &ApiResource, name: &str) -> bool {
    [&kind.kind, &kind.plural, &kind.singular].iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Why nothing matched: another version is served, or nothing of that name, with near ones.
fn unknown(kinds: &[ApiResource], wanted: &str) -> String {
    let shown: String = wanted.chars().take(80).collect();
    let name = wanted.rsplit('/').next().unwrap_or(wanted);
    let elsewhere: Vec<String> =
        kinds.iter().filter(|kind| is_called(kind, name)).take(4).map(full_name).collect();
    if wanted.contains('/') && !elsewhere.is_empty() {
        return format!("{shown:?} is not served; the API serves {}", elsewhere.join(", "));
    }
    let bare = name.split('.').next().unwrap_or(name);
    let lower = bare.to_ascii_lowercase();
    let mut words: Vec<String> = kinds.iter().map(|kind| kind.kind.to_ascii_lowercase()).collect();
    words.sort_unstable();
    words.dedup();
    let hint = near(&lower, words.iter().map(String::as_str));
    format!("the API serves no kind {shown:?}{hint}")
}

/// The name that means one kind only: `deployments.apps`, `pods`.
pub fn full_name(kind: &ApiResource) -> String {
    if kind.group.is_empty() { kind.plural.clone() } else { format!("{}.{}", kind.plural, kind.group) }
}

/// `apiVersion` as manifests have it.
pub fn api_version(kind: &ApiResource) -> String {
    if kind.group.is_empty() { kind.version.clone() } else { format!("{}/{}", kind.group, kind.version) }
}

/// The kind of the inventory that this is.
pub fn inventory_kind(kind: &ApiResource) -> Option<Kind> {
    Kind::ALL.into_iter().find(|known| {
        let r = known.resource();
        r.group == kind.group && r.kind == kind.kind
    })
}

/// Namespaces and names of the rows of a kind; events have none.
pub fn keys(inventory: &Inventory, kind: Kind) -> Vec<&Key> {
    fn of<R: Row>(table: &Table<R>) -> Vec<&Key> {
        table.iter().map(|row| &row.meta().key).collect()
    }
    match kind {
        Kind::Node => of(inventory.nodes()),
        Kind::Namespace => of(inventory.namespaces()),
        Kind::Pod => of(inventory.pods()),
        Kind::Deployment => of(inventory.deployments()),
        Kind::ReplicaSet => of(inventory.replica_sets()),
        Kind::StatefulSet => of(inventory.stateful_sets()),
        Kind::DaemonSet => of(inventory.daemon_sets()),
        Kind::Job => of(inventory.jobs()),
        Kind::CronJob => of(inventory.cron_jobs()),
        Kind::PersistentVolumeClaim => of(inventory.claims()),
        Kind::Service => of(inventory.services()),
        Kind::EndpointSlice => of(inventory.endpoint_slices()),
        Kind::HorizontalPodAutoscaler => of(inventory.autoscalers()),
        Kind::PodDisruptionBudget => of(inventory.disruption_budgets()),
        Kind::ResourceQuota => of(inventory.quotas()),
        Kind::LimitRange => of(inventory.limit_ranges()),
        Kind::ClusterOperator => of(inventory.cluster_operators()),
        Kind::ClusterVersion => of(inventory.cluster_versions()),
        Kind::MachineConfigPool => of(inventory.machine_config_pools()),
        Kind::Route => of(inventory.routes()),
        Kind::Event => Vec::new(),
    }
}

/// Refuses what cannot be the name of an object, before it stands in a path.
pub fn check_name(field: &str, name: &str) -> Result<(), Error> {
    let fits = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '~' | '@' | '+' | '=' | ',')
    };
    if (1..=253).contains(&name.len()) && name.chars().all(fits) && !matches!(name, "." | "..") {
        return Ok(());
    }
    let shown: String = name.chars().take(80).collect();
    let why = format!("{shown:?} cannot be the name of an object: 1 to 253 letters, digits, - and . are");
    Err(Error::invalid(format!("argument {field:?}"), why))
}

/// Refuses what cannot be a namespace.
pub fn check_namespace(name: &str) -> Result<(), Error> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=63).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    let shown: String = name.chars().take(80).collect();
    let why = format!("{shown:?} cannot be a namespace: 1 to 63 lower-case letters, digits and - are");
    Err(Error::invalid("argument \"namespace\"", why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeCluster, api_resource};

    fn kinds() -> Vec<ApiResource> {
        let mut kinds = FakeCluster::new().kinds;
        kinds.push(api_resource("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", true));
        kinds.push(api_resource("networking.k8s.io", "v1", "Ingress", "ingresses", true));
        kinds.push(api_resource("config.openshift.io", "v1", "Ingress", "ingresses", false));
        kinds.push(api_resource("serving.knative.dev", "v1", "Service", "services", true));
        kinds
    }

    #[test]
    fn every_spelling_finds_its_kind() {
        let kinds = kinds();
        for (text, want) in [
            ("Deployment", "deployments.apps"),
            ("deployments", "deployments.apps"),
            ("DEPLOY", "deployments.apps"),
            ("deployment.apps", "deployments.apps"),
            ("deployments.v1.apps", "deployments.apps"),
            ("apps/v1/Deployment", "deployments.apps"),
            ("v1/pod", "pods"),
            ("pods", "pods"),
            ("po", "pods"),
            (" cm ", "configmaps"),
            ("Event", "events"),
            ("events.events.k8s.io", "events.events.k8s.io"),
            ("pods.metrics.k8s.io", "pods.metrics.k8s.io"),
            ("service", "services"),
            ("Service.serving.knative.dev", "services.serving.knative.dev"),
            ("ingress.config.openshift.io", "ingresses.config.openshift.io"),
        ] {
            assert_eq!(find(&kinds, text).map(full_name).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn what_is_not_one_kind_is_an_error_that_helps() {
        let kinds = kinds();
        for (text, part) in [
            ("ingress", "say one of ingresses.networking.k8s.io, ingresses.config.openshift.io"),
            ("deploymnt", "did you mean deployment"),
            ("apps/v1beta1/Deployment", "the API serves deployments.apps"),
            ("certificates.cert-manager.io", "serves no kind"),
            ("../pods", "is not served"),
            ("", "must be a kind"),
            ("pods\0", "serves no kind"),
            ("a/b/c/d", "serves no kind"),
        ] {
            let error = find(&kinds, text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains('\0'));
        }
    }

    #[test]
    fn names_that_could_leave_their_path_are_refused() {
        for good in ["web-1", "system:node-proxier", "a.b.c", "alice@example.com"] {
            assert!(check_name("name", good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "../x", "a/b", "a%2Fb", "a b", "a\0", "a?b", "a#b", "é", &"x".repeat(254)]
        {
            assert!(check_name("name", bad).is_err(), "{bad}");
            assert!(check_namespace(bad).is_err(), "{bad}");
        }
    }
}
