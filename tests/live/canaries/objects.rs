//! The objects that hold canaries: everywhere where Kubernetes and its tools keep secrets and copies of them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    needles::{Needles, gzip},
    shapes::encode,
};
use crate::support::{Dice, Plane};

/// What was planted.
pub(super) struct Planted {
    pub(super) namespace: String,
    /// Must not be seen, whatever is asked.
    pub(super) never: Needles,
    /// Values of ConfigMaps: must be seen only when asked for.
    pub(super) config: Needles,
    /// Kind and name of all objects, as get-resource takes them.
    pub(super) objects: Vec<(String, String)>,
}

/// Names the canaries as it makes them.
struct Planter<'a> {
    dice: &'a mut Dice,
    never: Needles,
}

impl Planter<'_> {
    /// A new canary; its value has characters that are escaped differently by everybody.
    fn secret(&mut self, what: &str) -> String {
        let heart = self.dice.canary();
        self.never.add(what, &heart);
        format!("{heart}/\"+&=ü%")
    }

    /// Innocent names, so that nothing but their place tells that these are not to be shown.
    fn env(&mut self, what: &str) -> Value {
        json!([
            {"name": "GREETING", "value": self.secret(&format!("env of {what}"))},
            {"name": "MOTTO", "value": format!("first\nsecond {}", self.secret(&format!("second env of {what}")))},
        ])
    }

    fn template(&mut self, what: &str, app: &str, restart: &str) -> Value {
        let mut pod = json!({
            "restartPolicy": restart,
            "initContainers": [{"name": "prepare", "image": "registry.example.com/app:1", "env": self.env(&format!("init of {what}"))}],
            "containers": [
                {"name": "app", "image": "registry.example.com/app:1", "env": self.env(what),
                    "envFrom": [{"secretRef": {"name": "opaque"}}]},
                {"name": "side", "image": "registry.example.com/side:1", "env": self.env(&format!("sidecar of {what}"))},
            ],
        });
        if restart == "Always" {
            pod["initContainers"].as_array_mut().unwrap().push(json!({"name": "logs",
                "image": "registry.example.com/logs:1", "restartPolicy": "Always", "env": self.env(&format!("native sidecar of {what}"))}));
        }
        json!({"metadata": {"labels": {"app": app}}, "spec": pod})
    }
}

/// A copy of the object in the annotations where tools keep one.
fn with_copies(mut object: Value, of: &Value) -> Value {
    let copy = of.to_string();
    object["metadata"]["annotations"] = json!({
        "kubectl.kubernetes.io/last-applied-configuration": copy,
        "example.com/last-applied": copy,
        "objectset.rio.cattle.io/applied": encode(&gzip(copy.as_bytes())),
        "banzaicloud.com/last-applied": encode(copy.as_bytes()),
        "example.com/backup": copy,
        "example.com/nested": json!({"inner": copy}).to_string(),
    });
    object
}

