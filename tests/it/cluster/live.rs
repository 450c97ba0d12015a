//! Live reads: what they answer, what they withhold, and how they fail.

use std::{ops::ControlFlow, time::Duration};

use aiops_engine::{
    error::PortErrorKind,
    ports::{ApiResource, ListOptions, LogRequest},
};
use aiops_inventory::inventory::Connection;
use serde_json::json;

use super::{
    objects::{PODS, all_synced, pod},
    stub::{Room, Stub, kubeconfig},
};

fn resource(plural: &str, kind: &str) -> ApiResource {
    ApiResource {
        group: String::new(),
        version: "v1".into(),
        kind: kind.into(),
        plural: plural.into(),
        singular: kind.to_lowercase(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: Vec::new(),
    }
}

async fn connected(stub: &Stub) -> Room {
    let room = Room::on(stub);
    room.until(Duration::from_secs(5), "connected", |rows| {
        rows.info().connection == Connection::Up && rows.info().is_openshift.is_some()
    })
    .await;
    room
}

#[tokio::test]
async fn secrets_come_without_what_they_hold() {
    let stub = Stub::start().await;
    let secret = json!({"kind": "Secret", "apiVersion": "v1", "type": "Opaque",
        "metadata": {"name": "db", "namespace": "shop", "annotations": {"a": "kept",
            "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"p\":\"Y2FuYXJ5\"}}"}},
        "data": {"p": "Y2FuYXJ5"}, "stringData": {"p": "canary"}});
    stub.apply("/api/v1/secrets", secret);
    let room = connected(&stub).await;
    let secrets = resource("secrets", "Secret");
    let one = room.cluster.get(&secrets, Some("shop"), "db").await.unwrap();
    let page = room.cluster.list(&secrets, Some("shop"), &ListOptions::default()).await.unwrap();
    assert_eq!(page.items.len(), 1);
    for text in [one.to_string(), page.items[0].to_string()] {
        assert!(!text.contains("Y2FuYXJ5") && !text.contains("canary"), "{text}");
        assert!(text.contains("kept") && text.contains("Opaque"), "{text}");
    }
}

#[tokio::test]
async fn pages_are_walked_and_an_old_token_is_told() {
    let stub = Stub::start().await;
    for n in 0..5 {
        stub.apply(PODS, pod("shop", &format!("p{n}")));
    }
    let room = connected(&stub).await;
    let pods = resource("pods", "Pod");
    let mut options =
        ListOptions { limit: 2, label_selector: Some("a in (b,c)".into()), ..ListOptions::default() };
    let mut names = Vec::new();
    loop {
        let page = room.cluster.list(&pods, Some("shop"), &options).await.unwrap();
        names.extend(page.items.iter().map(|o| o["metadata"]["name"].as_str().unwrap().to_owned()));
        options.continue_token = page.continue_token;
        if options.continue_token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["p0", "p1", "p2", "p3", "p4"]);
    assert!(stub.count("labelSelector=a%20in%20%28b%2Cc%29") >= 3, "selectors are encoded");
    options.continue_token = Some("old".into());
    let error = room.cluster.list(&pods, Some("shop"), &options).await.unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Expired);
}

#[tokio::test]
async fn a_read_whose_turn_does_not_come_blames_nobody_else() {
    let stub = Stub::start().await;
    stub.apply(PODS, pod("shop", "web"));
    let room = Room::with(&kubeconfig(&stub.url()), "cluster.qps = 1.0\ncluster.burst = 60");
    room.until(Duration::from_secs(5), "synced", all_synced).await;
    let pods = resource("pods", "Pod");
    let asked = (0..80).map(|_| room.cluster.get(&pods, Some("shop"), "web"));
    let answers = futures::future::join_all(asked).await;
    let failed: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!(failed.len() < answers.len() && failed.len() >= 10, "{} of {}", failed.len(), answers.len());
    for error in failed {
        assert_eq!(error.kind, PortErrorKind::Unavailable, "{error:?}");
        assert!(error.message.contains("cluster.qps") && error.message.contains("not asked"), "{error:?}");
    }
}

