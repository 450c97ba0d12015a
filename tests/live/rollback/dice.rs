//! A random plan of 2 to 6 steps that can all be undone, and how it is to fail.
//!
//! It follows what its own steps do, so that each of them has something to do; what is judged afterwards is not taken from
//! here.

use std::collections::BTreeMap;

use aiops_engine::model::{
    action::{Action, Resources},
    target::Target,
};
use serde_json::Value;

use super::{lane, lane::Lane, release};
use crate::support::{Dice, Plane};

/// How a plan fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    /// Admission says that the object is invalid (422).
    Invalid,
    /// Admission forbids it (403).
    Forbidden,
    /// What has to hold after the step never does.
    Checkpoint,
    /// The step's pods find no node.
    Unschedulable,
    /// The step's object does not exist.
    Missing,
    /// An autoscaler owns the step's replicas: nothing may be done at all.
    Autoscaled,
    /// Somebody cancels it when the step's turn comes.
    Cancelled,
}

/// More than any node has, as the API server writes it.
const UNSCHEDULABLE: &str = "9k";

/// A plan.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) actions: Vec<Action>,
    pub(super) failing: Failing,
    /// The step that fails.
    pub(super) fails_at: usize,
}

/// The kinds of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Scale,
    RollBack,
    Resources,
    Cordon,
    Uncordon,
    Revert,
}

/// A release has three objects, so its step is there twice.
const STEPS: [Step; 7] =
    [Step::Scale, Step::RollBack, Step::Resources, Step::Cordon, Step::Uncordon, Step::Revert, Step::Revert];

/// What the objects will be by the steps so far.
struct Course<'a> {
    plane: &'a Plane,
    lane: &'a Lane,
    images: BTreeMap<String, Value>,
    /// Templates that a step changes: their revisions have other numbers by then.
    touched: Vec<String>,
    reverted: Vec<&'static str>,
}

fn at(dice: &mut Dice, length: usize) -> usize {
    usize::try_from(dice.number(u64::try_from(length).unwrap())).unwrap()
}

impl Planned {
    /// `first` says which kind of step comes first, and the first plans fail in a way that lets it be done.
    pub(super) async fn roll(
        plane: &Plane,
        lane: &Lane,
        dice: &mut Dice,
        first: usize,
        is_plain: bool,
    ) -> Self {
        let length = 2 + at(dice, 5);
        let fails_at = 1 + at(dice, length - 1);
        let failing = match dice.number(if is_plain { 6 } else { 12 }) {
            0 | 1 => Failing::Invalid,
            2 | 3 => Failing::Forbidden,
            4..=6 => Failing::Checkpoint,
            7 => Failing::Unschedulable,
            8 => Failing::Missing,
            9 if dice.number(3) == 0 => Failing::Autoscaled,
            9 => Failing::Missing,
            _ => Failing::Cancelled,
        };
        let images = lane.images(plane).await;
        let mut course = Course { plane, lane, images, touched: Vec::new(), reverted: Vec::new() };
        let mut actions: Vec<Action> = Vec::new();
        for place in 0..length {
            let action = match (failing, place == fails_at) {
                (Failing::Unschedulable, true) => course.unschedulable(dice),
                (Failing::Missing, true) => Action::ScaleWorkload {
                    target: Target::known("Deployment", &lane.namespace, "gone"),
                    replicas: 2,
                },
                (Failing::Autoscaled, true) => {
                    let front = &course.images[&release::path(&lane.namespace, "Deployment")];
                    Action::ScaleWorkload { target: lane.target(front), replicas: 4 }
                }
                _ => {
                    let step =
                        if place == 0 { STEPS[first % STEPS.len()] } else { STEPS[at(dice, STEPS.len())] };
                    course.step(dice, step).await
                }
            };
            actions.push(action);
        }
        Self { actions, failing, fails_at }
    }
}

