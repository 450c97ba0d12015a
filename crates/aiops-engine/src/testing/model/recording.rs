//! Making a model of recorded objects: what ails their pods is learnt from how the pods stand.
//!
//! Learnt is only what a kubelet reports: that an image cannot be pulled, that a container ends or is killed for want of
//! memory. Why, nobody recorded, so containers of the same image and command ail alike.

use std::collections::BTreeMap;

use aiops_inventory::quantity;
use serde_json::Value;

use super::{
    Symptom, Trouble,
    json::{has, items, number, put, text},
    kinds::Key,
    world::World,
};

/// The manager name of what was there before.
const RECORDED: &str = "recorded";

/// Takes the objects in, and lists of them.
pub(super) fn load(world: &mut World, objects: Vec<Value>) {
    for object in objects {
        if object.get("items").is_some_and(Value::is_array) {
            let kind = text(&object, "/kind").trim_end_matches("List").to_owned();
            let api = text(&object, "/apiVersion").to_owned();
            let items = object.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            for mut item in items {
                if text(&item, "/kind").is_empty() {
                    put(&mut item, "/kind", kind.as_str());
                    put(&mut item, "/apiVersion", api.as_str());
                }
                take_in(world, item);
            }
        } else {
            take_in(world, object);
        }
    }
    learn(world);
}

fn take_in(world: &mut World, object: Value) {
    let is_named = !text(&object, "/metadata/name").is_empty() && !text(&object, "/kind").is_empty();
    if is_named && world.get(&Key::of(&object)).is_none() {
        world.insert(RECORDED, object);
    }
}

fn learn(world: &mut World) {
    let mut learnt: Vec<Symptom> = Vec::new();
    // The largest limit under which a container was killed says what it needs at least.
    let mut killed: BTreeMap<(String, Vec<String>), i64> = BTreeMap::new();
    for (_, pod) in world.of_kind("Pod") {
        for status in items(&pod, "/status/containerStatuses") {
            let name = text(status, "/name");
            let Some(container) = items(&pod, "/spec/containers").find(|c| text(c, "/name") == name) else {
                continue;
            };
            let image = text(container, "/image").to_owned();
            let words = items(container, "/command").chain(items(container, "/args"));
            let command: Vec<String> = words.filter_map(|word| word.as_str().map(str::to_owned)).collect();
            let message = text(status, "/state/waiting/message").to_owned();
            let ended = ["/state/terminated", "/lastState/terminated"].into_iter().find(|at| has(status, at));
            let symptom = match (text(status, "/state/waiting/reason"), ended) {
                ("ImagePullBackOff" | "ErrImagePull" | "InvalidImageName", _) => {
                    Symptom { image, command: None, trouble: Trouble::Pull { message } }
                }
                ("CreateContainerConfigError", _) => {
                    Symptom { image, command: None, trouble: Trouble::Config { message } }
                }
                (_, Some(at)) if text(status, &format!("{at}/reason")) == "OOMKilled" => {
                    let limit =
                        quantity::bytes(text(container, "/resources/limits/memory")).unwrap_or_default();
                    let most = killed.entry((image, command)).or_default();
                    *most = (*most).max(limit);
                    continue;
                }
                ("CrashLoopBackOff", Some(at)) => {
                    let code = number(status, &format!("{at}/exitCode"));
                    Symptom { image, command: Some(command), trouble: Trouble::Crash { code } }
                }
                _ => continue,
            };
            if !learnt.contains(&symptom) {
                learnt.push(symptom);
            }
        }
    }
    for ((image, command), limit) in killed {
        // Something between the limit that was too small and its double: nobody recorded more.
        let needs = limit.saturating_add(limit / 4);
        learnt.push(Symptom { image, command: Some(command), trouble: Trouble::Memory { needs } });
    }
    world.symptoms.extend(learnt);
}
