//! The command line: what `call`, `tools`, `doctor` and `completions` print and how they end.
//!
//! What the tools answer is tested with the tools.
#![expect(clippy::unwrap_used, reason = "what a test sets up must work")]

use std::{
    process::Output,
    time::{Duration, Instant},
};

use aiops::{
    cli::{arguments, render},
    ordered::Node,
};
use serde_json::{Value, json};

use super::process::{Running, aiops, output, text};

mod reach;
mod state;

/// A recorded cluster: one pod that crashes, as `kubectl get pods -A -o json` prints it.
fn recording() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, fixture) in [
        ("pods", include_str!("../../crates/aiops-inventory/tests/fixtures/pod-crash-loop.json")),
        ("nodes", include_str!("../../crates/aiops-inventory/tests/fixtures/node.json")),
        ("namespaces", include_str!("../../crates/aiops-inventory/tests/fixtures/namespace.json")),
    ] {
        let object: Value = serde_json::from_str(fixture).unwrap();
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": [object] });
        std::fs::write(folder.path().join(format!("{name}.json")), list.to_string()).unwrap();
    }
    folder
}

fn on_recording(folder: &tempfile::TempDir, arguments: &[&str]) -> Output {
    let mut all = arguments.to_vec();
    all.extend(["--recording", folder.path().to_str().unwrap()]);
    output(&mut aiops(&all))
}

#[track_caller]
fn says(output: &Output, code: i32, parts: &[&str]) {
    let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{all}");
    for part in parts {
        assert!(all.contains(part), "{part:?} is missing in:\n{all}");
    }
}

#[test]
fn a_call_alone_prints_for_people_and_for_machines() {
    let folder = recording();
    let people = on_recording(&folder, &["call", "get-cluster-health"]);
    says(&people, 0, &["status: ", "pods: ", "total=1"]);
    let machines = on_recording(&folder, &["call", "get-cluster-health", "-o", "json"]);
    says(&machines, 0, &[]);
    let answer: Value = serde_json::from_slice(&machines.stdout).unwrap();
    assert!(answer["status"].is_string());
    let yaml = on_recording(&folder, &["call", "get-cluster-health", "-o", "yaml"]);
    says(&yaml, 0, &["status: "]);
    let parsed: Value = serde_saphyr::from_str(&text(&yaml.stdout)).unwrap();
    assert_eq!(parsed["status"], answer["status"], "YAML says what JSON says");
    let there = on_recording(&folder, &["call", "list-pods", "-n", "legacy", "-o", "json"]);
    let elsewhere = serde_json::from_slice::<Value>(&there.stdout).unwrap();
    assert_eq!(
        (&elsewhere["namespace"], &elsewhere["total"]),
        (&json!("legacy"), &json!(0)),
        "as kubectl -n"
    );
    let limited = on_recording(&folder, &["call", "list-pods", "limit=1", "-o", "wide"]);
    says(&limited, 0, &["NAME"]);
}

#[test]
fn a_call_that_cannot_be_made_says_what_can() {
    let folder = recording();
    for (arguments, code, parts) in [
        (&["call", "get-cluster-helth"][..], 2, &["did you mean get-cluster-health?"][..]),
        (&["call", "list-pods", "limt=5"], 2, &["no argument \"limt\"", "limit"]),
        (&["call", "list-pods", "limit=many"], 2, &["limit", "a whole number"]),
        (&["call", "list-pods", "limit"], 2, &["NAME=VALUE"]),
        (&["call", "list-pods", "--args", "[1]"], 2, &["JSON object"]),
        (&["call", "get-workload", "namespace=nope", "kind=Deployment", "name=x"], 1, &["nope"]),
    ] {
        says(&on_recording(&folder, arguments), code, parts);
    }
    let gone = output(&mut aiops(&["call", "list-pods", "--server", "http://127.0.0.1:1"]));
    says(&gone, 1, &["http://127.0.0.1:1", "aiops serve"]);
}

