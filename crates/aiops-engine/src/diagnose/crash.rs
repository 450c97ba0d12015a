//! Containers that end: by a command that cannot be started, for want of memory, by a probe, by their own exit code.
//!
//! Each ended container gets one cause; the order of the questions is from what leaves no doubt to what is left over.

use super::{
    Case, Cause, Confidence, Findings, Stage, config,
    container::{self, Container, Ended},
    document::{last_words, words},
    image, memory, probes,
};

/// An end longer ago than this is history when the container runs again.
pub(super) const RECENT: i64 = 3_600;
/// A process that lives no longer than this fails while it starts.
const SHORT: i64 = 10;

pub(super) fn look(case: &Case<'_>, found: &mut Findings) {
    let pod = &case.read.pod;
    let phase = pod.text("status.phase");
    if phase == "Succeeded" {
        return;
    }
    let mut quiet = 0;
    let containers = container::all(pod);
    for c in &containers {
        match cause(case, c) {
            Some(cause) => found.add(cause),
            None => quiet += usize::from(c.is_running() && c.restarts() == 0),
        }
    }
    if quiet > 0 && quiet == containers.iter().filter(|c| !c.is_init).count() {
        found.fine("no container was restarted");
    }
    waiting_init(case, &containers, found);
}

fn cause(case: &Case<'_>, c: &Container<'_>) -> Option<Cause> {
    let (waiting, message) = c.waiting();
    let cannot_start = matches!(
        waiting,
        "RunContainerError"
            | "CreateContainerError"
            | "PostStartHookError"
            | "PreCreateHookError"
            | "PreStartHookError"
    );
    if cannot_start && waiting == "PostStartHookError" {
        let what =
            format!("{} is stopped because its postStart hook fails: {}", c.title(), words(message, 160));
        let cause = Cause::new("post_start_hook_failing", Stage::Start, Confidence::Certain, what);
        return Some(
            cause.of(c.name).by(c.cite_waiting()).next("correct lifecycle.postStart of the container"),
        );
    }
    let ended = c.ended().filter(|ended| is_news(case, c, ended));
    if cannot_start && !ended.is_some_and(|ended| is_start_error(&ended)) {
        return Some(start_error(case, c, message, c.cite_waiting()));
    }
    let ended = ended?;
    if is_start_error(&ended) {
        let mut evidence = c.cite_ended(&ended, &["reason", "exitCode", "message"]);
        evidence.extend(c.cite_status("state.waiting.reason"));
        let text = if ended.message.is_empty() { message } else { ended.message };
        return Some(start_error(case, c, text, evidence));
    }
    if ended.reason == "OOMKilled" {
        return Some(memory::oom(case, c, &ended));
    }
    let log = case.read.log.get(c.name).cloned();
    if log.as_deref().is_some_and(|line| line.contains("exec format error")) {
        let cause = image::wrong_architecture(case, c).by(c.cite_ended(&ended, &["exitCode"]));
        return Some(Cause { log, ..cause });
    }
    if let Some(cause) = probes::killed(case, c, &ended) {
        return Some(Cause { log, ..cause });
    }
    let cause = match ended.exit_code {
        126 | 127 => not_a_command(c, &ended),
        0 => completes(c, &ended),
        137 | 143 => killed(c, &ended),
        _ => match config::optional_missing(case, c) {
            Some(cause) => cause.by(c.cite_ended(&ended, &["exitCode"])),
            None => exit_code(c, &ended),
        },
    };
    Some(Cause { log, ..cause })
}

/// Whether an end is trouble, and of now.
fn is_news(case: &Case<'_>, c: &Container<'_>, ended: &Ended<'_>) -> bool {
    let recent = ended.finished.is_none_or(|at| case.now - at < RECENT);
    let ended_now = ended.path == "state.terminated";
    let waits = c.waiting().0 == "CrashLoopBackOff";
    if ended.exit_code == 0 {
        // An end without an error is a fault only where the process is meant to go on, and only from the second on.
        let goes_on = !c.is_init
            && case.read.pod.text("spec.restartPolicy") != "Never"
            && case.read.pod.text("spec.restartPolicy") != "OnFailure";
        return goes_on && (waits || (c.restarts() > 1 && recent)) && !case.read.pod.from_row
            || waits && !c.is_init;
    }
    // An init container that failed once and then did its work is done with.
    let is_done = c.is_init && c.is_ready();
    !is_done && (ended_now || waits || recent)
}

