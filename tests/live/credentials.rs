//! Kubeconfigs as people have them, over stdio as a desktop client starts us: what works, what each fault says, and that a
//! repair is picked up.
//!
//! The API server is real; the plugins are scripts of the test's own.

mod faults;
mod ways;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Desktop, Plane, Told, command, document};

/// How soon a cluster is there once nothing is wrong.
const SOON: Duration = Duration::from_secs(10);
/// `aiops doctor` promises to be quicker.
const DOCTOR: Duration = Duration::from_secs(5);

/// A kubeconfig of the shared control plane, in a folder of the test's own.
struct Desk {
    folder: tempfile::TempDir,
    config: Value,
}

impl Desk {
    async fn of(user: &str) -> (Plane, Self) {
        let plane = Plane::shared().await;
        let config = document(plane.kubeconfig(user));
        (plane, Self { folder: tempfile::tempdir().unwrap(), config })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A program of the test's own.
    fn script(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.file(name, &format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn cluster(&mut self) -> &mut Value {
        &mut self.config["clusters"][0]["cluster"]
    }

    fn user(&mut self) -> &mut Value {
        &mut self.config["users"][0]["user"]
    }

    fn write(&self) -> PathBuf {
        self.file("config", &self.config.to_string())
    }
}

fn token(of: &Path) -> String {
    document(of)["users"][0]["user"]["token"].as_str().unwrap().to_owned()
}

/// Starts over stdio and waits until pods are known; the right kubeconfig is all that it needs.
fn works(what: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Desktop {
    let begun = Instant::now();
    let mut desktop = Desktop::start(arguments, environment);
    sees(what, &mut desktop);
    println!("{what}: handshake after {:?}, pods known after {:?}", desktop.first_answer.0, begun.elapsed());
    desktop
}

fn sees(what: &str, desktop: &mut Desktop) {
    let known =
        |told: &Told| !told.is_error && told.facts["total"].is_i64() && told.facts["stale_since"].is_null();
    desktop.until("list-pods", &json!({}), what, SOON, known);
    // A live read as well, which goes through the same login.
    let told = desktop.call("get-resource", &json!({"kind": "Namespace", "name": "default"}));
    assert!(!told.is_error, "{what}: {}", told.text);
}

/// What `aiops doctor` prints.
async fn doctor(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = command(&["doctor"], environment);
    command.args(arguments).stdin(Stdio::null());
    let begun = Instant::now();
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let took = begun.elapsed();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(took < DOCTOR, "doctor took {took:?}: {said}");
    said
}
