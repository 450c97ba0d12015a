//! Kubeconfigs that do not work: health says what is wrong and what to do, so does doctor, the server goes on, and once
//! the fault is repaired it connects by itself.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::{Desk, doctor, sees, token};
use crate::support::{Desktop, Plane, Told};

/// How soon a fault is told. A plugin may take a while until it fails.
const TOLD: Duration = Duration::from_secs(15);

/// A fault of the kubeconfig at a path, what must be said, and the kubeconfig that repairs it.
struct Fault<'a> {
    what: &'a str,
    arguments: Vec<String>,
    says: Vec<&'a str>,
}

impl<'a> Fault<'a> {
    fn new(what: &'a str, file: &std::path::Path, says: &[&'a str]) -> Self {
        let arguments = vec!["--kubeconfig".to_owned(), file.to_str().unwrap().to_owned()];
        Self { what, arguments, says: says.to_vec() }
    }

    fn and(mut self, argument: &str, value: &str) -> Self {
        self.arguments.extend([argument.to_owned(), value.to_owned()]);
        self
    }

    /// Health and doctor say it; nothing is counted; the server answers on.
    async fn is_told(&self, environment: &[(&str, &str)]) -> Desktop {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let mut desktop = Desktop::start(&arguments, environment);
        let all = |said: &str| self.says.iter().all(|part| said.contains(part));
        let told =
            desktop.until("get-cluster-health", &json!({"include_details": true}), self.what, TOLD, |told| {
                all(&told.facts.to_string().replace("\\\"", "\"")) && !told.is_error
            });
        assert_eq!(told.facts["status"], "unknown", "{}", told.facts);
        for count in ["nodes", "pods", "issues"] {
            assert_eq!(told.facts[count], Value::Null, "{}", told.facts);
        }
        let told = desktop.call("list-pods", &json!({}));
        assert_eq!(told.facts.get("total"), Some(&Value::Null), "{}", told.facts);
        let told = desktop.call("get-resource", &json!({"kind": "Namespace", "name": "default"}));
        assert!(told.is_error && all(&told.text.replace("\\\"", "\"")), "{}: {}", self.what, told.text);
        let said = doctor(&arguments, environment).await;
        for part in self.says.iter().flat_map(|part| part.split("; ")) {
            assert!(said.contains(part), "{}: doctor does not say {part:?}: {said}", self.what);
        }
        println!("{}: {}", self.what, self.says.join(" … "));
        desktop
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_none() {
    let (plane, desk) = Desk::of("viewer").await;
    let home = desk.folder.path().to_str().unwrap().to_owned();
    let file = desk.path(".kube/config");
    let fault = Fault {
        what: "no kubeconfig at all",
        arguments: Vec::new(),
        says: vec![
            file.to_str().unwrap(),
            "does not exist and this is no pod; name a kubeconfig with --kubeconfig",
        ],
    };
    let mut desktop = fault.is_told(&[("HOME", &home)]).await;
    std::fs::create_dir(desk.path(".kube")).unwrap();
    std::fs::copy(plane.kubeconfig("viewer"), &file).unwrap();
    sees("the usual kubeconfig appears", &mut desktop);

    let missing = desk.path("missing");
    let fault = Fault::new(
        "a named kubeconfig that is missing",
        &missing,
        &["missing does not exist; correct --kubeconfig"],
    );
    let mut desktop = fault.is_told(&[]).await;
    std::fs::copy(plane.kubeconfig("viewer"), &missing).unwrap();
    sees("the named kubeconfig appears", &mut desktop);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_malformed() {
    let (_plane, desk) = Desk::of("viewer").await;
    for (what, text, says) in [
        ("no YAML", "clusters: [{{{\n", "cannot be read ("),
        ("another document", "kind: Pod\nmetadata: {name: a}\n", "has no current-context"),
        ("bytes", "\u{0}\u{1}\u{2}", "cannot be read ("),
        ("empty", "", "has no current-context"),
    ] {
        let file = desk.file("broken", text);
        let mut desktop = Fault::new(what, &file, &[says]).is_told(&[]).await;
        std::fs::write(&file, desk.config.to_string()).unwrap();
        sees("the file is repaired", &mut desktop);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_context_is_unknown_or_leads_nowhere() {
    let (_plane, mut desk) = Desk::of("viewer").await;
    let good = desk.config.clone();
    let file = desk.write();
    let fault = Fault::new("an unknown context", &file, &["the context \"tset\" is not in", "test"])
        .and("--context", "tset");
    let mut desktop = fault.is_told(&[]).await;
    desk.config["contexts"][0]["name"] = "tset".into();
    desk.write();
    sees("the context appears", &mut desktop);

    desk.config = good.clone();
    desk.config["contexts"][0]["context"]["cluster"] = "gone".into();
    let file = desk.write();
    let fault =
        Fault::new("a cluster that is not there", &file, &["the cluster \"gone\" of the context is not in"]);
    let mut desktop = fault.is_told(&[]).await;
    desk.config = good.clone();
    desk.write();
    sees("the cluster is named rightly", &mut desktop);

    for (what, server, says) in [
        ("a port where nothing listens", "https://127.0.0.1:1", "nothing listens at https://127.0.0.1:1"),
        (
            "a name that does not resolve",
            "https://no-such-host.invalid:6443",
            "does not resolve; check the name",
        ),
        ("no URL", "not a url at all", "correct it"),
        ("a relative URL", "cluster.example.com", "is no URL; it should read https://HOST:PORT"),
    ] {
        desk.config = good.clone();
        desk.cluster()["server"] = server.into();
        let file = desk.write();
        let mut desktop = Fault::new(what, &file, &[says]).is_told(&[]).await;
        desk.config = good.clone();
        desk.write();
        sees("the server is named rightly", &mut desktop);
    }
}

/// Answers every connection with these bytes; returns the port.
async fn answering(bytes: &'static str) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut heard = [0; 4096];
                // What is asked does not matter to it.
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut heard).await;
                let _ = stream.write_all(bytes.as_bytes()).await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn something_else_answers() {
    let (plane, mut desk) = Desk::of("viewer").await;
    let good = desk.config.clone();
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 26\r\nconnection: close\r\n\r\n<html>Welcome home!</html>";
    let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-type: text/html\r\ncontent-length: 20\r\nconnection: close\r\n\r\n<html>Sign in</html>";
    let absent = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for (what, scheme, port, says) in [
        ("a web server", "http", answering(page).await, "is no Kubernetes API server"),
        ("a gateway", "http", answering(refusal).await, "no Kubernetes API server"),
        ("an empty web server", "http", answering(absent).await, "is no Kubernetes API server"),
        ("a mail server", "http", answering("220 mail.example.com ESMTP\r\n").await, "but not in HTTP/1.1"),
        ("https where http is spoken", "https", answering(absent).await, "does not speak TLS"),
    ] {
        desk.config = good.clone();
        desk.cluster()["server"] = format!("{scheme}://127.0.0.1:{port}").into();
        let file = desk.write();
        let mut desktop = Fault::new(what, &file, &[says]).is_told(&[]).await;
        desk.config = good.clone();
        desk.write();
        sees("the server is the right one", &mut desktop);
    }
    desk.config = good.clone();
    desk.cluster()["server"] = plane.server().replace("https", "http").into();
    let file = desk.write();
    Fault::new("http where https is spoken", &file, &["speaks TLS and was asked without; write https://"])
        .is_told(&[])
        .await;
    desk.config = good;
    desk.cluster().as_object_mut().unwrap().remove("certificate-authority-data");
    let file = desk.write();
    Fault::new("an unknown authority", &file, &["set the right certificate-authority"]).is_told(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credentials_are_not_accepted() {
    let plane = Plane::shared().await;
    for (user, says) in [
        ("expired", "does not accept the credentials (401); log in again"),
        ("invalid", "does not accept the credentials (401); log in again"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::copy(plane.kubeconfig(user), &file).unwrap();
        let mut desktop = Fault::new(user, &file, &[says]).is_told(&[]).await;
        std::fs::copy(plane.kubeconfig("viewer"), &file).unwrap();
        sees("logged in again", &mut desktop);
    }
    let (_plane, mut desk) = Desk::of("viewer").await;
    *desk.user() = json!({"tokenFile": desk.path("token")});
    let file = desk.write();
    let mut desktop =
        Fault::new("a token file that is missing", &file, &["the token file", "cannot be read"])
            .is_told(&[])
            .await;
    desk.file("token", &token(plane.kubeconfig("viewer")));
    sees("the token file appears", &mut desktop);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plugin_does_not_work() {
    let (plane, mut desk) = Desk::of("viewer").await;
    let path = desk.folder.path().to_str().unwrap().to_owned();
    *desk.user() = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "cloud-login", "interactiveMode": "Never",
        "installHint": "install it with: cloud components install login",
    }});
    let file = desk.write();
    let fault = Fault::new(
        "a plugin that is not on PATH",
        &file,
        &[
            "the credential plugin \"cloud-login\"",
            "is not on PATH; install it",
            "cloud components install login",
        ],
    );
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": token(plane.kubeconfig("viewer"))},
    });
    let mut desktop = fault.is_told(&[("PATH", &path)]).await;
    desk.script("cloud-login", &format!("echo '{credential}'"));
    let begun = Instant::now();
    let known = |told: &Told| told.is_fresh() && told.facts["total"].is_i64();
    desktop.until("list-pods", &json!({}), "the plugin is installed", Duration::from_secs(25), known);
    println!("an installed plugin was found after {:?}", begun.elapsed());

    for (what, script, says) in [
        (
            "a plugin that fails",
            "echo 'SSO session has expired, run cloud sso login' >&2; exit 3",
            &["exit status: 3", "SSO session has expired"][..],
        ),
        ("a plugin that prints something else", "echo hello", &["printed no ExecCredential"]),
        ("a plugin that hangs", "exec sleep 600", &["the credential plugin", "run it by hand"]),
    ] {
        desk.script("cloud-login", script);
        let limit = if what.ends_with("hangs") { Duration::from_secs(30) } else { Duration::from_secs(15) };
        let mut desktop = Desktop::start(
            &["--kubeconfig", file.to_str().unwrap()],
            &[("PATH", &format!("{path}:/usr/bin:/bin"))],
        );
        let all = |told: &Told| says.iter().all(|part| told.facts.to_string().contains(part));
        desktop.until("get-cluster-health", &json!({}), what, limit, all);
        let said = super::doctor(
            &["--kubeconfig", file.to_str().unwrap()],
            &[("PATH", &format!("{path}:/usr/bin:/bin"))],
        )
        .await;
        assert!(says.iter().all(|part| said.contains(part)), "{what}: {said}");
    }
}
