//! README and examples say what is so: the transcript is printed again, the configurations are started, the request of
//! curl is sent.
//!
//! `UPDATE_README=1` writes the transcript instead of comparing it (`make transcript`).

use std::{fmt::Write as _, fs, path::PathBuf, process::Command, time::Duration};

use aiops::mcp::tools::TOOLS;
use serde_json::{Value, json};

use super::{
    process::{Running, aiops, output, text},
    stdio::Client,
    wire,
};

fn top(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(top(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between two marks.
fn between<'t>(text: &'t str, begin: &str, end: &str) -> &'t str {
    let from = text.find(begin).unwrap_or_else(|| panic!("{begin:?} is not there")) + begin.len();
    let length = text[from..].find(end).unwrap_or_else(|| panic!("{end:?} is not there"));
    &text[from..from + length]
}

/// The block again, each command with what it prints against the demo at this address.
fn played(block: &str, address: &str) -> String {
    let server = format!("http://{address}");
    let mut again = String::new();
    for line in block.lines().filter(|line| line.starts_with("$ ")) {
        writeln!(again, "{line}").unwrap();
        let Some(call) = line.strip_prefix("$ aiops call ") else { continue };
        let call = call.split('#').next().unwrap();
        let (call, most) = match call.split_once("| head -") {
            Some((call, most)) => (call, most.trim().parse().unwrap()),
            None => (call, usize::MAX),
        };
        let arguments: Vec<&str> =
            ["call"].into_iter().chain(call.split_whitespace()).chain(["--server", &server]).collect();
        let ended = output(&mut aiops(&arguments));
        assert!(ended.status.success(), "{line}: {}", text(&ended.stderr));
        for line in text(&ended.stdout).lines().take(most) {
            writeln!(again, "{line}").unwrap();
        }
        again.push('\n');
    }
    again.trim_end().to_owned()
}

#[test]
fn the_transcript_is_what_the_binary_prints() {
    let readme = read("README.md");
    let block = between(&readme, "<!-- make transcript -->\n```console\n", "\n```\n<!-- end -->");
    assert!(block.matches("$ aiops call").count() >= 3, "question to finding");
    let (_running, address) = Running::serving(&mut aiops(&["demo", "--http", "127.0.0.1:0"]));
    let again = played(block, &address);
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(top("README.md"), readme.replace(block, &again)).unwrap();
        return;
    }
    assert_eq!(block, again, "run  make transcript");
}

