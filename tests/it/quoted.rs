//! Commands that messages, comments and documents quote exist: each is read by the command line's own words.
//!
//! A whole line that a reader pastes must parse; of a few words in a sentence the subcommands and flags must be there.

use std::{fs, path::Path};

use aiops::cli::Cli;
use clap::{Command, CommandFactory as _};

/// What stands between `\`aiops ` and the closing mark, or behind a prompt, up to what a shell would not hand over.
fn quoted(line: &str) -> Vec<&str> {
    let ticked = line.match_indices("`aiops ").map(|(at, _)| {
        let rest = &line[at + 1..];
        rest.split('`').next().unwrap_or(rest)
    });
    let prompted = line.match_indices("$ aiops ").map(|(at, _)| &line[at + 2..]);
    ticked.chain(prompted).collect()
}

/// The words of a command, as a shell parts them; what comes behind a comment, a pipe or a redirection is not its.
fn words(command: &str) -> Vec<String> {
    let (mut all, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => all.extend(word.take()),
            (None, '#') if word.is_none() => break,
            (None, '|' | '>' | '&' | ';') => break,
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    all.extend(word);
    all
}

/// What is wrong with a command of which only the first words may be there.
fn fault(words: &[String]) -> Option<String> {
    let mut command: Command = Cli::command();
    command.build();
    let mut at = &command;
    let mut is_flagged = false;
    for word in &words[1..] {
        if let Some(flag) = word.strip_prefix("--") {
            is_flagged = true;
            let flag = flag.split('=').next().unwrap_or(flag);
            let flag = flag.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let is_known = flag.is_empty()
                || ["help", "version"].contains(&flag)
                || at.get_arguments().any(|argument| argument.get_long() == Some(flag));
            if !is_known {
                return Some(format!("{} has no flag --{flag}", at.get_name()));
            }
        } else if !is_flagged && at.has_subcommands() {
            let name = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            // A sentence goes on, or a stand-in follows: `aiops db`, `aiops COMMAND`.
            if !name.chars().all(|c| c.is_ascii_lowercase() || c == '-') || name.is_empty() {
                return None;
            }
            match at.find_subcommand(name) {
                Some(found) => at = found,
                None => return Some(format!("{} has no subcommand {name}", at.get_name())),
            }
        }
    }
    None
}

fn texts() -> Vec<(String, String)> {
    fn walk(path: &Path, found: &mut Vec<(String, String)>) {
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                walk(&entry.unwrap().path(), found);
            }
        } else if let Ok(text) = fs::read_to_string(path) {
            found.push((path.display().to_string(), text));
        }
    }
    let mut found = Vec::new();
    for name in [
        "README.md",
        "SECURITY.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "Makefile",
        "docs",
        "examples/README.md",
        "src",
        "crates",
    ] {
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name), &mut found);
    }
    found
}

#[test]
fn every_command_that_is_quoted_exists() {
    let (mut seen, mut faults) = (0, Vec::new());
    for (file, text) in texts() {
        for (at, line) in text.lines().enumerate() {
            for command in quoted(line) {
                seen += 1;
                if let Some(why) = fault(&words(command)) {
                    faults.push(format!("{file}:{}: {command:?}: {why}", at + 1));
                }
            }
        }
    }
    assert!(seen > 60, "{seen} commands were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_command_line_of_the_readme_parses() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let mut seen = 0;
    for line in readme.lines().filter(|line| line.starts_with("$ aiops ")) {
        seen += 1;
        let parsed = Cli::command().try_get_matches_from(words(&line[2..]));
        if let Err(error) = parsed {
            panic!("{line}\n{error}");
        }
    }
    assert!(seen >= 10, "{seen} lines were found");
}

#[test]
fn a_command_that_does_not_exist_is_found() {
    for (command, why) in [
        ("aiops policy run", Some("policy has no subcommand run")),
        ("aiops control run", None),
        ("aiops control", None),
        ("aiops policy test --acton x", Some("test has no flag --acton")),
        ("aiops serve --mode full -n shop", None),
        ("aiops audit verify", None),
        ("aiops audits verify", Some("aiops has no subcommand audits")),
        ("aiops tools | head", None),
        ("aiops client-config CLIENT", None),
    ] {
        assert_eq!(fault(&words(command)).as_deref(), why, "{command}");
    }
    let line = "//! see `aiops db backup`, then $ aiops call list-pods namespace='a b'   # all of them";
    let found: Vec<Vec<String>> = quoted(line).into_iter().map(words).collect();
    assert_eq!(found, [vec!["aiops", "db", "backup"], vec!["aiops", "call", "list-pods", "namespace=a b"]]);
}
