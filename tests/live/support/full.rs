//! The binary in full mode on a folder of its own, spoken to over REST, MCP and its own command line as any of several
//! people. It can be killed and started again on the same state.
//!
//! It asserts nothing of what is said.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Dice, Plane, Served, command, document};

/// Longer than any one answer may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Who has a token.
const PEOPLE: [&str; 4] = ["ann", "bob", "carl", "alertmanager"];

/// A user of its own in a cluster, who may do everything: the audit log tells its requests from all others'.
pub(crate) struct Actor {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) user: String,
}

impl Actor {
    pub(crate) async fn of(plane: &Plane, folder: &Path) -> Self {
        let namespace = plane.namespace(&mut Dice::new()).await;
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "aiops"}});
        plane.post(&format!("/api/v1/namespaces/{namespace}/serviceaccounts"), &account).await;
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("{namespace}-aiops")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "aiops", "namespace": namespace}],
        });
        plane.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding).await;
        let asked = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 86_400}});
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/aiops/token");
        let token = plane.post(&path, &asked).await["status"]["token"].clone();
        let mut config = document(plane.kubeconfig("admin"));
        config["users"][0]["user"] = json!({ "token": token });
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        Self { kubeconfig, user: format!("system:serviceaccount:{namespace}:aiops") }
    }
}

/// A running server; it is killed when dropped.
pub(crate) struct Full {
    home: PathBuf,
    served: Served,
}

/// An answer over REST.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Full {
    /// Starts on `home` with these settings beside those that every test needs, and waits until the engine answers; not
    /// until it knows the cluster. What it kept there before is there again.
    pub(crate) async fn start(home: &Path, actor: &Actor, settings: &str) -> Self {
        let tokens: String = PEOPLE
            .iter()
            .map(|name| {
                let hash: String = Sha256::digest(token(name)).iter().map(|b| format!("{b:02x}")).collect();
                format!("[[token]]\nname = {name:?}\nsha256 = {hash:?}\n")
            })
            .collect();
        std::fs::write(home.join("tokens.toml"), tokens).unwrap();
        let of = |name: &str| home.join(name).to_str().unwrap().to_owned();
        let text = format!(
            "stateDir = {:?}\ndeployment.mode = \"full\"\nhttp.tokenFile = {:?}\ncluster.kubeconfig = {:?}\n{settings}\n",
            of("state"),
            of("tokens.toml"),
            actor.kubeconfig,
        );
        std::fs::write(home.join("aiops.toml"), text).unwrap();
        let served = Served::start(&["--config", &of("aiops.toml")], &[]);
        let full = Self { home: home.to_owned(), served };
        full.until("ann", "/api/v1/control", "there", |control| control["breaker"].is_string()).await;
        full
    }

    /// Waits until it knows everything that is in the cluster.
    pub(crate) async fn synced(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (is_error, text, facts) = self.call("ann", "get-cluster-health", &json!({})).await;
            if !is_error && facts["missing"].as_array().is_none_or(Vec::is_empty) {
                return;
            }
            assert!(Instant::now() < deadline, "it does not know the cluster: {text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.served.address()
    }

    /// Asks over REST, as one of the people or (`""`) as nobody; what is answered 503 is asked again, as its
    /// `Retry-After` says.
    pub(crate) async fn ask(&self, who: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = self.once(who, method, path, body).await;
            if reply.status != 503 || Instant::now() > deadline {
                return reply;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn once(&self, who: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{}\
             content-length: {}\r\nconnection: close\r\n\r\n",
            authorization(who),
            body.len()
        );
        let answer = self.served.exchange(&(head + &body)).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {head}"));
        Reply { status, body: serde_json::from_str(body).unwrap_or(Value::Null) }
    }

    pub(crate) async fn get(&self, who: &str, path: &str) -> Value {
        let reply = self.ask(who, "GET", path, None).await;
        assert_eq!(reply.status, 200, "GET {path}: {}", reply.body);
        reply.body
    }

    pub(crate) async fn post(&self, who: &str, path: &str, body: &Value) -> Reply {
        self.ask(who, "POST", path, Some(body)).await
    }

    /// Reads a path until its answer is as wanted; fails at the deadline with the last one.
    pub(crate) async fn until(
        &self,
        who: &str,
        path: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let deadline = Instant::now() + PATIENCE * 2;
        loop {
            let reply = self.ask(who, "GET", path, None).await;
            if reply.status == 200 && wanted(&reply.body) {
                return reply.body;
            }
            assert!(Instant::now() < deadline, "{path} is not {what}: {} {:#}", reply.status, reply.body);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Orders a repair of a Deployment; answers the whole reply.
    pub(crate) async fn order(&self, who: &str, namespace: &str, name: &str, issue: &str) -> Reply {
        let body = json!({
            "incident_id": format!("order-{namespace}"), "namespace": namespace,
            "resource": {"kind": "Deployment", "name": name}, "issue": {"type": issue, "severity": "high"},
        });
        self.post(who, "/api/v1/remediation/trigger", &body).await
    }

    /// The workflow as soon as it is in one of these phases.
    pub(crate) async fn workflow(&self, id: &str, phases: &[&str]) -> Value {
        let is_so = |workflow: &Value| phases.iter().any(|phase| workflow["phase"] == *phase);
        self.until("ann", &format!("/api/v1/workflows/{id}"), &format!("in {phases:?}"), is_so).await
    }

    /// Calls a tool over MCP, as one of the people: whether it is an error, its text, and its facts. What is unavailable is
    /// asked for again.
    pub(crate) async fn call(&self, who: &str, tool: &str, arguments: &Value) -> (bool, String, Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.call_once(who, tool, arguments).await;
            if !(told.0 && told.1.contains("unavailable")) || Instant::now() > deadline {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn call_once(&self, who: &str, tool: &str, arguments: &Value) -> (bool, String, Value) {
        let params = json!({"name": tool, "arguments": arguments, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "live", "version": "0"},
        }});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{}\
             accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
             mcp-method: tools/call\r\nmcp-name: {tool}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            authorization(who),
            body.len()
        );
        let reply = super::aiops::message(&self.served.exchange(&(head + &body)).await);
        let result = &reply["result"];
        let text = match result["content"].as_array() {
            Some(content) => {
                content.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
            }
            None => reply["error"].to_string(),
        };
        (result["isError"] == true || result.is_null(), text, result["structuredContent"].clone())
    }

    /// Runs the command line against it, as one of the people.
    pub(crate) async fn cli(&self, who: &str, arguments: &[&str]) -> Output {
        let server = format!("http://{}", self.address());
        let home = self.home.to_str().unwrap();
        let mut cli =
            command(arguments, &[("AIOPS_TOKEN", &token(who)), ("AIOPS_SERVER", &server), ("HOME", home)]);
        tokio::task::spawn_blocking(move || cli.stdin(Stdio::null()).output().unwrap()).await.unwrap()
    }
}

/// The bearer token of somebody.
pub(crate) fn token(name: &str) -> String {
    format!("token-of-{name}-0123456789abcdef")
}

fn authorization(who: &str) -> String {
    if who.is_empty() { String::new() } else { format!("authorization: Bearer {}\r\n", token(who)) }
}

/// The digest of the plan that waits.
pub(crate) fn digest(workflow: &Value) -> String {
    let digest = workflow["awaiting"]["digest"].as_str();
    digest.unwrap_or_else(|| panic!("nothing waits: {workflow:#}")).to_owned()
}
