//! What one replica writes is told to the subscribers of the others.

use serde_json::json;

use crate::support::{Desktop, Postgres};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_are_told_of_what_another_replica_wrote() {
    let server = Postgres::start().await;
    let url = server.place().await;
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str| {
        let state = folder.path().join(name);
        let arguments =
            ["--mode", "full", "--kubeconfig", "/does/not/exist", "--state-dir", state.to_str().unwrap()];
        Desktop::start(&arguments, &[("AIOPS_STORE__URL", url.as_str())])
    };
    let (mut listens, mut writes) = (start("one"), start("two"));
    let read = |client: &mut Desktop| client.ask("resources/read", json!({ "uri": "cluster://incidents" }));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while read(&mut listens)["error"].is_object() {
        assert!(std::time::Instant::now() < until, "{}", read(&mut listens));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let subscribed = listens.ask("resources/subscribe", json!({ "uri": "cluster://incidents" }));
    assert!(subscribed["error"].is_null(), "{subscribed}");
    let incident = json!({ "title": "it is slow", "description": "it was seen", "severity": "high" });
    writes.until("create-incident", &incident, "recorded", std::time::Duration::from_secs(60), |told| {
        !told.is_error
    });
    let told = std::iter::repeat_with(|| listens.hears())
        .find(|message| message["method"] == "notifications/resources/updated")
        .unwrap();
    assert_eq!(told["params"]["uri"], "cluster://incidents", "{told}");
    assert!(read(&mut listens).to_string().contains("it is slow"));
}
