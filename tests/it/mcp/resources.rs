//! Resources: what they say, and what is said of a URI that names nothing.

use rmcp::{
    RoleClient,
    model::{ErrorCode, ReadResourceRequestParams, ResourceContents},
    service::{RunningService, ServiceError},
};
use serde_json::Value;

use super::world::World;

async fn read(client: &RunningService<RoleClient, ()>, uri: &str) -> Result<Value, ServiceError> {
    let result = client.read_resource(ReadResourceRequestParams::new(uri)).await?;
    let [ResourceContents::TextResourceContents { uri: named, mime_type, text, .. }] =
        result.contents.as_slice()
    else {
        panic!("{:?}", result.contents)
    };
    assert_eq!(named, uri);
    assert!(!text.contains("[redacted:"), "{text}");
    assert_eq!(mime_type.as_deref(), Some("application/json"));
    Ok(serde_json::from_str(text).expect("JSON"))
}

#[tokio::test]
async fn resources_say_what_the_tools_say() {
    let world = World::new();
    let client = world.legacy(&world.server(), ()).await;
    let uris: Vec<String> = client.list_all_resources().await.unwrap().into_iter().map(|r| r.uri).collect();
    assert_eq!(uris, ["cluster://health", "cluster://nodes", "cluster://namespaces"]);
    assert_eq!(client.list_all_resource_templates().await.unwrap().len(), 3);

    let health = read(&client, "cluster://health").await.unwrap();
    for member in ["status", "timestamp", "source", "nodes", "pods", "active_issues", "warnings", "message"] {
        assert!(health.get(member).is_some(), "{member} is missing in {health}");
    }
    assert_eq!(health["source"], "kubernetes-api");
    assert_eq!(health["timestamp"], health["as_of"]);
    assert_eq!(health["active_issues"], health["issues"]["total"]);

    let nodes = read(&client, "cluster://nodes").await.unwrap();
    assert_eq!(nodes["total_nodes"], nodes["nodes"].as_array().unwrap().len());
    let name = nodes["nodes"][0]["name"].as_str().unwrap();
    assert_eq!(read(&client, &format!("cluster://nodes/{name}")).await.unwrap()["name"], name);

    let namespaces = read(&client, "cluster://namespaces").await.unwrap();
    assert_eq!(
        namespaces["namespaces"].as_array().unwrap().len(),
        world.inventory.look().namespace_names().len()
    );

    let (namespace, name) = {
        let inventory = world.inventory.look();
        let key = &inventory.deployments().iter().next().unwrap().meta.key;
        (key.namespace.to_string(), key.name.to_string())
    };
    let one = read(&client, &format!("cluster://namespaces/{namespace}")).await.unwrap();
    assert_eq!(one["namespace"], namespace.as_str());
    assert!(one["workloads_total"].as_u64().unwrap() >= 1);
    for kind in ["Deployment", "deploy", "Deploymen%74"] {
        let uri = format!("cluster://workloads/{namespace}/{kind}/{name}");
        assert_eq!(read(&client, &uri).await.unwrap()["name"], name.as_str());
    }
}

#[tokio::test]
async fn nodes_that_are_not_known_are_null_and_not_zero() {
    let world = World::empty();
    let client = world.legacy(&world.server(), ()).await;
    let nodes = read(&client, "cluster://nodes").await.unwrap();
    assert!(nodes["total_nodes"].is_null() && nodes["ready_nodes"].is_null(), "{nodes}");
    assert_eq!(nodes["warming"], true);
}

#[tokio::test]
async fn a_uri_that_names_nothing_is_not_found_and_near_ones_are_named() {
    let world = World::new();
    let server = world.server();
    let (legacy, modern) = (world.legacy(&server, ()).await, world.modern(&server, ()).await);
    let long = format!("cluster://nodes/{}", "x".repeat(5_000));
    for (uri, said) in [
        ("cluster://helth", "did you mean cluster://health"),
        ("cluster://namespaces/no-such", "namespace \"no-such\" not found"),
        ("cluster://nodes/..%2F..%2Fetc", "not found"),
        ("cluster://nodes/a%00b", "not found"),
        ("cluster://nodes/%ff%fe", "not found"),
        ("cluster://nodes/", "not found"),
        ("cluster://workloads/a/Widget/b", "workloads are Deployment"),
        ("file:///etc/passwd", "there are cluster://health"),
        (&long, "not found"),
        ("", "not found"),
    ] {
        for (client, code) in [(&legacy, ErrorCode(-32002)), (&modern, ErrorCode::INVALID_PARAMS)] {
            let Err(ServiceError::McpError(error)) = read(client, uri).await else { panic!("{uri}") };
            assert_eq!(error.code, code, "{uri}: {error}");
            assert!(error.message.contains(said) && error.message.len() < 400, "{uri}: {error}");
        }
    }
}
