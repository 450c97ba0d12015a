//! What discovery would say of a kind: plural, short names, whether it lives in namespaces. Files do not tell.
//!
//! Well-known kinds stand in a table, others are told by their CustomResourceDefinition when it was recorded, and else
//! guessed from the kind's name.

use aiops_engine::ports::ApiResource;
use aiops_inventory::Kind;
use serde::Deserialize;

/// Group, version, kind, plural, short names (separated by spaces), namespaced.
type Known = (&'static str, &'static str, &'static str, &'static str, &'static str, bool);

const KNOWN: &[Known] = &[
    ("", "v1", "ConfigMap", "configmaps", "cm", true),
    ("", "v1", "Endpoints", "endpoints", "ep", true),
    ("", "v1", "PersistentVolume", "persistentvolumes", "pv", false),
    ("", "v1", "PodTemplate", "podtemplates", "", true),
    ("", "v1", "ReplicationController", "replicationcontrollers", "rc", true),
    ("", "v1", "Secret", "secrets", "", true),
    ("", "v1", "ServiceAccount", "serviceaccounts", "sa", true),
    (
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        "",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        "",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        "",
        false,
    ),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd crds",
        false,
    ),
    ("apiregistration.k8s.io", "v1", "APIService", "apiservices", "", false),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", "", true),
    ("apps.openshift.io", "v1", "DeploymentConfig", "deploymentconfigs", "dc", true),
    ("argoproj.io", "v1alpha1", "Application", "applications", "app apps", true),
    ("build.openshift.io", "v1", "Build", "builds", "", true),
    ("build.openshift.io", "v1", "BuildConfig", "buildconfigs", "bc", true),
    ("certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests", "csr", false),
    ("config.openshift.io", "v1", "DNS", "dnses", "", false),
    ("config.openshift.io", "v1", "Ingress", "ingresses", "", false),
    ("config.openshift.io", "v1", "Proxy", "proxies", "", false),
    ("coordination.k8s.io", "v1", "Lease", "leases", "", true),
    ("image.openshift.io", "v1", "ImageStream", "imagestreams", "is", true),
    ("machine.openshift.io", "v1beta1", "Machine", "machines", "", true),
    ("machine.openshift.io", "v1beta1", "MachineSet", "machinesets", "", true),
    ("machineconfiguration.openshift.io", "v1", "MachineConfig", "machineconfigs", "mc", false),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", "ing", true),
    ("networking.k8s.io", "v1", "IngressClass", "ingressclasses", "", false),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "netpol", true),
    ("operators.coreos.com", "v1", "OperatorGroup", "operatorgroups", "og", true),
    ("operators.coreos.com", "v1alpha1", "ClusterServiceVersion", "clusterserviceversions", "csv csvs", true),
    ("operators.coreos.com", "v1alpha1", "InstallPlan", "installplans", "ip", true),
    ("operators.coreos.com", "v1alpha1", "Subscription", "subscriptions", "sub subs", true),
    ("project.openshift.io", "v1", "Project", "projects", "", false),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "", false),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "", false),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", "", true),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "", true),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "pc", false),
    ("security.openshift.io", "v1", "SecurityContextConstraints", "securitycontextconstraints", "scc", false),
    ("storage.k8s.io", "v1", "CSIDriver", "csidrivers", "", false),
    ("storage.k8s.io", "v1", "CSINode", "csinodes", "", false),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses", "sc", false),
    ("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", "", false),
];

/// Short names of the kinds that have rows.
const fn short_names(kind: Kind) -> &'static str {
    match kind {
        Kind::Node => "no",
        Kind::Namespace => "ns",
        Kind::Pod => "po",
        Kind::Deployment => "deploy",
        Kind::ReplicaSet => "rs",
        Kind::StatefulSet => "sts",
        Kind::DaemonSet => "ds",
        Kind::CronJob => "cj",
        Kind::PersistentVolumeClaim => "pvc",
        Kind::Service => "svc",
        Kind::HorizontalPodAutoscaler => "hpa",
        Kind::PodDisruptionBudget => "pdb",
        Kind::ResourceQuota => "quota",
        Kind::LimitRange => "limits",
        Kind::ClusterOperator => "co",
        Kind::MachineConfigPool => "mcp",
        Kind::Event => "ev",
        Kind::Job | Kind::EndpointSlice | Kind::ClusterVersion | Kind::Route => "",
    }
}

fn every() -> impl Iterator<Item = Known> {
    let rows = Kind::ALL.into_iter().map(|kind| {
        let r = kind.resource();
        (r.group, r.version, r.kind, r.plural, short_names(kind), r.namespaced)
    });
    rows.chain(KNOWN.iter().copied())
}

/// Names of a kind, when they are known.
pub(super) fn known(group: &str, kind: &str) -> Option<ApiResource> {
    every().find(|k| k.0 == group && k.2 == kind).map(|(group, version, kind, plural, short, namespaced)| {
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            short_names: short.split_whitespace().map(str::to_owned).collect(),
            namespaced,
            verbs: verbs(),
        }
    })
}

/// The kind that a file named after this plural (or kind, or short name) holds, as `apiVersion` and kind.
pub(super) fn of_word(word: &str) -> Option<(String, &'static str)> {
    let word = word.to_lowercase();
    every()
        .find(|k| k.3 == word || k.2.eq_ignore_ascii_case(&word) || k.4.split_whitespace().any(|s| s == word))
        .map(|(group, version, kind, ..)| {
            (if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }, kind)
        })
}

/// Names of a kind that nobody told, as most are formed.
pub(super) fn guessed(group: &str, version: &str, kind: &str, namespaced: bool) -> ApiResource {
    let singular = kind.to_lowercase();
    let plural = match singular.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if singular.ends_with(['s', 'x', 'z']) || singular.ends_with("ch") => format!("{singular}es"),
        _ => format!("{singular}s"),
    };
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural,
        singular,
        short_names: Vec::new(),
        namespaced,
        verbs: verbs(),
    }
}

fn verbs() -> Vec<String> {
    vec!["get".to_owned(), "list".to_owned()]
}

#[derive(Debug, Deserialize)]
struct Definition {
    spec: DefinitionSpec,
}

#[derive(Debug, Deserialize)]
struct DefinitionSpec {
    group: String,
    names: DefinitionNames,
    #[serde(default)]
    scope: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DefinitionNames {
    kind: String,
    plural: String,
    #[serde(default)]
    singular: String,
    #[serde(default)]
    short_names: Vec<String>,
}

/// What a CustomResourceDefinition says of its kind; the version is the objects' own.
pub(super) fn defined(json: &str) -> Option<ApiResource> {
    let spec = serde_json::from_str::<Definition>(json).ok()?.spec;
    Some(ApiResource {
        group: spec.group,
        version: String::new(),
        kind: spec.names.kind,
        plural: spec.names.plural,
        singular: spec.names.singular,
        short_names: spec.names.short_names,
        namespaced: spec.scope != "Cluster",
        verbs: verbs(),
    })
}
