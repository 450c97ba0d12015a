//! The house rules that rustc and clippy do not check: who may know whom, how files begin, how long they are.
//!
//! It reads source as text and compiles nothing. Each message says what to do.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Who may not name what. A room is a folder and the file beside it; `of` is matched at the beginning of a path.
struct Rule {
    of: &'static [&'static str],
    never: &'static [&'static str],
    why: &'static str,
}

const ADAPTERS: [&str; 2] = ["crate::cluster", "crate::recording"];

const RULES: &[Rule] = &[
    Rule {
        of: &["crates/"],
        never: &[
            "kube::",
            "axum::",
            "rmcp::",
            "sqlx::",
            "reqwest::",
            "figment::",
            "clap::",
            "hyper::",
            "k8s_openapi::",
        ],
        why: "the member crates decide and touch nothing; put I/O behind a port in aiops_engine::ports",
    },
    Rule {
        of: &["crates/aiops-inventory"],
        never: &["aiops_engine", "tokio::"],
        why: "the inventory is pure and knows no engine; move the decision to aiops-engine",
    },
    Rule {
        of: &["src/mcp"],
        never: &[
            "kube::",
            "k8s_openapi::",
            "axum::",
            "sqlx::",
            "reqwest::",
            "crate::http",
            "crate::boot",
            "crate::cli",
        ],
        why: "the MCP door asks the engine one question a call; what it lacks belongs into an engine request",
    },
    Rule {
        of: &["src/rest"],
        never: &[
            "kube::",
            "k8s_openapi::",
            "sqlx::",
            "reqwest::",
            "rmcp::",
            "crate::mcp",
            "crate::boot",
            "crate::cli",
        ],
        why: "the REST door asks the engine one question a request; what it lacks belongs into an engine request",
    },
    Rule { of: &["src/rest"], never: &ADAPTERS, why: "doors do not know adapters; only boot does" },
    Rule { of: &["src/mcp"], never: &ADAPTERS, why: "doors do not know adapters; only boot does" },
    Rule {
        of: &["src/http"],
        never: &[
            "kube::",
            "k8s_openapi::",
            "sqlx::",
            "reqwest::",
            "crate::boot",
            "crate::cli",
            "crate::cluster",
            "crate::recording",
        ],
        why: "the listener joins doors and knows no adapter; only boot does",
    },
    Rule {
        of: &["src/cluster", "src/recording"],
        never: &["rmcp::", "axum::", "clap::", "crate::mcp", "crate::http", "crate::boot", "crate::cli"],
        why: "adapters implement the engine's ports and know no door",
    },
    Rule { of: &["src/cluster"], never: &["crate::recording"], why: "adapters do not know each other" },
    Rule {
        of: &["src/recording"],
        never: &["crate::cluster", "kube::", "k8s_openapi::"],
        why: "a recording is files; adapters do not know each other",
    },
    Rule {
        of: &["src/store"],
        never: &[
            "kube::",
            "k8s_openapi::",
            "axum::",
            "rmcp::",
            "clap::",
            "crate::mcp",
            "crate::rest",
            "crate::http",
            "crate::cluster",
            "crate::recording",
            "crate::boot",
            "crate::cli",
        ],
        why: "the store keeps what it is given; it knows the engine's port, its own options and nobody else",
    },
    Rule {
        of: &["src/cli", "src/boot", "src/cluster", "src/recording", "src/rest", "src/http", "src/mcp"],
        never: &["sqlx::"],
        why: "statements belong into src/store, behind the engine's Store port",
    },
    Rule {
        of: &["src/member"],
        never: &[
            "kube::",
            "k8s_openapi::",
            "axum::",
            "clap::",
            "sqlx::",
            "crate::mcp",
            "crate::rest",
            "crate::http",
            "crate::cluster",
            "crate::recording",
            "crate::store",
            "crate::boot",
            "crate::cli",
        ],
        why: "a line to a member carries calls; what they mean the engine decides, and boot gives it its server",
    },
    Rule {
        of: &["src/config", "src/mode"],
        never: &[
            "kube::",
            "axum::",
            "rmcp::",
            "crate::mcp",
            "crate::http",
            "crate::cluster",
            "crate::recording",
            "crate::boot",
        ],
        why: "the configuration is values; rooms read it, it reads no room",
    },
    Rule {
        of: &["src/telemetry", "src/shutdown", "src/notify"],
        never: &[
            "kube::",
            "axum::",
            "rmcp::",
            "crate::mcp",
            "crate::http",
            "crate::cluster",
            "crate::recording",
            "crate::boot",
        ],
        why: "it is used from everywhere, or speaks to the outside alone: it may know no door and no adapter",
    },
];

/// A file over this asks to be two.
const LONGEST: usize = 600;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below these folders, as paths relative to the top, sorted.
fn files(folders: &[&str]) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for folder in folders {
        walk(&top().join(folder), &mut found);
    }
    found.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(top()).unwrap().to_string_lossy().replace('\\', "/");
        (name, fs::read_to_string(&path).unwrap())
    };
    found.into_iter().map(read).collect()
}

/// The code of a file without its comments, line by line.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
        .filter(|(_, line)| !line.trim().is_empty())
}