#[test]
fn a_call_speaks_to_a_running_server() {
    let (running, address) = Running::serving(&mut aiops(&["demo", "--http", "127.0.0.1:0"]));
    let url = format!("http://{address}");
    let called = output(&mut aiops(&["call", "get-cluster-health", "--server", &url]));
    says(&called, 0, &["status: ", "answered by", &url]);
    let named =
        output(aiops(&["call", "list-nodes", "-o", "json"]).env("AIOPS_SERVER", format!("{url}/mcp")));
    says(&named, 0, &[]);
    assert!(serde_json::from_slice::<Value>(&named.stdout).unwrap()["nodes"].is_array());
    let found = output(aiops(&["call", "list-nodes"]).env("AIOPS_HTTP__LISTEN", &address));
    says(&found, 0, &["answered by", &url]);
    let wrong = ["call", "get-workload", "namespace=nope", "kind=Deployment", "name=x", "--server", &url];
    says(&output(&mut aiops(&wrong)), 1, &["nope"]);
    drop(running);
}

#[test]
fn a_server_with_tokens_is_told_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    // The SHA-256 of "sesame".
    let hash = "d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272";
    std::fs::write(&path, format!("[[token]]\nname = \"me\"\nsha256 = \"{hash}\"\n")).unwrap();
    let mut command = aiops(&["demo", "--http", "127.0.0.1:0"]);
    let (_running, address) = Running::serving(command.env("AIOPS_HTTP__TOKEN_FILE", &path));
    let url = format!("http://{address}");
    let arguments = ["call", "list-nodes", "--server", &url];
    says(&output(&mut aiops(&arguments)), 1, &["AIOPS_TOKEN"]);
    says(&output(aiops(&arguments).env("AIOPS_TOKEN", "sesame")), 0, &["nodes"]);
}

#[test]
fn the_tools_are_listed_as_the_server_lists_them() {
    let folder = recording();
    says(&on_recording(&folder, &["tools"]), 0, &["TOOL", "get-cluster-health", "list-pods"]);
    says(&on_recording(&folder, &["tools", "-o", "wide"]), 0, &["namespace=", "required"]);
    let json = on_recording(&folder, &["tools", "-o", "json"]);
    let tools: Vec<Value> = serde_json::from_slice(&json.stdout).unwrap();
    assert!(tools.iter().all(|tool| tool["inputSchema"]["type"] == "object"));
}

#[test]
fn doctor_says_each_thing_with_its_fix_in_time() {
    let began = Instant::now();
    let ended = output(&mut aiops(&["doctor", "--mode", "full", "--kubeconfig", "/does/not/exist"]));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    says(&ended, 1, &["checks failed", "prometheus", "ml_services", "port", "state"]);
    for line in text(&ended.stdout).lines().filter(|line| line.starts_with("fail")) {
        assert!(line.contains(" → "), "what fails has a fix: {line}");
    }
    let folder = recording();
    says(&on_recording(&folder, &["doctor"]), 0, &["ok", "recording"]);
    let json = on_recording(&folder, &["doctor", "-o", "json"]);
    let lines: Vec<Value> = serde_json::from_slice(&json.stdout).unwrap();
    assert!(lines.iter().all(|line| ["ok", "warn", "fail"].contains(&line["verdict"].as_str().unwrap())));
}

#[test]
fn completions_and_help_are_there() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        says(&output(&mut aiops(&["completions", shell])), 0, &["aiops", "doctor"]);
    }
    for command in ["serve", "demo", "call", "tools", "doctor", "config", "client-config", "completions"] {
        says(&output(&mut aiops(&[command, "--help"])), 0, &["Usage: aiops"]);
    }
}

