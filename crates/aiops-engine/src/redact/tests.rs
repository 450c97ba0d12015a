//! That credentials do not pass, that benign text does, and that a second pass changes nothing.
//!
//! Fake credentials are put together at run time, so that no scanner takes these files for a leak.

mod dice;
mod shapes;

use super::*;
use dice::Dice;
use serde_json::{Value, json};
use shapes::{Shape, percent};

/// What is left of a credential: all of it when short, any twelve characters of it when long.
fn leaks(text: &str, secret: &str) -> bool {
    if secret.len() < 16 {
        return text.contains(secret);
    }
    let chars: Vec<char> = secret.chars().collect();
    chars.windows(12).any(|part| text.contains(&part.iter().collect::<String>()))
}

/// What is shown of a planted text.
type Show = fn(&Shape, &mut Dice) -> String;

/// Where people and programs leave credentials.
const PLACES: &[(&str, Show)] = &[
    ("alone", |shape, _| Redactor.redact(&shape.text).into_owned()),
    ("log line", |shape, dice| {
        let lead = dice.pick(&[
            "2026-11-24T14:03:11.123Z INFO  [main] starting with ",
            "E1124 14:03:11.123456       1 main.go:42] \"failed\" err=",
            "level=info msg=",
            "time=\"2026-11-24\" ",
        ]);
        Redactor.redact(&format!("{lead}{}\nnext line", shape.text)).into_owned()
    }),
    ("event", |shape, _| {
        let event = json!({"kind": "Event", "reason": "Failed", "message": format!("Error: cannot start: {}", shape.text)});
        walk(event)
    }),
    ("annotation", |shape, _| {
        walk(
            json!({"kind": "Pod", "metadata": {"annotations": {"example.com/config": shape.text, "team": "shop"}}}),
        )
    }),
    ("args", |shape, _| {
        walk(
            json!({"kind": "Pod", "spec": {"containers": [{"name": "c", "args": ["serve", shape.text, "--verbose"]}]}}),
        )
    }),
    ("custom resource", |shape, _| {
        walk(json!({"kind": "Widget", "spec": {"settings": [{"inline": shape.text}], "replicas": 2}}))
    }),
    ("json in a string", |shape, _| {
        let inner = json!({"spec": {"inline": shape.text}}).to_string();
        walk(json!({"metadata": {"annotations": {"other/last-applied": inner}}}))
    }),
    ("printed json", |shape, _| {
        Redactor.redact(&json!({"a": 1, "text": shape.text}).to_string()).into_owned()
    }),
    ("json in printed json", |shape, _| {
        let inner = json!({"text": shape.text}).to_string();
        Redactor.redact(&json!({"inner": inner}).to_string()).into_owned()
    }),
    ("config map", |shape, _| {
        walk(
            json!({"kind": "ConfigMap", "data": {"app.conf": format!("# settings\n{}\nport = 80\n", shape.text)}}),
        )
    }),
];

fn walk(mut value: Value) -> String {
    Redactor.redact_json(&mut value);
    assert!(!Redactor.redact_json(&mut value.clone()), "a second walk changes nothing: {value}");
    value.to_string()
}

#[test]
fn no_planted_credential_passes() {
    let mut dice = Dice::new(7);
    let (mut planted, mut kinds) = (0, 0);
    let mut leaked = Vec::new();
    for _ in 0..3 {
        let shapes = shapes::all(&mut dice);
        kinds = shapes.len();
        for shape in &shapes {
            for (place, show) in PLACES {
                planted += 1;
                let shown = show(shape, &mut dice);
                let escaped = serde_json::to_string(&shape.secret).unwrap();
                if leaks(&shown, &shape.secret) || leaks(&shown, escaped.trim_matches('"')) {
                    leaked.push(format!("{} in {place}: {shown}", shape.name));
                }
            }
        }
    }
    println!("{kinds} shapes, {planted} plantings, {} through", leaked.len());
    assert!(leaked.is_empty(), "{} of {planted} passed:\n{}", leaked.len(), leaked.join("\n"));
    assert!(kinds >= 40 && planted >= 500);
}

#[test]
fn url_encoding_does_not_hide_a_pair() {
    let mut dice = Dice::new(11);
    for _ in 0..50 {
        let secret = dice.alnum(18);
        let text =
            percent(&format!(r#"{{"user":"x","password":"{secret}","url":"redis://u:{secret}@h/0"}}"#));
        let shown = Redactor.redact(&text).into_owned();
        assert!(!shown.contains(&secret), "{shown}");
    }
}

#[test]
fn a_second_pass_changes_nothing() {
    let mut dice = Dice::new(5);
    for shape in shapes::all(&mut dice) {
        let once = Redactor.redact(&shape.text).into_owned();
        assert_eq!(Redactor.redact(&once), once, "{}", shape.name);
    }
}

#[test]
fn what_is_kept_stays_readable() {
    let word = |parts: &[&str]| parts.concat();
    for (text, shown) in [
        (word(&["pass", "word=hunter2 host=db"]), "password=[redacted:password] host=db"),
        (word(&["postgres://app:hun", "ter2@db:5432/x"]), "postgres://app:[redacted:url-password]@db:5432/x"),
        (word(&["Authorization: Bearer abc", "123def456"]), "Authorization: Bearer [redacted:auth]"),
        (
            word(&[r#"{"password":"hun"#, r#"ter2","port":1}"#]),
            r#"{"password":"[redacted:password]","port":1}"#,
        ),
    ] {
        assert_eq!(Redactor.redact(&text), shown);
    }
}

#[test]
fn benign_text_passes() {
    for text in [
        "MountVolume.SetUp failed for volume \"creds\" : secret \"db-credentials\" not found",
        "Failed to pull image \"registry.example.com/shop/api@sha256:5d4d2c1e5a7a9f0c3b2b1a0f9e8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b3a291807\"",
        "error: token: Post \"https://10.0.0.1:443/token\": dial tcp 10.0.0.1:443: i/o timeout",
        "I1124 14:03:11.123456       1 reflector.go:351] Caches populated for *v1.Secret from k8s.io/client-go/informers/factory.go:160",
        "password authentication failed for user \"app\"",
        "max_tokens=4096 prompt_tokens: 1800 total_tokens=2048",
        "secretName: shop-tls, secretKeyRef: {name: db-credentials, key: password}",
        "pod/web-7d4f9c6b5c-x2x9z on node ip-10-0-3-17.eu-central-1.compute.internal",
        "serviceAccountName: builder, automountServiceAccountToken: true",
        "token: expired at 14:03, refreshing token",
        "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
        "commit 5f2c1e0a9b8d7c6e5f4a3b2c1d0e9f8a7b6c5d4e by dev",
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "--token-auth-file=/etc/kubernetes/tokens.csv --authorization-mode=Node,RBAC",
        "key: node-role.kubernetes.io/control-plane effect: NoSchedule",
        "mkdir -p /var/lib/app && nc -p 8080 && ssh -p 2222 host",
    ] {
        assert_eq!(Redactor.redact(text), text);
    }
}
