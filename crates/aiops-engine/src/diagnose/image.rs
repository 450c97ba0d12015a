//! Images that do not come: what the registry or the runtime answered, told apart.

use super::{
    Case, Cause, Confidence, Findings, Stage,
    container::{self, Container},
    document::{below, last_words, words},
    reading::Found,
};

/// Reasons for which a container waits for its image.
const WAITING: [&str; 8] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
    "ErrImagePullBackOff",
];

/// Whether a container waits for its image with an error.
pub(crate) fn is_waiting(reason: &str) -> bool {
    WAITING.contains(&reason)
}

/// Whether the text has these words. A status code must stand by itself: names, tags and digests hold any digits.
fn says(text: &str, word: &str) -> bool {
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        text.split_whitespace().any(|token| token.trim_matches(|c: char| !c.is_ascii_alphanumeric()) == word)
    } else {
        text.contains(word)
    }
}

/// What an answer of a registry or a runtime means.
pub(crate) fn classify(reason: &str, text: &str) -> (&'static str, &'static str, &'static str) {
    let text = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| says(&text, word));
    if reason == "InvalidImageName" || has(&["invalid reference format", "couldn't parse image name"]) {
        return (
            "image_name_invalid",
            "the image name is not valid",
            "correct the image in the workload's template",
        );
    }
    if reason == "ErrImageNeverPull" || has(&["pull policy of never"]) {
        return (
            "image_never_pulled",
            "the image is not on the node and imagePullPolicy Never forbids pulling it",
            "change imagePullPolicy to IfNotPresent, or load the image onto the nodes",
        );
    }
    if reason == "SignatureValidationFailed" || has(&["signature validation failed", "source image rejected"])
    {
        return (
            "image_signature_refused",
            "the node's policy refuses the image's signature",
            "sign the image, or use one that is signed",
        );
    }
    if has(&["toomanyrequests", "too many requests", "rate limit", "429"]) {
        return (
            "image_rate_limited",
            "the registry limits how often this client may pull",
            "add imagePullSecrets of an account with a higher limit, or use a mirror; pulls resume by themselves later",
        );
    }
    if has(&[
        "no match for platform",
        "no matching manifest for",
        "exec format error",
        "no image found in manifest list for architecture",
    ]) {
        return (
            "image_wrong_architecture",
            "the image is not built for the node's architecture",
            "build the image for that architecture, or select nodes that fit it by kubernetes.io/arch",
        );
    }
    if has(&["may require authorization", "may require 'docker login'", "repository does not exist or"]) {
        return (
            "image_denied_or_missing",
            "the registry denies the image: it does not exist there, or pulling it needs credentials",
            "check the image's name; if it is private, add imagePullSecrets",
        );
    }
    if has(&[
        "401",
        "403",
        "unauthorized",
        "forbidden",
        "authentication required",
        "no basic auth credentials",
        "access denied",
        "denied:",
    ]) {
        return (
            "image_unauthorized",
            "the registry refuses the credentials, or there are none",
            "check imagePullSecrets of the pod and of its ServiceAccount",
        );
    }
    if has(&[
        "no such host",
        "connection refused",
        "i/o timeout",
        "context deadline exceeded",
        "tls handshake",
        "x509",
        "connection reset",
        "network is unreachable",
        "no route to host",
        "server gave http response",
        "temporary failure in name resolution",
        "service unavailable",
        "bad gateway",
        "internal server error",
        ": eof",
    ]) {
        return (
            "registry_unreachable",
            "the node cannot reach the registry",
            "check DNS, proxy, certificates and firewall between the node and the registry",
        );
    }
    if has(&["not found", "manifest unknown", "name unknown", "does not exist", "404"]) {
        return (
            "image_not_found",
            "the registry does not have the image or its tag",
            "correct the image or push it",
        );
    }
    if has(&["no space left on device"]) {
        return (
            "node_disk_full",
            "the node has no space left for the image",
            "free disk on the node or move the pod",
        );
    }
    ("image_pull_failed", "the image cannot be pulled", "list-events of the pod may tell more")
}

pub(super) fn look(case: &Case<'_>, found: &mut Findings) {
    let pod = &case.read.pod;
    let (mut pulled, mut all) = (0, 0);
    for c in container::all(pod) {
        all += 1;
        let (reason, message) = c.waiting();
        if !is_waiting(reason) {
            pulled += usize::from(c.is_running() || c.ended().is_some());
            continue;
        }
        let told = case.read.event(Some(c.name), |e| {
            let of_this = e.container.is_some() || e.message().contains(c.spec_text("image"));
            of_this
                && matches!(e.reason.as_str(), "Failed" | "ErrImageNeverPull" | "InspectFailed")
                && tells(e.message())
        });
        // The message of a back-off says less than the event of the failed pull, except in new kubelets.
        let said = classify(reason, message);
        let (code, meaning, next) = match told {
            Some(event) if said.0 == "image_pull_failed" => classify(reason, event.message()),
            _ => said,
        };
        let image = words(c.spec_text("image"), 200);
        let text =
            told.filter(|_| said.0 == "image_pull_failed").map_or(message, super::reading::Told::message);
        let text = if text.is_empty() { String::new() } else { format!(" ({})", last_words(text, 120)) };
        let what = format!("{} waits for image {image}: {meaning}{text}", c.title());
        let mut cause = Cause::new(code, Stage::Image, Confidence::Certain, what).of(c.name).next(next);
        cause.evidence.push(c.cite_spec("image"));
        cause.evidence.extend(c.cite_waiting());
        if said.0 == "image_pull_failed" || !tells(message) {
            cause.evidence.extend(told.map(super::reading::Told::cite));
        }
        if code == "image_never_pulled" {
            cause.evidence.push(c.cite_spec("imagePullPolicy"));
        }
        if matches!(code, "image_unauthorized" | "image_denied_or_missing") {
            credentials(case, &mut cause, found);
        }
        if code == "image_wrong_architecture" {
            architecture(case, &mut cause);
        }
        found.add(cause);
    }
    if all > 0 && pulled == all {
        found.fine("images of all containers were pulled");
    }
}

