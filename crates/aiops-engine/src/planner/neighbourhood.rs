//! What stands around a target, read live and bounded: owners, revisions, pods, events, budgets, autoscalers, quotas,
//! the Application that deploys it, the pools of its node.
//!
//! What could not be read is named in `gaps`; a remedy that needs it does not fit.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    helm,
    pods::Pod,
    reader::{Listed, Reader},
    revisions::{self, Revision},
    target::Chain,
    value,
};
use crate::{
    method::{self, Ownership},
    model::{plan::Problem, target::Target},
    remedies::HelmRelease,
    settings::Limits,
};

/// Pods that are read at most.
const PODS: u32 = 500;
/// Disruption budgets: one that was not read lets no pod go, and a large cluster has one for each of its workloads.
const BUDGETS: u32 = 5_000;
/// Objects of other kinds that are read at most.
const MOST: u32 = 200;

/// What stands around a target.
#[derive(Debug, Clone)]
pub struct Neighbourhood {
    /// What is to be repaired; its target has the uid that was seen.
    pub problem: Problem,
    /// Now.
    pub now: Timestamp,
    /// Pods that one plan may evict or delete.
    pub most_pods: usize,
    /// The target.
    pub object: Value,
    /// The pod that was named, when the target is its workload.
    pub named: Option<Pod>,
    /// Who owns it.
    pub owners: Ownership,
    /// Its pods; for a node those on it.
    pub pods: Vec<Pod>,
    /// Its revisions, newest first.
    pub revisions: Vec<Revision>,
    /// Events about it, its pods and its newest revision.
    pub events: Vec<Event>,
    /// Disruption budgets of the pods' namespaces.
    pub budgets: Vec<Value>,
    /// Quotas of its namespace.
    pub quotas: Vec<Value>,
    /// Limit ranges of its namespace.
    pub limit_ranges: Vec<Value>,
    /// The Argo CD Application that manages it, or the target itself where that is one.
    pub application: Option<Value>,
    /// The operator's resource that a nudge would go to, with its kind's namespace settled.
    pub nudged: Option<Target>,
    /// What was read of its Helm release.
    pub release: Option<HelmRelease>,
    /// MachineConfigPools, for nodes, machine configs and pools.
    pub pools: Vec<Value>,
    /// Its namespace, for what it says about itself.
    pub namespace: Option<Value>,
    /// Who asks for the target to be left alone: it, what was named, an owner, its namespace.
    pub left_alone: Option<String>,
    /// What could not be read, in sentences.
    pub gaps: Vec<String>,
}

/// An event, as far as remedies look at it.
#[derive(Debug, Clone)]
pub struct Event {
    /// Name of the object that it is about.
    pub about: String,
    /// Its reason.
    pub reason: String,
    /// First seen, seconds since the epoch.
    pub first: i64,
}

impl Event {
    fn read(object: &Value) -> Option<Self> {
        let about = ["/involvedObject/name", "/regarding/name"].into_iter().map(|p| value::text(object, p));
        let first =
            ["/firstTimestamp", "/deprecatedFirstTimestamp", "/eventTime", "/metadata/creationTimestamp"];
        Some(Self {
            about: about.into_iter().find(|name| !name.is_empty())?.to_owned(),
            reason: value::text(object, "/reason").to_owned(),
            first: first.into_iter().find_map(|place| value::time(object, place))?,
        })
    }
}

/// Reads it.
pub(super) async fn read(
    reader: &Reader<'_>,
    problem: &Problem,
    chain: Chain,
    (now, limits): (Timestamp, &Limits),
) -> Neighbourhood {
    let Chain { target, objects, named, gaps } = chain;
    let mut near = Neighbourhood {
        problem: Problem { target: target.clone(), ..problem.clone() },
        now,
        most_pods: usize::try_from(limits.pods_per_workflow).unwrap_or(usize::MAX),
        object: objects.first().cloned().unwrap_or_default(),
        named: named.as_ref().map(|pod| Pod::read(pod, now.as_second())),
        owners: Ownership::of(crate::model::method::Deployed::unknown("not judged yet")),
        pods: Vec::new(),
        revisions: Vec::new(),
        events: Vec::new(),
        budgets: Vec::new(),
        quotas: Vec::new(),
        limit_ranges: Vec::new(),
        application: None,
        nudged: None,
        release: None,
        pools: Vec::new(),
        namespace: None,
        left_alone: None,
        gaps,
    };
    let mut scalers = Vec::new();
    match target.kind.as_str() {
        "Node" => near.read_node(reader, &target).await,
        "MachineConfigPool" | "MachineConfig" => near.read_pools(reader).await,
        _ if target.namespace.is_empty() => {}
        _ => scalers = near.read_workload(reader, &target).await,
    }
    let owners = method::detect(&objects, &scalers);
    (near.application, near.owners) =
        application(reader, &target, objects.first(), owners, &mut near.gaps).await;
    near.look_around(reader).await;
    near.left_alone = near.left_alone_by(objects.iter().chain(&named));
    near.read_release(reader).await;
    near.settle_nudge(reader);
    near
}

