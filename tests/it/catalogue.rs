//! Every tool is listed, described, bounded and tested: what a newcomer could forget is found here.

use std::{collections::BTreeSet, fs, path::Path};

use aiops::mcp::{
    tool::{AnyTool, Toolset},
    tools::TOOLS,
};
use serde_json::{Value, json};

/// What clients hand to a model of all tools of standalone mode, in o200k tokens (design: 2,500).
const MOST_TOKENS: usize = 2_500;
/// The same of full mode with the toolsets that are on by default (design: 6,000).
const MOST_TOKENS_FULL: usize = 6_000;

/// Tools that keep something, act, or lead to acting; all others only read.
const KEEP: [&str; 2] = ["create-incident", "resolve-incident"];
const ACT: [&str; 18] = [
    "approve-workflow",
    "await-pool",
    "cancel-workflow",
    "cordon-node",
    "delete-pod",
    "drain-node",
    "evict-pod",
    "nudge-operator",
    "perform-action",
    "restart-workload",
    "rollback-application",
    "rollback-release",
    "rollback-workload",
    "scale-workload",
    "set-resources",
    "sync-application",
    "trigger-remediation",
    "uncordon-node",
];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn check(each: impl Fn(&dyn AnyTool)) {
    assert!(TOOLS.len() >= 7, "the list of tools has lost some: {} are left", TOOLS.len());
    TOOLS.iter().for_each(|tool| each(*tool));
}

/// Every object in a schema, with the way to it.
fn walk(value: &Value, path: &str, each: &mut dyn FnMut(&str, &serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            each(path, object);
            object.iter().for_each(|(key, value)| walk(value, &format!("{path}/{key}"), each));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, path, each)),
        _ => {}
    }
}

