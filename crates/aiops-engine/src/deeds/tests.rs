//! Every deed against objects as an API server has them: not done, done by us, done by somebody else, undone exactly, in
//! conflict, undone twice.
//!
//! [`World`] takes a mutation as an API server would: by uid and resourceVersion, RFC 7386 and RFC 6902.

mod found;
mod others;
mod releases;
mod rollouts;
mod strategy;
mod undoing;

use serde_json::{Value, json};

use super::*;
use crate::{
    model::{
        action::Resources,
        phase::{Direction, StepState},
    },
    ports::acting::Verb,
};

const KEY: &str = "wf-1/0/do";
const BACK: &str = "wf-1/0/undo";

/// An object and the lists that are seen beside it.
#[derive(Debug, Clone)]
struct World {
    object: Option<Value>,
    lists: Vec<Vec<Value>>,
}

impl World {
    fn of(object: Value) -> Self {
        Self { object: Some(object), lists: Vec::new() }
    }

    fn with(mut self, list: Vec<Value>) -> Self {
        self.lists.push(list);
        self
    }

    fn seen(&self) -> Vec<Sight> {
        let object = self.object.clone().map_or(Sight::Absent, Sight::Object);
        std::iter::once(object).chain(self.lists.iter().cloned().map(Sight::List)).collect()
    }

    fn object(&self) -> &Value {
        self.object.as_ref().unwrap()
    }

    /// Somebody merges a patch into the object.
    fn edit(&mut self, patch: Value) {
        let mut object = self.object.take().unwrap();
        merge(&mut object, &patch);
        self.object = Some(bumped(object));
    }

    /// Takes a mutation as an API server does.
    fn take(&mut self, mutation: &Mutation) -> Result<(), &'static str> {
        let object = self.object.clone().ok_or("404")?;
        let is = |pinned: &Option<String>, at: &str| {
            pinned.as_ref().is_none_or(|pinned| object.pointer(at) == Some(&json!(pinned)))
        };
        if !is(&mutation.uid, "/metadata/uid") || !is(&mutation.resource_version, "/metadata/resourceVersion")
        {
            return Err("409");
        }
        let mut object = object;
        match mutation.verb {
            Verb::MergePatch => merge(&mut object, &mutation.body),
            Verb::JsonPatch => operate(&mut object, &mutation.body)?,
            Verb::Evict | Verb::Delete => {
                self.object = None;
                return Ok(());
            }
            Verb::Create => return Err("409"),
        }
        self.object = Some(bumped(object));
        Ok(())
    }
}

fn bumped(mut object: Value) -> Value {
    let version: u64 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    object["metadata"]["resourceVersion"] = (version + 1).to_string().into();
    object
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let members = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            members.remove(key);
        } else {
            merge(members.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// RFC 6902, as far as deeds use it.
fn operate(target: &mut Value, patch: &Value) -> Result<(), &'static str> {
    for operation in patch.as_array().unwrap() {
        let path = operation["path"].as_str().unwrap();
        let (parent, last) = path.rsplit_once('/').unwrap();
        let last = last.replace("~1", "/").replace("~0", "~");
        let parent = target.pointer_mut(parent).ok_or("422")?;
        let members = parent.as_object_mut().ok_or("422")?;
        let value = operation["value"].clone();
        match operation["op"].as_str().unwrap() {
            "add" => drop(members.insert(last, value)),
            "replace" => *members.get_mut(&last).ok_or("422")? = value,
            "remove" => drop(members.remove(&last).ok_or("422")?),
            "test" if members.get(&last) == Some(&value) => {}
            _ => return Err("422"),
        }
    }
    Ok(())
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
        {"name": "side", "image": "side:1", "resources": {}},
        {"name": "web", "image": image, "env": [{"name": "PASSWORD", "value": "canary"}],
         "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "256Mi"}}}]}})
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "d-1", "resourceVersion": "10", "generation": 2,
            "annotations": {"deployment.kubernetes.io/revision": "2"}},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template("web:2")},
        "status": {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3,
            "availableReplicas": 3}})
}

fn replica_set(name: &str, revision: i64, hash: &str, mut template: Value) -> Value {
    template["metadata"]["labels"]["pod-template-hash"] = hash.into();
    json!({"metadata": {"name": name, "namespace": "shop", "uid": format!("{name}-uid"),
            "labels": {"app": "web", "pod-template-hash": hash},
            "annotations": {"deployment.kubernetes.io/revision": revision.to_string()},
            "ownerReferences": [{"kind": "Deployment", "name": "web", "uid": "d-1", "controller": true}]},
        "spec": {"template": template}})
}

fn replica_sets() -> Vec<Value> {
    vec![replica_set("web-1", 1, "aaa", template("web:1")), replica_set("web-2", 2, "bbb", template("web:2"))]
}

fn node() -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "uid": "n-1", "resourceVersion": "7"},
        "spec": {"podCIDR": "10.0.0.0/24"}})
}

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1-x", "namespace": "shop", "uid": "p-1",
            "resourceVersion": "5", "ownerReferences": [
                {"kind": "ReplicaSet", "name": "web-1", "uid": "web-1-uid", "controller": true}]},
        "spec": {"nodeName": "node-1"}})
}

fn web() -> Target {
    Target::known("Deployment", "shop", "web").with_uid("d-1")
}

fn scale(replicas: u32) -> Action {
    Action::ScaleWorkload { target: web(), replicas }
}

fn rollback() -> Action {
    Action::RollbackWorkload { target: web(), revision: 1, source: "web-1".to_owned() }
}

