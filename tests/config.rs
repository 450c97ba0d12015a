//! The configuration from injected sources: precedence, provenance, typing, refusals, the old pair's variables.
//!
//! No test here reads or changes the process's environment.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what a test sets up must work")]

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use aiops::{
    config::{
        Config, ConfigError, DEFAULTS, Environment, Flag, LogLevel, OLD, Sources, Toolset, Use, load, schema,
        tokens::Tokens,
    },
    mode::{Adapter, Mode},
};

fn variables(pairs: &[(&str, &str)]) -> Sources {
    Sources { environment: Environment::of(pairs.iter().copied()), ..Sources::default() }
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn refused(sources: Sources) -> String {
    load(sources).expect_err("must be refused").to_string()
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

#[test]
fn the_defaults_file_says_what_the_code_says() {
    let from_file: Config = toml::from_str(DEFAULTS).unwrap();
    assert_eq!(from_file, Config::default());
    assert_eq!(load(Sources::default()).unwrap().config, Config::default());
}

/// Every commented-out key of the defaults file is a key, with a value that fits.
#[test]
fn the_defaults_file_stays_true_when_uncommented() {
    let mut lines = Vec::new();
    for line in DEFAULTS.lines() {
        match line.strip_prefix("# ") {
            Some(key)
                if key
                    .split(" = ")
                    .next()
                    .is_some_and(|k| !k.is_empty() && k.chars().all(char::is_alphanumeric)) =>
            {
                // The commented entry replaces the one below it.
                lines.push(key.to_owned());
            }
            _ => lines.push(line.to_owned()),
        }
    }
    // A recorded cluster has no member, so of the two keys one is left out.
    lines.retain(|line| !line.starts_with("recording = "));
    let text = lines.join("\n").replace("\ncustom = []", "");
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "all.toml", &text);
    let loaded = load(Sources { file: Some(path), ..Sources::default() }).unwrap();
    let unset: Vec<String> = loaded
        .entries()
        .into_iter()
        .filter(|entry| entry.origin == "default")
        .map(|entry| entry.key)
        .collect();
    assert_eq!(unset, ["cluster.recording"], "these keys are not in the defaults file");
}

#[test]
fn the_schema_file_is_fresh() {
    let stored: serde_json::Value =
        serde_json::from_str(include_str!("../config/aiops.schema.json")).unwrap();
    assert_eq!(
        stored,
        schema(),
        "config/aiops.schema.json is old; write it with `aiops config schema > config/aiops.schema.json`"
    );
}

#[test]
fn the_schema_accepts_the_defaults_and_describes_every_key() {
    let schema = schema();
    let defaults: serde_json::Value = toml::from_str(DEFAULTS).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&defaults));
    fn walk(key: &str, schema: &serde_json::Value) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let key = format!("{key}.{name}");
            assert!(property["description"].is_string(), "{key} has no description");
            walk(&key, property);
        }
    }
    walk("", &schema);
}

#[test]
fn each_source_wins_over_the_one_below_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        &folder,
        "a.toml",
        "[telemetry]\nlogLevel = \"warn\"\nlogFormat = \"json\"\n[http]\nlisten = \"127.0.0.1:1\"\nmaxBodyBytes = 2048\n",
    );
    let sources = Sources {
        file: Some(path.clone()),
        environment: Environment::of([
            ("LOG_LEVEL", "ERROR"),
            ("LOG_FORMAT", "text"),
            ("AIOPS_TELEMETRY__LOGLEVEL", "debug"),
            ("AIOPS_HTTP__LISTEN", "127.0.0.1:2"),
        ]),
        flags: vec![Flag { flag: "--http", key: "http.listen", value: "localhost:3".to_owned() }],
    };
    let loaded = load(sources).unwrap();
    assert_eq!(loaded.config.http.listen.to_string(), "127.0.0.1:3");
    assert_eq!(loaded.config.telemetry.log_level, LogLevel::Debug);
    let origins: BTreeMap<String, String> =
        loaded.entries().into_iter().map(|entry| (entry.key, entry.origin)).collect();
    assert_eq!(origins["http.listen"], "flag --http");
    assert_eq!(origins["telemetry.logLevel"], "variable AIOPS_TELEMETRY__LOGLEVEL");
    assert_eq!(origins["telemetry.logFormat"], "variable LOG_FORMAT");
    assert_eq!(origins["http.maxBodyBytes"], format!("file {}", path.display()));
    assert_eq!(origins["mcp.sessions"], "default");
}

