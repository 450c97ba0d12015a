//! A small chart, and the real helm that installs it.

use std::{path::PathBuf, process::Command};

use serde_json::Value;

use super::SOON;
use crate::support::{Plane, helm};

const DEPLOYMENT: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels: {app: web, helm.sh/chart: web-0.1.0}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: web
        image: "registry.example.com/library/nginx:{{ .Values.tag }}"
        ports: [{containerPort: 80}]
        env: [{name: GREETING, value: {{ .Values.greeting | quote }}}]
        resources: {requests: {cpu: 0.01, memory: 16Mi}{{ if .Values.memory }}, limits: {memory: {{ .Values.memory }}}{{ end }}}
"#;
const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  selector: {app: web}\n  ports: [{port: 80}]\n";
const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata:\n  greeting: {{ .Values.greeting | quote }}\n";
const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\nstringData:\n  password: {{ .Values.password | quote }}\n";
const EXTRA: &str =
    "{{- if .Values.extra }}\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n{{- end }}\n";
const HOOK: &str = "{{- if .Values.hook }}\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: hook\n  annotations: {helm.sh/hook: pre-upgrade}\n{{- end }}\n";

/// Values on the command line.
pub(crate) fn values(canary: &str, values: &[&str]) -> Vec<String> {
    let password = format!("password={canary}");
    let all = values.iter().copied().chain([password.as_str()]);
    all.flat_map(|value| ["--set-string".to_owned(), value.to_owned()]).collect()
}

/// A release `web` in a namespace of its own.
pub(crate) struct Chart {
    folder: tempfile::TempDir,
    kubeconfig: PathBuf,
    namespace: String,
}

impl Chart {
    pub(crate) async fn of(plane: &Plane, namespace: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join("web").join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        write("Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n");
        write("values.yaml", "tag: none\ngreeting: none\n");
        write("templates/NOTES.txt", "Say {{ .Values.greeting }}.\n");
        for (name, text) in [
            ("deployment", DEPLOYMENT),
            ("service", SERVICE),
            ("map", CONFIG_MAP),
            ("secret", SECRET),
            ("extra", EXTRA),
            ("hook", HOOK),
        ] {
            write(&format!("templates/{name}.yaml"), text);
        }
        let kubeconfig = plane.kubeconfig("admin").to_owned();
        Self { folder, kubeconfig, namespace: namespace.to_owned() }
    }

    /// Runs the real helm, which must succeed, and answers what it prints.
    pub(crate) async fn helm(&self, args: &[&str]) -> String {
        self.attempt(args).await.unwrap_or_else(|told| panic!("helm {args:?}: {told}"))
    }

    /// Runs the real helm, and answers what it prints, or says of its failure.
    pub(crate) async fn attempt(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(tokio::task::spawn_blocking(helm).await.unwrap());
        command
            .args(args)
            .args(["--namespace", &self.namespace])
            .env_clear()
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", &self.kubeconfig)
            .current_dir(self.folder.path());
        let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned());
        }
        Ok(String::from_utf8(done.stdout).unwrap())
    }

    /// Installs or upgrades.
    pub(crate) async fn run(&self, how: &str, values: &[String]) {
        let args: Vec<&str> =
            [how, "web", "./web"].into_iter().chain(values.iter().map(String::as_str)).collect();
        self.helm(&args).await;
    }

    /// Revision, status and description.
    pub(crate) async fn history(&self) -> Vec<(i64, String, String)> {
        let told: Value = serde_json::from_str(&self.helm(&["history", "web", "-o", "json"]).await).unwrap();
        let text = |row: &Value, member: &str| row[member].as_str().unwrap().to_owned();
        let rows = told.as_array().unwrap().iter();
        rows.map(|row| (row["revision"].as_i64().unwrap(), text(row, "status"), text(row, "description")))
            .collect()
    }

    pub(crate) async fn status(&self) -> Value {
        serde_json::from_str(&self.helm(&["status", "web", "-o", "json"]).await).unwrap()
    }

    pub(crate) async fn first_deployed(&self) -> Value {
        let told = self.helm(&["status", "web", "-o", "json", "--revision", "1"]).await;
        serde_json::from_str::<Value>(&told).unwrap()["info"]["first_deployed"].clone()
    }

    fn path(&self, of: &str) -> String {
        format!("/{of}/namespaces/{}/", self.namespace)
    }

    pub(crate) fn deployment(&self) -> String {
        format!("{}deployments/web", self.path("apis/apps/v1"))
    }

    /// Its Deployment has rolled out.
    pub(crate) async fn is_ready(&self, plane: &Plane) {
        let is_ready = |object: &Value| {
            let status = &object["status"];
            status["observedGeneration"] == object["metadata"]["generation"]
                && ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"]
                    .iter()
                    .all(|of| status[of] == 2)
        };
        plane.wait(&self.deployment(), "rolled out", SOON, is_ready).await;
    }

    /// A pod of it waits for its image.
    pub(crate) async fn is_broken(&self, plane: &Plane) {
        let pods = format!("{}pods", self.path("api/v1"));
        let waits = |pods: &Value| pods.to_string().contains("\"reason\":\"ImagePullBackOff\"");
        plane.wait(&pods, "waiting for an image", SOON, waits).await;
    }

    /// Its objects as they should be, without what tells one from another.
    pub(crate) async fn live(&self, plane: &Plane) -> Vec<Value> {
        let mut found = Vec::new();
        for path in [
            self.deployment(),
            format!("{}services/web", self.path("api/v1")),
            format!("{}configmaps/web", self.path("api/v1")),
        ] {
            let mut object = plane.get(&path).await.unwrap();
            if let Some(spec) = object["spec"].as_object_mut() {
                spec.retain(|name, _| !name.starts_with("clusterIP"));
            }
            found.push(serde_json::json!({"spec": object["spec"], "data": object["data"],
                "labels": object["metadata"]["labels"]}));
        }
        found
    }
}
