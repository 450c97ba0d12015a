//! Containers that were killed for want of memory: at their own limit, or because the node had none left.

use super::{
    Case, Cause, Confidence, Stage,
    container::{Container, Ended},
    crash::lived,
    document::words,
};

/// The cause of an end with the reason `OOMKilled`.
pub(super) fn oom(case: &Case<'_>, c: &Container<'_>, ended: &Ended<'_>) -> Cause {
    let evidence = c.cite_ended(ended, &["reason", "exitCode", "finishedAt"]);
    let own_limit = "resources.limits.memory";
    let pod_limit = "spec.resources.limits.memory";
    let times = times(c);
    let lived = lived(ended);
    if c.spec(own_limit).is_string() {
        let limit = words(c.spec_text(own_limit), 40);
        let what = format!("{} was killed for reaching its memory limit of {limit}{lived}{times}", c.title());
        return Cause::new("oom_kill", Stage::Run, Confidence::Certain, what)
            .of(c.name)
            .by(evidence)
            .by([c.cite_spec(own_limit)])
            .next("raise resources.limits.memory or lower what the process uses; a leak comes back after either");
    }
    let pod = &case.read.pod;
    if pod.at(pod_limit).is_string() {
        let limit = words(pod.text(pod_limit), 40);
        let what = format!(
            "{} was killed because the pod reached its memory limit of {limit}{lived}{times}",
            c.title()
        );
        return Cause::new("oom_kill", Stage::Run, Confidence::Certain, what)
            .of(c.name)
            .by(evidence)
            .by([pod.cite(pod_limit)])
            .next("raise spec.resources.limits.memory of the pod or lower what its containers use");
    }
    if pod.from_row {
        let what = format!("{} was killed for want of memory{lived}{times}", c.title());
        let cause = Cause::new("oom_kill", Stage::Run, Confidence::Certain, what).of(c.name).by(evidence);
        return cause.next("get-workload shows its memory limit; raise it or lower what the process uses");
    }
    let what = format!(
        "{} has no memory limit and was killed by the kernel: its node ran out of memory{lived}{times}",
        c.title()
    );
    Cause::new("node_out_of_memory", Stage::Run, Confidence::Likely, what)
        .of(c.name)
        .by(evidence)
        .by([c.cite_spec(own_limit)])
        .next("set requests and limits so that the node is not overcommitted; list-nodes shows its pressure")
}

/// ` (7 restarts)`, or nothing.
pub(super) fn times(c: &Container<'_>) -> String {
    match c.restarts() {
        0 => String::new(),
        1 => " (1 restart)".to_owned(),
        n => format!(" ({n} restarts)"),
    }
}