#[test]
fn text_of_variables_stays_text() {
    let loaded = load(variables(&[
        ("AIOPS_CLUSTER__NAMESPACE", "0123"),
        ("AIOPS_CLUSTER__CONTEXT", "true"),
        ("AIOPS_CLUSTER__NAMESPACES", "1e3, 007"),
        ("aiops_mcp__tool_timeout", "1m30s"),
        ("AIOPS_MCP__READ_ONLY", "1"),
        ("AIOPS_MCP__TOOLSETS", "cluster,actions"),
        ("AIOPS_HTTP__MAX_BODY_BYTES", ""),
    ]))
    .unwrap()
    .config;
    assert_eq!(loaded.cluster.namespace.as_deref(), Some("0123"));
    assert_eq!(loaded.cluster.context.as_deref(), Some("true"));
    assert_eq!(loaded.cluster.namespaces, ["1e3", "007"]);
    assert_eq!(loaded.mcp.tool_timeout, Duration::from_secs(90));
    assert!(loaded.mcp.read_only);
    assert_eq!(loaded.mcp.toolsets, [Toolset::Cluster, Toolset::Actions]);
    assert_eq!(loaded.http.max_body_bytes, 1 << 20);
}

#[test]
fn the_names_of_the_charts_values_work_in_yaml() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
deployment:
  mode: full
integrations:
  kubernetes: { enabled: true }
  prometheus: { enabled: false, url: }
  coordinationEngine: { enabled: true, builtin: false, url: 'http://engine:8080' }
  mlServices:
    kserve: { enabled: false, namespace: '0123' }
    custom:
      - { name: mine, url: 'https://ml:8443/predict', enabled: false }
";
    let path = file(&folder, "values.yaml", text);
    let loaded = load(Sources { file: Some(path), ..Sources::default() }).unwrap();
    let config = &loaded.config;
    assert_eq!(config.deployment.mode, Mode::Full);
    assert_eq!(config.integrations.ml_services.kserve.namespace, "0123");
    assert_eq!(config.integrations.ml_services.custom[0].name, "mine");
    let wants = config.wants();
    assert_eq!((wants.kubernetes, wants.prometheus, wants.engine, wants.ml), (true, false, true, false));
}

#[test]
fn a_mode_says_what_this_build_does_not_have() {
    for (mode, adapters) in [
        ("standalone", vec![]),
        ("monitoring", vec![Adapter::Prometheus]),
        ("full", vec![Adapter::Prometheus, Adapter::MlServices]),
    ] {
        let config = load(variables(&[("AIOPS_DEPLOYMENT__MODE", mode)])).unwrap().config;
        let missing: Vec<Adapter> = config.missing().into_iter().map(|missing| missing.adapter).collect();
        assert_eq!(missing, adapters, "{mode}");
    }
}

#[test]
fn every_fault_is_told_at_once_with_key_origin_and_fix() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        &folder,
        "bad.yaml",
        "deployment:\n  mode: ful\nhttp:\n  max_body_bytes: 3\n  listen: 8080\ncluster:\n  namespace: 0123\n",
    );
    let mut sources = variables(&[
        ("AIOPS_HTTP__REQUEST_TIMEOUT", "10"),
        ("AIOPS_MCP__MAX_SESSIONS", "many"),
        ("AIOPS_MODE", "full"),
    ]);
    sources.file = Some(path.clone());
    sources.flags.push(Flag { flag: "--toolsets", key: "mcp.toolsets", value: "clutser".to_owned() });
    let text = refused(sources);
    has(
        &text,
        &[
            &format!("deployment.mode (file {})", path.display()),
            "did you mean full",
            "write maxBodyBytes",
            "put it in quotes",
            "mcp.maxSessions (variable AIOPS_MCP__MAX_SESSIONS): must be a whole number",
            "for deployment.mode the variable is AIOPS_DEPLOYMENT__MODE",
            "mcp.toolsets[0] (flag --toolsets)",
            "did you mean cluster",
        ],
    );
}

