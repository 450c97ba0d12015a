//! What a file of a recording is, told from its path: objects, a container's log, or something about the recording.
//!
//! It opens nothing; a path is split at `/` and comes from whoever walked the folder or the archive.

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// Objects as JSON (`gz` when compressed).
    Json { gz: bool },
    /// Objects as YAML.
    Yaml { gz: bool },
    /// A log; without a container it holds all containers of the pod between markers.
    Log { namespace: String, pod: String, container: Option<String>, previous: bool },
    /// `recording.yaml`: name and time.
    About,
    /// A must-gather's `timestamp`: when it was made.
    Timestamp,
    /// Nothing that is read here.
    Other,
}

/// What the file at `path` is.
pub(super) fn role(path: &str) -> Role {
    let parts: Vec<&str> = path.split('/').collect();
    let Some((file, folders)) = parts.split_last() else { return Role::Other };
    let lower = file.to_ascii_lowercase();
    if let Some(role) = log(file, folders) {
        return role;
    }
    match lower.as_str() {
        "recording.yaml" | "recording.yml" => return Role::About,
        "timestamp" => return Role::Timestamp,
        _ => {}
    }
    let (stem, gz) = match lower.strip_suffix(".gz") {
        Some(stem) => (stem, true),
        None => (lower.as_str(), false),
    };
    match stem.rsplit_once('.').map(|(_, extension)| extension) {
        Some("json" | "ndjson" | "jsonl") => Role::Json { gz },
        Some("yaml" | "yml") => Role::Yaml { gz },
        _ => Role::Other,
    }
}

fn log(file: &str, folders: &[&str]) -> Option<Role> {
    let role = |namespace: &str, pod: &str, container: Option<&str>, previous| {
        Some(Role::Log {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: container.map(str::to_owned),
            previous,
        })
    };
    match (folders, file) {
        // must-gather: namespaces/NS/pods/POD/CONTAINER/CONTAINER/logs/current.log
        (
            [.., "namespaces", namespace, "pods", pod, container, _, "logs"],
            "current.log" | "previous.log",
        ) => role(namespace, pod, Some(container), file == "previous.log"),
        // kubectl cluster-info dump: NS/POD/logs.txt
        ([.., namespace, pod], "logs.txt") => role(namespace, pod, None, false),
        // our own: logs/NS/POD/CONTAINER.log, logs/NS/POD/CONTAINER.previous.log
        ([.., "logs", namespace, pod], _) => {
            let stem = file.strip_suffix(".log")?;
            match stem.strip_suffix(".previous") {
                Some(container) => role(namespace, pod, Some(container), true),
                None => role(namespace, pod, Some(stem), false),
            }
        }
        _ => None,
    }
}

/// The plural that a file is named after: `pods` for `namespaces/shop/core/pods.yaml`.
pub(super) fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file)
}

/// The namespace whose folder a must-gather's file lies in.
pub(super) fn gathered_namespace(path: &str) -> Option<&str> {
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        // Older must-gathers nest: namespaces/all/namespaces/NS.
        if part == "namespaces" && parts.peek() != Some(&"all") {
            let namespace = parts.next()?;
            return parts.peek().is_some().then_some(namespace);
        }
    }
    None
}
