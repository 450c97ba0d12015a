//! Every way to log in, through every way to the server.
//!
//! Nothing is wrong here.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::json;

use super::{Desk, sees, token, works};
use crate::support::{Proxy, Told, document};

/// Reads all of its stdin, as a plugin that asks for a password would; says whether there was any.
const READS_STDIN: &str = r#"eaten=$(cat | wc -c)
echo "$eaten" >> "$NOTES"
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}\n' "$TOKEN""#;

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_reads_stdin() {
    let (plane, mut desk) = Desk::of("viewer").await;
    let script = desk.script("login", READS_STDIN);
    let notes = desk.path("notes");
    *desk.user() = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": script, "interactiveMode": "IfAvailable",
        "env": [
            {"name": "TOKEN", "value": token(plane.kubeconfig("viewer"))},
            {"name": "NOTES", "value": notes},
        ],
    }});
    let file = desk.write();
    let mut desktop = works("exec plugin", &["--kubeconfig", file.to_str().unwrap()], &[]);
    for _ in 0..20 {
        let listed = desktop.ask("tools/list", json!({}));
        assert!(listed["result"]["tools"].is_array(), "the protocol lost a message: {listed}");
    }
    let eaten = std::fs::read_to_string(notes).unwrap();
    assert!(
        !eaten.is_empty() && eaten.lines().all(|line| line.trim() == "0"),
        "the plugin read our stdin: {eaten}"
    );
}

