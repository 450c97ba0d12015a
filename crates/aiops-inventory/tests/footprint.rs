//! What a pod costs in memory, counted by the allocator: bytes asked for, so that every run finds the same figure.
//!
//! It says nothing about resident pages or fragmentation; the benchmark of the whole binary does.

use aiops_inventory::{Change, Inventory, Kind};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// A pod as KWOK runs it: one container, eight variables, 4.8 KB with managedFields.
const POD: &str = include_str!("fixtures/pod-kwok.json");

const PODS: usize = 10_000;

/// Pod `n` of a cluster with 100 nodes, 50 namespaces and 10 workloads a namespace.
fn pod(n: usize) -> String {
    let (namespace, app, node) = (n / 200, n / 20 % 10, n % 100);
    POD.replace("@NS@", &format!("team-{namespace:03}"))
        .replace("@APP@", &format!("web-{app}"))
        .replace("@NODE@", &format!("node-{node:03}"))
        .replace("@UID@", &format!("{n:012x}"))
        .replace("@IP@", &format!("{}.{}", n / 250, n % 250 + 1))
        .replace("@N@", &format!("{n:05}"))
}

#[test]
fn a_pod_costs_at_most_400_bytes() {
    let mut inventory = Inventory::with_event_capacity(1);
    let before = HEAP.current_usage();
    inventory.begin(Kind::Pod);
    HEAP.reset_peak_usage();
    for n in 0..PODS {
        inventory.apply(Kind::Pod, Change::Applied(pod(n).as_bytes())).expect("pod");
    }
    inventory.complete(Kind::Pod, None);
    let (after, peak) = (HEAP.current_usage(), HEAP.peak_usage());
    assert_eq!(inventory.pods().len(), PODS);
    let each = (after - before) / PODS;
    println!("{each} B a pod of {} B JSON; peak {} B", pod(0).len(), (peak - before) / PODS);
    assert!(each <= 400, "a pod costs {each} B");

    // A second list of the same pods replaces each row; the first ones must leave nothing behind.
    inventory.begin(Kind::Pod);
    for n in 0..PODS {
        inventory.apply(Kind::Pod, Change::Applied(pod(n).as_bytes())).expect("pod");
    }
    inventory.complete(Kind::Pod, None);
    let again = (HEAP.current_usage() - before) / PODS;
    println!("{again} B a pod after the second list");
    assert!(again <= each + 8, "{again} B after the second list, {each} B after the first");
    drop(inventory);
    assert!(HEAP.current_usage() < before + 64 * 1024, "an inventory that is gone holds memory");
}
