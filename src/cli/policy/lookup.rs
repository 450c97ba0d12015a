//! `aiops policy test --action`: what the policy's table says to one action, by severity. Of a file, or of what a running
//! server acts by.
//!
//! It knows no object: what else holds for one (its owner, limits, a rest) `--kind`, `--name` and `--issue` ask about.

use aiops_engine::{
    answer::near,
    coordination::PolicyRule,
    issue::Severity,
    settings::{
        Policy,
        policy::{WORDS, approval_word, severity_word},
    },
};
use http::Method;
use serde_json::{Value, json};

use super::{
    super::{
        Failure, Global,
        asking::{items, text},
        table::{Table, clean},
    },
    TestArgs,
};
use crate::config::{self, Environment};

const SEVERITIES: [Severity; 4] = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];

pub(super) fn run(
    args: &TestArgs,
    action: &str,
    global: &Global,
    environment: Environment,
) -> Result<(), Failure> {
    if !WORDS.contains(&action) {
        let hint = near(action, WORDS.iter().copied());
        let why = anyhow::anyhow!(
            "--action: {action:?} is none of {}{hint}; a drain is cordon-node and evict-pod, a Helm rollback revert-manifest and record-release",
            WORDS.join(", ")
        );
        return Err(Failure::usage(why));
    }
    let severities = severities(args.severity.as_deref())?;
    let namespace = global.namespace.as_deref().unwrap_or_default();
    let told = |policy: &Policy| answer(policy, action, namespace, &severities);
    if let Some(path) = &args.file {
        let policy =
            config::policy::Policy { file: Some(path.clone()) }.read().map_err(anyhow::Error::from)?;
        return args.asking.print(&told(&policy), table);
    }
    args.asking.with(global, environment, async |remote| {
        let shown: Value = serde_json::from_str(&remote.rest(Method::GET, "/policy", None).await?)?;
        let rules: Vec<PolicyRule> = items(&shown, "rules")
            .map(|rule| serde_json::from_value(rule.clone()))
            .collect::<Result<_, _>>()?;
        let policy = Policy { source: text(&shown, "source").to_owned(), rules };
        args.asking.print(&told(&policy), table)
    })
}

/// The one that is named, or all.
fn severities(word: Option<&str>) -> Result<Vec<Severity>, Failure> {
    let Some(word) = word else { return Ok(SEVERITIES.to_vec()) };
    let found = SEVERITIES.into_iter().find(|severity| severity_word(*severity).eq_ignore_ascii_case(word));
    match found {
        Some(severity) => Ok(vec![severity]),
        None => Err(Failure::usage(anyhow::anyhow!(
            "--severity: {word:?} is none of critical, high, medium, low"
        ))),
    }
}

fn answer(policy: &Policy, action: &str, namespace: &str, severities: &[Severity]) -> Value {
    let said: Vec<Value> = severities
        .iter()
        .map(|severity| {
            let says = policy.says(namespace, *severity, action);
            json!({
                "severity": severity_word(*severity), "then": approval_word(says.then), "rule": says.rule,
                "autonomy": says.autonomy, "elicitation": says.elicitation,
                "annotation": says.annotation,
            })
        })
        .collect();
    json!({ "action": action, "namespace": namespace, "source": policy.source, "says": said })
}

fn table(answer: &Value) -> Option<String> {
    let mut table = Table::new(["SEVERITY", "THEN", "RULE", "ALSO"]);
    for said in items(answer, "says") {
        let also = [
            ("autonomy", "an incident may trigger it"),
            ("elicitation", "a model's answer approves it"),
            ("annotation", "an annotation approves it"),
        ];
        let is_set = |key: &str| said.get(key).and_then(Value::as_bool) == Some(true);
        let also: Vec<&str> =
            also.into_iter().filter(|(key, _)| is_set(key)).map(|(_, words)| words).collect();
        let also = if also.is_empty() { "-".to_owned() } else { also.join(", ") };
        table.row([
            text(said, "severity").to_owned(),
            text(said, "then").to_owned(),
            text(said, "rule").to_owned(),
            also,
        ]);
    }
    let place = match text(answer, "namespace") {
        "" => "on objects of the cluster".to_owned(),
        namespace => format!("in namespace {}", clean(namespace)),
    };
    Some(format!(
        "{} {place}, by the policy of {}\n\n{}",
        text(answer, "action"),
        clean(text(answer, "source")),
        table.text()
    ))
}