#[tokio::test]
async fn names_that_could_change_the_path_never_reach_one() {
    let stub = Stub::start().await;
    let room = connected(&stub).await;
    let pods = resource("pods", "Pod");
    let before = stub.count("/namespaces/");
    for bad in ["../nodes", "..", ".", "a/b", "a%2Fb", "a\0b", "", "a\nb", &"x".repeat(300)] {
        let error = room.cluster.get(&pods, Some("shop"), bad).await.unwrap_err();
        assert_eq!(error.kind, PortErrorKind::Invalid, "{bad:?}");
        assert!(room.cluster.get(&pods, Some(bad), "web").await.is_err(), "{bad:?}");
        let odd = ApiResource { plural: bad.into(), ..pods.clone() };
        assert!(room.cluster.list(&odd, None, &ListOptions::default()).await.is_err(), "{bad:?}");
        let request = LogRequest { namespace: "shop".into(), pod: bad.into(), ..LogRequest::default() };
        assert!(room.cluster.logs(&request, &mut |_| ControlFlow::Continue(())).await.is_err(), "{bad:?}");
    }
    assert_eq!(stub.count("/namespaces/"), before);
    // What only looks odd is encoded and asked for.
    let error = room.cluster.get(&pods, Some("shop"), "a?b=c#d e").await.unwrap_err();
    assert_eq!(error.kind, PortErrorKind::NotFound);
    assert_eq!(stub.count("/pods/a%3Fb%3Dc%23d%20e"), 1);
}

#[tokio::test]
async fn refusals_name_the_verb_the_object_and_the_place() {
    let stub = Stub::start().await;
    let room = connected(&stub).await;
    stub.story.lock().forbidden.insert("pods".into());
    let pods = resource("pods", "Pod");
    let error = room.cluster.list(&pods, Some("shop"), &ListOptions::default()).await.unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Denied);
    assert!(error.message.starts_with("list pods in namespace shop: "), "{error}");
    assert!(!room.cluster.may("list", "", "pods", Some("shop")).await.unwrap());
    assert!(room.cluster.may("list", "", "services", Some("shop")).await.unwrap());
}

#[tokio::test]
async fn logs_come_in_chunks_until_the_reader_has_enough() {
    let stub = Stub::start().await;
    let log = "/api/v1/namespaces/shop/pods/web/log";
    stub.story.lock().answers.insert(log.into(), (200, "one\ntwo\n".into()));
    let room = connected(&stub).await;
    let request = LogRequest {
        namespace: "shop".into(),
        pod: "web".into(),
        container: Some("c".into()),
        tail_lines: Some(2),
        previous: true,
        ..LogRequest::default()
    };
    let mut text = Vec::new();
    let mut take = |chunk: &[u8]| {
        text.extend_from_slice(chunk);
        ControlFlow::Continue(())
    };
    room.cluster.logs(&request, &mut take).await.unwrap();
    assert_eq!(text, b"one\ntwo\n");
    assert_eq!(stub.count("/log?container=c&previous=true&tailLines=2"), 1);
    let mut chunks = 0;
    let mut enough = |_: &[u8]| {
        chunks += 1;
        ControlFlow::Break(())
    };
    room.cluster.logs(&request, &mut enough).await.unwrap();
    assert_eq!(chunks, 1);
}

#[tokio::test]
async fn discovery_is_read_once_and_told_whole() {
    let stub = Stub::start().await;
    stub.story.lock().groups.insert("example.com".into(), vec!["widgets".into()]);
    let room = connected(&stub).await;
    let kinds = room.cluster.resources().await.unwrap();
    let names: Vec<String> = kinds.iter().map(|k| format!("{}/{}", k.group, k.plural)).collect();
    assert_eq!(names, ["/pods", "/secrets", "example.com/widgets"]);
    room.cluster.resources().await.unwrap();
    assert_eq!(stub.story.lock().asked.iter().filter(|a| *a == "/api").count(), 1);
}

#[tokio::test]
async fn a_busy_api_server_is_asked_again_and_every_request_is_counted() {
    let stub = Stub::start().await;
    let room = connected(&stub).await;
    stub.story.lock().answers.insert("/api/v1/namespaces/shop/pods/web".into(), (503, "busy".into()));
    let error = room.cluster.get(&resource("pods", "Pod"), Some("shop"), "web").await.unwrap_err();
    assert_eq!((error.kind, stub.count("/pods/web")), (PortErrorKind::Unavailable, 4));
    let counted = room.metrics.render();
    assert!(counted.contains(r#"verb="get",outcome="failed"} 4"#), "{counted}");
}

#[tokio::test]
async fn what_is_no_list_is_not_an_empty_one() {
    let stub = Stub::start().await;
    let room = connected(&stub).await;
    let maps = resource("configmaps", "ConfigMap");
    for (answer, is_list) in [
        (json!({"kind": "ConfigMapList", "items": null}), true),
        (json!({"kind": "ConfigMapList", "items": []}), true),
        (json!({"kind": "Status", "status": "Success"}), false),
        (json!({"kind": "Table", "rows": []}), false),
        (json!({"items": {}}), false),
        (json!([]), false),
    ] {
        stub.story
            .lock()
            .answers
            .insert("/api/v1/namespaces/shop/configmaps".into(), (200, answer.to_string()));
        let listed = room.cluster.list(&maps, Some("shop"), &ListOptions::default()).await;
        assert_eq!(listed.is_ok(), is_list, "{answer}: {listed:?}");
    }
}
