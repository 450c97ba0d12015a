//! Kubeconfigs and servers with which nothing can be done: one clear sentence each, and everything goes on.

use std::time::Duration;

use aiops_engine::{error::PortErrorKind, ports::ApiResource};
use aiops_inventory::{
    Kind, Sync,
    inventory::{Connection, Source},
};
use tokio::net::TcpListener;

use super::{
    objects::all_synced,
    stub::{Room, Stub, kubeconfig},
};

const SOON: Duration = Duration::from_secs(5);

/// Waits until the room says that it has no cluster for this reason, and that all kinds and live reads say it too.
async fn says(room: &Room, words: &[&str]) {
    let holds = |reason: &str| words.iter().all(|word| reason.contains(word));
    room.until(SOON, &format!("{words:?}"), |rows| {
        matches!(&rows.info().connection, Connection::Down { reason, .. } if holds(reason))
            && matches!(&rows.status(Kind::Pod).sync, Sync::Failing { reason } if holds(reason))
    })
    .await;
    let error = room.cluster.get(&pods(), Some("shop"), "web").await.unwrap_err();
    assert!(error.kind == PortErrorKind::Unavailable && holds(&error.message), "{error:?}");
}

fn pods() -> ApiResource {
    ApiResource {
        group: String::new(),
        version: "v1".into(),
        kind: "Pod".into(),
        plural: "pods".into(),
        singular: "pod".into(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: Vec::new(),
    }
}

#[tokio::test]
async fn a_kubeconfig_that_appears_and_is_repaired_later_is_used() {
    let stub = Stub::start().await;
    let room = Room::with("", "");
    says(&room, &["no cluster is configured", ".kube/config does not exist", "--kubeconfig"]).await;
    assert!(matches!(room.inventory.look().info().source, Source::None { .. }));
    room.write_kubeconfig("contexts: [what, {");
    says(&room, &[".kube/config cannot be read", "correct the file"]).await;
    room.write_kubeconfig(&kubeconfig(&stub.url()));
    room.until(SOON, "all kinds synced", all_synced).await;
    let rows = room.inventory.look();
    assert_eq!((&rows.info().source, &rows.info().connection), (&Source::Live, &Connection::Up));
}

#[tokio::test]
async fn a_kubeconfig_that_was_named_must_be_there() {
    let room = Room::with("", "cluster.kubeconfig = \"/nowhere/config\"");
    says(&room, &["/nowhere/config does not exist", "--kubeconfig"]).await;
}

#[tokio::test]
async fn an_unknown_context_is_told_with_near_ones() {
    let room = Room::with(&kubeconfig("http://127.0.0.1:1"), "cluster.context = \"tset\"");
    says(&room, &["\"tset\" is not in", "test"]).await;
}

#[tokio::test]
async fn utf16_cut_in_half_is_a_fault_and_no_panic() {
    let room = Room::with("", "");
    std::fs::create_dir_all(room.home.path().join(".kube")).unwrap();
    std::fs::write(room.home.path().join(".kube/config"), [0xFF, 0xFE, 0x41]).unwrap();
    says(&room, &["kubeconfig", "cannot be read"]).await;
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_told() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let room = Room::with(&kubeconfig(&format!("https://127.0.0.1:{port}")), "");
    says(&room, &["nothing listens at https://127.0.0.1", "check"]).await;
    assert_eq!(room.inventory.look().info().source, Source::Live);
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let room = Room::with(&kubeconfig(&format!("https://{}", listener.local_addr().unwrap())), "");
    says(&room, &["did not answer within 3 s"]).await;
}

#[tokio::test]
async fn a_server_without_tls_is_told() {
    let stub = Stub::start().await;
    let room = Room::with(&kubeconfig(&format!("https://{}", stub.address)), "");
    says(&room, &["does not speak TLS", "check the port"]).await;
}

#[tokio::test]
async fn a_server_that_is_no_api_server_is_told() {
    let stub = Stub::start().await;
    stub.story.lock().always = Some((200, "<html>hello</html>"));
    let room = Room::on(&stub);
    says(&room, &["is no Kubernetes API server", "check the kubeconfig's server"]).await;
    stub.story.lock().always = Some((404, "not found"));
    room.until(SOON, "asked again", |_| stub.count("/version") >= 3).await;
    says(&room, &["is no Kubernetes API server"]).await;
}

#[tokio::test]
async fn credentials_that_are_refused_are_told_and_read_again() {
    let stub = Stub::start().await;
    stub.story.lock().token = "new-token".into();
    let room = Room::on(&stub);
    says(&room, &["does not accept the credentials", "log in again"]).await;
    room.write_kubeconfig(&kubeconfig(&stub.url()).replace("secret-token", "new-token"));
    room.until(SOON, "all kinds synced", all_synced).await;
}

#[cfg(unix)]
mod plugins {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn with_plugin(server: &str, command: &str) -> String {
        kubeconfig(server).replace(
            r#""token":"secret-token""#,
            &format!(
                r#""exec":{{"apiVersion":"client.authentication.k8s.io/v1","command":"{command}",
                "interactiveMode":"Always","installHint":"get it from example.com"}}"#
            ),
        )
    }

    fn script(room: &Room, path: &str, text: &str) {
        let path = room.home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[tokio::test]
    async fn a_plugin_that_is_nowhere_is_told_with_its_hint() {
        let room = Room::with(&with_plugin("http://127.0.0.1:1", "no-such-plugin"), "");
        says(&room, &["\"no-such-plugin\"", "not on PATH", "get it from example.com"]).await;
    }

    #[tokio::test]
    async fn a_plugin_beside_a_bare_path_is_found_and_gets_no_stdin() {
        let stub = Stub::start().await;
        stub.story.lock().token = "from-plugin".into();
        let room = Room::with("", "");
        // It reads its stdin to the end: were it ours, it would wait for ever and eat what comes.
        script(
            &room,
            ".local/bin/my-login",
            "#!/bin/sh\nread line && exit 9\n\
             echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\
             \"status\":{\"token\":\"from-plugin\"}}'\n",
        );
        room.write_kubeconfig(&with_plugin(&stub.url(), "my-login"));
        room.until(SOON, "all kinds synced", all_synced).await;
    }

    #[tokio::test]
    async fn a_plugin_that_fails_is_quoted_without_its_credentials() {
        let room = Room::with("", "");
        script(
            &room,
            "bin/my-login",
            "#!/bin/sh\necho 'session expired password=hunter2secret' >&2\nexit 3\n",
        );
        room.write_kubeconfig(&with_plugin("http://127.0.0.1:1", "my-login"));
        says(&room, &["\"my-login\" failed", "session expired", "log in again"]).await;
        let rows = room.inventory.look();
        assert!(!format!("{:?}", rows.info()).contains("hunter2secret"));
    }
}