pub(super) async fn plant(plane: &Plane, dice: &mut Dice) -> Planted {
    let namespace = plane.namespace(dice).await;
    let (shown, in_env) = (dice.canary(), dice.canary());
    let mut config = Needles::default();
    config.add("value of a ConfigMap", &shown);
    config.add("value of a ConfigMap that a container reads", &in_env);
    let mut planter = Planter { dice, never: Needles::default() };
    let mut documents = secrets(&mut planter);
    documents.extend(config_maps(&mut planter, &shown, &in_env));
    documents.extend(workloads(&mut planter));
    documents.push(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "cages.canary.example.com"},
        "spec": {"group": "canary.example.com", "scope": "Namespaced",
            "names": {"plural": "cages", "singular": "cage", "kind": "Cage"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    }));
    let mut objects = Vec::new();
    for document in &mut documents {
        let kind = document["kind"].as_str().unwrap().to_owned();
        if kind != "CustomResourceDefinition" {
            document["metadata"]["namespace"] = json!(namespace);
            objects.push((kind, document["metadata"]["name"].as_str().unwrap().to_owned()));
        }
    }
    plane.apply(&join(&documents)).await;
    plane
        .wait("/apis/canary.example.com/v1", "served", Duration::from_secs(20), |found| {
            found["resources"].is_array()
        })
        .await;
    let mut cage = custom(&mut planter);
    cage["metadata"]["namespace"] = json!(namespace);
    plane.apply(&cage.to_string()).await;
    objects.push(("cages.canary.example.com".to_owned(), "cage".to_owned()));

    // Another environment makes a second ReplicaSet: what changed last must name the variable and not its values.
    let deployment = format!("/apis/apps/v1/namespaces/{namespace}/deployments/deployment");
    let ready = |found: &Value| found["status"]["availableReplicas"] == 1;
    plane.wait(&deployment, "available", Duration::from_secs(60), ready).await;
    let second = planter.template("the Deployment's second revision", "deployment", "Always");
    plane.patch(&deployment, &json!({"spec": {"template": second}})).await;
    let renewed = |found: &Value| {
        found["status"]["updatedReplicas"] == 1
            && found["status"]["observedGeneration"] == found["metadata"]["generation"]
    };
    plane.wait(&deployment, "renewed", Duration::from_secs(60), renewed).await;
    for (kind, path) in [
        ("Pod", "api/v1/namespaces/{}/pods"),
        ("ReplicaSet", "apis/apps/v1/namespaces/{}/replicasets"),
        ("ControllerRevision", "apis/apps/v1/namespaces/{}/controllerrevisions"),
        ("Secret", "api/v1/namespaces/{}/secrets"),
        ("ConfigMap", "api/v1/namespaces/{}/configmaps"),
    ] {
        let found = plane.get(&format!("/{}", path.replace("{}", &namespace))).await.unwrap();
        for item in found["items"].as_array().unwrap() {
            objects.push((kind.to_owned(), item["metadata"]["name"].as_str().unwrap().to_owned()));
        }
    }
    objects.sort();
    objects.dedup();
    Planted { namespace, never: planter.never, config, objects }
}

fn join(documents: &[Value]) -> String {
    documents.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n")
}

fn secrets(planter: &mut Planter<'_>) -> Vec<Value> {
    let secret = |name: &str, kind: &str, data: Value| json!({"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": {"name": name}, "stringData": data});
    let data = json!({
        "username": planter.secret("Opaque Secret"),
        "password": planter.secret("password of an Opaque Secret"),
        "application.yaml": format!("greeting: {}\n", planter.secret("file in a Secret")),
    });
    let opaque = secret("opaque", "Opaque", data.clone());
    // As kubectl keeps it: with stringData as it was written, and once with the encoded data.
    let mut copied = secret("copied", "Opaque", data.clone());
    let encoded: serde_json::Map<String, Value> = data
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.clone(), json!(encode(value.as_str().unwrap().as_bytes()))))
        .collect();
    let mut as_data = copied.clone();
    as_data["data"] = Value::Object(encoded);
    copied = with_copies(copied.clone(), &copied);
    let mut copied_data = secret("copied-data", "Opaque", data);
    copied_data = with_copies(copied_data, &as_data);
    let docker = json!({"auths": {"registry.example.com": {
        "username": "robot", "password": planter.secret("docker password"),
        "auth": encode(format!("robot:{}", planter.secret("docker auth")).as_bytes()),
    }}});
    let release = release(planter, "Helm release in a Secret");
    vec![
        opaque,
        copied,
        copied_data,
        secret("docker", "kubernetes.io/dockerconfigjson", json!({".dockerconfigjson": docker.to_string()})),
        secret(
            "login",
            "kubernetes.io/basic-auth",
            json!({"username": "app", "password": planter.secret("basic-auth Secret")}),
        ),
        secret("ssh", "kubernetes.io/ssh-auth", json!({"ssh-privatekey": planter.secret("ssh-auth Secret")})),
        secret(
            "tls",
            "example.com/tls",
            json!({"tls.crt": planter.secret("certificate"), "tls.key": planter.secret("key of a certificate")}),
        ),
        secret("kubeconfig", "Opaque", json!({"kubeconfig": kubeconfig(planter, "kubeconfig in a Secret")})),
        secret("sh.helm.release.v1.shop.v1", "helm.sh/release.v1", json!({"release": release})),
    ]
}

