//! What the feed makes of lists, watches, refusals and interruptions.

use std::time::Duration;

use aiops_inventory::{
    Kind, Scope, Sync,
    inventory::{Connection, Source},
};
use serde_json::json;

use super::{
    objects::{NODES, PODS, all_synced, is_synced, node, pod, pods},
    stub::{Room, Stub, kubeconfig},
};

const SOON: Duration = Duration::from_secs(5);
/// Everything is fresh within five seconds of an API server's return, and a try may just have failed.
const RETURN: Duration = Duration::from_secs(6);

#[tokio::test]
async fn streaming_lists_and_watches_fill_the_rows() {
    let stub = Stub::start().await;
    stub.apply(NODES, node("n1"));
    stub.apply(PODS, pod("shop", "web"));
    let room = Room::on(&stub);
    room.until(SOON, "all kinds synced", all_synced).await;
    {
        let rows = room.inventory.look();
        assert_eq!((pods(&rows), rows.nodes().len()), (vec!["web".to_owned()], 1));
        let info = rows.info();
        assert_eq!((&*info.version, &*info.context, &info.scope), ("v1.36.0", "test", &Scope::Cluster));
        assert_eq!((&*info.uid, &info.connection), ("00000000-0000-0000-0000-000000000001", &Connection::Up));
        assert!(rows.status(Kind::Pod).heard.is_some());
    }
    room.until(SOON, "no OpenShift", |rows| {
        rows.status(Kind::Route).sync == Sync::Absent && rows.info().is_openshift == Some(false)
    })
    .await;
    stub.apply(PODS, pod("shop", "api"));
    room.until(SOON, "a new pod", |rows| pods(rows) == ["api", "web"]).await;
    stub.delete(PODS, "web", true);
    room.until(SOON, "a pod less", |rows| pods(rows) == ["api"]).await;
    assert_eq!(stub.count("limit="), 0, "nothing is listed in pages");
}

