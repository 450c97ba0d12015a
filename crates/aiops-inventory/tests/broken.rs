//! Whatever bytes come in: a row or an error, never a panic, and never a guess.

use aiops_inventory::{
    Change, Interner, Inventory, Kind,
    decode::{self, Shared},
    rows::Phase,
};

const FIXTURES: [(Kind, &[u8]); 21] = [
    (Kind::Node, include_bytes!("fixtures/node.json")),
    (Kind::Namespace, include_bytes!("fixtures/namespace.json")),
    (Kind::Pod, include_bytes!("fixtures/pod-crash-loop.json")),
    (Kind::Deployment, include_bytes!("fixtures/deployment.json")),
    (Kind::ReplicaSet, include_bytes!("fixtures/replicaset.json")),
    (Kind::StatefulSet, include_bytes!("fixtures/statefulset.json")),
    (Kind::DaemonSet, include_bytes!("fixtures/daemonset.json")),
    (Kind::Job, include_bytes!("fixtures/job.json")),
    (Kind::CronJob, include_bytes!("fixtures/cronjob.json")),
    (Kind::PersistentVolumeClaim, include_bytes!("fixtures/pvc.json")),
    (Kind::Service, include_bytes!("fixtures/service.json")),
    (Kind::EndpointSlice, include_bytes!("fixtures/endpointslice.json")),
    (Kind::HorizontalPodAutoscaler, include_bytes!("fixtures/hpa.json")),
    (Kind::PodDisruptionBudget, include_bytes!("fixtures/pdb.json")),
    (Kind::ResourceQuota, include_bytes!("fixtures/quota.json")),
    (Kind::LimitRange, include_bytes!("fixtures/limitrange.json")),
    (Kind::ClusterOperator, include_bytes!("fixtures/clusteroperator.json")),
    (Kind::ClusterVersion, include_bytes!("fixtures/clusterversion.json")),
    (Kind::MachineConfigPool, include_bytes!("fixtures/machineconfigpool.json")),
    (Kind::Route, include_bytes!("fixtures/route.json")),
    (Kind::Event, include_bytes!("fixtures/event-core.json")),
];

#[test]
fn every_kind_is_told_by_its_manifest_and_read() {
    let mut inventory = Inventory::default();
    for (kind, json) in FIXTURES {
        assert_eq!(decode::kind_of(json), Some(kind));
        inventory.apply(kind, Change::Applied(json)).expect("object");
        assert_eq!((inventory.status(kind).rows, inventory.status(kind).unreadable), (1, 0), "{kind}");
    }
}

/// A name alone is an object: all else may be absent or null.
#[test]
fn absent_and_null_are_defaults() {
    for (kind, _) in FIXTURES {
        for json in [
            r#"{"metadata":{"name":"a"}}"#,
            r#"{"metadata":{"name":"a","namespace":null,"labels":null,"ownerReferences":null,"uid":null,
                "annotations":null,"creationTimestamp":null},"spec":null,"status":null,"endpoints":null}"#,
            r#"{"metadata":{"name":"a","labels":{"x":null}},"spec":{"containers":null,"selector":null,"template":null},
                "status":{"conditions":null,"containerStatuses":null}}"#,
        ] {
            let mut inventory = Inventory::default();
            inventory
                .apply(kind, Change::Applied(json.as_bytes()))
                .unwrap_or_else(|e| panic!("{kind}: {}", e.source));
            assert_eq!(inventory.status(kind).rows, 1);
        }
    }
}

#[test]
fn what_is_no_object_with_a_name_is_refused() {
    for (kind, _) in FIXTURES {
        for json in [
            "",
            "null",
            "[]",
            "7",
            "\"pod\"",
            "{}",
            r#"{"metadata":{}}"#,
            r#"{"metadata":{"name":""}}"#,
            r#"{"metadata":{"name":7}}"#,
            r#"{"metadata":{"name":["a"]}}"#,
            r#"{"metadata":["a","b"]}"#,
            r#"{"metadata":{"name":"a"}"#,
            r#"{"metadata":{"name":"a"}} {}"#,
            "{\"metadata\":{\"name\":\"a\u{0}\"}}",
        ] {
            let mut inventory = Inventory::default();
            inventory.apply(kind, Change::Applied(json.as_bytes())).expect_err(json);
            assert_eq!(
                (inventory.status(kind).rows, inventory.status(kind).unreadable),
                (0, 1),
                "{kind}: {json}"
            );
        }
        assert!(Inventory::default().apply(kind, Change::Applied(&[0xff, 0xfe, b'{'])).is_err());
    }
}