#[test]
fn arguments_are_typed_by_the_schema() {
    let schema = json!({ "properties": {
        "name": { "type": "string" },
        "limit": { "type": ["integer", "null"] },
        "ratio": { "type": "number" },
        "all": { "anyOf": [{ "type": "boolean" }, { "type": "null" }] },
        "names": { "type": "array", "items": { "type": "string" } },
        "ports": { "type": "array", "items": { "type": "integer" } },
        "filter": { "type": "object" },
        "word": { "enum": ["a", "b"] },
    } });
    let schema = schema.as_object().unwrap();
    let read = |json: Option<&str>, pairs: &[&str]| {
        let pairs: Vec<String> = pairs.iter().map(|&pair| pair.to_owned()).collect();
        arguments::read(schema, json, &pairs).map(Value::Object)
    };
    for (pair, want) in [
        ("name=0123", json!({ "name": "0123" })),
        ("name=a=b", json!({ "name": "a=b" })),
        ("limit=5", json!({ "limit": 5 })),
        ("limit=null", json!({ "limit": null })),
        ("ratio=0.5", json!({ "ratio": 0.5 })),
        ("all=true", json!({ "all": true })),
        ("names=a,b", json!({ "names": ["a", "b"] })),
        ("names=[\"a,b\"]", json!({ "names": ["a,b"] })),
        ("ports=80,443", json!({ "ports": [80, 443] })),
        ("filter:={\"x\":1}", json!({ "filter": { "x": 1 } })),
        ("filter={\"x\":1}", json!({ "filter": { "x": 1 } })),
        ("word=a", json!({ "word": "a" })),
    ] {
        assert_eq!(read(None, &[pair]).unwrap(), want, "{pair}");
    }
    assert_eq!(
        read(Some(r#"{"limit":1,"name":"x"}"#), &["limit=2"]).unwrap(),
        json!({ "limit": 2, "name": "x" })
    );
    for pair in ["limit=1.5", "limit=five", "all=yes", "ports=a", "filter=x", "nope=1", "name", "filter:=x"] {
        assert!(read(None, &[pair]).is_err(), "{pair}");
    }
}

#[test]
fn lines_keep_to_the_width_and_lose_nothing_in_wide_mode() {
    let long = "word ".repeat(60);
    let rows = (0..9).map(|row| {
        json!({
            "name": format!("checkout-{row}"), "object": "x".repeat(40), "status": "y".repeat(30), "age": "3m",
            "created_at": "2026-11-27T11:00:00Z", "also": if row == 0 { json!(["seldom"]) } else { json!(null) },
            "cpu": { "requested": 5, "allocatable": 10 }, "what": long, "trace": format!("first\nsecond {row}"),
        })
    });
    let few = json!([{ "code": "app_exit", "what": long, "next": long, "evidence": [{ "path": "a.b", "value": 1 }] }]);
    let notes = [long.as_str(), "short"];
    let answer = json!({ "message": long, "notes": notes, "rows": rows.collect::<Vec<_>>(), "causes": few })
        .to_string();
    let members = Node::object(&answer).unwrap();
    for width in [60, 80, 100, 200] {
        let text = render::text(&members, render::Layout { wide: false, width });
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{} > {width}: {line}", line.chars().count());
        }
        assert!(text.contains("5/10") || text.contains(", cpu"), "shown, or named as hidden: {text}");
        assert!(text.contains("also: seldom") || text.contains("ALSO"), "{text}");
        assert!(text.contains("- short") && text.contains("path") | text.contains("PATH"), "{text}");
    }
    let wide = render::text(&members, render::Layout { wide: true, width: 60 });
    assert!(wide.contains("2026-11-27T11:00:00Z") && wide.contains(long.trim_end()), "{wide}");
}

#[test]
fn answers_read_well() {
    let answer = r#"{"status":"degraded","pods":{"total":3,"ready":2},"ratio":0.5,"reason":null,"names":["a","b"],"none":[],
        "items":[{"name":"web-1","ready":true,"restarts":0,"labels":{"app":"web"},"why":null},
                 {"name":"db\u001b[31m","ready":false,"restarts":12,"message":"back-off restarting failed container in pod because it crashed"}],
        "rollout":{"revision":3,"steps":[{"step":1,"done":true}]}}"#;
    let members = Node::object(answer).unwrap();
    let narrow = render::Layout { wide: false, width: 72 };
    let people = render::text(&members, narrow);
    let want = "\
status: degraded
pods: total=3, ready=2
ratio: 0.5
reason: -
names: a, b
none: none

items (2):
  NAME          READY  RESTARTS
  web-1         true   0
  db\\u{1b}[31m  false  12
      back-off restarting failed container in pod because it crashed
  (with -o wide also: labels)

rollout:
  revision: 3
  steps (1):
    STEP  DONE
    1     true
";
    assert_eq!(people, want);
    let wide = render::text(&members, render::Layout { wide: true, width: 0 });
    assert!(wide.contains("app=web"));
    let roomy = render::text(&members, render::Layout { wide: false, width: 120 });
    assert!(
        roomy.contains("false  12        back-off restarting"),
        "a sentence stands behind its row: {roomy}"
    );
    let written = serde_json::to_string(&Node::Object(members)).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&written).unwrap(),
        serde_json::from_str::<Value>(answer).unwrap()
    );
}