#[tokio::test]
async fn a_cluster_that_could_not_be_told_at_first_is_asked_again() {
    const SYSTEM: &str = "/api/v1/namespaces/kube-system";
    let stub = Stub::start().await;
    stub.story.lock().answers.insert(SYSTEM.to_owned(), (500, "{}".to_owned()));
    let room = Room::on(&stub);
    room.until(SOON, "all kinds synced", all_synced).await;
    assert_eq!(&*room.inventory.look().info().uid, "");
    stub.story.lock().answers.remove(SYSTEM);
    room.until(SOON, "the cluster is known", |rows| !rows.info().uid.is_empty()).await;
    // Who may not read it is not asked about it for ever.
    let stub = Stub::start().await;
    stub.story.lock().answers.insert(
        SYSTEM.to_owned(),
        (403, json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"}).to_string()),
    );
    let room = Room::on(&stub);
    room.until(SOON, "all kinds synced", all_synced).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(stub.count(SYSTEM), 1);
}

#[tokio::test]
async fn refused_streaming_lists_fall_back_to_pages_and_are_not_tried_again() {
    let stub = Stub::start().await;
    stub.story.lock().streams = false;
    for n in 0..620 {
        stub.apply(PODS, pod("shop", &format!("p{n}")));
    }
    let room = Room::on(&stub);
    room.until(SOON, "all kinds synced", all_synced).await;
    assert_eq!(room.inventory.look().pods().len(), 620);
    assert!(stub.count("/api/v1/pods?limit=500") >= 2);
    // The watch is too old: the list is read again, in pages at once.
    stub.delete(PODS, "p7", false);
    stub.line(
        PODS,
        &json!({"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}),
    );
    room.until(SOON, "a pod less", |rows| rows.pods().len() == 619 && is_synced(rows, Kind::Pod)).await;
    let streaming = stub
        .story
        .lock()
        .asked
        .iter()
        .filter(|a| a.contains("/v1/pods?") && a.contains("sendInitialEvents"))
        .count();
    assert_eq!(streaming, 1);
}

#[tokio::test]
async fn lines_are_put_together_however_they_are_cut() {
    let stub = Stub::start().await;
    let room = Room::on(&stub);
    room.until(SOON, "all kinds synced", all_synced).await;
    let line = |name: &str| format!("{}\n", json!({"type": "ADDED", "object": pod("shop", name)}));
    let text = format!("{}{}{}\n{}", line("a"), line("b"), line("c"), line("d"));
    let (first, rest) = text.split_at(10);
    let (second, third) = rest.split_at(rest.len() - 30);
    stub.pieces(PODS, &[first, second, third]);
    room.until(SOON, "four pods", |rows| pods(rows) == ["a", "b", "c", "d"]).await;
    assert_eq!(room.inventory.look().status(Kind::Pod).unreadable, 0);
}

#[tokio::test]
async fn a_watch_that_is_too_old_is_listed_again_while_its_rows_stay() {
    let stub = Stub::start().await;
    stub.apply(PODS, pod("shop", "web"));
    stub.apply(PODS, pod("shop", "gone"));
    let room = Room::on(&stub);
    room.until(SOON, "all kinds synced", all_synced).await;
    stub.delete(PODS, "gone", false);
    stub.line(
        PODS,
        &json!({"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}),
    );
    let mut least = usize::MAX;
    let seen = std::sync::Mutex::new(&mut least);
    room.until(SOON, "the deletion is found", |rows| {
        let mut least = seen.lock().unwrap();
        **least = (**least).min(rows.pods().len());
        pods(rows) == ["web"]
    })
    .await;
    assert_eq!(least, 1, "the row of the pod that lives never left");
}

#[tokio::test]
async fn a_broken_watch_goes_on_from_where_it_was() {
    let stub = Stub::start().await;
    stub.apply(PODS, pod("shop", "web"));
    let room = Room::on(&stub);
    room.until(SOON, "all kinds synced", all_synced).await;
    stub.apply(PODS, pod("shop", "api"));
    room.until(SOON, "a new pod", |rows| pods(rows) == ["api", "web"]).await;
    let version = stub.story.lock().version;
    stub.break_watches();
    let resumed = || stub.count(&format!("resourceVersion={version}")) > 0;
    room.until(SOON, "the watch is resumed", |_| resumed()).await;
    room.until(SOON, "all kinds synced", all_synced).await;
    let lists = stub
        .story
        .lock()
        .asked
        .iter()
        .filter(|a| a.contains("/v1/pods?") && a.contains("sendInitialEvents"))
        .count();
    assert_eq!(lists, 1, "nothing is listed twice");
}

#[tokio::test]
async fn a_kind_that_is_refused_says_so_and_the_others_work() {
    let stub = Stub::start().await;
    stub.apply(PODS, pod("shop", "web"));
    stub.story.lock().forbidden.extend(["nodes".to_owned(), "jobs".to_owned(), "events".to_owned()]);
    let room = Room::on(&stub);
    room.until(SOON, "three kinds forbidden, the rest synced", |rows| {
        Kind::ALL.into_iter().filter(|kind| !kind.is_optional()).all(|kind| match &rows.status(kind).sync {
            Sync::Forbidden { reason } => {
                matches!(kind, Kind::Node | Kind::Job | Kind::Event)
                    && reason.contains("cannot list resource")
            }
            sync => *sync == Sync::Synced,
        })
    })
    .await;
    assert_eq!(pods(&room.inventory.look()), ["web"]);
}

#[tokio::test]
async fn rights_in_two_namespaces_only_are_found_out_and_told() {
    let stub = Stub::start().await;
    for namespace in ["shop", "pay", "secret"] {
        stub.apply(PODS, pod(namespace, &format!("{namespace}-1")));
        stub.apply("/api/v1/namespaces", json!({"metadata": {"name": namespace}}));
    }
    stub.story.lock().only_in = Some(["shop".to_owned(), "pay".to_owned()].into());
    let room = Room::on(&stub);
    room.until(SOON, "all kinds synced", all_synced).await;
    {
        let rows = room.inventory.look();
        assert_eq!(pods(&rows), ["pay-1", "shop-1"]);
        let both = Scope::Namespaces(vec!["pay".into(), "shop".into()]);
        assert_eq!((&rows.info().scope, &rows.status(Kind::Pod).scope), (&both, &both));
        assert_eq!(rows.status(Kind::Node).scope, Scope::Cluster);
    }
    stub.apply(PODS, pod("pay", "pay-2"));
    room.until(SOON, "a new pod", |rows| pods(rows) == ["pay-1", "pay-2", "shop-1"]).await;
}

#[tokio::test]
async fn namespaces_of_the_configuration_are_the_only_ones_watched() {
    let stub = Stub::start().await;
    stub.apply(PODS, pod("shop", "web"));
    stub.apply(PODS, pod("pay", "pay-1"));
    let room = Room::with(&kubeconfig(&stub.url()), "cluster.namespaces = [\"pay\"]");
    room.until(SOON, "all kinds synced", all_synced).await;
    assert_eq!(pods(&room.inventory.look()), ["pay-1"]);
    assert_eq!(stub.count("/api/v1/pods?"), 0, "nothing is read cluster-wide");
}

#[tokio::test]
async fn an_api_server_that_goes_and_comes_back_is_told_and_caught_up_with() {
    let stub = Stub::start().await;
    stub.apply(PODS, pod("shop", "web"));
    let room = Room::on(&stub);
    room.until(SOON, "all kinds synced", all_synced).await;
    stub.story.lock().broken = true;
    stub.break_watches();
    room.until(SOON, "everything stale and the connection down", |rows| {
        matches!(rows.info().connection, Connection::Down { .. })
            && Kind::ALL.into_iter().filter(|k| !k.is_optional()).all(|kind| {
                matches!(rows.status(kind).sync, Sync::Stale { .. }) && rows.status(kind).restarts == 1
            })
    })
    .await;
    assert_eq!(pods(&room.inventory.look()), ["web"], "what was known stays");
    let before = stub.story.lock().asked.len();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let while_down = stub.story.lock().asked.len() - before;
    assert!(while_down <= 2, "{while_down} requests in 1.5 s to a server that is down");
    stub.apply(PODS, pod("shop", "api"));
    {
        let mut story = stub.story.lock();
        story.broken = false;
        story.oldest = story.version;
    }
    room.until(RETURN, "all kinds synced", all_synced).await;
    room.until(SOON, "the pod that came meanwhile", |rows| pods(rows) == ["api", "web"]).await;
    assert_eq!(room.inventory.look().info().connection, Connection::Up);
}

#[tokio::test]
async fn an_api_server_that_refuses_everybody_after_its_return_is_caught_up_with_soon() {
    const REFUSAL: &str = r#"{"kind":"Status","status":"Failure","code":403,"reason":"Forbidden","message":"no roles have been read yet"}"#;
    let stub = Stub::start().await;
    stub.story.lock().streams = false;
    stub.apply(PODS, pod("shop", "web"));
    let room = Room::on(&stub);
    room.until(SOON, "all kinds synced", all_synced).await;
    stub.story.lock().broken = true;
    stub.break_watches();
    room.until(SOON, "the loss", |rows| matches!(rows.info().connection, Connection::Down { .. })).await;
    {
        let mut story = stub.story.lock();
        story.broken = false;
        story.always = Some((403, REFUSAL));
    }
    let refused = |rows: &aiops_inventory::Inventory| {
        matches!(rows.status(Kind::Route).sync, Sync::Forbidden { .. })
            && matches!(rows.status(Kind::Pod).sync, Sync::Forbidden { .. })
    };
    room.until(SOON, "the refusals", refused).await;
    stub.story.lock().always = None;
    room.until(SOON, "everything fresh, and no OpenShift", |rows| {
        all_synced(rows) && rows.status(Kind::Route).sync == Sync::Absent
    })
    .await;
}

#[tokio::test]
async fn another_cluster_behind_the_same_address_empties_the_rows() {
    let stub = Stub::start().await;
    stub.apply(PODS, pod("shop", "web"));
    let room = Room::on(&stub);
    room.until(SOON, "all kinds synced", all_synced).await;
    {
        let mut story = stub.story.lock();
        story.broken = true;
        story.objects.clear();
    }
    stub.break_watches();
    room.until(SOON, "down", |rows| matches!(rows.info().connection, Connection::Down { .. })).await;
    {
        let mut story = stub.story.lock();
        story.uid = "00000000-0000-0000-0000-000000000002".into();
        story.broken = false;
    }
    room.until(RETURN, "pods synced and none there", |rows| {
        is_synced(rows, Kind::Pod) && rows.pods().is_empty()
    })
    .await;
    assert_eq!(&*room.inventory.look().info().uid, "00000000-0000-0000-0000-000000000002");
}

#[tokio::test]
async fn another_address_whose_cluster_cannot_be_told_empties_the_rows() {
    let (first, second) = (Stub::start().await, Stub::start().await);
    for stub in [&first, &second] {
        let refused = (403, json!({"kind": "Status", "code": 403, "message": "no"}).to_string());
        stub.story.lock().answers.insert("/api/v1/namespaces/kube-system".into(), refused);
    }
    first.apply(PODS, pod("shop", "web"));
    second.apply(PODS, pod("shop", "api"));
    let room = Room::on(&first);
    room.until(SOON, "all kinds synced", all_synced).await;
    room.until(SOON, "the first one's pod", |rows| pods(rows) == ["web"]).await;
    room.write_kubeconfig(&kubeconfig(&second.url()));
    first.story.lock().broken = true;
    first.break_watches();
    room.until(RETURN, "only the second one's pod", |rows| {
        is_synced(rows, Kind::Pod) && pods(rows) == ["api"]
    })
    .await;
}

#[tokio::test]
async fn openshift_kinds_come_and_go_while_running() {
    let stub = Stub::start().await;
    let room = Room::on(&stub);
    room.until(SOON, "no OpenShift", |rows| {
        all_synced(rows) && rows.status(Kind::ClusterOperator).sync == Sync::Absent
    })
    .await;
    let operators = "/apis/config.openshift.io/v1/clusteroperators";
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = || json!({"metadata": {"name": "clusteroperators.config.openshift.io"}});
    room.until(SOON, "definitions are watched", |_| stub.count("customresourcedefinitions") > 0).await;
    stub.story.lock().groups.insert("config.openshift.io".into(), vec!["clusteroperators".into()]);
    stub.apply(operators, json!({"metadata": {"name": "dns"}, "status": {}}));
    stub.apply(definitions, definition());
    room.until(SOON, "the operator", |rows| {
        rows.cluster_operators().len() == 1 && is_synced(rows, Kind::ClusterOperator)
    })
    .await;
    assert_eq!(room.inventory.look().info().is_openshift, Some(true));
    stub.story.lock().groups.clear();
    stub.delete(definitions, "clusteroperators.config.openshift.io", true);
    stub.break_watches();
    room.until(SOON, "no operator", |rows| {
        rows.cluster_operators().is_empty() && rows.status(Kind::ClusterOperator).sync == Sync::Absent
    })
    .await;
    room.until(SOON, "the others are whole", all_synced).await;
    assert_eq!(room.inventory.look().info().source, Source::Live);
}

#[tokio::test]
async fn objects_that_cannot_be_read_are_counted_and_lines_that_are_none_end_the_watch() {
    let stub = Stub::start().await;
    stub.apply(PODS, pod("shop", "web"));
    let room = Room::on(&stub);
    room.until(SOON, "all kinds synced", all_synced).await;
    stub.line(
        PODS,
        &json!({"type": "ADDED", "object": {"metadata": {"name": "odd", "namespace": "shop"}, "spec": 7}}),
    );
    room.until(SOON, "one unreadable", |rows| rows.status(Kind::Pod).unreadable == 1).await;
    stub.line(PODS, &json!({"type": "SHRUG"}));
    room.until(SOON, "the watch is begun again", |_| stub.count("/v1/pods?watch=true") >= 2).await;
    room.until(SOON, "synced", all_synced).await;
    stub.apply(PODS, pod("shop", "api"));
    room.until(SOON, "a new pod", |rows| pods(rows) == ["api", "web"]).await;
}