#[test]
fn values_that_cannot_be_are_refused() {
    for (pairs, parts) in [
        (
            &[("AIOPS_HTTP__REQUEST_TIMEOUT", "10")][..],
            &["http.requestTimeout", "variable AIOPS_HTTP__REQUEST_TIMEOUT", "10s"][..],
        ),
        // It would run over the end of the clock.
        (&[("AIOPS_MCP__TOOL_TIMEOUT", "2562047788015215h")], &["mcp.toolTimeout", "1ms to a year"]),
        (&[("AIOPS_HTTP__LISTEN", "8080")], &["ADDRESS:PORT", "127.0.0.1:8080"]),
        (&[("AIOPS_HTTP__MAX_BODY_BYTES", "1")], &["between 1024 and 67108864"]),
        (&[("AIOPS_INTEGRATIONS__KUBERNETES__ENABLED", "false")], &["every mode needs Kubernetes"]),
        (
            &[("AIOPS_INTEGRATIONS__COORDINATION_ENGINE__BUILTIN", "false")],
            &["integrations.coordinationEngine.url"],
        ),
        (
            &[("AIOPS_INTEGRATIONS__PROMETHEUS__URL", "prom:9090")],
            &["integrations.prometheus.url", "http://"],
        ),
        (&[("AIOPS_TELEMETRY__METRICS_PORT", "8080")], &["telemetry.metricsPort", "take another"]),
        (&[("AIOPS_MCP__TOOL_PREFIX", "Old ")], &["mcp.toolPrefix", "lower-case"]),
        (&[("AIOPS_CLUSTER__NAMESPACES", "a,../b")], &["cluster.namespaces[1]", "../b"]),
        (&[("AIOPS_HTTP__LITSEN", "127.0.0.1:1")], &["AIOPS_HTTP__LISTEN"]),
        (&[("AIOPS_HTTP", "x")], &["variable AIOPS_HTTP", "is a section"]),
        (
            &[(
                "AIOPS_INTEGRATIONS__ML_SERVICES__CUSTOM",
                r#"[{"name":"a","url":"http://a"},{"name":"a","url":"x"}]"#,
            )],
            &["another one is called \"a\"", "custom[1]", "its url must be"],
        ),
    ] {
        has(&refused(variables(pairs)), parts);
    }
}

#[test]
fn a_password_in_a_refused_url_is_not_repeated() {
    let text = refused(variables(&[("AIOPS_INTEGRATIONS__PROMETHEUS__URL", "ftp://me:hunter2@prom")]));
    assert!(!text.contains("hunter2"), "{text}");
    let loaded =
        load(variables(&[("PROMETHEUS_URL", "https://me:hunter2@prom:9090/x?token=hunter2")])).unwrap();
    let shown = format!("{:?}", loaded.entries());
    assert!(!shown.contains("hunter2"), "{shown}");
    has(&shown, &["https://[redacted]@prom:9090/x?[redacted]"]);
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, parts) in [
        ("a.toml", "[http\n", &["is not TOML"][..]),
        ("a.yaml", "a: [", &["is not YAML"]),
        ("a.ini", "", &[".toml, .yaml or .yml"]),
        ("list.yaml", "- a", &["sections with keys"]),
    ] {
        has(&refused(Sources { file: Some(file(&folder, name, text)), ..Sources::default() }), parts);
    }
    let missing = folder.path().join("none.toml");
    has(
        &refused(Sources { file: Some(missing), ..Sources::default() }),
        &["none.toml", "cannot be read", "--config"],
    );
    let empty = file(&folder, "empty.yaml", "");
    assert!(load(Sources { file: Some(empty), ..Sources::default() }).is_ok());
}

#[test]
fn the_old_variables_work() {
    let loaded = load(variables(&[
        ("MCP_HTTP_HOST", "localhost"),
        ("PORT", "7070"),
        ("MCP_HTTP_PORT", "9090"),
        ("KUBECONFIG", "/a/config"),
        ("KUBERNETES_QPS", "7.5"),
        ("KUBERNETES_BURST", "9"),
        ("DATA_DIR", "/data"),
        ("LOG_LEVEL", "FATAL"),
        ("REQUEST_TIMEOUT", "1m"),
        ("MAX_CONCURRENT_TOOLS", "3"),
        ("METRICS_PORT", "9191"),
        ("ENABLE_COORDINATION_ENGINE", "T"),
        ("COORDINATION_ENGINE_URL", "http://ce:8080/api/v1"),
        ("PROMETHEUS_URL", "http://prom"),
        ("KSERVE_ANOMALY_DETECTOR_SERVICE", "x"),
        ("CACHE_TTL", "nonsense"),
        ("ARGOCD_TOKEN", "secret-token"),
    ]))
    .unwrap();
    let config = &loaded.config;
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:9090");
    assert_eq!(loaded.origin("http.listen"), "variable MCP_HTTP_PORT");
    assert_eq!(loaded.kubeconfigs(), (vec![PathBuf::from("/a/config")], true));
    assert_eq!((config.cluster.qps, config.cluster.burst), (7.5, 9));
    assert_eq!(loaded.state_dir(), Some(PathBuf::from("/data")));
    assert_eq!(config.telemetry.log_level, LogLevel::Error);
    assert_eq!(config.telemetry.metrics_port, Some(9191));
    assert_eq!(config.mcp.tool_timeout, Duration::from_secs(60));
    assert_eq!(config.mcp.max_concurrent_calls, 3);
    assert!(config.wants().engine);
    assert_eq!(config.integrations.coordination_engine.url.as_deref(), Some("http://ce:8080"));
    let notes = loaded.notes.join("\n");
    has(
        &notes,
        &[
            "variable KSERVE_ANOMALY_DETECTOR_SERVICE: accepted, not used by this version",
            "variable CACHE_TTL: accepted, not used",
            "variable ARGOCD_TOKEN: accepted",
        ],
    );
    assert!(!notes.contains("secret-token"));
}

