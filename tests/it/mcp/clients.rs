//! Other people's clients against a real listener: the conformance suite, Python `mcp`, LangChain, the inspector.
//!
//! They need Node and Python packages (`tests/clients/setup`), so they run only when `AIOPS_TEST_CLIENTS=1` says so;
//! `make test` sets it.

use std::{path::PathBuf, process::Command};

use serde_json::json;

use super::world::World;

fn wanted() -> bool {
    std::env::vars().any(|(name, value)| name == "AIOPS_TEST_CLIENTS" && value == "1")
}

/// Serves the small cluster at a free port and runs `drive` against it.
fn against(sessions: bool, drive: impl FnOnce(&str)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut world = World::new();
    world.settings.sessions = sessions;
    let url = runtime.block_on(async {
        let service = world.server().http(&world.http);
        let router = axum::Router::new().nest_service("/mcp", service);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        world.tasks.spawn("test.listener", async move {
            axum::serve(listener, router).await.expect("a listener that serves");
        });
        url
    });
    drive(&url);
    world.tasks.end();
    runtime.shutdown_background();
}

fn clients() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn run(command: &mut Command) {
    let done = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} did not start: {error}; run tests/clients/setup"));
    let out = String::from_utf8_lossy(&done.stdout);
    print!("{out}");
    assert!(
        done.status.success(),
        "{command:?} ended with {}:\n{out}{}",
        done.status,
        String::from_utf8_lossy(&done.stderr)
    );
}

fn conformance(sessions: bool, revision: &str) {
    if !wanted() {
        return;
    }
    let expected = match (cfg!(feature = "conformance-fixtures"), sessions, revision) {
        (true, false, "2025-11-25") => Some("fixtures-stateless.yaml"),
        (true, ..) => None,
        (false, false, "2025-11-25") => Some("shipped-stateless.yaml"),
        (false, ..) => Some("shipped.yaml"),
    };
    against(sessions, |url| {
        let mut command = Command::new(clients().join("conformance"));
        command.args([url, revision]);
        if let Some(expected) = expected {
            command.arg(clients().join("expected").join(expected));
        }
        run(&mut command);
    });
}

#[test]
fn the_conformance_suite_of_2025_11_25_passes_with_sessions() {
    conformance(true, "2025-11-25");
}

#[test]
fn the_conformance_suite_of_2025_11_25_passes_without_sessions() {
    conformance(false, "2025-11-25");
}

#[test]
fn the_conformance_suite_of_2026_07_28_passes_with_sessions() {
    conformance(true, "2026-07-28");
}

#[test]
fn the_conformance_suite_of_2026_07_28_passes_without_sessions() {
    conformance(false, "2026-07-28");
}

/// Arguments that have an answer on the small cluster, for every tool that needs some.
fn arguments(world: &World) -> serde_json::Value {
    let (namespace, name) = {
        let inventory = world.inventory.look();
        let key = inventory.deployments().iter().next().expect("a Deployment").meta.key.clone();
        (key.namespace.to_string(), key.name.to_string())
    };
    let mut tools = serde_json::Map::new();
    for tool in world.server().tools() {
        let arguments = match tool.name.as_ref() {
            "get-workload" => json!({"kind": "Deployment", "namespace": namespace, "name": name}),
            "list-pods" => json!({"limit": 3}),
            _ if tool.input_schema.contains_key("required") => continue,
            _ => json!({}),
        };
        tools.insert(tool.name.to_string(), arguments);
    }
    json!({"tools": tools, "prompts": {}, "completions": [
        {"resource": "cluster://namespaces/{namespace}", "argument": {"name": "namespace", "value": ""}, "offers": namespace},
        {"prompt": "diagnose-cluster-issues", "argument": {"name": "severity", "value": "crit"}, "offers": "critical"},
    ]})
}

fn drive(environment: &str, driver: &str) {
    // The suite's own tools have no arguments here and no output schemas.
    if !wanted() || cfg!(feature = "conformance-fixtures") {
        return;
    }
    let file = tempfile::NamedTempFile::new().expect("a file for the arguments");
    std::fs::write(file.path(), arguments(&World::new()).to_string()).expect("the arguments");
    let python =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/clients").join(environment).join("bin/python");
    for sessions in [false, true] {
        against(sessions, |url| {
            run(Command::new(&python).arg(clients().join(driver)).arg(url).arg(file.path()));
        });
    }
}

#[test]
fn the_python_client_gets_every_tool_resource_prompt_and_completion() {
    drive("mcp", "python_mcp.py");
}

#[test]
fn langchain_gets_every_tool() {
    drive("langchain", "langchain_mcp.py");
}

#[test]
fn the_inspector_finds_no_fault_in_strict_mode() {
    drive("mcp", "inspector.py");
}
