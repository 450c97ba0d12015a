//! ConfigMaps, Secrets and their keys that a pod points at and that are not there.
//!
//! Keys of ConfigMaps are compared by name; of Secrets only the existence is asked, and when even that may not be
//! asked the kubelet's words decide.

mod references;

pub(crate) use self::references::{Reference, references};
use super::{
    Case, Cause, Confidence, Evidence, Findings, Stage,
    container::{self, Container},
    document::{Document, below, words},
    reading::Found,
};

pub(super) fn look(case: &Case<'_>, found: &mut Findings) {
    let pod = &case.read.pod;
    if pod.from_row {
        found.unchecked(
            "references to ConfigMaps and Secrets",
            "the pod itself could not be read and rows do not keep them",
        );
    }
    let containers = container::all(pod);
    let started = containers.iter().any(|c| c.is_running() || c.ended().is_some());
    let (mut config_maps, mut secrets, mut not_read) = (0, 0, 0);
    for reference in references(pod) {
        let blocked = match &reference.container {
            Some(name) => containers.iter().any(|c| c.name == name && !c.is_running() && !is_done(c)),
            // A volume is mounted before anything starts; what is running keeps what it got.
            None => !started,
        };
        match state(case, &reference) {
            State::There if reference.is_secret => secrets += 1,
            State::There => config_maps += 1,
            State::Unknown(why) => {
                let name = words(&reference.name, 120);
                found.unchecked(format!("{} {}/{name}", reference.kind(), pod.object.namespace), why);
            }
            State::NotRead => not_read += 1,
            State::NoObject | State::NoKey if reference.optional => {}
            gone if blocked => found.add(missing(case, &reference, matches!(gone, State::NoKey))),
            _ => {}
        }
    }
    for (count, what) in [
        (config_maps, "references to ConfigMaps and their keys resolve"),
        (secrets, "references to Secrets resolve (their keys are not read)"),
    ] {
        if count > 0 {
            found.fine(format!("{count} {what}"));
        }
    }
    if not_read > 0 && !(case.read.config_maps.is_empty() && case.read.secrets.is_empty()) {
        found.unchecked(
            format!("{not_read} more references to ConfigMaps and Secrets"),
            "the pod names too many",
        );
    }
    account(case, started, found);
    for c in &containers {
        if let ("CreateContainerConfigError", message) = c.waiting() {
            told(case, c, message, found);
        }
    }
}

/// The ServiceAccount, without which the pod gets no token and does not start.
fn account(case: &Case<'_>, started: bool, found: &mut Findings) {
    let pod = &case.read.pod;
    match &case.read.account {
        Some((name, Found::Missing)) if !started => {
            let what = format!("ServiceAccount {} of the pod does not exist", words(name, 120));
            let cause = Cause::new("service_account_missing", Stage::Volume, Confidence::Certain, what).by([
                pod.cite("spec.serviceAccountName"),
                absent("ServiceAccount", &pod.object.namespace, name),
            ]);
            found.add(cause.next("create it, or correct serviceAccountName in the workload's template"));
        }
        Some((name, Found::Unknown(why))) => {
            found.unchecked(format!("ServiceAccount {}/{}", pod.object.namespace, words(name, 120)), why);
        }
        _ => {}
    }
}

fn is_done(c: &Container<'_>) -> bool {
    c.is_init && c.ended().is_some_and(|ended| ended.path == "state.terminated" && ended.exit_code == 0)
}

/// Whether what a reference names is there.
enum State {
    There,
    NoObject,
    NoKey,
    Unknown(String),
    /// It was not asked for: the pod is well, or it names too many.
    NotRead,
}

fn state(case: &Case<'_>, reference: &Reference) -> State {
    if reference.is_secret {
        return match case.read.secrets.get(&reference.name) {
            Some(Found::Yes(())) => State::There,
            Some(Found::Missing) => State::NoObject,
            Some(Found::Unknown(why)) => State::Unknown(why.clone()),
            None => State::NotRead,
        };
    }
    match (case.read.config_maps.get(&reference.name), &reference.key) {
        (Some(Found::Yes(keys)), Some(key)) if !keys.contains(key) => State::NoKey,
        (Some(Found::Yes(_)), _) => State::There,
        (Some(Found::Missing), _) => State::NoObject,
        (Some(Found::Unknown(why)), _) => State::Unknown(why.clone()),
        (None, _) => State::NotRead,
    }
}

/// That an object is not there, as evidence: reading it again finds nothing.
pub(super) fn absent(kind: &str, namespace: &str, name: &str) -> Evidence {
    Document::absent(kind, namespace, &words(name, 253)).cite("metadata.name")
}

fn missing(case: &Case<'_>, reference: &Reference, only_key: bool) -> Cause {
    let pod = &case.read.pod;
    let (kind, name) = (reference.kind(), words(&reference.name, 120));
    let user = match (&reference.container, &reference.variable) {
        (Some(container), Some(variable)) => {
            format!("{} of container {}", words(variable, 80), words(container, 80))
        }
        (Some(container), None) => format!("container {}", words(container, 80)),
        _ => "a volume".to_owned(),
    };
    let stage = if reference.container.is_some() { Stage::Config } else { Stage::Volume };
    let key = reference.key.as_deref().map(|key| words(key, 120)).unwrap_or_default();
    let mut cause = if only_key {
        let near = match case.read.config_maps.get(&reference.name) {
            Some(Found::Yes(keys)) => crate::answer::near(&key, keys.iter().map(String::as_str)),
            _ => String::new(),
        };
        let what = format!("{user} needs key {key} of {kind} {name}, which has no such key{near}");
        Cause::new("config_key_missing", stage, Confidence::Certain, what).next(format!(
            "add the key to {kind} {name}, or correct the reference in the workload's template"
        ))
    } else {
        let code = if reference.is_secret { "secret_missing" } else { "config_map_missing" };
        let what = format!("{user} needs {kind} {name}, which was not found");
        Cause::new(code, stage, Confidence::Certain, what)
            .next(format!("create {kind} {name}, or correct the reference in the workload's template"))
    };
    if let Some(container) = &reference.container {
        cause = cause.of(container);
    }
    cause.evidence.push(pod.cite(&reference.name_at));
    match (&reference.key_at, only_key) {
        (Some(key_at), true) => {
            let mut nothing = Document::absent(kind, &pod.object.namespace, &reference.name);
            nothing.value = serde_json::json!({});
            cause.evidence.push(pod.cite(key_at));
            cause.evidence.push(nothing.cite(&below("data", &key)));
        }
        _ => cause.evidence.push(absent(kind, &pod.object.namespace, &reference.name)),
    }
    cause
}