/// The desktop client's server as README says it, with our binary in place of the installed one.
fn desktop() -> Command {
    let readme = read("README.md");
    let after = &readme[readme.find("`claude_desktop_config.json`").unwrap()..];
    let config: Value = serde_json::from_str(between(after, "```json\n", "\n```")).unwrap();
    let server = &config["mcpServers"]["aiops"];
    assert!(server["command"].as_str().unwrap().starts_with('/'), "clients have no PATH of a shell");
    let arguments: Vec<&str> =
        server["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap()).collect();
    assert!(server.get("env").is_none(), "{server}");
    aiops(&arguments)
}

#[test]
fn the_desktop_configuration_of_the_readme_works_as_it_stands() {
    let home = tempfile::tempdir().unwrap();
    let mut client = Client::of(desktop().env("HOME", home.path()));
    assert_eq!(client.initialize()["result"]["serverInfo"]["name"], "aiops");
    let tools = client.ask("tools/list", json!({}));
    let names: Vec<&str> = tools["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"get-cluster-health") && names.contains(&"list-pods"), "{names:?}");
    let called = client.ask("tools/call", json!({ "name": "get-cluster-health", "arguments": {} }));
    assert_eq!(called["result"]["structuredContent"]["status"], "unknown", "{called}");
    client.running.close_stdin();
    assert_eq!(client.running.wait(Duration::from_secs(10)).code(), Some(0));
    client.rest_is_json_rpc();
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "it leaves nothing in the home folder");
}

#[test]
fn its_stdout_is_pure_through_an_answer_of_every_tool_with_everything_logged() {
    let home = tempfile::tempdir().unwrap();
    let recording = top("examples/clusters/checkout-outage");
    let mut command = desktop();
    command.env("HOME", home.path()).env("RUST_LOG", "trace").arg("--recording").arg(&recording);
    let mut client = Client::of(&mut command);
    client.initialize();
    let arguments: Value = serde_json::from_str(&read("tests/clients/tool_args.json")).unwrap();
    let tools = client.ask("tools/list", json!({}));
    for tool in tools["result"]["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        let given = arguments["tools"].get(name).unwrap_or_else(|| panic!("{name} has no arguments"));
        let answer = client.ask("tools/call", json!({ "name": name, "arguments": given }));
        assert_eq!(answer["result"]["isError"], false, "{name}: {answer}");
        assert!(answer["result"]["structuredContent"].is_object(), "{name}: {answer}");
    }
    for method in ["resources/list", "resources/templates/list", "prompts/list"] {
        assert!(client.ask(method, json!({})).get("result").is_some(), "{method}");
    }
    client.running.close_stdin();
    assert_eq!(client.running.wait(Duration::from_secs(10)).code(), Some(0));
    client.rest_is_json_rpc();
    assert!(client.running.stderr.iter().any(|line| line.contains("TRACE")), "everything was logged");
}

#[test]
fn examples_are_what_client_config_prints() {
    let url = "http://127.0.0.1:8080/mcp";
    for (file, arguments) in [
        ("claude-desktop.json", &["claude-desktop", "--command", "/usr/local/bin/aiops"][..]),
        ("claude-code.mcp.json", &["claude-code", "--command", "/usr/local/bin/aiops"]),
        ("vscode.mcp.json", &["vscode", "--url", url]),
        ("cursor.mcp.json", &["cursor", "--url", url]),
        ("lightspeed-olsconfig.yaml", &["lightspeed"]),
    ] {
        let printed = output(&mut aiops(&[&["client-config"], arguments].concat()));
        assert!(printed.status.success(), "{file}: {}", text(&printed.stderr));
        let command = arguments.join(" ");
        assert_eq!(
            read(&format!("examples/{file}")).trim_end(),
            text(&printed.stdout).trim_end(),
            "examples/{file}: aiops client-config {command} > examples/{file}"
        );
        assert!(read("examples/README.md").contains(file), "examples/README.md says nothing of {file}");
    }
    let desktop: Value = serde_json::from_str(&read("examples/claude-desktop.json")).unwrap();
    let readme = read("README.md");
    let shown = between(&readme, "```json\n", "\n```");
    assert_eq!(serde_json::from_str::<Value>(shown).unwrap(), desktop, "README shows the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_requests_of_the_curl_example_are_answered() {
    let (_running, address) = Running::serving(&mut aiops(&["demo", "--http", "127.0.0.1:0"]));
    let script = read("examples/curl.sh");
    let bodies: Vec<&str> =
        script.lines().filter_map(|line| line.strip_prefix("ask '")?.strip_suffix('\'')).collect();
    assert_eq!(bodies.len(), 3, "handshake, list and call");
    for body in bodies {
        let request = format!(
            "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let reply = wire::send(&address, &request).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.body.contains("\"result\""), "{body}: {reply:?}");
    }
}

#[test]
fn the_table_of_tools_names_them_all() {
    let readme = read("README.md");
    let table = between(&readme, "## The tools\n", "An answer stays under");
    let named: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let mut missing: Vec<&str> = TOOLS.iter().map(|tool| tool.meta().name).collect();
    missing.retain(|name| !named.contains(name));
    assert!(missing.is_empty(), "README lacks {missing:?}");
    assert_eq!(named.len(), TOOLS.len(), "README names a tool that there is not");
}
