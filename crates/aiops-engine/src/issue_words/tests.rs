//! The table of words: complete, without a word for two things, and the same in the documentation.

use std::collections::BTreeSet;

use super::*;

const DOCS: &str = include_str!("../../../../docs/issues.md");

/// Codes in the first column of a table of the documentation.
fn codes(heading: &str) -> Vec<&'static str> {
    let section = DOCS.split_once(&format!("## {heading}\n")).expect(heading).1;
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let first = rows.filter_map(|line| line.split('|').nth(1));
    first.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn no_word_means_two_things() {
    let mut seen = BTreeSet::new();
    for issue in ISSUES {
        for word in std::iter::once(&issue.word).chain(issue.aliases) {
            assert!(seen.insert(plain(word)), "{word} stands twice");
            assert_eq!(lookup(word).map(|found| found.word), Some(issue.word), "{word}");
        }
    }
    for (alias, _, own) in BY_KIND {
        assert!(of(own).is_some(), "{own}");
        assert_eq!(&plain(alias), alias);
    }
}

#[test]
fn every_issue_and_every_cause_of_the_documentation_is_a_word() {
    let issues = codes("Issues");
    assert!(issues.len() >= 35, "{issues:?}");
    for code in issues {
        assert_eq!(lookup(code).map(|issue| issue.word), Some(code), "{code}");
    }
    let causes = codes("Causes");
    assert!(causes.len() >= 70, "{}", causes.len());
    for code in causes {
        assert!(lookup(code).is_some(), "{code} is a cause and no word");
    }
}

#[test]
fn the_words_of_the_old_engines_mean_what_they_meant() {
    for (word, kind, own) in [
        // The contract and the Go engine.
        ("pod_crash_loop", "Deployment", "crash_loop"),
        ("CrashLoopBackOff", "Pod", "crash_loop"),
        ("crashloopbackoff", "Pod", "crash_loop"),
        ("ImagePullBackOff", "Pod", "image_pull"),
        ("imagepullbackoff", "Pod", "image_pull"),
        ("OOMKilled", "Pod", "oom_kill"),
        ("oomkilled", "Pod", "oom_kill"),
        ("deployment_not_ready", "Deployment", "deployment_unavailable"),
        ("statefulset_not_ready", "StatefulSet", "deployment_unavailable"),
        ("memory_pressure", "Deployment", "high_memory"),
        ("NotReady", "Node", "node_not_ready"),
        ("Evicted", "Pod", "pod_evicted"),
        ("Degraded", "ClusterOperator", "operator_degraded"),
        // The old MCP server.
        ("pod_crash", "Pod", "crash_loop"),
        ("oom_kill", "Pod", "oom_kill"),
        ("high_cpu", "Deployment", "high_cpu"),
        ("high_memory", "Deployment", "high_memory"),
        ("network_issue", "Deployment", "network_issue"),
        // Alertmanager.
        ("KubePodCrashLooping", "Pod", "crash_loop"),
        ("KubeDeploymentReplicasMismatch", "Deployment", "deployment_unavailable"),
        ("KubeNodeNotReady", "Node", "node_not_ready"),
        ("KubePersistentVolumeFillingUp", "PersistentVolumeClaim", "volume_full"),
        ("CPUThrottlingHigh", "Pod", "cpu_throttling"),
        ("KubeHpaMaxedOut", "HorizontalPodAutoscaler", "hpa_at_limit"),
        // One word, two kinds.
        ("MemoryPressure", "Node", "node_pressure"),
        ("node_cordoned", "Pod", "pod_unschedulable"),
        ("node_cordoned", "Node", "node_cordoned"),
        ("not ready", "Deployment", "deployment_unavailable"),
        (" Crash-Loop ", "Pod", "crash_loop"),
    ] {
        assert_eq!(find(word, kind).map(|issue| issue.word).unwrap(), own, "{word} on {kind}");
    }
}

#[test]
fn unknown_words_are_refused_with_near_ones() {
    let error = find("crash_lop", "Pod").unwrap_err().to_string();
    assert!(error.contains("did you mean") && error.contains("crash_loop"), "{error}");
    let error = find("the coffee is cold", "Pod").unwrap_err().to_string();
    assert!(error.contains("docs/issues.md"), "{error}");
    for nothing in ["", "   ", "\0", &"x".repeat(10_000)] {
        let error = find(nothing, "Pod").unwrap_err().to_string();
        assert!(error.len() < 600, "{error}");
    }
}

#[test]
fn every_remedy_of_the_table_is_in_the_catalogue_and_every_one_of_the_catalogue_is_used() {
    let used: BTreeSet<&str> = ISSUES.iter().flat_map(|issue| issue.remedies).copied().collect();
    let known: BTreeSet<&str> = crate::remedies::REMEDIES.iter().map(|remedy| remedy.name()).collect();
    assert_eq!(used, known);
}

#[test]
fn the_documentation_has_the_table_as_it_is() {
    let mut table = String::from("| issue | also known as | remedies, in this order |\n|---|---|---|\n");
    for issue in ISSUES {
        let quoted = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        };
        let remedies = if issue.remedies.is_empty() { "none".to_owned() } else { quoted(issue.remedies) };
        table.push_str(&format!("| `{}` | {} | {remedies} |\n", issue.word, quoted(issue.aliases)));
    }
    assert!(DOCS.contains(&table), "docs/issues.md has to hold this table:\n{table}");
}