/// What the kubelet says while it puts the environment of a container together.
fn told(case: &Case<'_>, c: &Container<'_>, message: &str, found: &mut Findings) {
    let (code, meaning, next) = classify(message).unwrap_or((
        "container_config_error",
        "its configuration cannot be put together",
        "correct what the message names in the workload's template",
    ));
    // A cache of the kubelet that is not filled yet says nothing about the object.
    let confidence =
        if message.contains("timed out waiting for") { Confidence::Possible } else { Confidence::Certain };
    let what = format!("{} cannot be created, {meaning}: {}", c.title(), words(message, 160));
    let mut cause =
        Cause::new(code, Stage::Config, confidence, what).of(c.name).next(next).by(c.cite_waiting());
    // Where the kubelet cannot be doubted but the reference could not be read, the place in the spec is still known.
    let named = references(&case.read.pod).into_iter().find(|r| {
        let key = r.key.as_deref().unwrap_or_default();
        let of_this =
            r.container.as_deref() == Some(c.name) && !r.name.is_empty() && message.contains(&r.name);
        of_this
            && (code != "config_key_missing" && code != "secret_key_missing"
                || (!key.is_empty() && message.contains(key)))
    });
    if let Some(reference) = named {
        cause.evidence.push(case.read.pod.cite(reference.key_at.as_ref().unwrap_or(&reference.name_at)));
    }
    found.add(cause);
}

/// The kubelet's words for what a container or a volume lacks.
pub(crate) fn classify(message: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let lower = message.to_ascii_lowercase();
    if lower.contains("couldn't find key") || lower.contains("references non-existent config key") {
        let in_secret = lower.contains(" in secret ");
        return Some(if in_secret {
            (
                "secret_key_missing",
                "a key of a Secret is missing",
                "add the key to the Secret, or correct the reference",
            )
        } else {
            (
                "config_key_missing",
                "a key of a ConfigMap is missing",
                "add the key to the ConfigMap, or correct the reference",
            )
        });
    }
    if lower.contains("references non-existent secret key") {
        return Some((
            "secret_key_missing",
            "a key of a Secret is missing",
            "add the key to the Secret, or correct the reference",
        ));
    }
    let not_found = |kind: &str| lower.contains(&format!("{kind} \"")) && lower.contains("not found");
    if not_found("configmap") {
        return Some((
            "config_map_missing",
            "a ConfigMap does not exist",
            "create the ConfigMap, or correct the reference",
        ));
    }
    if not_found("secret") {
        return Some((
            "secret_missing",
            "a Secret does not exist",
            "create the Secret, or correct the reference",
        ));
    }
    if lower.contains("runasnonroot") || lower.contains("non-root") || lower.contains("run as root") {
        return Some((
            "run_as_root_refused",
            "its image runs as root and runAsNonRoot forbids that",
            "set runAsUser to a number other than 0, or use an image with such a user",
        ));
    }
    None
}

/// An optional key or object that is missing beside a process that ends with an error.
pub(super) fn optional_missing(case: &Case<'_>, c: &Container<'_>) -> Option<Cause> {
    references(&case.read.pod).into_iter().filter(|r| r.optional).find_map(|reference| {
        let concerns = reference.container.as_deref().is_none_or(|name| name == c.name);
        let only_key = match state(case, &reference) {
            State::NoKey => true,
            State::NoObject => false,
            _ => return None,
        };
        concerns.then(|| {
            let mut cause = missing(case, &reference, only_key);
            cause.stage = Stage::Run;
            cause.confidence = Confidence::Likely;
            cause.container = Some(words(c.name, 80));
            cause.what =
                format!("{} ends with an error, and although marked optional: {}", c.title(), cause.what);
            cause
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_kubelet_are_told_apart() {
        for (text, want) in [
            ("couldn't find key DATABASE_URL in ConfigMap shop/checkout-config", Some("config_key_missing")),
            ("couldn't find key password in Secret shop/db", Some("secret_key_missing")),
            (r#"configmap "checkout-config" not found"#, Some("config_map_missing")),
            (r#"secret "db" not found"#, Some("secret_missing")),
            (
                r#"MountVolume.SetUp failed for volume "config" : configmap references non-existent config key: app.yaml"#,
                Some("config_key_missing"),
            ),
            (
                r#"MountVolume.SetUp failed for volume "tls" : references non-existent secret key: tls.key"#,
                Some("secret_key_missing"),
            ),
            (
                "container has runAsNonRoot and image will run as root (pod: \"a_b(c)\", container: app)",
                Some("run_as_root_refused"),
            ),
            ("failed to sync configmap cache: timed out waiting for the condition", None),
        ] {
            assert_eq!(classify(text).map(|c| c.0), want, "{text}");
        }
    }
}
