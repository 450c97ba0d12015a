//! Handshakes of both eras: who we are, what is promised where, and how it ends.

use std::time::Duration;

use aiops_inventory::inventory::Source;
use rmcp::model::ProtocolVersion;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use super::world::World;

#[tokio::test]
async fn a_client_of_2025_11_25_is_told_who_we_are_and_what_streams_can_do() {
    let world = World::new();
    let client = world.legacy(&world.server(), ()).await;
    let info = client.peer_info().expect("the server's introduction");
    assert_eq!(info.protocol_version, ProtocolVersion::V_2025_11_25);
    assert_eq!(info.server_info.as_ref().expect("a name").name, "aiops");
    assert_eq!(info.server_info.as_ref().expect("a version").version, env!("CARGO_PKG_VERSION"));
    assert!(
        info.server_info
            .as_ref()
            .is_some_and(|info| info.icons.as_ref().is_some_and(|icons| icons.len() == 1))
    );
    let capabilities = &info.capabilities;
    assert_eq!(capabilities.resources.as_ref().and_then(|r| r.subscribe), Some(true));
    assert_eq!(capabilities.tools.as_ref().and_then(|t| t.list_changed), Some(true));
    assert!(capabilities.logging.is_some() && capabilities.completions.is_some());
}

#[tokio::test]
async fn a_client_of_2026_07_28_is_told_the_same() {
    let world = World::new();
    let client = world.modern(&world.server(), ()).await;
    let info = client.peer_info().expect("the server's introduction");
    assert_eq!(info.protocol_version, ProtocolVersion::V_2026_07_28);
    assert_eq!(info.server_info.as_ref().expect("a name").name, "aiops");
    assert!(info.capabilities.logging.is_none());
    assert!(info.instructions.as_deref().is_some_and(|text| text.contains("get-cluster-health")));
}

#[tokio::test]
async fn instructions_name_the_cluster_and_stay_short() {
    let mut world = World::new();
    world.settings.tool_prefix = "a-prefix-of-20-chars".to_owned();
    let server = world.server();
    let text = server.instructions();
    for said in ["test-context", "https://api.test:6443", "5b1a6c1e-0000-4000-8000-000000000001", "v1.36.0"] {
        assert!(text.contains(said), "{said} is not in {text}");
    }
    assert!(text.len() < 2_048, "{} bytes", text.len());
    world.inventory.change(|inventory| {
        inventory.set_info(|info| {
            info.source = Source::Recorded { at: 1_764_000_000, name: "checkout-outage".into() };
        });
    });
    assert!(server.instructions().contains("recorded cluster checkout-outage"), "{}", server.instructions());
    world.inventory.change(|inventory| {
        inventory.set_info(|info| info.source = Source::None { reason: "x".repeat(5_000).into() });
    });
    assert!(server.instructions().len() < 2_048);
}

#[tokio::test]
async fn a_handshake_does_not_wait_for_the_cluster() {
    let world = World::empty();
    let server = world.server();
    let client =
        tokio::time::timeout(Duration::from_secs(1), world.legacy(&server, ())).await.expect("at once");
    let result =
        client.call_tool(super::world::call("get-cluster-health", serde_json::json!({}))).await.unwrap();
    let answer = result.structured_content.expect("an answer");
    assert_eq!(answer["status"], "unknown");
    assert_eq!(answer["warming"], true);
    assert!(answer["nodes"].is_null() && answer["pods"].is_null());
}

#[tokio::test]
async fn an_older_client_gets_the_version_it_speaks() {
    let world = World::new();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let answer = ask(&world, &initialize(version)).await;
        assert_eq!(answer["result"]["protocolVersion"], version);
    }
    assert_eq!(ask(&world, &initialize("1999-01-01")).await["result"]["protocolVersion"], "2025-11-25");
}

fn initialize(version: &str) -> String {
    serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}})
    .to_string()
}

async fn ask(world: &World, line: &str) -> serde_json::Value {
    let stream = world.streams(&world.server());
    let (read, mut write) = tokio::io::split(stream);
    write.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    let answer = BufReader::new(read).lines().next_line().await.unwrap().expect("an answer");
    serde_json::from_str(&answer).expect("JSON-RPC")
}

#[tokio::test]
async fn the_end_of_input_ends_the_server() {
    let world = World::new();
    for first in [String::new(), format!("{}\n", initialize("2025-11-25")), "no json\n".to_owned()] {
        let (ours, theirs) = tokio::io::duplex(4_096);
        let server = world.server();
        let (read, write) = tokio::io::split(ours);
        let served = server.streams(read, write);
        let client = async {
            let (mut read, mut write) = tokio::io::split(theirs);
            write.write_all(first.as_bytes()).await.unwrap();
            write.shutdown().await.unwrap();
            let mut said = String::new();
            read.read_to_string(&mut said).await.unwrap();
            assert!(
                said.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
                "{said}"
            );
        };
        let both = Box::pin(async { tokio::join!(served, client) });
        tokio::time::timeout(Duration::from_secs(7), both)
            .await
            .expect("it ends")
            .0
            .expect("without an error");
    }
}

#[tokio::test]
async fn the_end_of_the_process_ends_the_server() {
    let world = World::new();
    let client = world.legacy(&world.server(), ()).await;
    assert!(world.tasks.drain(Duration::from_secs(5)).await);
    tokio::time::timeout(Duration::from_secs(5), client.waiting())
        .await
        .expect("the client hears of it")
        .unwrap();
}