/// Who owns what was found, with its Application looked up and its autoscalers read.
pub(super) async fn owners(reader: &Reader<'_>, chain: Chain) -> Ownership {
    let within = Some(chain.target.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let all = || (None, None);
    let (horizontal, vertical) = tokio::join!(
        reader.list(("autoscaling", "HorizontalPodAutoscaler"), within, all(), MOST),
        vertical(reader, within),
    );
    let mut scalers = horizontal.items;
    scalers.extend(vertical.items);
    let owners = method::detect(&chain.objects, &scalers);
    let Chain { target, objects, .. } = chain;
    let (app, owners) = application(reader, &target, objects.first(), owners, &mut Vec::new()).await;
    drop(app);
    owners
}

async fn vertical(reader: &Reader<'_>, within: Option<&str>) -> Listed {
    let kind = ("autoscaling.k8s.io", "VerticalPodAutoscaler");
    if reader.serves(kind.0, kind.1) {
        reader.list(kind, within, (None, None), MOST).await
    } else {
        Listed::default()
    }
}

/// The Application that manages the target, and the owners with its place filled in; looked for in all namespaces where
/// its mark does not say in which.
async fn application(
    reader: &Reader<'_>,
    target: &Target,
    object: Option<&Value>,
    mut owners: Ownership,
    gaps: &mut Vec<String>,
) -> (Option<Value>, Ownership) {
    if (&*target.group, &*target.kind) == ("argoproj.io", "Application") {
        return (object.cloned(), owners);
    }
    let Some(named) = owners.application.clone().filter(|app| is_plain(&app.name)) else {
        return (None, owners);
    };
    let found = if named.namespace.is_empty() {
        let by_name = Some(format!("metadata.name={}", named.name));
        let listed = reader.list(("argoproj.io", "Application"), None, (None, by_name), MOST).await;
        gaps.extend(listed.gap);
        let mut items = listed.items;
        items.retain(|app| value::name(app) == named.name);
        // Two of one name: only the one that lists the target among its resources is meant.
        if items.len() > 1 {
            items.retain(|app| lists(app, target));
        }
        if items.len() == 1 { items.pop() } else { None }
    } else {
        reader.get(&named).await.ok()
    };
    let Some(app) = found else {
        gaps.push(format!("the Argo CD Application {:?} was not found", named.name));
        return (None, owners);
    };
    let place = value::target(&app);
    owners.deployed.details.insert("argocd_namespace".to_owned(), place.namespace.clone());
    owners.deployed.owner = Some(place.clone());
    owners.application = Some(place);
    (Some(app), owners)
}

impl Neighbourhood {
    fn take(&mut self, listed: Listed) -> Vec<Value> {
        self.gaps.extend(listed.gap);
        listed.items
    }

    /// Reads what stands around an object of a namespace; returns its autoscalers.
    async fn read_workload(&mut self, reader: &Reader<'_>, target: &Target) -> Vec<Value> {
        let within = Some(target.namespace.as_str());
        let by_selector = value::selector(self.object.pointer("/spec/selector"));
        let is_pod = target.kind == "Pod";
        let holders = match target.kind.as_str() {
            "Deployment" => Some("ReplicaSet"),
            "StatefulSet" | "DaemonSet" => Some("ControllerRevision"),
            _ => None,
        };
        let all = || (None, None);
        let pods = async {
            match (&by_selector, is_pod) {
                (Some(selector), false) => {
                    reader.list(("", "Pod"), within, (Some(selector.clone()), None), PODS).await
                }
                _ => Listed::default(),
            }
        };
        let revisions = async {
            match (&by_selector, holders) {
                (Some(selector), Some(kind)) => {
                    reader.list(("apps", kind), within, (Some(selector.clone()), None), MOST).await
                }
                _ => Listed::default(),
            }
        };
        let namespace = Target::known("Namespace", "", &target.namespace);
        let (pods, holders, horizontal, vertical, budgets, quotas, limits, events, namespace) = tokio::join!(
            pods,
            revisions,
            reader.list(("autoscaling", "HorizontalPodAutoscaler"), within, all(), MOST),
            vertical(reader, within),
            reader.list(("policy", "PodDisruptionBudget"), within, all(), BUDGETS),
            reader.list(("", "ResourceQuota"), within, all(), MOST),
            reader.list(("", "LimitRange"), within, all(), MOST),
            reader.list(("", "Event"), within, (None, Some("type=Warning".to_owned())), PODS),
            reader.get(&namespace),
        );
        let now = self.now.as_second();
        let holders = self.take(holders);
        self.revisions = revisions::of(&self.object, &holders);
        let pods = self.take(pods);
        self.pods = pods.iter().map(|pod| Pod::read(pod, now)).collect();
        if is_pod {
            self.pods = vec![Pod::read(&self.object, now)];
        } else {
            let uids: Vec<&str> = holders.iter().chain([&self.object]).map(value::uid).collect();
            let is_own = |pod: &Pod| {
                pod.owner
                    .as_ref()
                    .and_then(|owner| owner.uid.as_deref())
                    .is_some_and(|uid| uids.contains(&uid))
            };
            self.pods.retain(is_own);
        }
        self.budgets = self.take(budgets);
        self.quotas = self.take(quotas);
        self.limit_ranges = self.take(limits);
        // Events only make evidence better: that some are left out is no gap.
        self.events = events.items.iter().filter_map(Event::read).collect();
        self.events.retain(|event| {
            event.about == target.name
                || self.pods.iter().any(|pod| pod.name == event.about)
                || self.revisions.iter().any(|revision| revision.source == event.about)
        });
        match namespace {
            Ok(namespace) => self.namespace = Some(namespace),
            Err(error) => self.gaps.push(format!("its namespace could not be read: {}", error.message)),
        }
        let mut scalers = self.take(horizontal);
        scalers.extend(self.take(vertical));
        scalers
    }

    async fn read_node(&mut self, reader: &Reader<'_>, target: &Target) {
        let on_node = format!("spec.nodeName={}", target.name);
        let (pods, budgets) = tokio::join!(
            reader.list(("", "Pod"), None, (None, Some(on_node)), PODS),
            reader.list(("policy", "PodDisruptionBudget"), None, (None, None), BUDGETS),
        );
        let now = self.now.as_second();
        self.pods = self.take(pods).iter().map(|pod| Pod::read(pod, now)).collect();
        // A recording may answer with all pods it has.
        self.pods.retain(|pod| pod.node == target.name);
        self.budgets = self.take(budgets);
        self.read_pools(reader).await;
    }

    async fn read_pools(&mut self, reader: &Reader<'_>) {
        let kind = ("machineconfiguration.openshift.io", "MachineConfigPool");
        if reader.serves(kind.0, kind.1) {
            let pools = reader.list(kind, None, (None, None), MOST).await;
            self.pools = self.take(pools);
        }
    }

    /// The revisions of its Helm release, by the labels of the Secrets that hold them (Helm 3, "sql and secrets
    /// drivers"). That it may not list Secrets is the rule, and no gap.
    async fn read_release(&mut self, reader: &Reader<'_>) {
        let Some((namespace, name)) = self.owners.release.clone() else { return };
        if !is_plain(&name) || !is_plain(&namespace) {
            return;
        }
        let selector = format!("owner=helm,name={name}");
        let listed = reader.list(("", "Secret"), Some(&namespace), (Some(selector), None), MOST).await;
        self.release = helm::read(reader, self, (&namespace, &name), &listed.items).await;
    }

    /// What a nudge goes to: the custom resource that controls the target, or the operator's own configuration that a
    /// ClusterOperator names first among its related objects.
    fn settle_nudge(&mut self, reader: &Reader<'_>) {
        let wanted = if self.problem.target.kind == "ClusterOperator" {
            let related = value::list(&self.object, "/status/relatedObjects");
            let configuration = related.clone().find(|object| {
                value::text(object, "/group") == "operator.openshift.io"
                    && !value::text(object, "/name").is_empty()
            });
            configuration.and_then(|object| {
                let plural = format!("{}.operator.openshift.io", value::text(object, "/resource"));
                let kind = reader.kind(&plural).ok()?;
                let namespace = value::text(object, "/namespace");
                Some(Target::new(&*kind.group, &*kind.kind, namespace, value::text(object, "/name")))
            })
        } else if super::known_kind(&self.problem.target.kind).is_none() {
            // The target is an operator's resource itself.
            Some(self.problem.target.clone())
        } else {
            self.owners.resource.clone()
        };
        self.nudged = wanted.and_then(|mut target| {
            let served = reader.resource(&target.group, &target.kind)?;
            if !served.namespaced {
                target.namespace.clear();
            }
            Some(target)
        });
    }

    /// Now, in seconds since the epoch.
    pub(crate) fn seconds(&self) -> i64 {
        self.now.as_second()
    }

    /// The target.
    pub(crate) const fn target(&self) -> &Target {
        &self.problem.target
    }

    /// Replicas that the target should have; a workload that does not say wants one, a DaemonSet one a node.
    pub(crate) fn replicas(&self) -> i64 {
        if self.target().kind == "DaemonSet" {
            return value::int(&self.object, "/status/desiredNumberScheduled").unwrap_or(0);
        }
        value::int(&self.object, "/spec/replicas").unwrap_or(1)
    }

    /// Its pods with trouble.
    pub(crate) fn failing(&self) -> Vec<&Pod> {
        self.pods.iter().filter(|pod| pod.is_failing()).collect()
    }

    /// The revision of now.
    pub(crate) fn current(&self) -> Option<&Revision> {
        self.revisions.iter().find(|revision| revision.is_current)
    }
}

/// Whether a name out of a mark may stand in a selector.
fn is_plain(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    (1..=253).contains(&name.len()) && name.chars().all(fits)
}

/// Whether an Application lists an object among its resources.
fn lists(app: &Value, target: &Target) -> bool {
    value::list(app, "/status/resources").any(|resource| {
        value::text(resource, "/kind") == target.kind
            && value::text(resource, "/name") == target.name
            && value::text(resource, "/namespace") == target.namespace
    })
}
