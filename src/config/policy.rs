//! `policy`: the file that says who has to agree to what, by namespace, severity and action.
//!
//! A file that does not parse, or that names what does not exist, is refused as a whole, with its line and the fix: half a
//! policy is none.

use std::path::{Path, PathBuf};

use aiops_engine::{
    answer::near,
    coordination::PolicyRule,
    model::plan::Approval,
    settings::{
        self,
        policy::{REST, WORDS},
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who has to agree to what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Policy {
    /// A TOML or YAML file of rules, which replaces the default table as a whole. Unset: the default table.
    pub file: Option<PathBuf>,
}

/// Why a policy file cannot be used: what is wrong, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy file {path} cannot be used: {problem}")]
pub struct PolicyFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, with the line where it is known.
    pub problem: String,
}

/// Most rules of a file: each is looked at for each action of each plan.
const MOST_RULES: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, alias = "rules")]
    rule: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default)]
    severities: Vec<String>,
    #[serde(default)]
    actions: Vec<String>,
    then: String,
    #[serde(default)]
    autonomy: bool,
    #[serde(default)]
    elicitation: bool,
    #[serde(default)]
    annotation: bool,
}

impl Policy {
    /// Reads the policy in force.
    ///
    /// # Errors
    /// The file cannot be read or used.
    pub fn read(&self) -> Result<settings::Policy, PolicyFileError> {
        let Some(path) = &self.file else { return Ok(settings::Policy::default()) };
        let text = std::fs::read_to_string(path).map_err(|error| PolicyFileError {
            path: path.clone(),
            problem: format!("it cannot be read: {error}; check policy.file and its permissions"),
        })?;
        parse(path, &text)
    }
}

/// Reads the text of a policy file; the end of its name says how it is written.
///
/// # Errors
/// It is not TOML or YAML of that form, or names an action, severity or answer that does not exist.
pub fn parse(path: &Path, text: &str) -> Result<settings::Policy, PolicyFileError> {
    let refuse = |problem: String| PolicyFileError { path: path.to_owned(), problem };
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let file: File = match ending.as_str() {
        "toml" => toml::from_str(text).map_err(|error| refuse(error.to_string().trim().to_owned()))?,
        "yaml" | "yml" | "json" => {
            serde_saphyr::from_str(text).map_err(|error| refuse(error.to_string().trim().to_owned()))?
        }
        _ => return Err(refuse("its name must end in .toml, .yaml or .yml".to_owned())),
    };
    if file.rule.is_empty() {
        return Err(refuse(
            "it has no rule; write [[rule]] entries (YAML: a list `rules`) with name, namespaces, severities, \
             actions and then, or unset policy.file for the default table"
                .to_owned(),
        ));
    }
    if file.rule.len() > MOST_RULES {
        return Err(refuse(format!("it has {} rules, at most {MOST_RULES} are read", file.rule.len())));
    }
    let mut rules: Vec<PolicyRule> = Vec::new();
    for line in file.rule {
        let rule =
            line.rule().map_err(|(word, problem)| refuse(format!("{}{problem}", place(text, &word))))?;
        if rule.name == REST || rules.iter().any(|other| other.name == rule.name) {
            let at = place(text, &rule.name);
            return Err(refuse(format!(
                "{at}two rules are called {:?}; give each a name of its own",
                rule.name
            )));
        }
        rules.push(rule);
    }
    Ok(settings::Policy { source: format!("policy file {}", path.display()), rules })
}

/// The last line on which a word stands by itself, as the beginning of a sentence: where a name stands twice, the second
/// is meant.
fn place(text: &str, word: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '*' | '.');
    let holds = |line: &str| {
        line.match_indices(word).any(|(at, found)| {
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            let after = line.get(at + found.len()..).and_then(|after| after.chars().next());
            !before.is_some_and(is_part) && !after.is_some_and(is_part)
        })
    };
    let line = text.lines().enumerate().filter(|(_, line)| !word.is_empty() && holds(line)).last();
    line.map_or_else(String::new, |(at, _)| format!("line {}: ", at + 1))
}

impl Line {
    /// The rule, or the word that is wrong and why.
    fn rule(self) -> Result<PolicyRule, (String, String)> {
        let name = self.name.trim().to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            let why = format!("the rule name {name:?} must have 1 to 64 letters, digits, -, _ and .");
            return Err((self.name, why));
        }
        let wrong = |key: &str, word: &str, words: &[&str]| {
            let hint = near(word, words.iter().copied());
            let why = format!("rule {name:?}, {key}: {word:?} is none of {}{hint}", words.join(", "));
            Err((word.to_owned(), why))
        };
        for pattern in &self.namespaces {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '*');
            if pattern.is_empty() || !pattern.chars().all(fits) {
                let why = format!(
                    "rule {name:?}, namespaces: {pattern:?} must be a namespace's name, with * as a wildcard"
                );
                return Err((pattern.clone(), why));
            }
        }
        for severity in &self.severities {
            let words = ["critical", "high", "medium", "low"];
            if !words.contains(&severity.as_str()) {
                return wrong("severities", severity, &words);
            }
        }
        for action in &self.actions {
            if !WORDS.iter().any(|word| settings::matches(action, word)) {
                return wrong("actions", action, &WORDS);
            }
        }
        let then = match self.then.as_str() {
            "auto" => Approval::Auto,
            "approve" => Approval::Approve,
            "two_person" => Approval::TwoPerson,
            "deny" => Approval::Deny,
            other => return wrong("then", other, &["auto", "approve", "two_person", "deny"]),
        };
        if self.autonomy && then == Approval::Deny {
            let why = format!("rule {name:?}: autonomy has no meaning where everything is denied; remove it");
            return Err((self.name, why));
        }
        Ok(PolicyRule {
            name,
            namespaces: self.namespaces,
            severities: self.severities,
            actions: self.actions,
            then,
            autonomy: self.autonomy,
            elicitation: self.elicitation,
            annotation: self.annotation,
        })
    }
}
