//! What acts: the default table as README prints it, policy files that work and that are refused, limits that are raised.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use aiops::config::{Environment, Loaded, Sources, load, policy::parse};
use aiops_engine::{
    issue::Severity,
    model::plan::Approval,
    settings::{Policy, Settings, policy::approval_word},
};

fn loaded(pairs: &[(&str, &str)]) -> Result<Loaded, String> {
    let environment = Environment::of(pairs.iter().copied());
    load(Sources { environment, ..Sources::default() }).map_err(|error| error.to_string())
}

fn settings(pairs: &[(&str, &str)]) -> Settings {
    loaded(pairs).unwrap().settings().unwrap()
}

/// The default table, as README has it.
fn table() -> String {
    let mut table = "| rule | namespaces | actions | answer |\n|---|---|---|---|\n".to_owned();
    let list = |words: &[String]| match words {
        [] => "all".to_owned(),
        words => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" "),
    };
    for rule in Policy::default().rules {
        let (namespaces, actions) = (list(&rule.namespaces), list(&rule.actions));
        assert!(
            rule.severities.is_empty() && !rule.autonomy && !rule.elicitation,
            "README has no column for it"
        );
        let then = approval_word(rule.then);
        writeln!(table, "| {} | {namespaces} | {actions} | **{then}** |", rule.name).unwrap();
    }
    table
}

#[test]
fn the_table_of_the_readme_is_the_policy() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(path).unwrap();
    let section = readme.split("\n## ").find(|section| section.starts_with("What acts, out of the box"));
    let section = section.expect("README has a section \"What acts, out of the box\"");
    assert!(section.contains(&table()), "README must have this table:\n{}", table());
}

#[test]
fn without_a_word_the_settings_are_the_defaults_of_the_engine() {
    assert_eq!(settings(&[]), Settings::default());
}

#[test]
fn a_lease_of_any_length_outlasts_what_is_sent_under_it() {
    for lease in ["1s", "1500ms", "7s", "15s", "5m"] {
        let timing = settings(&[("AIOPS_ACTING__TIMES__LEASE", lease)]).timing;
        // Just before it is renewed it may still be trusted for a request and what comes before it.
        let trusted = timing.lease - timing.lease_margin - timing.renew;
        assert!(trusted >= timing.request + timing.request / 5, "{lease}: {timing:?}");
        assert!(timing.request <= Duration::from_secs(5), "{lease}");
    }
}

#[test]
fn our_own_namespace_is_that_of_the_pod() {
    let settings =
        settings(&[("POD_NAMESPACE", "aiops "), ("AIOPS_ACTING__KILL_SWITCH_CONFIG_MAP", "control")]);
    assert_eq!(settings.own_namespace.as_deref(), Some("aiops"));
    assert_eq!(settings.kill_switch, Some(("aiops".to_owned(), "control".to_owned())));
}

#[test]
fn what_is_configured_is_what_the_engine_acts_by() {
    let settings = settings(&[
        ("AIOPS_ACTING__ENABLED", "false"),
        ("AIOPS_ACTING__NAMESPACES", "shop, web-*"),
        ("AIOPS_ACTING__GRANTED_TO", "ann,group:sre"),
        ("AIOPS_ACTING__LIMITS__WORKFLOWS_PER_CLUSTER", "2"),
        ("AIOPS_ACTING__LIMITS__COOLDOWN_SUCCESS", "20m"),
        ("AIOPS_ACTING__LIMITS__BREAKER__INCIDENTS", "10"),
        ("AIOPS_ACTING__TIMES__LEASE", "1500ms"),
    ]);
    assert!(!settings.is_enabled);
    assert_eq!(settings.namespaces, ["shop", "web-*"]);
    assert_eq!(settings.granted_to, ["ann", "group:sre"]);
    assert_eq!(settings.limits.workflows_per_cluster, 2);
    assert_eq!(settings.limits.cooldown_success, Duration::from_secs(1_200));
    assert_eq!(settings.limits.breaker.incidents, 10);
    let timing = &settings.timing;
    assert_eq!((timing.lease, timing.renew), (Duration::from_millis(1_500), Duration::from_millis(500)));
    assert_eq!(
        (timing.lease_margin, timing.request),
        (Duration::from_millis(300), Duration::from_millis(500))
    );
}

