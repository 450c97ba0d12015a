//! The tools of a member: listed for who is granted them, refused to everybody else.

use std::sync::Arc;

use aiops::{
    config,
    mcp::{Desk, Server, tool::CallContext},
    shutdown::Tasks,
    telemetry::Metrics,
};
use aiops_engine::model::caller::{Caller, Via};
use rmcp::ServiceExt as _;
use serde_json::{Map, Value, json};

use super::world::Cluster;

const TOOLS: [&str; 2] = ["observe-object", "perform-action"];

fn names(server: &Server, caller: &Caller) -> Vec<String> {
    server.tools_for(caller).iter().map(|tool| tool.name.to_string()).collect()
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[tokio::test]
async fn the_two_tools_are_there_for_who_is_granted_them_and_for_nobody_else() {
    let cluster = Cluster::new();
    let tasks = Tasks::new();
    let settings = config::Mcp { tool_prefix: "edge-".to_owned(), ..config::Mcp::default() };
    let desk = Desk::new(cluster.engine(), None, "ada").with_member(cluster.member("p1", "group:engines"));
    let server = Server::new(desk, &settings, Arc::new(Metrics::new()), tasks.clone());
    let hub = Caller::identified("hub", vec!["engines".to_owned()], Via::Mcp);
    let others = [
        Caller::identified("hub", Vec::new(), Via::Mcp),
        Caller::anonymous(Via::Mcp),
        Caller { is_identified: false, ..hub.clone() },
    ];
    let listed = names(&server, &hub);
    // By their bare names: an engine knows no prefix.
    assert!(TOOLS.iter().all(|tool| listed.iter().any(|name| name == tool)), "{listed:?}");
    for other in &others {
        let listed = names(&server, other);
        assert!(!listed.is_empty() && !TOOLS.iter().any(|tool| listed.iter().any(|name| name == tool)));
        for tool in TOOLS {
            let context = CallContext::of(other.clone());
            let refused = server.call(tool, map(json!({"nonsense": 1})), context).await.unwrap_err();
            assert_eq!(refused.code(), "refused_by_guard", "{refused}");
            assert!(refused.to_string().contains("acting.grantedTo names neither"), "{refused}");
        }
    }
    let context = || CallContext::of(hub.clone());
    let object = json!({"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web"});
    let seen = server.call("observe-object", map(object), context()).await.unwrap().structured;
    for member in ["uid", "resourceVersion", "managedFields"] {
        assert!(!seen["object"]["metadata"][member].is_null(), "{member}: {seen:?}");
    }
    // What an undo would have to write back is there as it stands; what a Secret holds never.
    assert!(seen["object"].to_string().contains("hunter2-canary"), "{seen:?}");
    // The same over a client's own connection: the user of this process is none of the engines.
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let serving = server.clone();
    tasks.spawn("test.server", async move {
        let (read, write) = tokio::io::split(ours);
        serving.streams(read, write).await.unwrap();
    });
    let client = ().serve(theirs).await.unwrap();
    let listed = client.list_all_tools().await.unwrap();
    assert!(!listed.iter().any(|tool| TOOLS.contains(&tool.name.as_ref())));
    let call = rmcp::model::CallToolRequestParams::new("perform-action").with_arguments(map(json!({})));
    let refused = client.call_tool(call).await.unwrap();
    assert_eq!(refused.is_error, Some(true), "{refused:?}");
    tasks.end();
}

#[tokio::test]
async fn who_is_no_member_says_what_it_would_take() {
    let cluster = Cluster::new();
    let tasks = Tasks::new();
    let desk = Desk::new(cluster.engine(), None, "ada");
    let server = Server::new(desk, &config::Mcp::default(), Arc::new(Metrics::new()), tasks);
    let ada = Caller::identified("ada", Vec::new(), Via::Mcp);
    assert!(!names(&server, &ada).iter().any(|name| TOOLS.contains(&name.as_str())));
    for tool in TOOLS {
        let refused = server.call(tool, Map::new(), CallContext::of(ada.clone())).await.unwrap_err();
        assert_eq!(refused.code(), "not_in_this_mode");
        assert!(refused.to_string().contains("acting.grantedTo"), "{refused}");
    }
}