#[test]
fn a_new_variable_wins_over_an_old_one() {
    let loaded = load(variables(&[("PORT", "1"), ("AIOPS_HTTP__LISTEN", "127.0.0.1:2")])).unwrap();
    assert_eq!(loaded.config.http.listen.port(), 2);
    has(&refused(variables(&[("PORT", "0x10")])), &["http.listen (variable PORT)", "between 1 and 65535"]);
}

/// Every name that the old pair read sets a key that exists, or says why not; none is refused.
#[test]
fn every_old_variable_is_accepted() {
    let keys: Vec<String> =
        load(Sources::default()).unwrap().entries().into_iter().map(|entry| entry.key).collect();
    for (name, what) in OLD {
        if let Use::Key(key) = what {
            assert!(keys.iter().any(|known| known == key), "{name} sets {key}, which is no key");
        } else {
            let name = name.replace('*', "ANY");
            let value = if name.ends_with("_HOST") { "127.0.0.1" } else { "9090" };
            assert!(load(variables(&[(&name, value)])).is_ok(), "{name}");
        }
    }
}

#[test]
fn what_kubernetes_injects_for_services_is_ignored() {
    let injected = [
        ("AIOPS_SERVICE_HOST", "10.96.1.2"),
        ("AIOPS_SERVICE_PORT", "8080"),
        ("AIOPS_SERVICE_PORT_HTTP", "8080"),
        ("AIOPS_PORT", "tcp://10.96.1.2:8080"),
        ("AIOPS_PORT_8080_TCP", "tcp://10.96.1.2:8080"),
        ("AIOPS_PORT_8080_TCP_PROTO", "tcp"),
        ("AIOPS_PORT_8080_TCP_PORT", "8080"),
        ("AIOPS_PORT_8080_TCP_ADDR", "10.96.1.2"),
        ("AIOPS_METRICS_SERVICE_HOST", "fd00::1"),
        ("AIOPS_METRICS_PORT", "udp://10.96.1.2:9"),
        ("METRICS_PORT", "tcp://10.96.1.2:9090"),
        ("MCP_HTTP_PORT", "tcp://10.96.1.2:80"),
    ];
    let loaded = load(variables(&injected)).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.notes, Vec::<String>::new());
    has(&refused(variables(&[("AIOPS_PORT", "8080")])), &["variable AIOPS_PORT", "no such key"]);
}

/// Twelve ways to bind and to know callers.
#[test]
fn other_machines_are_served_with_tokens_only() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = file(&folder, "tokens.toml", "");
    for (listen, loopback) in [
        ("127.0.0.1:8080", true),
        ("[::1]:8080", true),
        ("127.9.9.9:0", true),
        ("0.0.0.0:8080", false),
        ("[::]:8080", false),
        ("10.0.0.1:80", false),
    ] {
        for (with_tokens, anonymous) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut pairs = vec![("AIOPS_HTTP__LISTEN", listen)];
            if with_tokens {
                pairs.push(("AIOPS_HTTP__TOKEN_FILE", tokens.to_str().unwrap()));
            }
            if anonymous {
                pairs.push(("AIOPS_HTTP__INSECURE_ANONYMOUS", "true"));
            }
            let verdict = load(variables(&pairs)).unwrap().may_serve_http();
            assert_eq!(
                verdict.is_ok(),
                loopback || with_tokens || anonymous,
                "{listen} {with_tokens} {anonymous}"
            );
            if let Err(ConfigError { faults }) = verdict {
                assert_eq!(faults[0].origin, "variable AIOPS_HTTP__LISTEN");
                has(&faults[0].problem, &["http.tokenFile", "127.0.0.1:"]);
            }
        }
    }
}