impl Course<'_> {
    /// A step of this kind, or of another where there is nothing left for it to do.
    async fn step(&mut self, dice: &mut Dice, step: Step) -> Action {
        let made = match step {
            Step::Scale => None,
            Step::RollBack => self.roll_back(dice).await,
            Step::Resources => Some(self.resources(dice)),
            Step::Cordon => self.node(true),
            Step::Uncordon => self.node(false),
            Step::Revert => self.revert(dice),
        };
        made.unwrap_or_else(|| self.scale(dice))
    }

    fn path(&self, dice: &mut Dice, among: usize) -> String {
        let (kind, name) = lane::WORKLOADS[at(dice, among)];
        lane::workload(&self.lane.namespace, kind, name)
    }

    fn scale(&mut self, dice: &mut Dice) -> Action {
        // All but the DaemonSet.
        let path = self.path(dice, 3);
        let object = self.images.get_mut(&path).unwrap();
        let now = object["spec"]["replicas"].as_u64().unwrap();
        let replicas = [1, 2, 3, 4].map(|more| (now + more) % 5)[at(dice, 4)].max(1);
        let replicas = if replicas == now { now + 1 } else { replicas };
        object["spec"]["replicas"] = replicas.into();
        Action::ScaleWorkload { target: self.lane.target(object), replicas: u32::try_from(replicas).unwrap() }
    }

    async fn roll_back(&mut self, dice: &mut Dice) -> Option<Action> {
        let path = self.path(dice, 4);
        if self.touched.contains(&path) {
            return None;
        }
        let object = self.images[&path].clone();
        let now = &object["spec"]["template"]["spec"]["containers"];
        let mut held = self.lane.revisions(self.plane, &object).await;
        // One of an earlier plan that found no node fails by itself, and beside another writer nobody takes it back.
        let finds_a_node =
            |containers: &Value| containers[0]["resources"]["requests"]["cpu"] != UNSCHEDULABLE;
        held.retain(|(_, _, containers)| containers != now && finds_a_node(containers));
        if held.is_empty() {
            return None;
        }
        let (revision, source, _) = held.swap_remove(at(dice, held.len()));
        self.touched.push(path);
        Some(Action::RollbackWorkload { target: self.lane.target(&object), revision, source })
    }

    fn resources(&mut self, dice: &mut Dice) -> Action {
        let path = self.path(dice, 4);
        let limit = ["80Mi", "96Mi", "112Mi", "128Mi"][at(dice, 4)];
        let mut resources = Resources { memory_limit: Some(limit.to_owned()), ..Resources::default() };
        if dice.number(2) == 0 {
            // One that was not there before.
            resources.cpu_limit = Some(["300m", "0.4"][at(dice, 2)].to_owned());
        }
        self.touched.push(path.clone());
        Action::SetResources {
            target: self.lane.target(&self.images[&path]),
            container: "main".to_owned(),
            resources,
        }
    }

    fn unschedulable(&mut self, dice: &mut Dice) -> Action {
        let path = self.path(dice, 2);
        self.touched.push(path.clone());
        let resources = Resources { cpu_request: Some(UNSCHEDULABLE.to_owned()), ..Resources::default() };
        Action::SetResources {
            target: self.lane.target(&self.images[&path]),
            container: "main".to_owned(),
            resources,
        }
    }

    fn node(&mut self, cordons: bool) -> Option<Action> {
        let mut paths = self.lane.nodes.iter().map(|node| format!("/api/v1/nodes/{node}"));
        let path = paths.find(|path| (self.images[path]["spec"]["unschedulable"] == true) != cordons)?;
        let node = self.images.get_mut(&path).unwrap();
        node["spec"]["unschedulable"] = cordons.into();
        let target = self.lane.target(node);
        Some(if cordons { Action::CordonNode { target } } else { Action::UncordonNode { target } })
    }

    fn revert(&mut self, dice: &mut Dice) -> Option<Action> {
        let mut left = vec!["ConfigMap", "Deployment", "HorizontalPodAutoscaler"];
        left.retain(|kind| !self.reverted.contains(kind));
        if left.is_empty() {
            return None;
        }
        // No other action writes an autoscaler.
        let is_left = left.contains(&"HorizontalPodAutoscaler") && dice.number(2) == 0;
        let kind = if is_left { "HorizontalPodAutoscaler" } else { left.swap_remove(at(dice, left.len())) };
        self.reverted.push(kind);
        let object = &self.images[&release::path(&self.lane.namespace, kind)];
        let uid = object["metadata"]["uid"].as_str().unwrap();
        Some(release::revert(&self.lane.namespace, kind, uid))
    }
}
