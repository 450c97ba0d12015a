//! Volumes: claims that are not there or not bound, volumes that cannot be attached or mounted.

use aiops_inventory::Kind;
use serde_json::Value;

use super::{
    Case, Cause, Confidence, Evidence, Findings, Stage, config, container,
    document::{Document, words},
    reading::{Found, Told},
};

/// Provisioners take a moment; the scheduler's words about an unbound claim come earlier.
const PENDING_GRACE: i64 = 60;
/// The kubelet tries a mount again at least every two minutes.
const MOUNT_FRESH: i64 = 600;

/// A claim that a pod uses: its name and where the pod names it.
pub(crate) fn claims(pod: &Document) -> Vec<(String, String)> {
    let mut claims = Vec::new();
    for (index, volume) in pod.list("spec.volumes").iter().enumerate() {
        let name = volume.get("name").and_then(Value::as_str).unwrap_or_default();
        let path = format!("spec.volumes[{index}]");
        let claim_at = format!("{path}.persistentVolumeClaim.claimName");
        let claim = pod.text(&claim_at).to_owned();
        if !claim.is_empty() {
            claims.push((claim, claim_at));
        } else if volume.get("ephemeral").is_some_and(Value::is_object) {
            claims.push((format!("{}-{name}", pod.object.name), format!("{path}.name")));
        }
    }
    claims.truncate(20);
    claims
}

pub(super) fn look(case: &Case<'_>, found: &mut Findings) {
    let pod = &case.read.pod;
    let mut bound = 0;
    for (name, path) in claims(pod) {
        let namespace = &pod.object.namespace;
        match case.read.claims.get(&name) {
            Some(Found::Missing) if pod.text("spec.nodeName").is_empty() => {
                let what = format!(
                    "the pod needs PersistentVolumeClaim {}, which does not exist",
                    words(&name, 120)
                );
                let cause = Cause::new("pvc_missing", Stage::Placement, Confidence::Certain, what)
                    .by([pod.cite(&path), config::absent("PersistentVolumeClaim", namespace, &name)]);
                found.add(cause.next("create the claim, or correct claimName in the workload's template"));
            }
            Some(Found::Missing) | None => {}
            Some(Found::Unknown(why)) => {
                found.unchecked(format!("PersistentVolumeClaim {namespace}/{}", words(&name, 120)), why);
            }
            Some(Found::Yes(claim)) => match claim.text("status.phase") {
                "Bound" => bound += 1,
                "Lost" => {
                    let what = format!("PersistentVolumeClaim {} has lost its volume", words(&name, 120));
                    let cause = Cause::new("pvc_lost", Stage::Placement, Confidence::Certain, what)
                        .by([claim.cite("status.phase"), claim.cite("spec.volumeName")]);
                    found.add(cause.next("restore the volume or make a new claim from a backup"));
                }
                _ => pending(case, &name, claim, found),
            },
        }
    }
    if bound > 0 {
        found.fine(format!("{bound} PersistentVolumeClaims are bound"));
    }
    mounts(case, found);
}

/// A claim that is not bound. One that waits for the pod to be placed first is a consequence, not a cause.
fn pending(case: &Case<'_>, name: &str, claim: &Document, found: &mut Findings) {
    let told = case.read.claim_events.iter().find(|e| {
        e.object == name
            && matches!(
                e.reason.as_str(),
                "ProvisioningFailed"
                    | "FailedBinding"
                    | "ExternalProvisioning"
                    | "Provisioning"
                    | "WaitForFirstConsumer"
                    | "WaitForPodScheduled"
            )
    });
    let created = claim.time("metadata.creationTimestamp").unwrap_or(case.now);
    let waits_for_pod =
        told.is_some_and(|e| matches!(e.reason.as_str(), "WaitForFirstConsumer" | "WaitForPodScheduled"));
    let fails = told.is_some_and(|e| matches!(e.reason.as_str(), "ProvisioningFailed" | "FailedBinding"));
    if waits_for_pod || (!fails && case.now - created < PENDING_GRACE) {
        return;
    }
    let mut cause = unbound(case, name, Some(claim), told);
    cause.stage = Stage::Placement;
    found.add(cause);
}

/// The cause of a claim that is not bound, with what its events say.
fn unbound(case: &Case<'_>, name: &str, claim: Option<&Document>, told: Option<&Told>) -> Cause {
    let class = claim.map_or("", |claim| claim.text("spec.storageClassName"));
    let said = told.map(Told::message).unwrap_or_default();
    let reason = told.map_or("", |e| e.reason.as_str());
    let (why, next) = if said.contains("storageclass") && said.contains("not found") {
        (
            format!("its storage class {} does not exist", words(class, 80)),
            "create the storage class, or correct storageClassName",
        )
    } else if said.contains("no storage class is set")
        || (class.is_empty() && claim.is_some() && said.is_empty())
    {
        (
            "it names no storage class, there is no default one, and no volume fits it".to_owned(),
            "set storageClassName, mark a class as default, or create a volume",
        )
    } else if reason == "ProvisioningFailed" {
        ("its provisioner fails".to_owned(), "correct what the provisioner names; its pods' logs say more")
    } else if matches!(reason, "ExternalProvisioning" | "Provisioning") {
        (
            "its provisioner has not made a volume yet".to_owned(),
            "check that the provisioner of the storage class runs",
        )
    } else {
        ("no volume is bound to it".to_owned(), "list-events of the claim tell what it waits for")
    };
    let said = if said.is_empty() { String::new() } else { format!(": {}", words(said, 160)) };
    let what = format!("PersistentVolumeClaim {} is not bound because {why}{said}", words(name, 120));
    let mut cause = Cause::new("pvc_pending", Stage::Placement, Confidence::Certain, what);
    if let Some(claim) = claim {
        cause.evidence.push(claim.cite("status.phase"));
        cause.evidence.push(claim.cite("spec.storageClassName"));
    }
    cause.evidence.extend(told.map(Told::cite));
    if told.is_none() && case.inventory.status(Kind::Event).sync.is_known() {
        cause.confidence = Confidence::Likely;
    }
    cause.next(next)
}