#[test]
fn wrong_types_are_refused_and_never_guessed() {
    for (kind, json) in [
        (Kind::Pod, r#"{"metadata":{"name":"a"},"status":{"phase":1}}"#),
        (Kind::Pod, r#"{"metadata":{"name":"a"},"status":{"containerStatuses":[{"restartCount":"3"}]}}"#),
        (Kind::Pod, r#"{"metadata":{"name":"a"},"status":{"containerStatuses":[{"restartCount":1.5}]}}"#),
        (Kind::Pod, r#"{"metadata":{"name":"a"},"spec":{"containers":{"name":"c"}}}"#),
        (Kind::Pod, r#"{"metadata":{"name":"a","labels":["x"]}}"#),
        (Kind::Pod, r#"{"metadata":{"name":"a","labels":{"x":{}}}}"#),
        (Kind::Deployment, r#"{"metadata":{"name":"a"},"spec":{"replicas":"3"}}"#),
        (Kind::Deployment, r#"{"metadata":{"name":"a"},"spec":{"replicas":1e999}}"#),
        (Kind::Deployment, r#"{"metadata":{"name":"a"},"spec":{"replicas":99999999999999999999}}"#),
        (Kind::Deployment, r#"{"metadata":{"name":"a"},"spec":{"paused":"yes"}}"#),
        (Kind::ResourceQuota, r#"{"metadata":{"name":"a"},"spec":{"hard":{"pods":"many"}}}"#),
        (Kind::Node, r#"{"metadata":{"name":"a"},"spec":{"taints":[null]}}"#),
    ] {
        assert!(Inventory::default().apply(kind, Change::Applied(json.as_bytes())).is_err(), "{json}");
    }
}

#[test]
fn odd_but_readable_values_are_what_they_are() {
    let (mut interner, mut shared) = (Interner::default(), Shared::default());
    let mut pod = |json: &str| decode::pods(json.as_bytes(), &mut interner, &mut shared).expect(json);
    // The last of two members counts, as in the API server's decoder.
    assert_eq!(pod(r#"{"metadata":{"name":"a","name":"b"}}"#).meta.key.name, "b");
    let twice = pod(r#"{"metadata":{"name":"a","labels":{"x":"1","y":"2","x":"3"}}}"#);
    assert_eq!(twice.meta.labels.iter().collect::<Vec<_>>(), [("x", "3"), ("y", "2")]);
    // Escapes and NUL are text like any other; whoever shows it cleans it.
    assert_eq!(pod(r#"{"metadata":{"name":"a\u0000\"\ud83d\ude00"}}"#).meta.key.name, "a\0\"😀");
    let odd = pod(r#"{"metadata":{"name":"a","uid":"not-a-uuid","creationTimestamp":"yesterday"},
        "spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"lots","memory":2}}}]},
        "status":{"phase":"Dancing","podIP":"999.1.1.1","containerStatuses":[{"name":"c","restartCount":-3,"state":{}},
        {"name":"stranger","restartCount":5}]}}"#);
    assert_eq!((odd.meta.uid, odd.meta.created, odd.phase, odd.ip), (0, 0, Phase::Unknown, None));
    assert_eq!((odd.requests.cpu_milli, odd.requests.memory_bytes), (None, Some(2)));
    assert_eq!((odd.restarts(), odd.containers.len()), (0, 1));
    let many = pod(r#"{"metadata":{"name":"a"},"spec":{"containers":[{"name":"c"}]},
        "status":{"containerStatuses":[{"name":"c","restartCount":9000000000}]}}"#);
    assert_eq!(many.restarts(), u32::MAX);
}

#[test]
fn long_texts_are_cut_with_a_mark() {
    let (mut interner, mut shared) = (Interner::default(), Shared::default());
    let long = "ää ".repeat(3_000);
    let json = format!(
        r#"{{"metadata":{{"name":"a"}},"spec":{{"containers":[{{"name":"c"}}]}},
        "status":{{"reason":"{long}","message":"{long}",
        "conditions":[{{"type":"PodScheduled","status":"False","message":"{long}"}}],
        "containerStatuses":[{{"name":"c","state":{{"terminated":{{"exitCode":1,"message":"{long}"}}}}}}]}}}}"#
    );
    let pod = decode::pods(json.as_bytes(), &mut interner, &mut shared).expect("pod");
    let verdict = pod.unscheduled.as_deref().expect("verdict");
    for (text, longest) in [
        (pod.reason.as_str(), 256),
        (pod.message.as_deref().expect("message"), 512),
        (&verdict.message, 1_024),
    ] {
        assert!(
            text.len() <= longest && text.len() > longest - 12 && text.ends_with('…'),
            "{} bytes",
            text.len()
        );
    }
    let event = format!(r#"{{"metadata":{{"name":"e"}},"message":"{long}"}}"#);
    let event = decode::event(event.as_bytes(), &mut interner).expect("event");
    assert!(event.message.len() <= 512 && event.message.ends_with('…'));
}

#[test]
fn depth_is_no_way_in() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let (mut interner, mut shared) = (Interner::default(), Shared::default());
    // Where nothing is read depth costs nothing; where something is read it is of a wrong type.
    let json =
        format!(r#"{{"x":{},"metadata":{{"name":"a","managedFields":{}}}}}"#, deep(100_000), deep(100_000));
    assert!(decode::pods(json.as_bytes(), &mut interner, &mut shared).is_ok());
    let json = format!(r#"{{"metadata":{{"name":"a"}},"spec":{}}}"#, deep(100_000));
    assert!(decode::pods(json.as_bytes(), &mut interner, &mut shared).is_err());
    let line = format!(r#"{{"type":"ADDED","object":{}}}"#, deep(100_000));
    assert!(decode::watch_line(line.as_bytes()).is_ok());
}

/// Cuts and flipped bytes all over every fixture.
#[test]
fn damaged_objects_never_panic() {
    for (kind, json) in FIXTURES {
        let json = json.trim_ascii_end();
        // A prime step falls on every kind of place.
        let step = if json.len() > 4_000 { 53 } else { 11 };
        let mut inventory = Inventory::default();
        for at in (0..json.len()).step_by(step) {
            assert!(inventory.apply(kind, Change::Applied(&json[..at])).is_err(), "{kind} cut at {at}");
            let mut damaged = json.to_vec();
            for byte in [0, b'"', b'9', b'}', 0xff] {
                damaged[at] = byte;
                drop(inventory.apply(kind, Change::Applied(&damaged)));
            }
            drop(inventory.apply(kind, Change::Deleted(&damaged)));
        }
    }
}

/// Whoever may create pods and events chooses these texts; thousands of them must not fill the memory.
#[test]
fn texts_that_the_api_server_does_not_bound_are_cut() {
    let long = "x".repeat(200_000);
    let mut inventory = Inventory::default();
    let pod = format!(
        r#"{{"metadata":{{"name":"a","namespace":"n","ownerReferences":[{{"kind":"{long}","name":"{long}","uid":"1"}}]}},
        "spec":{{"containers":[{{"name":"c","image":"{long}"}}]}}}}"#
    );
    inventory.apply(Kind::Pod, Change::Applied(pod.as_bytes())).expect("a pod");
    let row = inventory.pods().get("n", "a").expect("its row");
    let owner = row.meta.owner.as_ref().expect("an owner");
    for (what, text) in [
        ("image", &row.containers.first().expect("a container").spec.image),
        ("owner's kind", &owner.kind),
        ("owner", &owner.name),
    ] {
        assert!(text.len() <= 512 && text.ends_with('…'), "{what}: {} bytes", text.len());
    }
    let event = format!(
        r#"{{"metadata":{{"name":"e","namespace":"n","uid":"2"}},"involvedObject":{{"kind":"Pod","name":"{long}"}}}}"#
    );
    inventory.apply(Kind::Event, Change::Applied(event.as_bytes())).expect("an event");
    let object = &inventory.events().iter().next().expect("its row").object;
    assert!(object.len() <= 253, "{} bytes", object.len());
}

/// Rights in one namespace end while the list of another comes in.
#[test]
fn what_is_withdrawn_in_one_namespace_disturbs_no_list_of_another() {
    let mut inventory = Inventory::default();
    let pod = |namespace: &str, name: &str| {
        format!(r#"{{"metadata":{{"name":"{name}","namespace":"{namespace}"}}}}"#)
    };
    let put = |inventory: &mut Inventory, namespace: &str, name: &str| {
        let json = pod(namespace, name);
        inventory.apply(Kind::Pod, Change::Applied(json.as_bytes())).expect("a pod");
    };
    put(&mut inventory, "a", "old");
    put(&mut inventory, "b", "gone");
    inventory.begin(Kind::Pod);
    put(&mut inventory, "b", "first");
    inventory.withdraw(Kind::Pod, "a");
    put(&mut inventory, "b", "second");
    inventory.complete(Kind::Pod, Some("b"));
    let names: Vec<String> = inventory
        .pods()
        .iter()
        .map(|row| format!("{}/{}", row.meta.key.namespace, row.meta.key.name))
        .collect();
    assert_eq!(names, ["b/first", "b/second"]);
    assert_eq!(inventory.pod_totals().counts.total(), 2);
}
