//! A model of an API server with its controllers, in memory: what `aiops demo` acts on, and what remediation is proven
//! against.
//!
//! It keeps uid, resourceVersion, generation and managed fields as a real one does, refuses what a real one refuses
//! (stale versions, other uids, budgets, rights, what does not validate), and its controllers roll out, start pods,
//! reconcile. Every mutation that it was asked for stands in its journal. It does no I/O and nothing in it is random or
//! moves by itself: time is what its clock says, and controllers act when they are stepped.
//!
//! It does not imitate what remediation does not touch: conversion between versions, server-side apply, strategic
//! merge, watches with bookmarks, storage. Whatever rests on more is proven on the real control plane.

mod acting;
pub mod build;
mod controllers;
pub(crate) mod json;
mod kinds;
mod reads;
mod recording;
mod releases;
mod requests;
#[cfg(test)]
mod tests;
mod validate;
mod words;
mod world;

use std::sync::Arc;

use aiops_inventory::{Change, Kind, Sync};
use jiff::SignedDuration;
use parking_lot::Mutex;
use serde_json::Value;

use self::world::World;
pub use self::{
    kinds::Key,
    words::{Admission, Answer, Delta, Entry, Refusal, Symptom, Trouble},
};
use crate::{
    SharedInventory,
    ports::{Clock, acting::Mutation},
};

/// The manager name under which the model keeps what aiops writes.
pub const OURSELVES: &str = "aiops";

