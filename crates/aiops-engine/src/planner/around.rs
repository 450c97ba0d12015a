//! What speaks against taking a pod away and does not stand in the pod: volumes that are on its node alone, an owner or a
//! namespace that asks to be left alone, a Job that would fail for it.
//!
//! Read for the few pods that a plan may take away, never for all. What may not be read is said, not guessed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Neighbourhood, pods::Pod, reader::Reader, value};
use crate::{error::PortErrorKind, guard, model::target::Target};

/// Owners that are climbed above a pod: a ReplicaSet, its Deployment, the resource of an operator.
const OWNERS: usize = 3;
/// Claims of a pod that are looked at.
const CLAIMS: usize = 16;

impl Neighbourhood {
    /// What keeps the pods that a plan may take away: those of a node that would have to leave it, and of a workload those in
    /// trouble and the one that was named.
    pub(super) async fn look_around(&mut self, reader: &Reader<'_>) {
        let is_node = self.problem.target.kind == "Node";
        look(reader, self.may_go(), is_node).await;
    }

    fn may_go(&mut self) -> Vec<&mut Pod> {
        let is_node = self.problem.target.kind == "Node";
        let is_pod = self.problem.target.kind == "Pod";
        let named = self.named.as_ref().map(|pod| pod.uid.clone());
        let may_go = |pod: &&mut Pod| {
            let has_to = is_node && pod.owner.as_ref().is_none_or(|owner| owner.kind != "DaemonSet");
            let is_meant =
                is_pod || Some(&pod.uid) == named.as_ref() || pod.trouble.is_some() || !pod.is_ready;
            pod.is_alive() && !pod.is_mirror && (has_to || (!is_node && is_meant))
        };
        let mut pods: Vec<&mut Pod> = self.pods.iter_mut().filter(may_go).collect();
        // More than a plan may take away: it takes none of them.
        if pods.len() > self.most_pods {
            pods.clear();
        }
        pods.extend(&mut self.named);
        pods
    }

    /// Who of the target, what was named and the owners above them (`chain`), the Application and the namespace asks for it
    /// all to be left alone: by an annotation, which no row holds, or a label.
    pub(super) fn left_alone_by<'v>(&'v self, chain: impl Iterator<Item = &'v Value>) -> Option<String> {
        let mut all = chain.chain(&self.application).chain(&self.namespace);
        all.find_map(|object| {
            let by = guard::opted_out(object)?;
            Some(format!("{} asks to be left alone ({by})", value::target(object)))
        })
    }
}

/// Looks around these pods, and writes down at each what keeps it; of owners and namespaces too where `is_of_node`, for then
/// they are others than the target's.
async fn look(reader: &Reader<'_>, pods: Vec<&mut Pod>, is_of_node: bool) {
    let mut read = Read { reader, objects: BTreeMap::new() };
    let mut of_job: BTreeMap<String, usize> = BTreeMap::new();
    for pod in pods {
        for claim in pod.claims.clone().into_iter().take(CLAIMS) {
            match read.volume(&pod.namespace, &claim).await {
                Ok(None) => {}
                Ok(Some(why)) => pod.stays = pod.stays.take().or(Some(why)),
                Err(why) => pod.unread = pod.unread.take().or(Some(why)),
            }
        }
        if pod.claims.len() > CLAIMS {
            pod.unread = Some(format!("it has {} claims, and {CLAIMS} are looked at", pod.claims.len()));
        }
        if !is_of_node {
            continue;
        }
        if let Some(job) = pod.owner.clone().filter(|owner| owner.kind == "Job") {
            let goes = of_job.entry(job.key()).or_default();
            *goes += 1;
            match read.get(&job).await {
                Ok(Some(object)) => {
                    let why = crate::remedies::spares(&job, &object, *goes).err();
                    pod.stays = pod.stays.take().or(why);
                }
                Ok(None) => {}
                Err(why) => pod.unread = pod.unread.take().or(Some(why)),
            }
        }
        if let Some(by) = read.left_alone(pod).await {
            pod.stays = Some(by);
        }
    }
}

/// What was read, each object once.
struct Read<'r, 'c> {
    reader: &'r Reader<'c>,
    objects: BTreeMap<String, Result<Value, String>>,
}

impl Read<'_, '_> {
    /// An object; `None` where there is none.
    async fn get(&mut self, target: &Target) -> Result<Option<Value>, String> {
        let key = target.key();
        if !self.objects.contains_key(&key) {
            let read = match self.reader.get(target).await {
                Err(error) if error.kind == PortErrorKind::NotFound => Ok(Value::Null),
                read => read.map_err(|error| {
                    format!("{target} could not be read: {}", crate::text::line(&error.message, 120))
                }),
            };
            self.objects.insert(key.clone(), read);
        }
        let read = self.objects.get(&key).cloned().unwrap_or(Ok(Value::Null));
        read.map(|object| Some(object).filter(|object| !object.is_null()))
    }

    /// Why the volume of a claim is nowhere but on one node; `None` when it is elsewhere too, or there is none.
    async fn volume(&mut self, namespace: &str, claim: &str) -> Result<Option<String>, String> {
        let Some(object) = self.get(&Target::known("PersistentVolumeClaim", namespace, claim)).await? else {
            return Ok(None);
        };
        let name = value::text(&object, "/spec/volumeName");
        if name.is_empty() {
            return Ok(None);
        }
        let volume = self.get(&Target::new("", "PersistentVolume", "", name)).await?;
        let is_local = volume.is_some_and(|volume| is_local(&volume));
        Ok(is_local.then(|| {
            format!("its claim {claim} is on the local volume {name}, which no other node has: it would wait for this one")
        }))
    }

    /// Who above a pod asks for it to be left alone. An owner that may not be read has said nothing.
    async fn left_alone(&mut self, pod: &Pod) -> Option<String> {
        let mut next = pod.owner.clone();
        for _ in 0..OWNERS {
            let Some(owner) = next else { break };
            let Some(object) = self.get(&owner).await.ok().flatten() else { break };
            if let Some(by) = guard::opted_out(&object) {
                return Some(format!("{owner} asks to be left alone ({by})"));
            }
            next = value::controller(&object);
        }
        let namespace = Target::known("Namespace", "", &pod.namespace);
        let object = self.get(&namespace).await.ok().flatten()?;
        guard::opted_out(&object).map(|by| format!("{namespace} asks to be left alone ({by})"))
    }
}

/// Whether a volume is on one node: a local one, a path of the host, or one that is bound to a host by its affinity.
fn is_local(volume: &Value) -> bool {
    let spec =
        |member: &str| volume.pointer(&format!("/spec/{member}")).is_some_and(|value| !value.is_null());
    let mut terms = value::list(volume, "/spec/nodeAffinity/required/nodeSelectorTerms");
    let is_by_host = |term: &Value| {
        let mut expressions = value::list(term, "/matchExpressions").chain(value::list(term, "/matchFields"));
        expressions.any(|expression| {
            matches!(value::text(expression, "/key"), "kubernetes.io/hostname" | "metadata.name")
        })
    };
    spec("local") || spec("hostPath") || terms.any(is_by_host)
}
