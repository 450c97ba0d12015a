//! Who subscribed hears of a change that reads differently, once, and of no other.

use std::{sync::Arc, time::Duration};

use aiops_inventory::inventory::Source;
use parking_lot::Mutex;
use rmcp::{
    ClientHandler, RoleClient,
    model::{
        ResourceUpdatedNotificationParam, SubscribeRequestParams, SubscriptionFilter,
        UnsubscribeRequestParams,
    },
    service::NotificationContext,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::{
    tools::ALL,
    world::{World, until},
};

/// What a client was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn times(&self, what: &str) -> usize {
        self.0.lock().iter().filter(|told| *told == what).count()
    }
}

impl ClientHandler for Told {
    async fn on_resource_updated(
        &self,
        told: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.0.lock().push(told.uri);
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.0.lock().push("tools".to_owned());
    }
}

const HEALTH: &str = "cluster://health";
const NODES: &str = "cluster://nodes";
const SHOP: &str = "cluster://namespaces/shop";

#[tokio::test]
#[expect(deprecated, reason = "resources/subscribe is what 2025-11-25 has")]
async fn a_client_of_2025_11_25_hears_of_what_it_subscribed_to() {
    let world = World::new();
    let told = Told::default();
    let client = world.legacy(&world.server(), told.clone()).await;
    for uri in [HEALTH, NODES, SHOP] {
        client.subscribe(SubscribeRequestParams::new(uri)).await.unwrap();
    }
    // Ten changes within the time that is waited for more are one piece of news.
    for n in 0..10 {
        world.put_pod(&format!("web-{n}"), "Running");
    }
    until("health and the namespace are announced", || told.times(HEALTH) == 1 && told.times(SHOP) == 1)
        .await;
    client.unsubscribe(UnsubscribeRequestParams::new(SHOP)).await.unwrap();
    // Time alone is no news, nor is a change that reads the same.
    world.clock.pass(3_600);
    world.put_pod("web-9", "Running");
    world.put_pod("web-10", "Pending");
    until("health is announced again", || told.times(HEALTH) == 2).await;
    assert_eq!((told.times(SHOP), told.times(NODES)), (1, 0));
}

#[tokio::test]
async fn a_client_of_2026_07_28_listens() {
    let world = World::new();
    let client = world.modern(&world.server_of(ALL), ()).await;
    let filter = SubscriptionFilter::builder()
        .tools_list_changed()
        .resource_subscription(HEALTH)
        .prompts_list_changed()
        .build();
    let mut stream = client.listen(filter).await.unwrap();
    world.put_pod("web-1", "Failed");
    let first =
        tokio::time::timeout(Duration::from_secs(5), stream.next()).await.expect("in time").expect("news");
    assert!(format!("{first:?}").contains(HEALTH), "{first:?}");
    let none = Source::None { reason: "no kubeconfig was found".into() };
    world.inventory.change(|inventory| inventory.set_info(|info| info.source = none));
    let mut tools = false;
    while !tools {
        let next = tokio::time::timeout(Duration::from_secs(5), stream.next())
            .await
            .expect("in time")
            .expect("news");
        tools = format!("{next:?}").contains("ToolListChanged");
    }
}

#[tokio::test]
async fn tools_that_come_and_go_are_announced_to_sessions() {
    let world = World::new();
    let told = Told::default();
    let _client = world.legacy(&world.server_of(ALL), told.clone()).await;
    let source =
        |source: Source| world.inventory.change(|inventory| inventory.set_info(|info| info.source = source));
    // The client's `initialized` may still be on its way when the first change is looked at.
    for attempt in 0.. {
        source(if attempt % 2 == 0 { Source::None { reason: "none".into() } } else { Source::Live });
        let news = until("the list changed", || told.times("tools") > 0);
        if tokio::time::timeout(Duration::from_secs(1), news).await.is_ok() {
            break;
        }
        assert!(attempt < 5, "nobody was told");
    }
}

