//! Other people's MCP clients against the binary as it is shipped, serving the demo cluster: the conformance suite, Python
//! `mcp`, LangChain and the inspector.
//!
//! They need Node and Python packages, so a plain `cargo test` leaves them out: `make test-clients` fetches them and runs
//! these. A missing part fails; nothing is skipped.

#![expect(clippy::panic, clippy::print_stdout, reason = "helpers of tests fail and report as tests do")]

#[path = "../it/process.rs"]
#[expect(dead_code, reason = "the integration tests use the rest of it")]
mod process;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use process::Running;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The binary with the suite's own tools, which `make test-clients` builds beside the shipped one.
fn with_fixtures() -> PathBuf {
    let path = top().join(".cache/bin/aiops-fixtures");
    assert!(path.exists(), "{} is missing; `make test-clients` builds it", path.display());
    path
}

/// Serves the demo cluster at a free port and runs `drive` against it.
fn against(binary: &Path, sessions: bool, drive: impl FnOnce(&str)) {
    let mut command = Command::new(binary);
    command.args(["demo", "--http", "127.0.0.1:0"]).env_clear().current_dir("/");
    command.env("AIOPS_MCP__SESSIONS", sessions.to_string());
    let (_running, address) = Running::serving(&mut command);
    drive(&format!("http://{address}/mcp"));
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

fn conformance(binary: &Path, sessions: bool, revision: &str, expected: Option<&str>) {
    against(binary, sessions, |url| {
        let mut command = Command::new(top().join("tests/clients/conformance"));
        command.args([url, revision]);
        if let Some(expected) = expected {
            command.arg(top().join("tests/clients/expected").join(expected));
        }
        run(&mut command);
    });
}

const SHIPPED: &str = env!("CARGO_BIN_EXE_aiops");

#[test]
fn the_shipped_binary_passes_every_scenario_that_needs_no_fixtures() {
    let shipped = Path::new(SHIPPED);
    conformance(shipped, false, "2025-11-25", Some("shipped-stateless.yaml"));
    conformance(shipped, false, "2026-07-28", Some("shipped.yaml"));
    conformance(shipped, true, "2025-11-25", Some("shipped.yaml"));
    conformance(shipped, true, "2026-07-28", Some("shipped.yaml"));
}

#[test]
fn with_fixtures_and_sessions_every_scenario_passes() {
    conformance(&with_fixtures(), true, "2025-11-25", None);
    conformance(&with_fixtures(), true, "2026-07-28", None);
}

#[test]
fn with_fixtures_and_no_sessions_only_what_needs_a_session_fails() {
    conformance(&with_fixtures(), false, "2025-11-25", Some("fixtures-stateless.yaml"));
    conformance(&with_fixtures(), false, "2026-07-28", None);
}

fn drive(environment: &str, driver: &str) {
    let python = top().join(".cache/clients").join(environment).join("bin/python");
    for sessions in [false, true] {
        against(Path::new(SHIPPED), sessions, |url| {
            let mut command = Command::new(&python);
            run(command
                .arg(top().join("tests/clients").join(driver))
                .arg(url)
                .arg(top().join("tests/clients/tool_args.json")));
        });
    }
}

#[test]
fn the_python_client_gets_every_tool_resource_prompt_and_completion_in_both_eras() {
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
