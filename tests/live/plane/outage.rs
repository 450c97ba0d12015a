//! An API server that goes away, comes back, hangs, forgets a feature, or learns new kinds.
//!
//! Each test has a control plane of its own, so that nobody else misses the API server.

use std::time::{Duration, Instant};

use http::{Request, StatusCode};

use crate::support::{Dice, Options, Plane};

fn small() -> Options {
    Options { nodes: 1, ..Options::default() }
}

#[tokio::test]
async fn the_api_server_goes_hangs_and_comes_back_with_its_state() {
    let plane = Plane::own(&small()).await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    let path = format!("/api/v1/namespaces/{namespace}");
    let before = plane.get(&path).await.unwrap();
    let first = plane.pid("kube-apiserver");

    plane.api_down().await;
    assert!(plane.get(&path).await.is_err());
    assert!(!std::path::Path::new(&format!("/proc/{first}")).exists());
    plane.api_up().await;
    assert_eq!(plane.get(&path).await.unwrap()["metadata"]["uid"], before["metadata"]["uid"]);

    plane.api_freeze().await;
    // What it had begun when it was stopped may still be answered.
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Ok(answer) = tokio::time::timeout(Duration::from_secs(1), plane.get(&path)).await {
        assert!(Instant::now() < deadline, "a frozen API server answers {answer:?}");
    }
    plane.api_thaw().await;
    let exists = |found: &serde_json::Value| found["metadata"]["name"] == *namespace;
    plane.wait(&path, "answered", Duration::from_secs(20), exists).await;
}

#[tokio::test]
async fn a_plane_ends_with_its_owner_and_starts_again_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { dir: Some(folder.path().join("plane")), ..small() };
    let plane = Plane::own(&options).await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    let (server, pids) = (plane.server().to_owned(), ["kube-apiserver", "kwok"].map(|name| plane.pid(name)));
    drop(plane);
    for pid in pids {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{pid} outlived its control plane");
    }
    let again = Plane::own(&options).await;
    assert_eq!(again.server(), server);
    assert!(again.get(&format!("/api/v1/namespaces/{namespace}")).await.is_ok());
}

/// Kubernetes before 1.32 has no streaming lists; this is how such a server refuses them.
#[tokio::test]
async fn streaming_lists_can_be_switched_off() {
    let plane = Plane::own(&Options { feature_gates: Some("WatchList=false"), nodes: 0, dir: None }).await;
    let path = "/api/v1/pods?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
    assert_eq!(plane.status_as("admin", path).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(Plane::shared().await.status_as("admin", path).await, StatusCode::OK);
}

#[tokio::test]
async fn kinds_of_openshift_come_and_go() {
    let plane = Plane::own(&Options { nodes: 0, ..Options::default() }).await;
    let paths = [
        "/apis/config.openshift.io/v1/clusteroperators",
        "/apis/config.openshift.io/v1/clusterversions",
        "/apis/machineconfiguration.openshift.io/v1/machineconfigpools",
        "/apis/route.openshift.io/v1/routes",
    ];
    plane.command(&["crds", "openshift"]).await.unwrap();
    for path in paths {
        assert_eq!(plane.status_as("admin", path).await, StatusCode::OK, "{path}");
    }
    plane
        .apply("apiVersion: config.openshift.io/v1\nkind: ClusterOperator\nmetadata: {name: dns}\nspec: {}\n")
        .await;
    plane.command(&["remove-crds", "openshift"]).await.unwrap();
    for path in paths {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while plane.status_as("admin", path).await != StatusCode::NOT_FOUND {
            assert!(std::time::Instant::now() < deadline, "{path} is still served");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The control plane's certificate is verified; a client without its authority refuses it.
#[tokio::test]
async fn nobody_without_the_authority_trusts_the_server() {
    let plane = Plane::shared().await;
    let config = kube::Config::new(plane.server().parse().unwrap());
    let client = kube::Client::try_from(config).unwrap();
    let request = Request::get("/version").body(Vec::new()).unwrap();
    let refused = client.request_text(request).await.unwrap_err();
    let mut causes = format!("{refused}");
    let mut source = std::error::Error::source(&refused);
    while let Some(cause) = source {
        causes = format!("{causes}: {cause}");
        source = cause.source();
    }
    assert!(causes.contains("certificate"), "{causes}");
}