#[tokio::test]
#[expect(deprecated, reason = "resources/subscribe is what 2025-11-25 has")]
async fn subscriptions_are_bounded() {
    let world = World::new();
    let client = world.legacy(&world.server(), ()).await;
    for n in 0..64 {
        client.subscribe(SubscribeRequestParams::new(format!("cluster://nodes/n{n}"))).await.unwrap();
    }
    let refused = client.subscribe(SubscribeRequestParams::new("cluster://nodes/n64")).await.unwrap_err();
    assert!(refused.to_string().contains("too many subscriptions"), "{refused}");
    let long = format!("cluster://nodes/{}", "x".repeat(5_000));
    assert!(client.subscribe(SubscribeRequestParams::new(long)).await.is_err());
    client.unsubscribe(UnsubscribeRequestParams::new("cluster://nodes/n0")).await.unwrap();
    client.subscribe(SubscribeRequestParams::new("cluster://nodes/n64")).await.unwrap();
}

#[tokio::test]
#[expect(deprecated, reason = "resources/subscribe is what 2025-11-25 has")]
async fn a_client_that_reads_nothing_costs_the_others_little() {
    let world = World::new();
    let server = world.server();
    let watched = [HEALTH, SHOP, "cluster://namespaces"];
    let (ours, theirs) = tokio::io::duplex(512);
    let of_slow = server.clone();
    world.tasks.spawn("test.slow", async move {
        let (read, write) = tokio::io::split(ours);
        // It is cut off in the middle, which is no matter here.
        let _ = of_slow.streams(read, write).await;
    });
    let (read, mut write) = tokio::io::split(theirs);
    let mut lines = BufReader::new(read).lines();
    let subscribe = |uri: &&str| ("resources/subscribe", json!({"uri": uri}));
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "slow", "version": "0"}});
    for (method, params) in [("initialize", hello)].into_iter().chain(watched.iter().map(subscribe)) {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        write.write_all(format!("{message}\n").as_bytes()).await.unwrap();
        let answer: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        assert!(answer.get("result").is_some(), "{answer}");
        if method == "initialize" {
            write
                .write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")
                .await
                .unwrap();
        }
    }
    // From here on it reads nothing.
    let told = Told::default();
    let client = world.legacy(&server, told.clone()).await;
    for uri in watched {
        client.subscribe(SubscribeRequestParams::new(uri)).await.unwrap();
    }
    for round in 1..=5 {
        let began = tokio::time::Instant::now();
        world.put_pod(&format!("web-{round}"), "Pending");
        while watched.iter().any(|uri| told.times(uri) < round) {
            assert!(began.elapsed() < Duration::from_millis(3_800), "round {round}: {:?}", told.0.lock());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
#[expect(deprecated, reason = "resources/subscribe is what 2025-11-25 has")]
async fn what_can_never_be_a_resource_is_not_listened_to() {
    let world = World::new();
    let client = world.legacy(&world.server(), ()).await;
    for uri in ["cluster://nothing", "cluster://workloads/a/Secret/x", "cluster://nodes/..%2f"] {
        let refused = client.subscribe(SubscribeRequestParams::new(uri)).await.unwrap_err();
        assert!(refused.to_string().contains("not found"), "{uri}: {refused}");
    }
    // Nothing is ever told of another scheme; the conformance suite wants it accepted all the same.
    client.subscribe(SubscribeRequestParams::new("file:///etc/passwd")).await.unwrap();
    // One that is not there yet may come.
    client.subscribe(SubscribeRequestParams::new("cluster://nodes/new")).await.unwrap();
}

#[tokio::test]
#[expect(deprecated, reason = "resources/subscribe is what 2025-11-25 has")]
async fn all_clients_together_are_bounded_and_the_refusal_says_so() {
    let world = World::new();
    let server = world.server();
    let mut clients = Vec::new();
    for one in 0..4 {
        let client = world.legacy(&server, ()).await;
        for n in 0..64 {
            let uri = format!("cluster://nodes/n{one}-{n}");
            client.subscribe(SubscribeRequestParams::new(uri)).await.unwrap();
        }
        clients.push(client);
    }
    let last = world.legacy(&server, ()).await;
    let refused = last.subscribe(SubscribeRequestParams::new("cluster://nodes/new")).await.unwrap_err();
    assert!(refused.to_string().contains("256"), "{refused}");
    // What others listen to already costs nothing more.
    last.subscribe(SubscribeRequestParams::new("cluster://nodes/n0-0")).await.unwrap();
}
