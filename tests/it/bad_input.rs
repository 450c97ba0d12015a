//! What strangers may send: every argument of every tool with values that do not belong there, and messages that are
//! none. Each is answered within two seconds, by an error that names what is wrong or by a bounded answer; nothing
//! panics, and the server goes on.
//!
//! The values come from each tool's own input schema, so that a new tool is tried without a word here.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use aiops::mcp::tools::TOOLS;
use futures::{StreamExt as _, stream};
use serde_json::{Map, Value, json};

use super::{
    process::{DEADLINE, Running, aiops},
    wire::{self, Reply, send},
};

/// The longest that any of this may take, on a machine that builds something else meanwhile.
const AT_ONCE: Duration = Duration::from_secs(2);
/// The largest answer: a list with an explicit limit, as an object and as text.
const LARGEST: usize = 200_000;

/// A server on the embedded recording.
struct Door {
    running: Running,
    address: String,
}

impl Door {
    fn open() -> Self {
        let (running, address) = Running::serving(&mut aiops(&["demo", "--http", "127.0.0.1:0"]));
        Self { running, address }
    }

    async fn post(&self, body: &str) -> Reply {
        let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                    accept: application/json, text/event-stream\r\nconnection: close\r\n";
        let began = Instant::now();
        let reply = send(&self.address, &format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
        let shown: String = body.chars().take(300).collect();
        assert!(began.elapsed() < AT_ONCE, "{:?} for {shown}", began.elapsed());
        assert!(reply.body.len() < LARGEST, "{} bytes for {shown}", reply.body.len());
        reply
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let reply = self.post(&message.to_string()).await;
        assert_eq!(reply.status, 200, "{method}: {reply:?}");
        reply.json()
    }

    /// What a call says and whether that is an error.
    async fn call(&self, tool: &str, arguments: &Map<String, Value>) -> (bool, String) {
        let answer = self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await;
        let result = &answer["result"];
        let text = result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{tool}: {answer}"));
        let shown: String = text.chars().take(300).collect();
        assert_ne!(result["_meta"]["aiops.io/code"], "internal", "{tool}: {shown}");
        assert!(!text.chars().any(is_hidden), "{tool}: {shown:?} holds characters that do not show");
        (result["isError"] == true, text.to_owned())
    }

    /// It still answers; then it ends, and nothing in its log speaks of a panic.
    async fn close(mut self) {
        let (failed, text) = self.call("get-cluster-health", &Map::new()).await;
        assert!(!failed, "{text}");
        self.running.signal("TERM");
        assert_eq!(self.running.wait(DEADLINE).code(), Some(0));
        for line in &self.running.stderr {
            assert!(!line.contains("panicked"), "{line}");
        }
    }
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{e0000}'..='\u{e007f}')
}

/// Arguments for which each tool has an answer on the recording.
fn good() -> BTreeMap<String, Map<String, Value>> {
    let file: Value = serde_json::from_str(include_str!("../clients/tool_args.json")).unwrap();
    serde_json::from_value(file["tools"].clone()).unwrap()
}

fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "../x",
        "../../etc/passwd",
        "a%2Fb",
        "%2e%2e%2f",
        "--all",
        "-A",
        "a\0b",
        "a\nb",
        "a\r\nHost: x",
        "\u{202e}gnp",
        "shop\u{200b}",
        "žluť",
        "(((",
        "a=b=c",
        "app in (",
        "a,,b",
        "=",
        "{{}}",
        "${jndi:ldap://x}",
        "' OR 1=1",
        "<script>",
        "a\u{1b}[31mb",
        ".",
        "..",
        "/",
        "\\",
        "?x=1",
        "*",
        "[[[[",
        "(a+)+$",
        "(a|a)*b",
        ".{0,60000}",
        "((((a{1,100}){1,100}){1,100}){1,100})",
        "spec..x",
        "spec[999999999999999999999]",
        "data.*",
        "-5m",
        "9999999999999999999h",
        "2999-01-01T00:00:00Z",
        "kube-systm",
        "secret/x",
        "Secret",
        "pods/exec",
        "nodes/proxy",
        "v1/v1/v1/Pod",
        "AAAA",
        "1e999",
        "NaN",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.extend(["x".repeat(10_000), "💥".repeat(60), "a.".repeat(60), "(?i)".repeat(100)]);
    texts
}

