//! What an observer at the ports' far side saw, in one order with the model's journal: every write that the store took,
//! who made it, and how the cluster stood when a workflow ended.
//!
//! It stands behind faults and defects, directly before the store: what it notes has happened.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use serde_json::Value;

use super::hands::Hands;
use crate::{
    model::{Millis, ids::WorkflowId, phase::Phase},
    ports::store::{Acceptance, Control, Fence, Lease, Report, Reported, Taken, Write},
    testing::model::{Key, Model},
};

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    /// Its place among the entries of the journal.
    pub(crate) order: u64,
    /// When, by the true time.
    pub(crate) at: Millis,
    /// Who: an executor, or a door.
    pub(crate) actor: String,
    /// What.
    pub(crate) what: What,
}

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// The store took a trigger.
    Accepted { acceptance: Box<Acceptance>, taken: Taken },
    /// The store took a commit.
    Committed { workflow: WorkflowId, fence: Option<Fence>, writes: Vec<Write>, scenes: Vec<Arc<Scene>> },
    /// A workflow was claimed.
    Claimed { lease: Lease, ttl: Millis },
    /// A lease was renewed.
    Renewed { lease: Lease, ttl: Millis },
    /// A request is about to be sent that is meant.
    Sent { workflow: String, key: String },
    /// The store took reports of incidents.
    Reported { reports: Vec<Report>, done: Vec<Reported> },
    /// A door told its caller that so many alerts opened an incident or were counted with one.
    Heard { alerts: u64 },
    /// A control was set.
    Controlled { control: Control },
    /// A door told its caller that this workflow is kept.
    Acknowledged { workflow: WorkflowId, key: Option<String> },
}

/// The kinds that a scene holds.
const KINDS: [&str; 11] = [
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "Job",
    "Pod",
    "Node",
    "Application",
    "Database",
    "ConfigMap",
    "Secret",
];

/// The objects of the cluster at a moment.
pub(crate) type Scene = Vec<(Key, Arc<Value>)>;

/// The observer.
#[derive(Debug)]
pub(crate) struct Notes {
    model: Model,
    hands: Arc<Hands>,
    list: Mutex<Vec<Note>>,
    /// How the cluster stood whenever a process looked since its last commit.
    looked: Mutex<BTreeMap<String, Vec<Arc<Scene>>>>,
    /// The last scene, and the version of the model of which it is.
    last: Mutex<Option<(u64, Arc<Scene>)>>,
}

impl Notes {
    pub(crate) fn new(model: Model, hands: Arc<Hands>) -> Arc<Self> {
        Arc::new(Self {
            model,
            hands,
            list: Mutex::default(),
            looked: Mutex::default(),
            last: Mutex::default(),
        })
    }

    pub(crate) fn write(&self, actor: &str, what: What) {
        let note =
            Note { order: self.model.next_order(), at: self.hands.millis(), actor: actor.to_owned(), what };
        self.list.lock().push(note);
    }

    /// A request of a step is about to be sent.
    pub(crate) fn sent(&self, actor: &str, workflow: &str, key: &str) {
        self.write(actor, What::Sent { workflow: workflow.to_owned(), key: key.to_owned() });
    }

    /// How much has happened.
    pub(crate) fn list_len(&self) -> usize {
        self.list.lock().len()
    }

    /// A process looks at the cluster.
    pub(crate) fn looks(&self, actor: &str) {
        let scene = self.scene();
        let mut looked = self.looked.lock();
        let scenes = looked.entry(actor.to_owned()).or_default();
        if scenes.last().is_none_or(|last| !Arc::ptr_eq(last, &scene)) {
            scenes.push(scene);
        }
    }

    /// A commit; when a workflow ends by it, with the scenes by which that was decided, and the one at its end as the last.
    pub(crate) fn commit(&self, actor: &str, workflow: &WorkflowId, fence: Option<&Fence>, writes: &[Write]) {
        let ends = writes.iter().any(|write| {
            matches!(write, Write::Workflow(w) if matches!(w.phase, Phase::Completed | Phase::RolledBack))
        });
        let mut scenes = self.looked.lock().remove(actor).unwrap_or_default();
        if ends {
            scenes.push(self.scene());
        } else {
            scenes.clear();
        }
        let what = What::Committed {
            workflow: workflow.clone(),
            fence: fence.cloned(),
            writes: writes.to_vec(),
            scenes,
        };
        self.write(actor, what);
    }

    pub(crate) fn scene(&self) -> Arc<Scene> {
        let version = self.model.version();
        let mut last = self.last.lock();
        if let Some((_, scene)) = last.as_ref().filter(|(known, _)| *known == version) {
            return Arc::clone(scene);
        }
        let scene: Scene = KINDS.iter().flat_map(|kind| self.model.objects(kind)).collect();
        let scene = Arc::new(scene);
        *last = Some((version, Arc::clone(&scene)));
        scene
    }

    pub(crate) fn list(&self) -> Vec<Note> {
        self.list.lock().clone()
    }
}
