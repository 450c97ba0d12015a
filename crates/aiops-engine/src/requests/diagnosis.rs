//! Why a pod does not run or is not ready; for a workload, why its worst pod is not well or why pods are missing.
//!
//! It finds what is asked for, has the neighbourhood read, and writes down what the families of causes find. The
//! answer stays short: what does not fit is counted, and causes are the last to go.

mod target;

use aiops_inventory::{Inventory, Kind, rows::PodRow};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use self::target::{Target, Workload, lacking, no_pod, target, workload};
use crate::{
    Engine, Error,
    answer::{Standing, near},
    diagnose::{
        self, Case, Cause, Document, Findings, Found, Placement, Reading, Told, Unchecked, admission, gather,
        pod_of_row, words,
    },
    owners,
    ports::Cluster,
    text::estimate_tokens,
};

/// Tokens that a whole answer takes at most, by our own estimate.
const LONGEST: usize = 1_800;

/// Which pod.
#[derive(Debug, Clone)]
pub struct DiagnosePod {
    /// Namespace.
    pub namespace: String,
    /// A pod's name, or kind/name of a workload.
    pub pod: String,
}

/// What is wrong with a pod, and how that is known.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Diagnosis {
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// Namespace.
    pub namespace: String,
    /// The pod; null when the workload has none.
    pub pod: Option<String>,
    /// The workload it belongs to, such as `Deployment checkout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Pods of the workload, when one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodTally>,
    /// well; starting (still within its time); restarted (ready now, ended badly within the hour); unwell; terminating;
    /// finished; no_pods.
    pub verdict: &'static str,
    /// The pod's one word as in kubectl.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// One sentence.
    pub summary: String,
    /// Causes, the most likely first; when several are certain, the one that blocks first.
    pub causes: Vec<Cause>,
    /// Causes left out for want of room.
    #[serde(skip_serializing_if = "is_zero")]
    pub causes_omitted: usize,
    /// What keeps the pod off which nodes, while it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// What was checked and is in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fine: Vec<String>,
    /// What could not be checked, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<Unchecked>,
}

/// Pods of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct PodTally {
    /// Wanted; null when the kind has no such number.
    pub wanted: Option<i32>,
    /// There.
    pub total: usize,
    /// Ready.
    pub ready: usize,
}

const fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Engine {
    /// Why a pod does not run or is not ready.
    pub async fn diagnose_pod(&self, request: &DiagnosePod) -> Result<Diagnosis, Error> {
        let namespace = request.namespace.as_str();
        let target = target(request)?;
        let standing = {
            let inventory = self.look();
            self.known_namespace(&inventory, namespace)?;
            self.standing_in(&inventory, &[Kind::Pod, Kind::Node], Some(namespace))
        };
        let cluster = self.cluster("reading the pod").map_err(|e| e.to_string());
        match target {
            Target::Pod { name } => self.of_pod(standing, cluster, namespace, &name).await,
            Target::Workload { kind, name } => {
                let workload = {
                    let inventory = self.look();
                    workload(&inventory, kind, namespace, &name)
                        .ok_or_else(|| self.no_workload(&inventory, &standing, kind, namespace, &name))?
                };
                self.of_workload(standing, cluster, namespace, workload).await
            }
        }
    }

    async fn of_pod(
        &self,
        standing: Standing,
        cluster: Result<&dyn Cluster, String>,
        namespace: &str,
        name: &str,
    ) -> Result<Diagnosis, Error> {
        let mut unchecked = Vec::new();
        let reading = self.read(&standing, cluster, namespace, name, &mut unchecked).await?;
        let inventory = self.look();
        let now = self.now().as_second();
        let (verdict, mut found, placement) =
            diagnose::examine(&Case { inventory: &inventory, now, read: &reading });
        let pod = &reading.pod;
        let row = inventory.pods().get(namespace, name);
        unchecked.append(&mut found.unchecked);
        let mut diagnosis = Diagnosis {
            standing,
            namespace: namespace.to_owned(),
            pod: Some(name.to_owned()),
            workload: row.and_then(|row| owner(&inventory, row)),
            pods: None,
            verdict: verdict.as_str(),
            status: Some(
                row.map_or_else(|| pod.text("status.phase").to_owned(), |row| row.status().to_owned()),
            ),
            summary: summary(verdict.as_str(), &found, pod),
            causes: found.causes,
            causes_omitted: 0,
            placement,
            fine: found.fine,
            unchecked,
        };
        fit(&mut diagnosis);
        Ok(diagnosis)
    }

    /// Reads the pod and what is around it, or falls back to its row.
    async fn read(
        &self,
        standing: &Standing,
        cluster: Result<&dyn Cluster, String>,
        namespace: &str,
        name: &str,
        unchecked: &mut Vec<Unchecked>,
    ) -> Result<Reading, Error> {
        let mut why_not = String::new();
        let cluster = cluster.map_err(|why| why_not = why).ok();
        let mut live = None;
        let mut events: Option<Vec<Told>> = None;
        if let Some(cluster) = cluster {
            let (pod, told) = tokio::join!(
                gather::document(cluster, Kind::Pod, namespace, name),
                gather::events(cluster, namespace, name)
            );
            match pod {
                Found::Yes(pod) => live = Some(pod),
                Found::Missing => {
                    let inventory = self.look();
                    // A recording's rows and its files are one: what the file lacks, the row may still hold.
                    if standing.recording.is_none() || inventory.pods().get(namespace, name).is_none() {
                        return Err(no_pod(&inventory, namespace, name));
                    }
                    why_not = "the recording does not hold the object".to_owned();
                }
                Found::Unknown(why) => why_not = why,
            }
            match told {
                Ok(told) => events = Some(told),
                Err(why) if !self.look().status(Kind::Event).sync.is_known() => {
                    unchecked.push(Unchecked { what: format!("events of pod {namespace}/{name}"), why });
                }
                Err(_) => {}
            }
        }
        let is_live = live.is_some();
        let mut reading = {
            let inventory = self.look();
            let pod = match live {
                Some(pod) => pod,
                None => match inventory.pods().get(namespace, name) {
                    Some(row) => pod_of_row(row),
                    None if standing.lacks(Kind::Pod) => {
                        return Err(Error::Unavailable {
                            what: format!("reading pod {namespace}/{name}"),
                            why: why_not,
                            retry_after: None,
                        });
                    }
                    None => return Err(no_pod(&inventory, namespace, name)),
                },
            };
            let mut events =
                events.unwrap_or_else(|| gather::events_of_ring(&inventory, "Pod", namespace, name));
            let uid = pod.text("metadata.uid").to_owned();
            // A pod that was made again under the name is not to blame for what happened to the one before.
            events.retain(|e| e.uid.is_empty() || uid.is_empty() || e.uid == uid);
            Reading::of(pod, events)
        };
        if !is_live {
            let why = format!("{why_not}; what follows rests on rows and events");
            unchecked
                .insert(0, Unchecked { what: format!("pod {namespace}/{name} as the API serves it"), why });
        }
        match cluster {
            Some(cluster) if is_live => {
                let whole = self.look().pods().get(namespace, name).is_none_or(|row| row.is_suspect())
                    || !is_plainly_well(&reading.pod);
                gather::neighbourhood(cluster, &mut reading, whole).await;
            }
            _ => gather::from_rows(&self.look(), &mut reading),
        }
        Ok(reading)
    }

    async fn of_workload(
        &self,
        standing: Standing,
        cluster: Result<&dyn Cluster, String>,
        namespace: &str,
        workload: Workload,
    ) -> Result<Diagnosis, Error> {
        let title = format!("{} {}", workload.kind, workload.name);
        let mut missing = Findings::default();
        if workload.lacks || workload.worst.is_none() {
            let lacking = match &cluster {
                Ok(cluster) => lacking(*cluster, namespace, &workload).await,
                Err(why) => self.lacking_of_rows(namespace, &workload, why),
            };
            lacking.look(self.now().as_second(), &mut missing);
        }
        let Some(worst) = &workload.worst else {
            let mut diagnosis = Diagnosis {
                standing,
                namespace: namespace.to_owned(),
                pod: None,
                workload: Some(title.clone()),
                pods: Some(workload.tally),
                verdict: "no_pods",
                status: None,
                summary: match missing.causes.first() {
                    Some(cause) => format!("{title} has no pods: {}", cause.what),
                    None => format!("{title} has no pods, and nothing says why; list-events about it may"),
                },
                causes: missing.causes,
                causes_omitted: 0,
                placement: None,
                fine: missing.fine,
                unchecked: missing.unchecked,
            };
            fit(&mut diagnosis);
            return Ok(diagnosis);
        };
        let mut diagnosis = self.of_pod(standing, cluster, namespace, worst).await?;
        let tally = workload.tally;
        diagnosis.workload = Some(title);
        diagnosis.pods = Some(tally);
        diagnosis.unchecked.append(&mut missing.unchecked);
        if !missing.causes.is_empty() {
            if matches!(diagnosis.verdict, "well" | "starting") {
                diagnosis.verdict = "unwell";
            }
            if let Some(first) = missing.causes.first() {
                diagnosis.summary = format!(
                    "{} of {} pods are there: {}",
                    tally.total,
                    tally.wanted.unwrap_or(0),
                    first.what
                );
            }
            diagnosis.causes.splice(0..0, missing.causes);
        }
        fit(&mut diagnosis);
        Ok(diagnosis)
    }

    /// Without a live cluster, the rows of the workload and of what makes its pods.
    fn lacking_of_rows(&self, namespace: &str, workload: &Workload, why: &str) -> admission::Lacking {
        let inventory = self.look();
        let mut events = gather::events_of_ring(&inventory, workload.kind.name(), namespace, &workload.name);
        if let Some((kind, name)) = &workload.maker {
            events.extend(gather::events_of_ring(&inventory, kind.name(), namespace, name));
        }
        events.retain(|e| workload.newest.is_none_or(|newest| e.last >= newest));
        admission::Lacking {
            workload: Found::Unknown(why.to_owned()),
            maker: None,
            events,
            quota: None,
            lacks: workload.lacks,
        }
    }

    fn no_workload(
        &self,
        inventory: &Inventory,
        standing: &Standing,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Error {
        if standing.lacks(Kind::Pod) || !inventory.status(kind).sync.is_known() {
            let standing = self.standing_in(inventory, &[kind], Some(namespace));
            return super::unknown(&standing, kind, "looking for the workload");
        }
        let names: Vec<String> = match kind {
            Kind::Deployment => inventory.deployments().names(namespace).map(ToString::to_string).collect(),
            Kind::StatefulSet => {
                inventory.stateful_sets().names(namespace).map(ToString::to_string).collect()
            }
            Kind::DaemonSet => inventory.daemon_sets().names(namespace).map(ToString::to_string).collect(),
            Kind::Job => inventory.jobs().names(namespace).map(ToString::to_string).collect(),
            Kind::CronJob => inventory.cron_jobs().names(namespace).map(ToString::to_string).collect(),
            _ => inventory.replica_sets().names(namespace).map(ToString::to_string).collect(),
        };
        let hint = near(name, names.iter().map(String::as_str));
        Error::NotFound { what: format!("{kind} {:?} in namespace {namespace}", words(name, 80)), hint }
    }
}

fn owner(inventory: &Inventory, row: &PodRow) -> Option<String> {
    let top = owners::top(inventory, "Pod", &row.meta);
    (top.kind != "Pod").then(|| format!("{} {}", top.kind, top.name))
}

/// Ready, and nothing of it ended lately: then it need not be asked what it points at.
fn is_plainly_well(pod: &Document) -> bool {
    pod.text("status.phase") == "Running"
        && pod.condition("Ready").is_some_and(|at| pod.text(&format!("{at}.status")) == "True")
        && pod.list("status.containerStatuses").iter().all(|s| s.pointer("/lastState/terminated").is_none())
        && pod.at("metadata.deletionTimestamp") == &Value::Null
}

fn summary(verdict: &str, found: &Findings, pod: &Document) -> String {
    if let Some(first) = found.causes.first() {
        return match found.causes.len() {
            1 => first.what.clone(),
            2 => format!("{}; one more cause follows", first.what),
            n => format!("{}; {} more causes follow", first.what, n - 1),
        };
    }
    match verdict {
        "well" => "the pod runs and is ready".to_owned(),
        "starting" => "the pod is still starting, and within its time".to_owned(),
        "terminating" => "the pod is being deleted, and within its time".to_owned(),
        "finished" => "the pod has done its work".to_owned(),
        _ => format!("the pod is {}, and nothing says why", words(pod.text("status.phase"), 20)),
    }
}

/// Shortens what is least needed until the answer is short enough: what is in order, groups, evidence, later causes.
fn fit(diagnosis: &mut Diagnosis) {
    let too_long =
        |d: &Diagnosis| serde_json::to_string(d).map_or(0, |json| estimate_tokens(&json)) > LONGEST;
    diagnosis.fine.truncate(8);
    if diagnosis.unchecked.len() > 6 {
        let more = diagnosis.unchecked.len() - 5;
        diagnosis.unchecked.truncate(5);
        diagnosis
            .unchecked
            .push(Unchecked { what: format!("{more} more"), why: "for reasons like those above".to_owned() });
    }
    for step in 0..6 {
        if !too_long(diagnosis) {
            return;
        }
        match step {
            0 => diagnosis.causes.iter_mut().for_each(|cause| cause.evidence.truncate(4)),
            1 => diagnosis.causes.iter_mut().skip(1).for_each(|cause| cause.evidence.truncate(2)),
            2 => diagnosis.fine.truncate(2),
            3 => diagnosis.placement.iter_mut().for_each(|p| p.groups.truncate(2)),
            _ => {
                let keep = if step == 4 { 3 } else { 2 };
                diagnosis.causes_omitted += diagnosis.causes.len().saturating_sub(keep);
                diagnosis.causes.truncate(keep);
            }
        }
    }
}
