//! After any sequence of changes the aggregates equal a recount over the rows, and the rows equal a plain map that saw
//! the same changes.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what cannot go on fails the test")]

use std::collections::{BTreeMap, BTreeSet};

use aiops_inventory::{
    Change, Inventory, Kind, Name, Sync,
    inventory::{NamespaceTotals, NodeTotals, PodTotals},
    rows::{Phase, PodRow},
};

/// SplitMix64: enough for choices, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

type Key = (String, String);

const NAMESPACES: [&str; 3] = ["cart", "pay", "ship"];

fn key(dice: &mut Dice) -> Key {
    (NAMESPACES[dice.roll(3) as usize].to_owned(), format!("web-{}", dice.roll(8)))
}

/// A pod in a random state; the uid tells one that was made again from the one before.
fn pod((namespace, name): &Key, uid: u64, dice: &mut Dice) -> String {
    let node = match dice.roll(4) {
        0 => String::new(),
        n => format!(r#""nodeName":"node-{n}","#),
    };
    let phase = ["Pending", "Running", "Running", "Succeeded", "Failed", ""][dice.roll(6) as usize];
    let cpu = ["100m", "2", "0.5", "9223372036854775807", "-1"][dice.roll(5) as usize];
    let limits = [r#","limits":{"cpu":"1","memory":"7Ei"}"#, ""][dice.roll(2) as usize];
    let ready = ["True", "False"][dice.roll(2) as usize];
    let restarts = dice.roll(4);
    format!(
        r#"{{"metadata":{{"namespace":"{namespace}","name":"{name}","uid":"00000000-0000-0000-0000-{uid:012x}"}},
        "spec":{{{node}"containers":[{{"name":"web","image":"web:1",
          "resources":{{"requests":{{"cpu":"{cpu}","memory":"64Mi"}}{limits}}}}}]}},
        "status":{{"phase":"{phase}","conditions":[{{"type":"Ready","status":"{ready}"}}],
          "containerStatuses":[{{"name":"web","restartCount":{restarts},"state":{{"running":{{}}}}}}]}}}}"#
    )
}

fn add(totals: &mut PodTotals, pod: &PodRow) {
    match pod.phase {
        Phase::Pending => totals.counts.pending += 1,
        Phase::Running => totals.counts.running += 1,
        Phase::Succeeded => totals.counts.succeeded += 1,
        Phase::Failed => totals.counts.failed += 1,
        Phase::Unknown => totals.counts.unknown += 1,
    }
    totals.counts.ready += i64::from(pod.ready && pod.phase == Phase::Running);
    totals.restarts += i64::from(pod.restarts());
    if !matches!(pod.phase, Phase::Succeeded | Phase::Failed) {
        let bounded = |amount: Option<i64>| amount.unwrap_or(0).clamp(0, 1 << 46);
        totals.requested_cpu_milli += bounded(pod.requests.cpu_milli);
        totals.requested_memory_bytes += bounded(pod.requests.memory_bytes);
        totals.limited_cpu_milli += bounded(pod.limits.cpu_milli);
        totals.limited_memory_bytes += bounded(pod.limits.memory_bytes);
    }
}

fn check(inventory: &Inventory, pods: &BTreeMap<Key, u64>, deployments: &BTreeSet<Key>, step: &str) {
    let held: BTreeMap<Key, u64> = inventory
        .pods()
        .iter()
        .map(|row| ((row.meta.key.namespace.to_string(), row.meta.key.name.to_string()), row.meta.uid as u64))
        .collect();
    assert_eq!(&held, pods, "pods after {step}");
    let mut cluster = PodTotals::default();
    let mut spaces: BTreeMap<Name, NamespaceTotals> = BTreeMap::new();
    let mut nodes: BTreeMap<Name, NodeTotals> = BTreeMap::new();
    let mut suspects = BTreeSet::new();
    for row in inventory.pods().iter() {
        add(&mut cluster, row);
        let space = spaces.entry(row.meta.key.namespace.clone()).or_default();
        add(&mut space.pods, row);
        if row.is_suspect() {
            space.suspects += 1;
            suspects.insert(row.meta.key.clone());
        }
        if let Some(node) = &row.node {
            add(&mut nodes.entry(node.clone()).or_default().pods, row);
        }
    }
    for (namespace, _) in deployments {
        spaces.entry(Name::from(namespace.as_str())).or_default().deployments += 1;
    }
    assert_eq!(inventory.pod_totals(), &cluster, "cluster after {step}");
    for name in NAMESPACES {
        assert_eq!(inventory.namespace_totals(name), spaces.get(name), "{name} after {step}");
    }
    for name in ["node-1", "node-2", "node-3"] {
        assert_eq!(inventory.node_totals(name), nodes.get(name), "{name} after {step}");
    }
    assert!(inventory.suspect_pods().eq(suspects.iter()), "suspects after {step}");
    assert_eq!(inventory.status(Kind::Pod).rows, pods.len(), "rows after {step}");
}