/// A desktop client's PATH is bare; people's plugins stand below their home.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_below_the_home_folder() {
    let (plane, mut desk) = Desk::of("viewer").await;
    std::fs::create_dir_all(desk.path(".local/bin")).unwrap();
    desk.script(".local/bin/cloud-login", READS_STDIN);
    *desk.user() = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1beta1", "command": "cloud-login",
        "env": [
            {"name": "TOKEN", "value": token(plane.kubeconfig("viewer"))},
            {"name": "NOTES", "value": desk.path("notes")},
        ],
    }});
    std::fs::create_dir(desk.path(".kube")).unwrap();
    desk.file(
        ".kube/config",
        &desk
            .config
            .to_string()
            .replace("v1\",\"kind\":\"ExecCredential", "v1beta1\",\"kind\":\"ExecCredential"),
    );
    desk.script(".local/bin/cloud-login", &READS_STDIN.replace("k8s.io/v1\"", "k8s.io/v1beta1\""));
    works("plugin of a home folder", &[], &[("HOME", desk.folder.path().to_str().unwrap())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_in_the_file_and_beside_it() {
    let (_plane, mut desk) = Desk::of("admin").await;
    let file = desk.write();
    works("client certificate", &["--kubeconfig", file.to_str().unwrap()], &[]);

    let user = desk.user().clone();
    desk.file("client.crt", &decoded(&user["client-certificate-data"]));
    desk.file("client.key", &decoded(&user["client-key-data"]));
    let authority = decoded(&desk.cluster()["certificate-authority-data"]);
    desk.file("ca.crt", &authority);
    // Relative to the kubeconfig, as kubectl reads it.
    *desk.user() = json!({"client-certificate": "client.crt", "client-key": "client.key"});
    desk.cluster().as_object_mut().unwrap().remove("certificate-authority-data");
    desk.cluster()["certificate-authority"] = "ca.crt".into();
    let file = desk.write();
    works("client certificate in files", &["--kubeconfig", file.to_str().unwrap()], &[]);
}

/// The text behind base64.
fn decoded(value: &serde_json::Value) -> String {
    let mut child =
        Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(value.as_str().unwrap().as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_that_is_rotated() {
    let (plane, mut desk) = Desk::of("viewer").await;
    let namespace = plane.namespace(&mut crate::support::Dice::new()).await;
    let folder = desk.folder.path().to_owned();
    let first = token(&plane.user_of(&[&namespace], &folder).await);
    let file = desk.file("token", &first);
    *desk.user() = json!({"tokenFile": file});
    desk.config["contexts"][0]["context"]["namespace"] = namespace.clone().into();
    let config = desk.write();
    let mut desktop = works_in(&namespace, "token file", config.to_str().unwrap());

    // The first one ends with its account; the second is another account's.
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/viewer-of-some");
    desk.file("token", &token(plane.kubeconfig("viewer")));
    plane.attempt(http::Request::delete(path).body(Vec::new()).unwrap()).await.unwrap();
    let known = |told: &Told| {
        told.is_fresh() && told.facts["only_namespaces"].is_null() && told.facts["total"].is_i64()
    };
    let begun = std::time::Instant::now();
    desktop.until(
        "list-pods",
        &json!({}),
        "seen with the new token",
        std::time::Duration::from_secs(90),
        known,
    );
    println!("the rotated token was used {:?} after the old one had ended", begun.elapsed());
}

fn works_in(namespace: &str, what: &str, config: &str) -> crate::support::Desktop {
    let mut desktop = crate::support::Desktop::start(&["--kubeconfig", config], &[]);
    let known = |told: &Told| told.is_fresh() && told.facts["only_namespaces"] == json!([namespace]);
    desktop.until("list-pods", &json!({}), what, super::SOON, known);
    desktop
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_in_the_kubeconfig_and_in_the_environment() {
    let (plane, mut desk) = Desk::of("viewer").await;
    let proxy = Proxy::connect().await;
    // A name that only the proxy can resolve.
    let port = plane.server().rsplit_once(':').unwrap().1.to_owned();
    desk.cluster()["server"] = format!("https://api.cluster.invalid:{port}").into();
    desk.cluster()["tls-server-name"] = "kubernetes.default.svc".into();
    desk.cluster()["proxy-url"] = proxy.url("http").into();
    let file = desk.write();
    works("proxy-url", &["--kubeconfig", file.to_str().unwrap()], &[]);
    let through = proxy.connections();
    assert!(through > 0, "nothing went through the proxy");

    desk.cluster().as_object_mut().unwrap().remove("proxy-url");
    let file = desk.write();
    let url = proxy.url("http");
    works("HTTPS_PROXY", &["--kubeconfig", file.to_str().unwrap()], &[("HTTPS_PROXY", &url)]);
    let through = proxy.connections();

    desk.cluster()["server"] = plane.server().into();
    let file = desk.write();
    works("HTTPS_PROXY, loopback", &["--kubeconfig", file.to_str().unwrap()], &[("HTTPS_PROXY", &url)]);
    assert_eq!(proxy.connections(), through, "what is on this machine needs no proxy");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_in_the_certificate() {
    let (plane, mut desk) = Desk::of("viewer").await;
    // Reached by an address that is not in the certificate, when the name to expect is given.
    let port = plane.server().rsplit_once(':').unwrap().1.to_owned();
    desk.cluster()["server"] = format!("https://127.0.0.2:{port}").into();
    let relay = relay("127.0.0.2", &port).await;
    desk.cluster()["server"] = format!("https://127.0.0.2:{relay}").into();
    let file = desk.write();
    let mut refused = crate::support::Desktop::start(&["--kubeconfig", file.to_str().unwrap()], &[]);
    let says = |told: &Told| told.facts.to_string().contains("set tls-server-name in the kubeconfig");
    refused.until("get-cluster-health", &json!({}), "refused", super::SOON, says);
    desk.cluster()["tls-server-name"] = "kubernetes.default.svc".into();
    desk.write();
    sees("repaired with tls-server-name", &mut refused);
    works("tls-server-name", &["--kubeconfig", file.to_str().unwrap()], &[]);
}

/// Leads from another address of this machine to the API server; returns the port.
async fn relay(address: &str, port: &str) -> u16 {
    let listener = tokio::net::TcpListener::bind((address, 0)).await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let to = format!("127.0.0.1:{port}");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let to = to.clone();
            tokio::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(to).await.unwrap();
                // Either side may hang up.
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    own
}

#[tokio::test(flavor = "multi_thread")]
async fn files_merged_by_kubeconfig() {
    let (plane, desk) = Desk::of("viewer").await;
    let whole = &desk.config;
    let part = |name: &str, keep: &[&str]| {
        let mut part = json!({"apiVersion": "v1", "kind": "Config"});
        for key in keep {
            part[*key] = whole[*key].clone();
        }
        desk.file(name, &part.to_string())
    };
    let (contexts, clusters, users) = (
        part("contexts", &["contexts", "current-context"]),
        part("clusters", &["clusters"]),
        part("users", &["users"]),
    );
    let paths = [desk.path("not-there"), contexts, clusters, users];
    let joined = std::env::join_paths(paths).unwrap();
    works("merged KUBECONFIG", &[], &[("KUBECONFIG", joined.to_str().unwrap())]);
    // The first file to name something wins: a second file's other cluster of the same name changes nothing.
    let mut other = document(plane.kubeconfig("viewer"));
    other["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1".into();
    let other = desk.file("other", &other.to_string());
    let joined =
        std::env::join_paths([desk.path("contexts"), desk.path("clusters"), desk.path("users"), other])
            .unwrap();
    works("merged KUBECONFIG, the first wins", &[], &[("KUBECONFIG", joined.to_str().unwrap())]);
}