/// Whether `word` stands in `line` by itself: `kube::` does not stand in `aiops_kube::`.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
            && (word.ends_with(':')
                || !line[at + word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}

fn breaches(files: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in files {
        for rule in RULES.iter().filter(|rule| {
            rule.of.iter().any(|room| {
                file.strip_prefix(room)
                    .is_some_and(|rest| room.ends_with('/') || rest.starts_with(['/', '.']))
            })
        }) {
            for (line, text) in code(text) {
                for never in rule.never.iter().filter(|never| names(text, never)) {
                    found.push(format!("{file}:{line} names {never}: {}", rule.why));
                }
            }
        }
    }
    found
}

#[test]
fn rooms_know_only_whom_they_may() {
    let found = breaches(&files(&["src", "crates"]));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The one file that makes a client of the API server: what changes a cluster goes through a port, and can go through a
/// member instead.
const CONNECTS: &str = "src/cluster/connect.rs";

fn makes_a_client(text: &str) -> Vec<usize> {
    let made = ["Client::new(", "Client::try_from(", "Client::try_default(", "ClientBuilder::"];
    let makes = |line: &str| made.iter().any(|word| line.contains(word));
    // A test beside the code may make one over a service of its own.
    let code_alone = text.split("#[cfg(test)]\n").next().unwrap_or_default();
    if !code_alone.contains("kube") {
        return Vec::new();
    }
    code(code_alone).filter(|(_, line)| makes(line)).map(|(at, _)| at).collect()
}

#[test]
fn clients_of_the_api_server_are_made_in_one_file() {
    let all = files(&["src", "crates"]);
    let makers: Vec<String> = all
        .iter()
        .filter(|(file, _)| file != CONNECTS && !file.ends_with("/tests.rs"))
        .flat_map(|(file, text)| makes_a_client(text).into_iter().map(move |at| format!("{file}:{at}")))
        .collect();
    assert!(makers.is_empty(), "only {CONNECTS} makes a kube::Client: {}", makers.join(", "));
    let (_, text) = all.iter().find(|(file, _)| file == CONNECTS).unwrap();
    assert!(!makes_a_client(text).is_empty(), "the rule no longer knows how a client is made");
}

#[test]
fn a_breach_is_found() {
    let file = |name: &str, text: &str| [(name.to_owned(), text.to_owned())];
    for (name, text) in [
        ("src/mcp/tools/x.rs", "use kube::Client;"),
        ("src/mcp.rs", "    let x = crate::cluster::start();"),
        ("src/cluster/feed.rs", "use crate::mcp::Server;"),
        ("src/store/accept.rs", "use crate::rest::Door;"),
        ("crates/aiops-engine/src/x.rs", "use axum::Router;"),
        ("crates/aiops-inventory/src/x.rs", "use aiops_engine::Engine;"),
    ] {
        assert_eq!(breaches(&file(name, text)).len(), 1, "{name}: {text}");
    }
    for (name, text) in [
        ("src/mcp/x.rs", "// kube::Client is not for us"),
        ("src/cluster/x.rs", "use kube::Client;"),
        ("src/mcp/x.rs", "use my_kube::Client; use crate::clusters;"),
    ] {
        assert!(breaches(&file(name, text)).is_empty(), "{name}: {text}");
    }
}

#[test]
fn every_file_begins_by_saying_what_it_does() {
    for (file, text) in files(&["src", "crates", "tests"]) {
        assert!(
            text.starts_with("//!"),
            "{file} must begin with //! and what it does, then what it refuses to do"
        );
    }
}

#[test]
fn no_file_is_long() {
    for (file, text) in files(&["src", "crates", "tests"]) {
        let lines = text.lines().count();
        assert!(
            lines <= LONGEST,
            "{file} has {lines} lines, more than {LONGEST}: it holds more than one idea"
        );
    }
}

#[test]
fn nothing_is_left_undone() {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["#[ig", "nore]"].concat()];
    for (file, text) in files(&["src", "crates", "tests"]) {
        for (at, line) in text.lines().enumerate() {
            for mark in &marks {
                assert!(
                    !line.contains(mark.as_str()),
                    "{file}:{} says {mark}: do it or file it as an issue",
                    at + 1
                );
            }
        }
    }
}

#[test]
fn the_house_is_described_where_it_stands() {
    let text = fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    let lines = text.lines().count();
    assert!(lines <= 200, "ARCHITECTURE.md has {lines} lines; it must be read in ten minutes");
    let mut rooms: Vec<String> = files(&["src"])
        .into_iter()
        .filter_map(|(file, _)| Some(file.strip_prefix("src/")?.split(['/', '.']).next()?.to_owned()))
        .collect();
    rooms.dedup();
    for room in rooms.iter().filter(|room| !["lib", "main"].contains(&room.as_str())) {
        assert!(
            text.contains(&format!("`{room}`")) || text.contains(&format!("`{room}/`")),
            "ARCHITECTURE.md does not name the room `{room}`"
        );
    }
    for entry in fs::read_dir(top()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if ["target", ".git", ".cache"].contains(&name.as_str()) {
            continue;
        }
        assert!(
            text.contains(&format!("`{name}")),
            "ARCHITECTURE.md does not say why `{name}` is at the top level"
        );
    }
}