/// A model of an API server with its controllers. Cheap to clone: all clones are the one cluster.
#[derive(Clone)]
pub struct Model {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let world = self.world.lock();
        f.debug_struct("Model")
            .field("objects", &world.objects.len())
            .field("version", &world.version)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// An empty cluster.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        Self { world: Arc::new(Mutex::new(World::new(now))), clock }
    }

    /// A cluster of these objects, as `kubectl get -o json` prints them, at the clock's time. What ails their pods ails
    /// those that are made of the same templates later.
    pub fn from_objects(objects: Vec<Value>, clock: Arc<dyn Clock>) -> Self {
        let model = Self::new(clock);
        model.with(|world| recording::load(world, objects));
        model
    }

    /// Another cluster that is exactly as this one is now, on a clock of its own.
    #[must_use]
    pub fn fork(&self, clock: Arc<dyn Clock>) -> Self {
        Self { world: Arc::new(Mutex::new(self.world.lock().clone())), clock }
    }

    /// The state, at the clock's time.
    fn with<R>(&self, look: impl FnOnce(&mut World) -> R) -> R {
        let now = self.clock.now();
        let mut world = self.world.lock();
        world.now = now;
        look(&mut world)
    }

    /// Lets every controller act once. Returns whether anything changed.
    pub fn step(&self) -> bool {
        self.with(controllers::step)
    }

    /// Lets the controllers act until nothing changes any more at this time, or so many times.
    pub fn settle(&self, at_most: u32) {
        for _ in 0..at_most {
            if !self.step() {
                break;
            }
        }
    }

    /// Puts an object in, as its creator would.
    pub fn put(&self, actor: &str, object: Value) -> Key {
        self.with(|world| world.insert(actor, object))
    }

    /// Changes an object as another writer would. Returns whether it is another now.
    pub fn edit(&self, actor: &str, key: &Key, change: impl FnOnce(&mut Value)) -> bool {
        self.with(|world| {
            let before = world.get(key);
            let changed = world.change(actor, key, change);
            if changed {
                requests::note_edit(world, actor, key, before);
            }
            changed
        })
    }

    /// Deletes an object as another one would.
    pub fn delete(&self, actor: &str, key: &Key) {
        self.with(|world| world.end(actor, key));
    }

    /// Deletes an object and makes it again: the same name, another uid.
    pub fn recreate(&self, actor: &str, key: &Key) {
        self.with(|world| {
            let Some(old) = world.get(key) else { return };
            world.remove(key);
            let mut new = Value::clone(&old);
            for path in [
                "/metadata/uid",
                "/metadata/resourceVersion",
                "/metadata/creationTimestamp",
                "/metadata/generation",
                "/metadata/managedFields",
                "/status",
            ] {
                json::take(&mut new, path);
            }
            world.insert(actor, new);
        });
    }

    /// An object as it is now.
    pub fn object(&self, key: &Key) -> Option<Arc<Value>> {
        self.world.lock().get(key)
    }

    /// The objects of a kind.
    pub fn objects(&self, kind: &str) -> Vec<(Key, Arc<Value>)> {
        self.world.lock().of_kind(kind)
    }

    /// Moves on with every change.
    #[cfg(test)]
    pub(crate) fn version(&self) -> u64 {
        self.world.lock().version
    }

    /// The uids of everything there is.
    #[cfg(test)]
    pub(crate) fn uids(&self) -> std::collections::BTreeSet<String> {
        let world = self.world.lock();
        world.objects.values().map(|object| json::text(object, "/metadata/uid").to_owned()).collect()
    }

    /// Everything that was asked so far.
    pub fn journal(&self) -> Vec<Entry> {
        self.world.lock().journal.clone()
    }

    /// How many entries the journal has.
    pub fn journal_len(&self) -> usize {
        self.world.lock().journal.len()
    }

    /// The next number of the order in which the journal counts, for what an observer notes beside it.
    pub fn next_order(&self) -> u64 {
        self.world.lock().next_order()
    }

    /// Everything there is, once more for those who watch: a watch that begins anew.
    pub fn relist(&self) {
        let mut world = self.world.lock();
        let all = world.objects.iter().map(|(key, object)| Delta {
            key: key.clone(),
            object: Arc::clone(object),
            is_deleted: false,
        });
        let all: Vec<Delta> = all.collect();
        world.deltas = all;
    }

    /// What changed since this was last asked.
    pub fn take_changes(&self) -> Vec<Delta> {
        std::mem::take(&mut self.world.lock().deltas)
    }

    /// Feeds what changed to an inventory, as a watch would. The first time it is everything, and every kind is synced.
    pub fn feed(&self, inventory: &SharedInventory) {
        let deltas = self.take_changes();
        if deltas.is_empty() && inventory.look().status(Kind::Pod).sync == Sync::Synced {
            return;
        }
        inventory.change(|rows| {
            for delta in &deltas {
                let api = json::text(&delta.object, "/apiVersion");
                let Some(kind) = Kind::of_manifest(api, &delta.key.kind) else { continue };
                let bytes = delta.object.to_string();
                let change = if delta.is_deleted {
                    Change::Deleted(bytes.as_bytes())
                } else {
                    Change::Applied(bytes.as_bytes())
                };
                // What the inventory cannot read it counts itself.
                let _ = rows.apply(kind, change);
            }
            for kind in Kind::ALL {
                let is_absent = kind.is_optional() && rows.status(kind).rows == 0;
                rows.set_sync(kind, if is_absent { Sync::Absent } else { Sync::Synced });
            }
        });
    }

    /// Takes a right away: a verb on a plural (`pods/eviction` for evictions).
    pub fn deny(&self, verb: &str, plural: &str) {
        self.world.lock().denied.insert((verb.to_owned(), plural.to_owned()));
    }

    /// Lets a webhook refuse writes.
    pub fn refuse(&self, admission: Admission) {
        self.world.lock().admissions.push(admission);
    }

    /// Takes no mutation whose effect key ends like this.
    pub fn refuse_effect(&self, ending: &str) {
        self.world.lock().refused_effects.push(ending.to_owned());
    }

    /// Says what ails containers.
    pub fn ail(&self, symptom: Symptom) {
        let mut world = self.world.lock();
        world.symptoms.push(symptom);
        world.unsettle();
    }

    /// Takes an ailment away.
    pub fn heal(&self, image: &str) {
        let mut world = self.world.lock();
        world.symptoms.retain(|symptom| symptom.image != image);
        world.unsettle();
    }

    /// How long pods take to start and to end.
    pub fn set_times(&self, startup: SignedDuration, ending: SignedDuration) {
        let mut world = self.world.lock();
        (world.startup, world.ending) = (startup, ending);
        world.unsettle();
    }

    /// Sets a container's log.
    pub fn put_log(&self, namespace: &str, pod: &str, container: &str, previous: bool, log: &[u8]) {
        let key = (namespace.to_owned(), pod.to_owned(), container.to_owned(), previous);
        self.world.lock().logs.insert(key, log.to_vec());
    }

    /// What an Argo CD Application deploys at a revision.
    pub fn put_manifests(&self, application: &Key, revision: &str, objects: Vec<Value>) {
        self.world.lock().manifests.insert((application.clone(), revision.to_owned()), objects);
    }

    /// Lets an operator set these members of an object back, so many times.
    pub fn revert(&self, key: &Key, members: Value, times: u32) {
        let mut world = self.world.lock();
        world.reverted.insert(key.clone(), (members, times));
        world.unsettle();
    }

    /// Sends a mutation and tells the whole answer: what the port's answer leaves out too.
    ///
    /// # Errors
    /// The API server's refusal.
    pub fn request(&self, actor: &str, mutation: &Mutation) -> Result<Answer, Refusal> {
        self.with(|world| requests::serve(world, actor, mutation))
    }
}