/// As Helm stores it in the data of a Secret or ConfigMap.
fn release(planter: &mut Planter<'_>, what: &str) -> String {
    let value = planter.secret(&format!("Secret in the manifest of a {what}"));
    let release = json!({
        "name": "shop", "version": 1, "info": {"status": "deployed"},
        "config": {"greeting": planter.secret(&format!("values of a {what}"))},
        "manifest": format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\ndata:\n  username: {}\n",
            encode(value.as_bytes())
        ),
    });
    encode(&gzip(release.to_string().as_bytes()))
}

fn kubeconfig(planter: &mut Planter<'_>, what: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    token: {}\n    client-key-data: {}\n    password: {}\n",
        planter.dice_token(what),
        encode(planter.secret(&format!("client key of a {what}")).as_bytes()),
        planter.dice_token(&format!("password of a {what}")),
    )
}

impl Planter<'_> {
    /// A canary without characters that YAML would have to quote.
    fn dice_token(&mut self, what: &str) -> String {
        let heart = self.dice.canary();
        self.never.add(&format!("token of a {what}"), &heart);
        heart
    }
}

fn config_maps(planter: &mut Planter<'_>, shown: &str, in_env: &str) -> Vec<Value> {
    let map = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data});
    let hidden = planter.secret("Secret in a manifest in a ConfigMap");
    let manifest = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"},
        "data": {"username": encode(hidden.as_bytes())}});
    let yaml = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\ndata:\n  username: {}\n",
        encode(planter.secret("Secret in YAML in a ConfigMap").as_bytes())
    );
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"},
        "spec": {"template": planter.template("a manifest in a ConfigMap", "x", "Always")}});
    let settings = map("settings", json!({"motto": shown, "read": in_env, "other": "x"}));
    vec![
        with_copies(settings.clone(), &settings),
        map("shop.v1", json!({"release": release(planter, "Helm release in a ConfigMap")})),
        map(
            "manifests",
            json!({
                "secret.json": manifest.to_string(), "secret.yaml": yaml, "deployment.json": deployment.to_string(),
            }),
        ),
        map("login", json!({"kubeconfig": kubeconfig(planter, "kubeconfig in a ConfigMap")})),
    ]
}

fn workloads(planter: &mut Planter<'_>) -> Vec<Value> {
    let mut made = Vec::new();
    for (kind, name) in
        [("Deployment", "deployment"), ("StatefulSet", "statefulset"), ("DaemonSet", "daemonset")]
    {
        let mut object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": planter.template(&format!("a {kind}"), name, "Always")}});
        if kind == "StatefulSet" {
            object["spec"]["serviceName"] = json!("statefulset");
        }
        if kind == "DaemonSet" {
            object["spec"]["template"]["spec"]["nodeSelector"] =
                json!({"kubernetes.io/hostname": "worker-001"});
        }
        let copy = object.clone();
        made.push(with_copies(object, &copy));
    }
    let job = json!({"template": planter.template("a Job", "job", "Never")});
    made.push(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}, "spec": job}));
    let cron = json!({"template": planter.template("a CronJob", "cron", "Never")});
    made.push(json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "cronjob"},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": cron}}}));
    let mut pod = planter.template("a Pod", "alone", "Always");
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("alone");
    // One more that cannot start: its key is missing, so that the answers say much of it.
    pod["spec"]["containers"][0]["env"].as_array_mut().unwrap().extend([
        json!({"name": "READ", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "read"}}}),
        json!({"name": "MISSING", "valueFrom": {"secretKeyRef": {"name": "opaque", "key": "missing"}}}),
    ]);
    let copy = pod.clone();
    made.push(with_copies(pod, &copy));
    let template = planter.template("a PodTemplate", "template", "Always");
    made.push(json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "podtemplate"}, "template": template}));
    made
}

/// A custom resource that carries what operators carry: pod templates and whole objects.
fn custom(planter: &mut Planter<'_>) -> Value {
    let value = planter.secret("Secret inside a custom resource");
    let text = planter.secret("stringData inside a custom resource");
    json!({
        "apiVersion": "canary.example.com/v1", "kind": "Cage", "metadata": {"name": "cage"},
        "spec": {
            "template": planter.template("a custom resource", "cage", "Always"),
            "env": planter.env("a custom resource's own"),
            "objects": [
                {"apiVersion": "v1", "kind": "Secret", "data": {"username": encode(value.as_bytes())}},
                {"apiVersion": "v1", "kind": "Secret", "stringData": {"greeting": text}},
            ],
        },
    })
}