/// Values that a property of this schema must refuse.
fn wrong(schema: &Value) -> Vec<Value> {
    let mut all =
        vec![json!([]), json!({}), json!([[]]), json!({"a": 1}), json!(true), json!("x"), json!(1.5)];
    all.push(json!("x".repeat(10_000)));
    let keep = |types: &[&str], value: &Value| {
        let of = match value {
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Bool(_) => "boolean",
            Value::String(_) => "string",
            _ => "number",
        };
        !types.contains(&of)
    };
    match schema["type"].as_str().unwrap() {
        "string" if schema["enum"].is_array() => {}
        "string" => all.retain(|value| keep(&["string"], value)),
        "array" => {
            // A text is taken for a list with one entry.
            all.retain(|value| keep(&["array", "string"], value));
            all.extend([
                json!([1]),
                json!([null]),
                json!(["a\0"]),
                json!(vec!["spec"; 25]),
                json!(["x".repeat(5_000)]),
            ]);
        }
        "object" => {
            all.retain(|value| keep(&["object"], value));
            all.extend([
                json!({}),
                json!({"nonsense": 1}),
                json!("{\"cpu\": 1}"),
                json!({"cpu": "1", "memory": []}),
            ]);
        }
        "boolean" => all.retain(|value| keep(&["boolean"], value)),
        "integer" => all.extend([json!(i64::MIN), json!(u64::MAX), json!(1e300), json!("1e3"), json!("٣")]),
        "number" => {
            all.retain(|value| keep(&["number"], value));
            all.extend([json!(1e300), json!(-1), json!("NaN"), json!("inf")]);
        }
        other => panic!("a type that nobody tries: {other}"),
    }
    for (bound, step) in [("minimum", -1.0), ("maximum", 1.0)] {
        if let Some(bound) = schema[bound].as_f64() {
            all.push(json!(bound + step));
            all.push(json!(format!("{}", bound + step)));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_argument_refuses_what_does_not_belong_there() {
    let door = Door::open();
    let mut calls: Vec<(&str, String, Map<String, Value>)> = Vec::new();
    // The others have a coordination or a member to ask, and their own tests.
    for tool in TOOLS.iter().filter(|tool| !tool.is_coordinated() && !tool.is_membered()) {
        let name = tool.meta().name;
        let good = good().remove(name).unwrap_or_else(|| panic!("tool_args.json has no {name}"));
        let schema = Value::Object(tool.input_schema());
        for unknown in
            ["nonsense".to_owned(), "__proto__".to_owned(), "x".repeat(10_000), "a\n\0b".to_owned()]
        {
            let mut arguments = good.clone();
            arguments.insert(unknown, json!(1));
            calls.push((name, "no such argument".to_owned(), arguments));
        }
        for required in schema["required"].as_array().into_iter().flatten() {
            let mut arguments = good.clone();
            arguments.remove(required.as_str().unwrap());
            calls.push((name, format!("argument {required}"), arguments));
        }
        for (argument, schema) in schema["properties"].as_object().unwrap() {
            for value in wrong(schema) {
                let mut arguments = good.clone();
                arguments.insert(argument.clone(), value);
                calls.push((name, argument.clone(), arguments));
            }
        }
    }
    assert!(calls.len() > 500, "{} calls", calls.len());
    let shared = &door;
    let refused = stream::iter(calls).map(|(tool, named, arguments)| async move {
        let (failed, text) = shared.call(tool, &arguments).await;
        let shown: String = Value::Object(arguments).to_string().chars().take(300).collect();
        assert!(failed, "{tool} takes {shown}: {text}");
        let begin: String = text.chars().take(200).collect();
        assert!(begin.contains(&named), "{tool} {shown} does not name {named:?}: {text}");
    });
    refused.buffer_unordered(4).collect::<Vec<()>>().await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_texts_are_refused_or_answered_within_bounds() {
    let door = Door::open();
    let mut calls = Vec::new();
    // The others have a coordination or a member to ask, and their own tests.
    for tool in TOOLS.iter().filter(|tool| !tool.is_coordinated() && !tool.is_membered()) {
        let good = good().remove(tool.meta().name).unwrap();
        for (argument, schema) in tool.input_schema()["properties"].as_object().unwrap() {
            let is_list = schema["type"] == "array";
            if !is_list && (schema["type"] != "string" || schema["enum"].is_array()) {
                continue;
            }
            for text in texts() {
                let mut arguments = good.clone();
                arguments.insert(argument.clone(), if is_list { json!([text]) } else { json!(text) });
                calls.push((tool.meta().name, argument.clone(), text, arguments));
            }
        }
    }
    let shared = &door;
    let tried = stream::iter(calls).map(|(tool, argument, text, arguments)| async move {
        let (failed, said) = shared.call(tool, &arguments).await;
        // Names and places must be what they are; only what is searched for may be anything.
        let searches = matches!(argument.as_str(), "grep" | "fields" | "label_selector" | "kind" | "name");
        assert!(failed || searches || said.len() < 20_000, "{tool} {argument}={text:?}: {said}");
        let is_path =
            matches!(argument.as_str(), "namespace" | "pod" | "container" | "deployment" | "cursor");
        assert!(failed || !is_path, "{tool} takes {argument}={text:?}: {said}");
    });
    tried.buffer_unordered(4).collect::<Vec<()>>().await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_misspelt_namespace_is_told_with_near_ones_and_whole_numbers_may_have_a_point() {
    let door = Door::open();
    let arguments = |value: Value| value.as_object().unwrap().clone();
    for tool in ["list-pods", "list-workloads", "list-events", "get-cluster-health", "calculate-pod-capacity"]
    {
        let (failed, text) = door.call(tool, &arguments(json!({"namespace": "shopp"}))).await;
        assert!(failed && text.contains("\"shopp\"") && text.contains("did you mean shop"), "{tool}: {text}");
    }
    let (failed, text) = door.call("list-nodes", &arguments(json!({"limit": 2.0}))).await;
    assert!(!failed && text.contains("\"shown\":2"), "{text}");
    let custom = json!({"pod_profile": "custom", "custom_resources": {"cpu": "1"}});
    let (failed, text) = door.call("calculate-pod-capacity", &arguments(custom)).await;
    assert!(failed && text.contains("\"custom_resources.memory\""), "{text}");
    door.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_are_bound_to_their_question() {
    let door = Door::open();
    let arguments = |value: Value| value.as_object().unwrap().clone();
    let mut cursors: BTreeMap<&str, String> = BTreeMap::new();
    for tool in ["list-pods", "list-workloads", "list-events", "list-resources"] {
        let mut asked = arguments(json!({"limit": 1}));
        if tool == "list-resources" {
            asked.insert("kind".to_owned(), json!("services"));
        }
        let (failed, text) = door.call(tool, &asked).await;
        assert!(!failed, "{tool}: {text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        cursors.insert(tool, answer["next_cursor"].as_str().unwrap().to_owned());
    }
    for tool in cursors.keys() {
        for (of, cursor) in &cursors {
            let cut = &cursor[..cursor.len() - 3];
            let flipped = format!("{}{}", &cursor[1..], &cursor[..1]);
            let doubled = format!("{cursor}{cursor}");
            let foreign = [cursor.as_str()].into_iter().filter(|_| of != tool);
            for forged in foreign.chain([cut, &flipped, &doubled]) {
                let mut asked = arguments(json!({"cursor": forged}));
                if *tool == "list-resources" {
                    asked.insert("kind".to_owned(), json!("services"));
                }
                let (failed, text) = door.call(tool, &asked).await;
                assert!(failed && text.contains("cursor"), "{tool} with {forged:?} of {of}: {text}");
            }
        }
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_is_a_bad_request_in_the_words_of_json_rpc() {
    let door = Door::open();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list-pods","arguments":"#;
    for (body, code) in [
        (String::new(), -32700),
        ("{".to_owned(), -32700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"to"#.to_owned(), -32700),
        (deep.clone(), -32700),
        (format!("{call}{{\"namespace\":{deep}}}}}}}"), -32700),
        (format!("{call}{{\"namespace\":\"\\ud800\"}}}}}}"), -32700),
        ("null".to_owned(), -32600),
        ("[]".to_owned(), -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#.to_owned(), -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.to_owned(), -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#.to_owned(), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#.to_owned(), -32600),
    ] {
        let reply = door.post(&body).await;
        let shown: String = body.chars().take(80).collect();
        assert_eq!(reply.status, 400, "{shown}: {reply:?}");
        assert_eq!(reply.json()["error"]["code"], code, "{shown}: {}", reply.body);
    }
    let huge = format!("{call}{{\"namespace\":\"{}\"}}}}}}", "x".repeat(5 << 20));
    let reply = door.post(&huge).await;
    assert_eq!(reply.status, 413, "{reply:?}");
    assert_eq!(reply.json()["code"], "body_too_large");
    for (method, params, code) in [
        ("no/such", json!({}), -32601),
        (&*"x".repeat(100_000), json!({}), -32601),
        ("tools/call", json!({}), -32602),
        ("tools/call", json!({"name": "list-pods", "arguments": []}), -32602),
        ("tools/call", json!({"name": "../list-pods"}), -32602),
        ("tools/call", json!({"name": "x".repeat(100_000)}), -32602),
        ("tools/list", json!({"cursor": "forged"}), -32602),
        ("resources/read", json!({"uri": 7}), -32602),
        ("resources/read", json!({"uri": "file:///etc/passwd"}), -32002),
        ("resources/read", json!({"uri": "cluster://nodes/%2e%2e%2f"}), -32002),
        ("resources/read", json!({"uri": "cluster://workloads/a/Secret/x"}), -32002),
        ("resources/read", json!({"uri": format!("cluster://nodes/{}", "x".repeat(100_000))}), -32002),
        ("prompts/get", json!({"name": "../x"}), -32602),
        ("prompts/get", json!({"name": "investigate-pods"}), -32602),
        ("prompts/get", json!({"name": "investigate-pods", "arguments": {"namespace": "a\nb"}}), -32602),
        (
            "prompts/get",
            json!({"name": "investigate-pods", "arguments": {"namespace": "a\" and \"b"}}),
            -32602,
        ),
        ("prompts/get", json!({"name": "investigate-pods", "arguments": {"namespace": "\u{202e}a"}}), -32602),
        ("prompts/get", json!({"name": "diagnose-cluster-issues", "arguments": {"severity": "x"}}), -32602),
        ("completion/complete", json!({"ref": {}, "argument": {}}), -32602),
        ("logging/setLevel", json!({"level": "loud"}), -32602),
        ("initialize", json!({}), -32602),
    ] {
        let answer = door.ask(method, params).await;
        let shown: String = answer.to_string().chars().take(300).collect();
        assert_eq!(answer["error"]["code"], code, "{}: {shown}", method.get(..20).unwrap_or(method));
        let message = answer["error"]["message"].as_str().unwrap();
        assert!((10..600).contains(&message.len()), "{shown}");
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_answered_or_told_to_come_again_and_the_end_cuts_none_short() {
    let mut door = Door::open();
    let address = door.address.clone();
    let asked = stream::iter(0..600).map(|_| {
        let address = address.clone();
        async move {
            wire::mcp(&address, "tools/call", "", json!({"name": "list-pods", "arguments": {"limit": 50}}))
                .await
        }
    });
    let replies: Vec<Reply> = asked.buffer_unordered(200).collect().await;
    for reply in &replies {
        assert!(reply.status == 200 || reply.status == 503, "{reply:?}");
        assert!(reply.status == 200 || reply.header("retry-after").is_some(), "{reply:?}");
    }
    assert!(replies.iter().filter(|reply| reply.status == 200).count() > 100);
    // A head that never ends holds nobody up.
    let mut slow = tokio::net::TcpStream::connect(&address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut slow, b"POST /mcp HTTP/1.1\r\nhost: loc").await.unwrap();
    let (failed, _) = door.call("list-nodes", &Map::new()).await;
    assert!(!failed);
    door.running.signal("TERM");
    assert_eq!(door.running.wait(Duration::from_secs(10)).code(), Some(0));
    drop(slow);
    assert!(door.running.stderr.iter().all(|line| !line.contains("panicked")));
}
