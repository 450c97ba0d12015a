//! Which container's log is meant, how that container is, and why it may have no log: from the rows alone.
//!
//! Reads no log and asks nobody.

use aiops_inventory::rows::{ContainerKind, ContainerRow, ContainerState, PodRow};

use crate::{Error, answer::seconds};

pub(super) fn find<'a>(pod: &'a PodRow, name: &str) -> Result<Option<&'a ContainerRow>, Error> {
    if let Some(found) = pod.containers.iter().find(|c| c.spec.name == name) {
        return Ok(Some(found));
    }
    let names: Vec<&str> = pod.containers.iter().map(|c| c.spec.name.as_str()).collect();
    let why = format!("pod {} has no container {name:?}; it has {}", pod.meta.key.name, names.join(", "));
    Err(Error::invalid("argument \"container\"", why))
}

/// The container that failed or restarted most; else the first that is no init container.
pub(super) fn pick(pod: &PodRow) -> (Option<&ContainerRow>, Option<String>) {
    let trouble = |c: &ContainerRow| match &c.state {
        ContainerState::Waiting(w) if w.reason.ends_with("BackOff") || w.reason.contains("Err") => 3,
        ContainerState::Terminated(t) if t.exit_code != 0 => 3,
        _ if c.last.as_ref().is_some_and(|t| t.exit_code != 0) => 2,
        _ if c.restarts > 0 => 1,
        _ => 0,
    };
    let main = |c: &ContainerRow| c.spec.kind == ContainerKind::Main;
    let mut ranked: Vec<&ContainerRow> = pod.containers.iter().collect();
    ranked.sort_by_key(|c| std::cmp::Reverse((trouble(c), c.restarts, main(c))));
    let best = ranked.first().copied();
    let chosen = best.filter(|_| ranked.len() > 1).map(|best| {
        let why = match trouble(best) {
            0 => "it is the first container and none failed or restarted".to_owned(),
            1 => format!("it restarted most ({} times)", best.restarts),
            _ => format!("it failed ({})", state(best)),
        };
        let others: Vec<&str> = ranked.iter().skip(1).map(|c| c.spec.name.as_str()).collect();
        format!("{why}; others are {}", others.join(", "))
    });
    (best, chosen)
}

/// The container's state in a few words.
pub(super) fn state(c: &ContainerRow) -> String {
    let mut text = match &c.state {
        ContainerState::Unreported => "state not reported".to_owned(),
        ContainerState::Waiting(w) => format!("waiting: {}", w.reason),
        ContainerState::Running(since) => {
            format!("running since {}", seconds(*since).unwrap_or_else(|| "an unknown time".to_owned()))
        }
        ContainerState::Terminated(t) => ended(t),
    };
    if c.restarts > 0 {
        text.push_str(&format!(", {} restarts", c.restarts));
    }
    if let Some(last) = c.last.as_ref() {
        text.push_str(&format!(", before that {}", ended(last)));
    }
    text
}

fn ended(t: &aiops_inventory::rows::Termination) -> String {
    let at = seconds(t.finished).map(|at| format!(" at {at}")).unwrap_or_default();
    let reason = if t.reason.is_empty() { String::new() } else { format!(" ({})", t.reason) };
    format!("ended with exit code {}{reason}{at}", t.exit_code)
}

/// Why there cannot be a log, as far as the row tells.
pub(super) fn no_log(pod: &PodRow, container: &ContainerRow, previous: bool) -> Option<String> {
    let name = &container.spec.name;
    if previous && container.restarts == 0 && container.last.is_none() {
        return Some(format!(
            "container {name} has never been restarted ({}), so there is no previous instance; call again without previous",
            state(container)
        ));
    }
    let never_ran = container.restarts == 0 && container.last.is_none();
    match &container.state {
        ContainerState::Waiting(w) if never_ran => {
            let message = crate::text::show(&crate::redact::Redactor::new(), &w.message, 300).text;
            let message = if message.is_empty() { String::new() } else { format!(": {message}") };
            Some(format!("container {name} has not started yet and has no log: {}{message}", w.reason))
        }
        ContainerState::Unreported if pod.node.is_none() => {
            let why = pod
                .unscheduled
                .as_ref()
                .map(|u| crate::text::show(&crate::redact::Redactor::new(), &u.message, 300).text);
            Some(format!(
                "the pod has no node yet and so no log{}",
                why.map(|why| format!(": {why}")).unwrap_or_default()
            ))
        }
        _ => None,
    }
}
