//! The variables of the Go engine and the Go MCP server: which key each sets, or why none.
//!
//! Nothing that the old pair read makes us fail by its mere presence. One whose adapter comes with a later version is
//! accepted and named.

use serde_json::Value;

use super::shape::shown;

/// What an old variable does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It sets this key.
    Key(&'static str),
    /// It sets the host or the port of `http.listen`.
    Listen,
    /// The adapter that reads it comes with a later version.
    Later(&'static str),
    /// It has nothing to say here, for this reason.
    Never(&'static str),
}

/// Every variable that the old pair read, with what it does here. Names that end in `*` are patterns
/// (`KSERVE_*_SERVICE`).
pub const OLD: &[(&str, Use)] = &[
    ("ANOMALY_THRESHOLD", Use::Later("anomaly scores")),
    ("ARGOCD_API_URL", Use::Never("Argo CD is asked through its Applications in the cluster")),
    ("ARGOCD_TOKEN", Use::Never("Argo CD is asked through its Applications in the cluster")),
    ("CACHE_TTL", Use::Never("answers come from a watch and are not cached for a time")),
    ("COORDINATION_ENGINE_URL", Use::Key("integrations.coordinationEngine.url")),
    ("CORS_ALLOW_ORIGIN", Use::Never("it had no effect; see http.allowedOrigins")),
    ("DATA_DIR", Use::Key("stateDir")),
    ("ENABLE_COORDINATION_ENGINE", Use::Key("integrations.coordinationEngine.enabled")),
    ("ENABLE_CORS", Use::Never("it had no effect; see http.allowedOrigins")),
    ("ENABLE_FEATURE_ENGINEERING", Use::Later("predictions")),
    ("ENABLE_KSERVE", Use::Key("integrations.mlServices.kserve.enabled")),
    ("ENABLE_KSERVE_INTEGRATION", Use::Key("integrations.mlServices.kserve.enabled")),
    ("ENABLE_PROMETHEUS", Use::Key("integrations.prometheus.enabled")),
    ("FEATURE_ENGINEERING_EXPECTED_COUNT", Use::Later("predictions")),
    ("FEATURE_ENGINEERING_LOOKBACK_HOURS", Use::Later("predictions")),
    ("HTTP_TIMEOUT", Use::Later("Prometheus and model servers")),
    ("INCIDENT_RETENTION_DAYS", Use::Key("store.retentionDays")),
    ("KSERVE_NAMESPACE", Use::Key("integrations.mlServices.kserve.namespace")),
    ("KSERVE_PREDICTOR_PORT", Use::Key("integrations.mlServices.kserve.predictorPort")),
    ("KSERVE_TIMEOUT", Use::Key("integrations.mlServices.kserve.timeout")),
    ("KSERVE_*_MODEL", Use::Later("model servers")),
    ("KSERVE_*_SERVICE", Use::Later("model servers")),
    ("KUBECONFIG", Use::Key("cluster.kubeconfig")),
    ("KUBERNETES_BURST", Use::Key("cluster.burst")),
    ("KUBERNETES_QPS", Use::Key("cluster.qps")),
    ("LOG_FORMAT", Use::Key("telemetry.logFormat")),
    ("LOG_LEVEL", Use::Key("telemetry.logLevel")),
    ("MAX_CONCURRENT_TOOLS", Use::Key("mcp.maxConcurrentCalls")),
    ("MCP_HTTP_HOST", Use::Listen),
    ("MCP_HTTP_PORT", Use::Listen),
    ("MCP_SERVER_NAME", Use::Never("serverInfo.name is always aiops")),
    ("MCP_SERVER_VERSION", Use::Never("serverInfo.version is this binary's")),
    ("MCP_TRANSPORT", Use::Never("`aiops serve` speaks HTTP, `aiops serve --stdio` standard streams")),
    ("METRICS_PORT", Use::Key("telemetry.metricsPort")),
    ("ML_SERVICE_URL", Use::Later("model servers")),
    ("NAMESPACE", Use::Never("rights are asked for each object, not in one namespace")),
    ("PORT", Use::Listen),
    ("PROMETHEUS_URL", Use::Key("integrations.prometheus.url")),
    ("REQUEST_TIMEOUT", Use::Key("mcp.toolTimeout")),
];

/// What `name` does here, when it is an old variable.
pub(super) fn find(name: &str) -> Option<Use> {
    let fits = |known: &str| match known.split_once('*') {
        None => known == name,
        Some((before, after)) => {
            name.len() > before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        }
    };
    OLD.iter().find(|(known, _)| fits(known)).map(|(_, what)| *what)
}

/// Words that the old pair took and we spell differently.
pub(super) fn respelt(key: &str, text: &str) -> String {
    let lower = text.trim().to_ascii_lowercase();
    match (key, lower.as_str()) {
        ("telemetry.logLevel", "fatal" | "panic") => "error".to_owned(),
        ("telemetry.logLevel", "warning") => "warn".to_owned(),
        // The Go engine took 0 and everything below it for "never".
        ("store.retentionDays", days) if days.starts_with('-') => "0".to_owned(),
        // The chart of the old MCP server writes the REST prefix into the base URL.
        ("integrations.coordinationEngine.url", _) => {
            let base = text.trim().trim_end_matches('/');
            base.strip_suffix("/api/v1").unwrap_or(base).to_owned()
        }
        _ => text.to_owned(),
    }
}

/// `http.listen` from the old host and port over what it was.
pub(super) fn listen(
    before: &str,
    host: Option<(&str, &str)>,
    port: Option<(&str, &str)>,
) -> Result<Value, (String, String)> {
    let (old_host, old_port) = before.rsplit_once(':').unwrap_or((before, "8080"));
    if let Some((name, text)) = port
        && !text.trim().parse::<u16>().is_ok_and(|port| port > 0)
    {
        return Err((name.to_owned(), format!("must be a port between 1 and 65535, not {}", shown(text))));
    }
    let host = host.map_or(old_host, |(_, text)| text.trim());
    let host = match host {
        "localhost" => "127.0.0.1".to_owned(),
        v6 if v6.contains(':') && !v6.starts_with('[') => format!("[{v6}]"),
        other => other.to_owned(),
    };
    Ok(Value::from(format!("{host}:{}", port.map_or(old_port, |(_, text)| text.trim()))))
}