#[test]
fn aggregates_equal_a_recount_after_any_changes() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let mut inventory = Inventory::default();
        let (mut pods, mut deployments) = (BTreeMap::new(), BTreeSet::new());
        let mut uid = 1;
        for n in 0..150 {
            let step = match dice.roll(10) {
                0..=4 => {
                    let key = key(&mut dice);
                    // A known pod mostly changes; now and then it was made again.
                    let held = pods.get(&key).copied().filter(|_| dice.roll(4) > 0);
                    uid += 1;
                    let own = held.unwrap_or(uid);
                    let json = pod(&key, own, &mut dice);
                    inventory.apply(Kind::Pod, Change::Applied(json.as_bytes())).expect("pod");
                    pods.insert(key, own);
                    "a pod"
                }
                5 => {
                    let key = key(&mut dice);
                    let own = pods.get(&key).copied().unwrap_or(7);
                    let json = pod(&key, own, &mut dice);
                    inventory.apply(Kind::Pod, Change::Deleted(json.as_bytes())).expect("pod");
                    pods.remove(&key);
                    "a deletion"
                }
                6 => {
                    let key = key(&mut dice);
                    let json = pod(&key, 0xdead, &mut dice);
                    inventory.apply(Kind::Pod, Change::Deleted(json.as_bytes())).expect("pod");
                    "a late deletion of another pod of the name"
                }
                7 => {
                    let (namespace, name) = key(&mut dice);
                    let json = format!(r#"{{"metadata":{{"namespace":"{namespace}","name":"{name}"}}}}"#);
                    let change = if deployments.remove(&(namespace.clone(), name.clone())) {
                        Change::Deleted(json.as_bytes())
                    } else {
                        deployments.insert((namespace, name));
                        Change::Applied(json.as_bytes())
                    };
                    inventory.apply(Kind::Deployment, change).expect("deployment");
                    "a deployment"
                }
                8 => {
                    relist(&mut inventory, &mut pods, &mut dice);
                    "a list"
                }
                _ => match dice.roll(6) {
                    0 => {
                        inventory.set_sync(Kind::Pod, Sync::Forbidden { reason: Name::from("no") });
                        pods.clear();
                        "a refusal"
                    }
                    1 => {
                        inventory.apply(Kind::Pod, Change::Applied(b"{}")).expect_err("no name");
                        "an unreadable pod"
                    }
                    _ => {
                        inventory.set_sync(Kind::Pod, Sync::Synced);
                        "a sync"
                    }
                },
            };
            check(&inventory, &pods, &deployments, &format!("{step} (step {n} of seed {seed})"));
        }
    }
}

/// A list of one namespace or of all that names each pod with some luck and a few new ones.
fn relist(inventory: &mut Inventory, pods: &mut BTreeMap<Key, u64>, dice: &mut Dice) {
    let scope = [None, Some("cart"), Some("pay")][dice.roll(3) as usize];
    inventory.begin(Kind::Pod);
    let mut listed = BTreeMap::new();
    for (key, own) in pods.iter() {
        if scope.is_none_or(|scope| key.0 == scope) && dice.roll(3) > 0 {
            listed.insert(key.clone(), *own);
        }
    }
    let new = key(dice);
    if scope.is_none_or(|scope| new.0 == scope) {
        listed.insert(new, 0xbeef);
    }
    for (key, own) in &listed {
        let json = pod(key, *own, dice);
        inventory.apply(Kind::Pod, Change::Applied(json.as_bytes())).expect("pod");
    }
    // What a list that broke off did not name stays.
    if dice.roll(5) == 0 {
        pods.extend(listed);
        return;
    }
    inventory.complete(Kind::Pod, scope);
    pods.retain(|key, _| scope.is_some_and(|scope| key.0 != scope));
    pods.extend(listed);
}

#[test]
fn what_was_not_listed_is_not_known() {
    let mut inventory = Inventory::default();
    assert_eq!(inventory.status(Kind::Pod).sync, Sync::Warming);
    assert!(!inventory.status(Kind::Pod).sync.is_known());
    let before = inventory.generation();
    inventory.begin(Kind::Pod);
    inventory.complete(Kind::Pod, None);
    inventory.set_sync(Kind::Pod, Sync::Synced);
    assert!(inventory.status(Kind::Pod).sync.is_known());
    assert!(inventory.generation() > before);
    assert_eq!(inventory.namespace_totals("nowhere"), None);
}

#[test]
fn an_unreadable_object_counts_once_and_until_it_is_readable() {
    let mut inventory = Inventory::default();
    let name =
        |name: &str, status: &str| format!(r#"{{"metadata":{{"name":"{name}","namespace":"pay"}}{status}}}"#);
    let (bad, good) = (name("web", r#","status":7"#), name("web", ""));
    inventory.begin(Kind::Pod);
    for json in [&bad, &bad, &name("db", r#","status":7"#)] {
        inventory.apply(Kind::Pod, Change::Applied(json.as_bytes())).expect_err("not a pod");
    }
    inventory.complete(Kind::Pod, None);
    assert_eq!(
        (inventory.status(Kind::Pod).unreadable, inventory.status(Kind::Deployment).unreadable),
        (2, 0)
    );
    inventory.apply(Kind::Pod, Change::Applied(good.as_bytes())).expect("pod");
    assert_eq!(inventory.status(Kind::Pod).unreadable, 1);
    inventory.begin(Kind::Pod);
    inventory.complete(Kind::Pod, Some("cart"));
    assert_eq!(inventory.status(Kind::Pod).unreadable, 1);
    inventory.complete(Kind::Pod, Some("pay"));
    assert_eq!((inventory.status(Kind::Pod).unreadable, inventory.status(Kind::Pod).rows), (0, 0));
}

#[test]
fn events_outlive_their_expiry_and_not_a_refusal() {
    let mut inventory = Inventory::default();
    let event =
        br#"{"metadata":{"name":"web.1","namespace":"shop","uid":"00000000-0000-0000-0000-000000000001"}}"#;
    inventory.apply(Kind::Event, Change::Applied(event)).expect("event");
    inventory.apply(Kind::Event, Change::Deleted(event)).expect("event");
    inventory.begin(Kind::Event);
    inventory.complete(Kind::Event, None);
    assert_eq!(inventory.events().len(), 1);
    inventory.set_sync(Kind::Event, Sync::Forbidden { reason: Name::from("no") });
    assert_eq!((inventory.events().len(), inventory.status(Kind::Event).rows), (0, 0));
}