#[test]
fn each_file_is_a_tool_in_the_list() {
    let files: BTreeSet<String> = fs::read_dir(top().join("src/mcp/tools"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().replace('_', "-"))
        .filter(|file| file != "actions")
        .collect();
    // Actions stand in one table.
    let of_files = TOOLS.iter().map(|tool| tool.meta()).filter(|meta| meta.toolset != Toolset::Actions);
    let listed: BTreeSet<String> = of_files.map(|meta| meta.name.to_owned()).collect();
    assert_eq!(files, listed, "a tool is one file in src/mcp/tools and one line in src/mcp/tools.rs");
    assert!(TOOLS.is_sorted_by_key(|tool| tool.meta().name), "the list is in the order of the names");
}

#[test]
fn words_are_short_and_hints_are_true() {
    check(|tool| {
        let meta = tool.meta();
        let name = meta.name;
        assert!(name.len() <= 40 && name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
        assert!((1..=60).contains(&meta.title.len()), "{name} needs a title");
        assert!(
            (30..=300).contains(&meta.description.len()),
            "{name}: {} characters",
            meta.description.len()
        );
        assert!(!(meta.hints.read_only && meta.hints.destructive), "{name} destroys without writing");
        let (keeps, acts) = (KEEP.contains(&name), ACT.contains(&name));
        assert_eq!(meta.hints.read_only, !keeps && !acts, "{name}");
        assert_eq!(meta.hints.destructive, acts, "{name}");
        assert!(!meta.hints.read_only || meta.hints.idempotent, "{name}");
        assert!(!meta.hints.open_world, "{name}");
        let asks_engine = [Toolset::Cluster, Toolset::Member].contains(&meta.toolset);
        assert_eq!(tool.is_coordinated(), !asks_engine, "{name}");
        assert_eq!(tool.is_membered(), meta.toolset == Toolset::Member, "{name}");
    });
}

#[test]
fn schemas_are_what_every_client_reads() {
    check(|tool| {
        let name = tool.meta().name;
        let input = Value::Object(tool.input_schema());
        assert_eq!(input["type"], "object", "{name}");
        assert_eq!(input["additionalProperties"], false, "{name}");
        for (argument, schema) in input["properties"].as_object().unwrap() {
            assert!(schema["description"].is_string(), "{name}: describe the argument {argument}");
            assert!(schema["type"].is_string(), "{name}: {argument} needs one plain type: {schema}");
        }
        for (which, schema) in [("input", input), ("output", Value::Object(tool.output_schema()))] {
            assert_eq!(schema["type"], "object", "{name} {which}");
            jsonschema::draft202012::meta::validate(&schema)
                .unwrap_or_else(|e| panic!("{name} {which}: {e}"));
            walk(&schema, which, &mut |path, object| {
                assert!(!object.contains_key("$ref") && !object.contains_key("$defs"), "{name}: {path}");
                assert!(
                    !object.get("type").is_some_and(Value::is_array),
                    "{name}: a union of types at {path}"
                );
            });
        }
    });
}

/// What clients hand to a model of these tools, in o200k tokens.
fn handed(counter: &tiktoken_rs::CoreBPE, wanted: impl Fn(&dyn AnyTool) -> bool) -> usize {
    let handed: Vec<Value> = TOOLS
        .iter()
        .filter(|tool| wanted(**tool))
        .map(|tool| {
            let meta = tool.meta();
            json!({"name": meta.name, "description": meta.description, "inputSchema": tool.input_schema()})
        })
        .collect();
    counter.encode_ordinary(&serde_json::to_string(&handed).unwrap()).len()
}

fn meta_of(tool: &dyn AnyTool) -> Toolset {
    tool.meta().toolset
}

#[test]
fn what_a_model_is_given_is_small() {
    let counter = tiktoken_rs::o200k_base().unwrap();
    let standalone = handed(&counter, |tool| meta_of(tool) == Toolset::Cluster);
    assert!(standalone <= MOST_TOKENS, "{standalone} tokens; at most {MOST_TOKENS}");
    let full = handed(&counter, |tool| ![Toolset::Actions, Toolset::Member].contains(&meta_of(tool)));
    println!(
        "tools/list as handed to a model: {standalone} tokens in standalone, {full} in full mode (o200k)"
    );
    assert!(full <= MOST_TOKENS_FULL, "{full} tokens; at most {MOST_TOKENS_FULL}");
    // What an engine calls no model reads.
    for tool in TOOLS.iter().filter(|tool| !tool.is_membered()) {
        let one = handed(&counter, |other| other.meta().name == tool.meta().name);
        assert!(one <= 420, "{} alone takes {one} tokens", tool.meta().name);
    }
}

#[test]
fn each_tool_is_called_by_other_peoples_clients_and_described_to_people() {
    let arguments: Value =
        serde_json::from_slice(&fs::read(top().join("tests/clients/tool_args.json")).unwrap()).unwrap();
    let readme = fs::read_to_string(top().join("README.md")).unwrap();
    check(|tool| {
        let name = tool.meta().name;
        let group = if tool.is_coordinated() { "coordinated" } else { "tools" };
        // Other people's clients are no engines, and do not see them.
        assert!(
            tool.is_membered() || arguments[group][name].is_object(),
            "tests/clients/tool_args.json has no arguments for {name} in {group:?} that have an answer"
        );
        assert!(readme.contains(&format!("`{name}`")), "README.md does not mention `{name}`");
    });
}

#[test]
fn each_old_variable_is_in_the_readme() {
    use aiops::config::Use;
    let readme = fs::read_to_string(top().join("README.md")).unwrap();
    for (name, what) in aiops::config::OLD {
        let said = match what {
            Use::Key(key) => format!("`{key}` |"),
            Use::Listen => "`http.listen`, its ".to_owned(),
            Use::Later(adapter) => format!("accepted; {adapter}: comes with a later version |"),
            Use::Never(why) => format!("accepted without effect: {why} |"),
        };
        let row = format!("\n| `{name}` | {said}");
        assert!(readme.contains(&row), "README.md does not say what became of {name}: {row}");
    }
}

/// Codes in quotes right behind these words, in the files of a folder.
fn codes(folder: &str, before: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(top().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let Ok(source) = fs::read_to_string(&path) else { continue };
        for call in source.split(before).skip(1) {
            let word = call.split('"').nth(1).unwrap();
            assert!(word.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}: {word:?}", path.display());
            found.insert(word.to_owned());
        }
    }
    found
}

#[test]
fn each_code_of_an_error_has_its_paragraph() {
    let mut used = codes("src/http", "Refusal::new(");
    used.extend(codes("src", "Refusal::new("));
    assert!(used.len() >= 9, "refusals are no longer found: {used:?}");
    let engine = fs::read_to_string(top().join("crates/aiops-engine/src/error.rs")).unwrap();
    let table = engine.split("fn code(").nth(1).unwrap().split("\n    }\n").next().unwrap();
    let own: Vec<&str> = table.split('"').skip(1).step_by(2).collect();
    assert!(own.len() >= 8, "the codes of Error are no longer found: {own:?}");
    used.extend(own.into_iter().map(str::to_owned));
    let page = fs::read_to_string(top().join("docs/errors.md")).unwrap();
    let told: BTreeSet<String> =
        page.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect();
    assert_eq!(used, told, "docs/errors.md has a paragraph for each code, and for no other");
}
