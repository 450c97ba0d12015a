//! What `tools/list` says: schemas that clients can swallow, true hints, few tokens, and only what can be done.

use aiops::mcp::tools::TOOLS;
use aiops_inventory::inventory::Source;
use rmcp::model::Tool;
use serde_json::{Value, json};

use super::{
    tools::ALL,
    world::{World, call, text},
};

fn names(tools: &[Tool]) -> Vec<&str> {
    tools.iter().map(|tool| tool.name.as_ref()).collect()
}

/// Every value below a JSON value that fulfils a condition.
fn find(value: &Value, wrong: &dyn Fn(&Value) -> bool, found: &mut Vec<Value>) {
    if wrong(value) {
        found.push(value.clone());
    }
    match value {
        Value::Object(members) => members.values().for_each(|member| find(member, wrong, found)),
        Value::Array(items) => items.iter().for_each(|item| find(item, wrong, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_tool_is_described_in_a_way_that_clients_can_swallow() {
    let world = World::new();
    let tools = world.server().tools();
    let own = TOOLS.iter().filter(|tool| !tool.is_coordinated() && !tool.is_membered());
    assert_eq!(tools.len(), own.count());
    assert!(names(&tools).is_sorted());
    for tool in &tools {
        let name = &tool.name;
        assert!(name.len() <= 40 && name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
        assert!(tool.title.as_deref().is_some_and(|title| !title.is_empty()), "{name} has no title");
        let description = tool.description.as_deref().unwrap_or_default();
        assert!((20..=300).contains(&description.len()), "{name}: {description}");
        let hints = tool.annotations.clone().unwrap_or_else(|| panic!("{name} has no hints"));
        for hint in
            [hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint]
        {
            assert!(hint.is_some(), "{name} leaves a hint to the client's guess");
        }
        let input = Value::Object((*tool.input_schema).clone());
        let output = Value::Object((**tool.output_schema.as_ref().expect("an output schema")).clone());
        for schema in [&input, &output] {
            assert_eq!(schema["type"], "object", "{name}");
            assert!(jsonschema::validator_for(schema).is_ok(), "{name}");
            let mut wrong = Vec::new();
            find(schema, &|v| v.get("$ref").is_some() || v.get("$defs").is_some(), &mut wrong);
            find(schema, &|v| v.get("type").is_some_and(Value::is_array), &mut wrong);
            assert!(wrong.is_empty(), "{name}: {wrong:?}");
        }
        assert_eq!(input["additionalProperties"], false, "{name}");
        for (argument, schema) in input["properties"].as_object().unwrap() {
            assert!(
                schema["type"].is_string() && schema["description"].is_string(),
                "{name}.{argument}: {schema}"
            );
        }
    }
}

#[tokio::test]
async fn the_list_costs_a_model_little() {
    let world = World::new();
    let handed: Vec<Value> = world
        .server()
        .tools()
        .iter()
        .map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}))
        .collect();
    let text = serde_json::to_string(&handed).unwrap();
    let tokens = tiktoken_rs::o200k_base().unwrap().encode_ordinary(&text).len();
    println!("tools/list as handed to a model: {} tools, {tokens} tokens", handed.len());
    assert!(tokens <= 2_500, "{tokens} tokens");
}

#[tokio::test]
async fn a_list_is_the_same_each_time_and_for_each_client() {
    let world = World::new();
    let server = world.server();
    let (legacy, modern) = (world.legacy(&server, ()).await, world.modern(&server, ()).await);
    let first = serde_json::to_string(&legacy.list_all_tools().await.unwrap()).unwrap();
    for _ in 0..2 {
        assert_eq!(serde_json::to_string(&legacy.list_all_tools().await.unwrap()).unwrap(), first);
        assert_eq!(serde_json::to_string(&modern.list_all_tools().await.unwrap()).unwrap(), first);
    }
}

#[tokio::test]
async fn every_answer_fits_its_own_schema() {
    let world = World::new();
    let server = world.server();
    let client = world.legacy(&server, ()).await;
    for tool in server.tools() {
        let arguments = match tool.name.as_ref() {
            "get-workload" => json!({"kind": "Deployment", "namespace": first_deployment(&world).0,
                "name": first_deployment(&world).1}),
            _ if tool.input_schema.contains_key("required") => continue,
            _ => json!({}),
        };
        let result = client.call_tool(call(&tool.name, arguments)).await.unwrap();
        assert_eq!(result.is_error, Some(false), "{}: {}", tool.name, text(&result));
        let structured = result.structured_content.clone().unwrap();
        let schema = Value::Object((**tool.output_schema.as_ref().unwrap()).clone());
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(&structured).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?} in {structured}", tool.name);
        assert_eq!(serde_json::from_str::<Value>(&text(&result)).unwrap(), structured, "{}", tool.name);
        // The small cluster holds no credential, so whatever is taken out was one of our own members.
        assert!(!text(&result).contains("[redacted:"), "{}: {}", tool.name, text(&result));
    }
}

fn first_deployment(world: &World) -> (String, String) {
    let inventory = world.inventory.look();
    let key = &inventory.deployments().iter().next().expect("a Deployment").meta.key;
    (key.namespace.to_string(), key.name.to_string())
}

#[tokio::test]
async fn a_prefix_stands_before_every_name_and_in_every_text() {
    let mut world = World::new();
    world.settings.tool_prefix = "k8s_".to_owned();
    let server = world.server();
    assert!(server.tools().iter().all(|tool| tool.name.starts_with("k8s_")));
    assert!(server.instructions().contains("k8s_get-cluster-health"));
    let client = world.legacy(&server, ()).await;
    assert_eq!(client.call_tool(call("k8s_list-pods", json!({}))).await.unwrap().is_error, Some(false));
    assert!(client.call_tool(call("list-pods", json!({}))).await.is_err());
    let context = aiops::mcp::tool::CallContext::detached();
    assert!(
        server.call("list-pods", serde_json::Map::new(), context).await.is_ok(),
        "a shell may leave it out"
    );
    assert!(world.metrics.render().contains("tool=\"list-pods\""));
}

#[tokio::test]
async fn read_only_hides_what_changes_something() {
    let mut world = World::new();
    assert!(names(&world.server_of(ALL).tools()).contains(&"writes"));
    world.settings.read_only = true;
    let server = world.server_of(ALL);
    assert!(!names(&server.tools()).contains(&"writes"));
    let client = world.legacy(&server, ()).await;
    assert!(client.call_tool(call("writes", json!({}))).await.is_err());
}

#[tokio::test]
async fn a_toolset_that_is_not_asked_for_is_not_offered() {
    let mut world = World::new();
    world.settings.toolsets.clear();
    assert!(world.server().tools().is_empty());
}

#[tokio::test]
async fn tools_of_the_live_cluster_hide_while_none_is_configured() {
    let world = World::new();
    let server = world.server_of(ALL);
    assert!(names(&server.tools()).contains(&"hangs"));
    let none = Source::None { reason: "no kubeconfig was found".into() };
    world.inventory.change(|inventory| inventory.set_info(|info| info.source = none));
    assert!(!names(&server.tools()).contains(&"hangs"));
    assert!(names(&server.tools()).contains(&"tells"));
    assert!(server.instructions().contains("No cluster is connected: no kubeconfig was found."));
    world.inventory.change(|inventory| inventory.set_info(|info| info.source = Source::Live));
    assert!(names(&server.tools()).contains(&"hangs"));
}