#[test]
fn a_limit_is_raised_only_when_somebody_says_so() {
    for (key, value) in [
        ("WORKFLOWS_PER_CLUSTER", "6"),
        ("WORKFLOWS_PER_NAMESPACE", "2"),
        ("BUDGET_PER_CLUSTER", "21"),
        ("PODS_PER_WORKFLOW", "11"),
        ("REPLICA_PERCENT", "21"),
        ("COOLDOWN_SUCCESS", "9m"),
        ("MAY_TOUCH_CONTROL_PLANE", "true"),
        ("BREAKER__NODES_PERCENT", "46"),
        ("BREAKER__CALM", "1m"),
    ] {
        let name = format!("AIOPS_ACTING__LIMITS__{key}");
        let refused = loaded(&[(&name, value)]).unwrap_err();
        assert!(refused.contains("acting.limits.raised = true") && refused.contains(&name), "{refused}");
        assert!(loaded(&[(&name, value), ("AIOPS_ACTING__LIMITS__RAISED", "true")]).is_ok(), "{key}");
    }
}

#[test]
fn values_that_cannot_be_meant_are_refused() {
    for (key, value, part) in [
        ("AIOPS_ACTING__TIMES__LEASE", "900ms", "at least 1s"),
        ("AIOPS_ACTING__TIMES__WORKFLOW", "25h", "at most 24h"),
        ("AIOPS_ACTING__TIMES__WORKFLOW", "5m", "acting.times.step"),
        ("AIOPS_ACTING__NAMESPACES", "Shop", "acting.namespaces[0]"),
        ("AIOPS_ACTING__GRANTED_TO", "anonymous", "anonymous callers never approve"),
        ("AIOPS_ACTING__LIMITS__REPLICA_PERCENT", "0", "between 1 and 100"),
        ("AIOPS_ACTING__KILL_SWITCH_CONFIG_MAP", "a/b/c", "NAMESPACE/NAME"),
        ("AIOPS_ACTING__KILL_SWITCH_CONFIG_MAP", "control", "write NAMESPACE/control"),
        ("AIOPS_NOTIFY__URL", "ftp://x", "notify.url"),
        ("AIOPS_NOTIFY__TEMPLATE", "{sumary}", "{sumary} is none of summary"),
        ("AIOPS_NOTIFY__TEMPLATE", "{summary", "without its }"),
        ("AIOPS_NOTIFY__SECRET_FILE", "/x", "notify.secretFile"),
    ] {
        let refused = loaded(&[(key, value)]).unwrap_err();
        assert!(refused.contains(part), "{part:?} is missing in: {refused}");
    }
}

#[test]
fn the_path_of_a_webhook_is_not_shown() {
    let loaded = loaded(&[("AIOPS_NOTIFY__URL", "https://hooks.slack.com/services/T0/B0/hunter2")]).unwrap();
    let shown = format!("{:?}", loaded.entries());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("https://hooks.slack.com/[redacted]"), "{shown}");
}

const TOML: &str = r#"
[[rule]]
name = "freeze"
namespaces = ["prod-*"]
then = "deny"

[[rule]]
name = "night"
namespaces = ["shop"]
severities = ["critical", "high"]
actions = ["restart-workload", "scale-*"]
then = "auto"
autonomy = true

[[rule]]
name = "people"
then = "two_person"
elicitation = true
"#;

const YAML: &str = "
rules:
  - name: freeze
    namespaces: [prod-*]
    then: deny
  - name: night
    namespaces: [shop]
    severities: [critical, high]
    actions: [restart-workload, scale-*]
    then: auto
    autonomy: true
  - name: people
    then: two_person
    elicitation: true
";

#[test]
fn a_policy_file_replaces_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut read = Vec::new();
    for (name, text) in [("policy.toml", TOML), ("policy.yaml", YAML)] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let policy = settings(&[("AIOPS_POLICY__FILE", path.to_str().unwrap())]).policy;
        assert_eq!(policy.source, format!("policy file {}", path.display()));
        for (namespace, severity, word, want) in [
            ("prod-eu", Severity::Critical, "restart-workload", ("freeze", Approval::Deny)),
            ("shop", Severity::High, "scale-workload", ("night", Approval::Auto)),
            ("shop", Severity::Low, "scale-workload", ("people", Approval::TwoPerson)),
            ("kube-system", Severity::Low, "evict-pod", ("people", Approval::TwoPerson)),
        ] {
            let says = policy.says(namespace, severity, word);
            assert_eq!((says.rule, says.then), want, "{namespace} {word}");
        }
        assert!(policy.says("shop", Severity::High, "scale-workload").autonomy);
        assert!(policy.takes_elicitation("people") && !policy.takes_elicitation("night"));
        read.push(policy.rules);
    }
    assert_eq!(read[0], read[1]);
}