/// What the scheduler's words about volumes mean: sentence, evidence, next step.
pub(super) fn placement(
    case: &Case<'_>,
    code: &str,
    of: &str,
    text: Option<&str>,
) -> (String, Vec<Evidence>, &'static str) {
    let pod = &case.read.pod;
    let claims = claims(pod);
    let said = text.unwrap_or_default();
    let cite = |wanted: &dyn Fn(&str) -> bool| {
        claims
            .iter()
            .filter(|(name, _)| wanted(name))
            .take(2)
            .map(|(_, path)| pod.cite(path))
            .collect::<Vec<_>>()
    };
    match code {
        "pvc_missing" => (
            format!("the pod needs a claim that does not exist: {}", words(said, 120)),
            cite(&|name| said.contains(&format!("\"{name}\""))),
            "create the claim, or correct claimName in the workload's template",
        ),
        "pvc_pending" => {
            let pending: Vec<&str> = claims
                .iter()
                .filter(|(name, _)| matches!(case.read.claims.get(name), Some(Found::Yes(c)) if c.text("status.phase") != "Bound"))
                .map(|(name, _)| name.as_str())
                .collect();
            if let Some(first) = pending.first() {
                let claim = match case.read.claims.get(*first) {
                    Some(Found::Yes(claim)) => Some(claim),
                    _ => None,
                };
                let told = case
                    .read
                    .claim_events
                    .iter()
                    .find(|e| e.object == *first && e.reason != "WaitForFirstConsumer");
                let cause = unbound(case, first, claim, told);
                let mut evidence = cite(&|name| name == *first);
                evidence.extend(cause.evidence);
                let next = if cause.next.contains("storage class") {
                    "set or correct storageClassName of the claim, or create the class or a volume"
                } else {
                    "list-events of the claim tell what it waits for"
                };
                return (cause.what, evidence, next);
            }
            (
                format!("a claim of the pod is not bound: {}", words(said, 120)),
                cite(&|_| true),
                "get-resource of the claim and its events tell why it is not bound",
            )
        }
        "volume_zone_conflict" => (
            format!("the pod's volume cannot be used on {of}: it belongs to another zone or node"),
            cite(&|_| true),
            "add nodes where the volume is, or move its data to a volume elsewhere",
        ),
        "volume_limit" => (
            format!("{of} have as many volumes attached as they may"),
            cite(&|_| true),
            "add nodes or use fewer volumes",
        ),
        "volume_in_use" => (
            "its ReadWriteOncePod claim is used by another pod".to_owned(),
            cite(&|_| true),
            "end the other pod or use another claim",
        ),
        _ => (
            "the volume behind a claim of the pod does not exist any more".to_owned(),
            cite(&|_| true),
            "restore the volume or make a new claim from a backup",
        ),
    }
}

/// Volumes that the node cannot attach or mount, while nothing of the pod runs.
fn mounts(case: &Case<'_>, found: &mut Findings) {
    let pod = &case.read.pod;
    let containers = container::all(pod);
    let started = containers.iter().any(|c| c.is_running() || c.ended().is_some());
    if started || pod.text("spec.nodeName").is_empty() || pod.text("status.phase") != "Pending" {
        return;
    }
    let fails = |e: &&Told| {
        matches!(e.reason.as_str(), "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" | "FailedAttach")
            && case.now - e.last < MOUNT_FRESH
    };
    // The newest with a reason; that time ran out is the least telling of all.
    let mut told: Vec<&Told> = case.read.events.iter().filter(fails).collect();
    told.sort_by_key(|e| e.message().contains("timed out waiting for the condition"));
    let mut seen: Vec<&str> = Vec::new();
    for event in told.into_iter().take(8) {
        let message = event.message();
        let (code, meaning, next) = mount(event.reason.as_str(), message);
        if seen.contains(&code)
            || (code == "volume_mount_failed" && !found.causes.is_empty() && message.contains("timed out"))
        {
            continue;
        }
        seen.push(code);
        let what = format!("{meaning}: {}", words(message, 200));
        found.add(Cause::new(code, Stage::Volume, Confidence::Certain, what).by([event.cite()]).next(next));
    }
}

fn mount(reason: &str, message: &str) -> (&'static str, &'static str, &'static str) {
    if let Some((code, _, next)) = config::classify(message) {
        return (code, "a volume cannot be mounted", next);
    }
    if message.contains("Multi-Attach error") {
        return (
            "volume_multi_attach",
            "the volume is still attached to another node",
            "end the pod that uses it there; with a single replica use strategy Recreate or ReadWriteMany",
        );
    }
    if reason == "FailedAttachVolume" || message.contains("AttachVolume.Attach failed") {
        return (
            "volume_attach_failed",
            "the volume cannot be attached to the node",
            "check the volume and its CSI driver's controller",
        );
    }
    (
        "volume_mount_failed",
        "a volume cannot be mounted",
        "check the volume, its CSI driver's pod on the node, and what the message names",
    )
}