/// The runtime could not start the process.
fn is_start_error(ended: &Ended<'_>) -> bool {
    matches!(ended.reason, "StartError" | "ContainerCannotRun")
        || (ended.exit_code == 128 && ended.reason != "OOMKilled" && ended.reason != "Completed")
        || (ended.exit_code == 127 || ended.exit_code == 126) && ended.message.contains("exec:")
}

fn start_error(case: &Case<'_>, c: &Container<'_>, text: &str, evidence: Vec<super::Evidence>) -> Cause {
    // Since the reason of a start error may be in an event only.
    let event = case.read.event(Some(c.name), |e| e.reason == "Failed" && names_a_command(e.message()));
    let from_event = text.is_empty() || !(names_a_command(text) || text.contains("mount"));
    let text = match event {
        Some(event) if from_event => event.message(),
        _ => text,
    };
    let told = event.filter(|_| from_event).map(super::reading::Told::cite);
    if text.contains("exec format error") {
        return image::wrong_architecture(case, c).by(evidence).by(told);
    }
    let is_command = names_a_command(text);
    if !is_command
        && (text.contains("mount")
            || text.contains("cgroup")
            || text.contains("apparmor")
            || text.contains("seccomp"))
    {
        let what = format!("{} cannot be started by the runtime: {}", c.title(), words(text, 200));
        let cause = Cause::new("container_start_failed", Stage::Start, Confidence::Certain, what).of(c.name);
        return cause
            .by(evidence)
            .by(told)
            .next("correct what the message names: a mount, a security profile or a cgroup");
    }
    let command =
        command(c).map_or_else(|| "the image's own entrypoint".to_owned(), |(_, word)| format!("{word:?}"));
    let why = if text.contains("permission denied") {
        "is not executable"
    } else if is_command {
        "does not exist in the image"
    } else {
        "cannot be started"
    };
    let confidence = if is_command { Confidence::Certain } else { Confidence::Likely };
    let said = text.find("exec:").and_then(|at| text.get(at..)).unwrap_or(text);
    let said = if is_command { format!(": {}", last_words(said, 120)) } else { String::new() };
    let what = format!("{} never starts: its command {command} {why}{}{said}", c.title(), memory::times(c));
    let mut cause =
        Cause::new("bad_command", Stage::Start, confidence, what).of(c.name).by(evidence).by(told);
    cause.evidence.extend(command_path(c).map(|path| c.cite_spec(&path)));
    cause.next("correct command or args in the workload's template, or use an image that has the program")
}

/// What runc, crun and their shims say of a program that is not there or not executable.
pub(crate) fn names_a_command(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("executable file")
        || (lower.contains("exec")
            && [
                "no such file or directory",
                "permission denied",
                "not found",
                "is a directory",
                "exec format error",
            ]
            .iter()
            .any(|words| lower.contains(words))
            && !lower.contains("mount"))
}

/// A shell's exit codes for a program that is not there (127) or not executable (126).
fn not_a_command(c: &Container<'_>, ended: &Ended<'_>) -> Cause {
    let why = if ended.exit_code == 127 { "was not found" } else { "could not be executed" };
    let what = format!(
        "{} ends with exit code {}: a command in it {why}{}{}",
        c.title(),
        ended.exit_code,
        lived(ended),
        memory::times(c)
    );
    let mut cause = Cause::new("bad_command", Stage::Start, Confidence::Likely, what).of(c.name);
    cause = cause.by(c.cite_ended(ended, &["exitCode", "reason"]));
    cause.evidence.extend(command_path(c).map(|path| c.cite_spec(&path)));
    cause.next("correct command or args in the workload's template; get-pod-logs with previous shows the shell's words")
}

fn completes(c: &Container<'_>, ended: &Ended<'_>) -> Cause {
    let what = format!(
        "{} ends without an error{} and is started again because restartPolicy is Always{}",
        c.title(),
        lived(ended),
        memory::times(c)
    );
    let mut cause = Cause::new("container_completes", Stage::Run, Confidence::Certain, what).of(c.name);
    cause = cause.by(c.cite_ended(ended, &["exitCode", "reason"]));
    cause.evidence.extend(command_path(c).map(|path| c.cite_spec(&path)));
    cause.next("give it a command that keeps running, or run it as a Job")
}