#[test]
fn a_policy_file_that_cannot_be_used_names_the_place_and_the_fix() {
    let rule = |line: &str| format!("[[rule]]\nname = \"a\"\nthen = \"auto\"\n{line}\n");
    for (name, text, parts) in [
        ("p.toml", "[[rule]\n".to_owned(), &["p.toml", "line 1"][..]),
        ("p.yaml", "rules: [".to_owned(), &["p.yaml", "line 1"]),
        ("p.ini", String::new(), &[".toml, .yaml or .yml"]),
        ("p.toml", String::new(), &["it has no rule", "[[rule]]"]),
        ("p.toml", rule("action = [\"evict-pod\"]"), &["line 4", "unknown field", "actions"]),
        (
            "p.toml",
            rule("actions = [\"evict-pods\"]"),
            &["line 4", "rule \"a\", actions", "did you mean evict-pod"],
        ),
        ("p.toml", rule("actions = [\"x-*\"]"), &["line 4", "\"x-*\" is none of"]),
        ("p.toml", rule("severities = [\"Critical\"]"), &["line 4", "critical, high, medium, low"]),
        ("p.toml", rule("namespaces = [\"Prod\"]"), &["line 4", "namespace's name"]),
        (
            "p.toml",
            rule("").replace("auto", "automatic"),
            &["line 3", "then", "auto, approve, two_person, deny"],
        ),
        ("p.toml", rule(&rule("")), &["line 5", "two rules are called \"a\""]),
        ("p.toml", rule("").replace("\"a\"", "\"anything-else\""), &["two rules are called"]),
        ("p.toml", rule("autonomy = true").replace("\"auto\"", "\"deny\""), &["autonomy has no meaning"]),
        ("p.toml", rule("").replace("\"a\"", "\"a b\""), &["rule name \"a b\""]),
        ("p.toml", "[[rule]]\nname = \"a\"\n".to_owned(), &["missing field `then`"]),
    ] {
        let refused = parse(Path::new(name), &text).unwrap_err().to_string();
        for part in parts {
            assert!(refused.contains(part), "{part:?} is missing in: {refused}");
        }
    }
    let many: String = (0..201).map(|n| rule("").replace("\"a\"", &format!("\"r{n}\""))).collect();
    assert!(parse(Path::new("p.toml"), &many).unwrap_err().to_string().contains("at most 200"));
    let missing = loaded(&[("AIOPS_POLICY__FILE", "/nowhere/policy.toml")]).unwrap().settings().unwrap_err();
    let missing = missing.to_string();
    assert!(
        missing.contains("policy.file (variable AIOPS_POLICY__FILE)") && missing.contains("cannot be read"),
        "{missing}"
    );
}

#[test]
fn a_file_that_lifts_the_denial_of_system_namespaces_is_warned_of() {
    let warnings = |text: &str| parse(Path::new("p.toml"), text).unwrap().warnings();
    assert_eq!(Policy::default().warnings(), Vec::<String>::new());
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ask-first.toml");
    assert_eq!(warnings(&fs::read_to_string(example).unwrap()), Vec::<String>::new());
    let lifted = warnings("[[rule]]\nname = \"mine\"\nnamespaces = [\"shop\"]\nthen = \"auto\"\n");
    assert_eq!(lifted.len(), 1, "{lifted:?}");
    assert!(lifted[0].contains("kube-* and openshift and openshift-*"), "{lifted:?}");
    // Some of it is denied: only the rest is named. What one severity or one action may still do is not denied.
    let some = warnings(
        "[[rule]]\nname = \"a\"\nnamespaces = [\"openshift*\"]\nthen = \"deny\"\n\
         [[rule]]\nname = \"b\"\nnamespaces = [\"kube-*\"]\nactions = [\"restart-workload\"]\nthen = \"deny\"\n",
    );
    assert!(some[0].contains("everything in kube-*, as"), "{some:?}");
    // README's own example denies it.
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let example = readme.split("```toml\n[[rule]]").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(warnings(&format!("[[rule]]{example}")), Vec::<String>::new());
}

#[test]
fn the_warning_stands_in_what_config_check_prints() {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    fs::write(file.path(), "[[rule]]\nname = \"mine\"\nthen = \"approve\"\n").unwrap();
    let mut command = super::process::aiops(&["config", "check"]);
    let done = super::process::output(command.env("AIOPS_POLICY__FILE", file.path()));
    let printed = super::process::text(&done.stdout);
    assert!(done.status.success(), "{}", super::process::text(&done.stderr));
    assert!(printed.contains("note: policy file") && printed.contains("kube-*"), "{printed}");
}