#[test]
fn paths_are_meant_from_the_file_and_the_home_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        &folder,
        "a.toml",
        "stateDir = \"~/state\"\n[http]\ntokenFile = \"tokens.toml\"\n[cluster]\nkubeconfig = \"kube/config\"\n",
    );
    let sources =
        Sources { file: Some(path), environment: Environment::of([("HOME", "/home/me")]), flags: vec![] };
    let loaded = load(sources).unwrap();
    assert_eq!(loaded.state_dir(), Some(PathBuf::from("/home/me/state")));
    assert_eq!(loaded.config.http.token_file, Some(folder.path().join("tokens.toml")));
    assert_eq!(loaded.kubeconfigs().0, [folder.path().join("kube/config")]);
}

#[test]
fn state_lives_where_the_desktop_standard_says() {
    let of = |pairs: &[(&str, &str)]| load(variables(pairs)).unwrap().state_dir();
    assert_eq!(of(&[("HOME", "/h"), ("XDG_STATE_HOME", "/x")]), Some(PathBuf::from("/x/aiops")));
    assert_eq!(of(&[("HOME", "/h")]), Some(PathBuf::from("/h/.local/state/aiops")));
    assert_eq!(
        of(&[("HOME", "/h"), ("XDG_STATE_HOME", "relative")]),
        Some(PathBuf::from("/h/.local/state/aiops"))
    );
    assert_eq!(of(&[]), None);
    assert_eq!(
        load(variables(&[("HOME", "/h")])).unwrap().kubeconfigs(),
        (vec![PathBuf::from("/h/.kube/config")], false)
    );
}

const TOKENS: &str = r#"
[[token]]
name = "lightspeed"
sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
groups = ["readers"]

[[token]]
name = "old"
sha256 = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"
expires = "2026-01-01T00:00:00Z"
"#;

#[test]
fn tokens_name_their_callers() {
    let tokens = Tokens::parse(TOKENS).unwrap();
    let now = "2026-06-01T00:00:00Z".parse().unwrap();
    let caller = tokens.find("secret", now).unwrap();
    assert_eq!((caller.name.as_str(), caller.groups.as_slice()), ("lightspeed", &["readers".to_owned()][..]));
    assert_eq!(tokens.find("Secret", now), None);
    assert_eq!(tokens.find("", now), None);
    assert_eq!(tokens.find("test", now), None, "it is over");
    assert!(tokens.find("test", "2025-12-31T23:59:59Z".parse().unwrap()).is_some());
    assert_eq!(tokens.expired(now), ["old"]);
    assert!(!format!("{tokens:?}").contains("2bb8"));
}

#[test]
fn token_files_that_cannot_be_used_say_why_without_a_hash() {
    let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    for (text, part) in [
        (String::new(), "no [[token]] entry"),
        ("[[token]]\nname = \"a\"\nsha256 = \"secret\"".to_owned(), "64 hexadecimal digits"),
        (format!("[[token]]\nname = \"a\"\nsha256 = \"{hash}\"\nrole = \"x\""), "unknown field"),
        (format!("[[token]]\nname = \"\"\nsha256 = \"{hash}\""), "1 to 128"),
        (format!("[[token]]\nname = \"anonymous\"\nsha256 = \"{hash}\""), "choose another"),
        (format!("[[token]]\nname = \"a\"\nsha256 = \"{hash}\"\nexpires = \"soon\""), "must be a time"),
        (TOKENS.replace("old", "lightspeed"), "a name of its own"),
        (format!("{TOKENS}\n[[token]]\nname = \"third\"\nsha256 = \"{hash}\""), "same token"),
    ] {
        let problem = Tokens::parse(&text).unwrap_err();
        assert!(problem.contains(part), "{part:?} is missing in: {problem}");
        assert!(!problem.contains(hash), "{problem}");
    }
    let missing = Tokens::read(&PathBuf::from("/nowhere/tokens.toml")).unwrap_err().to_string();
    has(&missing, &["/nowhere/tokens.toml", "http.tokenFile", "cannot be read"]);
}
