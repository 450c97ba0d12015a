//! SIGKILL of a member, of its engine, and of the one process that is both, around the changes that they make: each order is
//! done once and told once. The API server's audit log and that of the member say what happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{Binary, FREE, PATIENCE, deployment, effects, hub_of, member_of, ordered, over, tokens};
use crate::support::{Dice, Options, Plane, is_proof};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Member,
    Hub,
    Both,
}

/// Who asks, and who does it; nobody else where one process is both.
struct Line {
    hub: Binary,
    member: Option<Binary>,
}

impl Line {
    fn member(&self) -> &Binary {
        self.member.as_ref().unwrap_or(&self.hub)
    }

    /// Whether the member has written down a change of this workflow, or what became of it.
    fn has_written(&self, kind: &str, id: &str) -> bool {
        self.member().keys(kind).iter().any(|key| key.starts_with(id))
    }

    fn kill(&mut self, side: Side) {
        match (&mut self.member, side) {
            (Some(member), Side::Member) => member.kill_and_restart(),
            _ => self.hub.kill_and_restart(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_side_is_killed_around_its_changes_and_each_effect_comes_once() {
    let plane = Plane::shared().await;
    let home = tempfile::tempdir().unwrap();
    tokens(home.path());
    let member = Binary::start(home.path(), "member", &member_of(&plane, "\"hub\""));
    let hub = Binary::start(home.path(), "hub", &hub_of(&member));
    let line = Line { hub, member: Some(member) };
    each_effect_comes_once(&plane, line, &[Side::Member, Side::Hub]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_is_both_is_killed_around_its_changes_and_each_effect_comes_once() {
    let plane = Plane::own(&Options { nodes: 2, ..Options::default() }).await;
    let home = tempfile::tempdir().unwrap();
    let kubeconfig = plane.kubeconfig("admin");
    let config = format!("cluster.kubeconfig = {kubeconfig:?}\ncluster.member.inProcess = true\n{FREE}");
    let line = Line { hub: Binary::start(home.path(), "both", &config), member: None };
    each_effect_comes_once(&plane, line, &[Side::Both]).await;
}

async fn each_effect_comes_once(plane: &Plane, mut line: Line, sides: &[Side]) {
    let mut dice = Dice::new();
    let namespace = plane.namespace(&mut dice).await;
    let trials = sides.len() * if is_proof() { 50 } else { 3 };
    for trial in 0..trials {
        deployment(plane, &namespace, &format!("web-{trial}")).await;
    }
    let place = plane.audit_end();
    let mut orders = Vec::new();
    let mut struck: BTreeMap<(Side, &str), usize> = BTreeMap::new();
    for trial in 0..trials {
        let side = sides[trial % sides.len()];
        let id = ordered(&line.hub, &namespace, &format!("web-{trial}")).await;
        // Between what the member wrote down and what became of it; or, one in four, wherever it is.
        let deadline = Instant::now() + PATIENCE;
        if trial % 8 < 6 {
            while !line.has_written("intent", &id) {
                assert!(Instant::now() < deadline, "no change came: {}", line.hub.log());
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        } else {
            tokio::time::sleep(Duration::from_millis(dice.number(600))).await;
        }
        let is_under_way = line.has_written("intent", &id) && !line.has_written("outcome", &id);
        *struck.entry((side, if is_under_way { "under way" } else { "elsewhere" })).or_default() += 1;
        line.kill(side);
        orders.push(id);
    }
    let mut ends: BTreeMap<String, u32> = BTreeMap::new();
    let mut lost = Vec::new();
    for id in &orders {
        let done = over(&line.hub, id).await;
        *ends.entry(done["phase"].as_str().unwrap().to_owned()).or_default() += 1;
        if done["phase"] != "completed" {
            lost.push(done);
        }
    }
    println!("{trials} SIGKILLs: {struck:?}; workflows: {ends:?}");
    assert!(lost.is_empty(), "{lost:#?}");
    let under_way: usize =
        struck.iter().filter(|((_, place), _)| *place == "under way").map(|(_, n)| n).sum();
    assert!(2 * under_way >= trials, "{under_way} of {trials} while a change was under way: {struck:?}");
    for (trial, id) in orders.iter().enumerate() {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/web-{trial}");
        let found = plane.get(&path).await.unwrap();
        // Each change of what is wanted counts once there.
        assert_eq!(found["metadata"]["generation"], 2, "{id} changed web-{trial} this often, and one");
        let marker = found["metadata"]["annotations"]["aiops.io/effect"].as_str();
        assert!(marker.is_some_and(|marker| marker.starts_with(id)), "{id}: {marker:?}");
    }
    // The audit log has its line only after the effect can be seen.
    let deadline = Instant::now() + Duration::from_secs(20);
    let counts = loop {
        let counts = effects(plane, place, &namespace);
        assert!(counts.values().all(|count| *count <= 1), "an effect came twice: {counts:?}");
        if counts.len() >= orders.len() {
            break counts;
        }
        assert!(Instant::now() < deadline, "one effect for each order: {counts:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(counts.len(), orders.len(), "an effect of no order: {counts:?}");
    // Nothing reached the API server that the member had not written down before, and no effect was told twice.
    let written: BTreeSet<String> = line.member().keys("intent");
    for key in counts.keys() {
        assert!(written.contains(key), "{key} was not written down");
        let done = line.member().audited("outcome", key);
        let done = done.iter().filter(|line| line["outcome"] == "done").count();
        assert!(done <= 1, "{key} is told done {done} times");
    }
}