/// A message that says why, and not only that it is tried again later.
fn tells(message: &str) -> bool {
    let only_backs_off = message.starts_with("Back-off pulling image") && !message.contains("ErrImagePull: ");
    !message.is_empty() && !only_backs_off && !message.starts_with("Error: ")
}

/// Which pull secrets the pod names, and whether they exist.
fn credentials(case: &Case<'_>, cause: &mut Cause, found: &mut Findings) {
    let pod = &case.read.pod;
    let secrets = pod.list("spec.imagePullSecrets");
    if secrets.is_empty() && !pod.from_row {
        cause.what.push_str("; the pod names no imagePullSecrets");
    }
    for index in 0..secrets.len() {
        let path = format!("spec.imagePullSecrets[{index}].name");
        let name = pod.text(&path);
        match case.read.secrets.get(name) {
            Some(Found::Missing) => {
                cause.what.push_str(&format!("; its pull secret {} does not exist", words(name, 80)));
                cause.evidence.push(pod.cite(&path));
                cause.evidence.push(super::config::absent("Secret", &pod.object.namespace, name));
            }
            Some(Found::Yes(())) => {
                found.fine(format!("pull secret {} exists (its content is not read)", words(name, 80)));
            }
            _ => {}
        }
    }
}

fn architecture(case: &Case<'_>, cause: &mut Cause) {
    if let Some((_, Found::Yes(node))) = &case.read.node {
        cause.evidence.push(node.cite("status.nodeInfo.architecture"));
        cause.evidence.push(node.cite(&below("metadata.labels", "kubernetes.io/arch")));
    }
}

/// A container whose log or message says that its binary is for another machine.
pub(super) fn wrong_architecture(case: &Case<'_>, c: &Container<'_>) -> Cause {
    let what = format!("{} cannot start: its binary is not built for the node's architecture", c.title());
    let next = "build the image for that architecture, or select nodes that fit it by kubernetes.io/arch";
    let mut cause = Cause::new("image_wrong_architecture", Stage::Start, Confidence::Certain, what);
    cause = cause.of(c.name).next(next).by([c.cite_spec("image")]);
    architecture(case, &mut cause);
    cause
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_registries_are_told_apart() {
        for (reason, text, want) in [
            (
                "ErrImagePull",
                r#"rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/nginx:9.99": failed to resolve reference "docker.io/library/nginx:9.99": docker.io/library/nginx:9.99: not found"#,
                "image_not_found",
            ),
            (
                "ImagePullBackOff",
                r#"Back-off pulling image "registry.example/shop/api:v9": ErrImagePull: manifest unknown: manifest unknown"#,
                "image_not_found",
            ),
            (
                "ErrImagePull",
                r#"failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://ghcr.io/token: 401 Unauthorized"#,
                "image_unauthorized",
            ),
            (
                "ErrImagePull",
                r#"pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"#,
                "image_denied_or_missing",
            ),
            (
                "ErrImagePull",
                r#"httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/library/nginx/manifests/sha256:ab: 429 Too Many Requests - Server message: toomanyrequests: You have reached your unauthenticated pull rate limit."#,
                "image_rate_limited",
            ),
            (
                "ErrImagePull",
                r#"failed to do request: Head "https://registry.shop.svc/v2/api/manifests/v1": dial tcp: lookup registry.shop.svc on 10.96.0.10:53: no such host"#,
                "registry_unreachable",
            ),
            (
                "ErrImagePull",
                r#"failed to do request: Head "https://amber-429ab.invalid/v2/shop-401/api-404/manifests/1.429.403": dial tcp: lookup amber-429ab.invalid: no such host"#,
                "registry_unreachable",
            ),
            ("ErrImagePull", "no match for platform in manifest: not found", "image_wrong_architecture"),
            (
                "InvalidImageName",
                r#"Failed to apply default image tag "Shop/API:v1": couldn't parse image name "Shop/API:v1": invalid reference format: repository name (library/Shop/API) must be lowercase"#,
                "image_name_invalid",
            ),
            (
                "ErrImageNeverPull",
                r#"Container image "api:dev" is not present with pull policy of Never"#,
                "image_never_pulled",
            ),
            ("ImagePullBackOff", r#"Back-off pulling image "x""#, "image_pull_failed"),
        ] {
            assert_eq!(classify(reason, text).0, want, "{text}");
        }
    }
}