fn resources() -> Action {
    let resources = Resources {
        memory_limit: Some("1024Mi".to_owned()),
        cpu_limit: Some("1".to_owned()),
        ..Resources::default()
    };
    Action::SetResources { target: web(), container: "web".to_owned(), resources }
}

fn cordon() -> Action {
    Action::CordonNode { target: Target::known("Node", "", "node-1").with_uid("n-1") }
}

fn uncordon() -> Action {
    Action::UncordonNode { target: Target::known("Node", "", "node-1").with_uid("n-1") }
}

/// Every deed that is undone exactly, in a world where it can be done.
fn exact() -> Vec<(Action, World)> {
    let mut cordoned = node();
    cordoned["spec"]["unschedulable"] = true.into();
    vec![
        (scale(5), World::of(deployment()).with(Vec::new())),
        (rollback(), World::of(deployment()).with(replica_sets())),
        (resources(), World::of(deployment())),
        (cordon(), World::of(node())),
        (uncordon(), World::of(cordoned)),
    ]
}

fn ready(observation: Observation) -> Ready {
    match observation {
        Observation::Ready(ready) => *ready,
        other => panic!("not ready: {other:?}"),
    }
}

/// Does a deed, and answers the record of its step.
fn done(action: &Action, world: &mut World, key: &str) -> StepRecord {
    let ready = ready(observe(action, key, "wf-1", &world.seen()));
    world.take(&ready.mutation).unwrap();
    StepRecord {
        order: 0,
        direction: Direction::Do,
        action: action.clone(),
        state: StepState::Applied,
        effect_key: key.to_owned(),
        pre_image: Some(ready.pre_image),
        post_image: Some(ready.post_image),
        result: None,
        started_at: None,
        finished_at: None,
    }
}

/// An object without what an undo need not bring back.
fn settled(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    object
}

#[test]
fn every_deed_pins_its_object_and_carries_its_key() {
    for (action, world) in exact() {
        let ready = ready(observe(&action, KEY, "wf-1", &world.seen()));
        let mutation = ready.mutation;
        let is = |at: &str| world.object().pointer(at).and_then(Value::as_str).map(str::to_owned);
        assert_eq!(mutation.uid, is("/metadata/uid"), "{action:?}");
        assert_eq!(mutation.resource_version, is("/metadata/resourceVersion"), "{action:?}");
        assert_eq!((mutation.effect_key.as_str(), mutation.workflow.as_str()), (KEY, "wf-1"));
        assert!(mutation.body.to_string().contains(KEY), "{action:?}: {}", mutation.body);
        assert!(!mutation.dry_run && !ready.diff.is_empty());
    }
}

#[test]
fn a_deed_that_was_done_by_us_is_seen_and_not_done_again() {
    for (action, mut world) in exact() {
        done(&action, &mut world, KEY);
        let seen = observe(&action, KEY, "wf-1", &world.seen());
        assert!(matches!(seen, Observation::Applied { .. }), "{action:?}: {seen:?}");
        // Another step finds what it wants, without a claim to it.
        let seen = observe(&action, "wf-2/0/do", "wf-2", &world.seen());
        assert!(matches!(seen, Observation::Settled { .. }), "{action:?}: {seen:?}");
    }
}

#[test]
fn a_deed_of_an_older_state_is_refused() {
    for (action, mut world) in exact() {
        let ready = ready(observe(&action, KEY, "wf-1", &world.seen()));
        world.edit(json!({"metadata": {"labels": {"touched": "yes"}}}));
        assert_eq!(world.take(&ready.mutation), Err("409"), "{action:?}");
    }
}

#[test]
fn what_is_gone_or_was_made_again_is_not_acted_on() {
    for (action, world) in exact() {
        let gone = World { object: None, ..world.clone() };
        let seen = observe(&action, KEY, "wf-1", &gone.seen());
        assert!(matches!(seen, Observation::Refused { .. }), "{action:?}: {seen:?}");
        let mut other = world.clone();
        other.edit(json!({"metadata": {"uid": "another"}}));
        let seen = observe(&action, KEY, "wf-1", &other.seen());
        assert!(
            matches!(&seen, Observation::Refused { why } if why.contains("made again")),
            "{action:?}: {seen:?}"
        );
        let mut ending = world;
        ending.edit(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
        let seen = observe(&action, KEY, "wf-1", &ending.seen());
        assert!(matches!(seen, Observation::Refused { .. }), "{action:?}: {seen:?}");
    }
}

#[test]
fn no_image_and_no_difference_holds_an_environment() {
    for (action, world) in exact() {
        let ready = ready(observe(&action, KEY, "wf-1", &world.seen()));
        let kept = format!("{} {} {:?}", ready.pre_image, ready.post_image, ready.diff);
        assert!(!kept.contains("canary"), "{action:?}: {kept}");
    }
}

#[test]
fn what_was_not_looked_at_is_waited_for() {
    for (action, _) in exact() {
        let seen = observe(&action, KEY, "wf-1", &[]);
        assert!(matches!(seen, Observation::Wait { .. }), "{action:?}: {seen:?}");
        assert_eq!(verify(&action, KEY, &[]).0, Verdict::Unknown, "{action:?}");
    }
}

#[test]
fn an_object_without_its_version_is_not_written_to() {
    for (action, mut world) in exact() {
        world.object.as_mut().unwrap()["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        let seen = observe(&action, KEY, "wf-1", &world.seen());
        assert!(matches!(seen, Observation::Refused { .. }), "{action:?}: {seen:?}");
    }
}