fn killed(c: &Container<'_>, ended: &Ended<'_>) -> Cause {
    let signal = if ended.exit_code == 137 { "SIGKILL" } else { "SIGTERM" };
    let what = format!(
        "{} was ended from outside by {signal}{}, and nothing says by whom{}",
        c.title(),
        lived(ended),
        memory::times(c)
    );
    Cause::new("container_killed", Stage::Run, Confidence::Possible, what)
        .of(c.name)
        .by(c.cite_ended(ended, &["exitCode", "reason"]))
        .next("list-events of the pod and of its node may tell who stopped it; the node may have been short of memory")
}

fn exit_code(c: &Container<'_>, ended: &Ended<'_>) -> Cause {
    let signal = match ended.exit_code {
        132 => " (illegal instruction)",
        134 => " (aborted)",
        135 => " (bus error)",
        136 => " (arithmetic error)",
        139 => " (segmentation fault)",
        _ => "",
    };
    let when = match (ended.started, ended.finished) {
        (Some(from), Some(to)) if to - from <= SHORT => ", right after its start",
        _ => "",
    };
    let code = if c.is_init { "init_container_failing" } else { "app_exit" };
    let what = format!(
        "{} ends by itself with exit code {}{signal}{}{}",
        c.title(),
        ended.exit_code,
        if when.is_empty() { lived(ended) } else { when.to_owned() },
        memory::times(c)
    );
    let mut evidence = c.cite_ended(ended, &["exitCode", "reason", "message"]);
    evidence.extend(c.cite_status("restartCount"));
    Cause::new(code, Stage::Run, Confidence::Certain, what)
        .of(c.name)
        .by(evidence)
        .next("get-pod-logs with previous shows what it said; get-workload shows what was changed last")
}

/// `, after 3m` when both ends are known.
pub(super) fn lived(ended: &Ended<'_>) -> String {
    match (ended.started, ended.finished) {
        (Some(from), Some(to)) if to >= from => {
            let now = jiff::Timestamp::from_second(to).unwrap_or_default();
            format!(", after {}", crate::answer::age(now, from))
        }
        _ => String::new(),
    }
}

/// The member of the spec that names the program: the command, else the arguments.
fn command_path(c: &Container<'_>) -> Option<String> {
    ["command[0]", "args[0]"].into_iter().find(|path| c.spec(path).is_string()).map(str::to_owned)
}

fn command(c: &Container<'_>) -> Option<(String, String)> {
    let path = command_path(c)?;
    let word = words(c.spec_text(&path), 80);
    Some((path, word))
}

/// An init container that runs and runs holds all others up.
fn waiting_init(case: &Case<'_>, containers: &[Container<'_>], found: &mut Findings) {
    let running = containers.iter().find(|c| c.is_init && c.is_running() && !c.is_ready());
    let Some((c, since)) = running.and_then(|c| c.running_since().map(|since| (c, since))) else { return };
    if case.now - since < super::SLOW_START {
        return;
    }
    let now = jiff::Timestamp::from_second(case.now).unwrap_or_default();
    let what = format!(
        "{} runs since {} and the other containers wait for its end: it probably waits for something itself",
        c.title(),
        crate::answer::age(now, since)
    );
    let mut cause = Cause::new("init_container_waiting", Stage::Run, Confidence::Likely, what).of(c.name);
    cause.evidence.extend(c.cite_status("state.running.startedAt"));
    cause.log = case.read.log.get(c.name).cloned();
    found.add(cause.next("get-pod-logs of that container shows what it waits for"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_runtimes_about_a_missing_program_are_recognised() {
        for text in [
            r#"failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: "/bin/serve": stat /bin/serve: no such file or directory"#,
            r#"failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "serve": executable file not found in $PATH: unknown"#,
            "container create failed: executable file `serve` not found in $PATH: No such file or directory",
            r#"OCI runtime create failed: unable to start container process: exec: "/app": permission denied: unknown"#,
        ] {
            assert!(names_a_command(text), "{text}");
        }
        for text in [
            r#"failed to create containerd task: error mounting "/var/x" to rootfs at "/etc/x": not a directory"#,
            "context deadline exceeded",
        ] {
            assert!(!names_a_command(text), "{text}");
        }
    }
}
