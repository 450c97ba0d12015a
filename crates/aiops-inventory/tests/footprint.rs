//! What a pod costs in memory, counted by the allocator: bytes asked for, so that every run finds the same figure.
//!
//! It says nothing about resident pages or fragmentation; the benchmark of the whole binary does.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a report; what cannot go on fails it")]

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

/// One test: two would count each other's bytes.
#[test]
fn rows_are_small() {
    a_pod_costs_at_most_400_bytes();
    an_event_costs_at_most_400_bytes();
}

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

/// Events of pods that are gone: nothing else holds their names.
fn an_event_costs_at_most_400_bytes() {
    const EVENTS: usize = 12_000;
    let before = HEAP.current_usage();
    let mut inventory = Inventory::with_event_capacity(EVENTS);
    for n in 0..EVENTS + 500 {
        let json = format!(
            r#"{{"metadata":{{"name":"web-7c9d8b6f54-{n:05}.18{n:014x}","namespace":"team-{}",
            "uid":"00000000-0000-4000-8000-{n:012x}"}},"involvedObject":{{"kind":"Pod","name":"web-7c9d8b6f54-{n:05}",
            "uid":"00000000-0000-4000-8001-{n:012x}"}},"reason":"Scheduled","type":"Normal","count":1,
            "message":"Successfully assigned team-{}/web-7c9d8b6f54-{n:05} to node-{:03}",
            "source":{{"component":"default-scheduler"}},"lastTimestamp":"2026-11-24T09:12:{:02}Z"}}"#,
            n % 50,
            n % 50,
            n % 100,
            n % 60
        );
        inventory.apply(Kind::Event, Change::Applied(json.as_bytes())).expect("event");
    }
    assert_eq!((inventory.events().len(), inventory.events().dropped()), (EVENTS, 500));
    let each = (HEAP.current_usage() - before) / EVENTS;
    println!("{each} B an event");
    assert!(each <= 400, "an event costs {each} B");
}
