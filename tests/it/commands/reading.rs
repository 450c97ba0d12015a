//! With `--read-only`, or `mcp.readOnly`, no command asks a running server for a change.

use serde_json::{Value, json};

use super::{
    super::process::{aiops, output, text},
    Served, json_of,
};

async fn played() -> Served {
    Served::of(|method, path| match (method, path) {
        ("POST", "/mcp") => json_of(&json!({"jsonrpc": "2.0", "id": 1, "result": {
            "tools": [
                {"name": "list-incidents", "description": "Lists.", "inputSchema": {"type": "object"},
                    "annotations": {"readOnlyHint": true}},
                {"name": "trigger-remediation", "description": "Repairs.", "inputSchema": {"type": "object"},
                    "annotations": {"readOnlyHint": false}},
                {"name": "of-a-later-version", "description": "Who knows.", "inputSchema": {"type": "object"}},
            ],
            "content": [{"type": "text", "text": "{}"}],
        }})),
        ("GET", "/health") => json_of(&json!({"name": "aiops"})),
        (_, "/api/v1/remediation/why-not") => {
            json_of(&json!({"allowed": true, "approval": "auto", "rules": []}))
        }
        ("GET", "/api/v1/workflows/wf-1") => json_of(&super::workflow("awaiting_approval")),
        _ => json_of(&json!({"kill_switch": "run", "breaker": "closed"})),
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_asks_a_running_server_for_no_change() {
    let served = played().await;
    for arguments in [
        &["workflow", "approve", "wf-1"][..],
        &["workflow", "deny", "wf-1", "--digest", "d1"],
        &["workflow", "cancel", "wf-1"],
        &["workflow", "resolve", "wf-1", "--outcome", "failed", "--note", "n"],
        &["incident", "create", "Slow", "--description", "d", "--severity", "high"],
        &["incident", "resolve", "inc-1"],
        &["control", "run"],
    ] {
        let refused = served.run(&[&["--read-only"], arguments].concat());
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("--read-only"), "{arguments:?}: {said}");
        assert!(served.asked.lock().is_empty(), "{arguments:?}");
    }
    let test = ["policy", "test", "-n", "shop", "--kind", "Pod", "--name", "a", "--issue", "oom_kill"];
    served.ask(&[&["--read-only"], &test[..]].concat());
    served.ask(&["--read-only", "workflow", "show", "wf-1"]);
    served.ask(&["--read-only", "control", "show"]);
    served.ask(&["--read-only", "control", "stop"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_calls_and_lists_only_tools_that_say_they_change_nothing() {
    let served = played().await;
    let listed = served.ask(&["tools", "-o", "json", "--read-only"]).0;
    let names: Vec<Value> = serde_json::from_str::<Vec<Value>>(&listed).unwrap();
    let names: Vec<&str> = names.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["list-incidents"]);
    for tool in ["trigger-remediation", "of-a-later-version"] {
        for (flag, variable) in [(&["--read-only"][..], ""), (&[], "true")] {
            let mut command = aiops(&[flag, &["call", tool]].concat());
            command.env("AIOPS_SERVER", &served.url);
            if !variable.is_empty() {
                command.env("AIOPS_MCP__READ_ONLY", variable);
            }
            let refused = output(&mut command);
            let said = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(2), "{tool}: {said}");
            assert!(said.contains("--read-only or mcp.readOnly"), "{said}");
            let asked = std::mem::take(&mut *served.asked.lock());
            assert_eq!(asked.len(), 1, "the tools were listed, and none was called: {asked:?}");
        }
    }
    for arguments in [&["--read-only", "call", "list-incidents"][..], &["call", "trigger-remediation"]] {
        let called = served.run(arguments);
        assert!(called.status.success(), "{arguments:?}: {}", text(&called.stderr));
    }
}
