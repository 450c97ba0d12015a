//! A generated cluster: 100 nodes, 40 namespaces, 10,000 pods under Deployments, and faults with everything that makes
//! answers long: long names, long messages, long logs.

use std::{fs, path::Path};

use serde_json::{Value, json};

/// What was done to a Deployment.
pub(super) struct Fault {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) pods: Vec<String>,
}

pub(super) struct Big {
    pub(super) nodes: Vec<Value>,
    pub(super) namespaces: Vec<Value>,
    pub(super) deployments: Vec<Value>,
    replica_sets: Vec<Value>,
    pub(super) pods: Vec<Value>,
    events: Vec<Value>,
    pub(super) faults: Vec<Fault>,
}

const NAMESPACES: usize = 40;
const PODS: usize = 10_000;
const REPLICAS: usize = 50;
const AT: &str = "2026-11-24T10:00:00Z";

/// The uid of the `n`th object.
pub(super) fn uid(n: usize) -> String {
    format!("5b1a6c1e-0000-4000-8000-{n:012x}")
}

fn created(n: usize) -> String {
    format!("2026-11-{:02}T0{}:{:02}:00Z", 1 + n % 23, n % 10, n % 60)
}

/// As ReplicaSets name their pods.
fn suffix(n: usize) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut n = n.wrapping_mul(2_654_435_761) % 14_348_907;
    (0..5)
        .map(|_| {
            let letter = LETTERS[n % LETTERS.len()];
            n /= LETTERS.len();
            char::from(letter)
        })
        .collect()
}

impl Big {
    pub(super) fn new(faults: usize) -> Self {
        let mut big = Self {
            nodes: (0..100).map(node).collect(),
            namespaces: (0..NAMESPACES).map(|n| namespace(&format!("team-{n:02}"))).collect(),
            deployments: Vec::new(),
            replica_sets: Vec::new(),
            pods: Vec::new(),
            events: Vec::new(),
            faults: Vec::new(),
        };
        for n in 0..faults {
            // As long as names are met in clusters.
            let (namespace, name) =
                (format!("team-{:02}", n % NAMESPACES), format!("recommendation-engine-worker-{n:02}"));
            let pods = big.workload(&namespace, &name, 2, Some(n));
            big.faults.push(Fault { namespace, name, pods });
        }
        let mut n = 0;
        while big.pods.len() < PODS {
            let namespace = format!("team-{:02}", n % NAMESPACES);
            let replicas = REPLICAS.min(PODS - big.pods.len());
            big.workload(&namespace, &format!("{namespace}-service-{}", n / NAMESPACES), replicas, None);
            n += 1;
        }
        big
    }

    /// Namespace, Deployment and pod of the first fault.
    pub(super) fn a_fault(&self) -> (String, String, String) {
        let fault = &self.faults[0];
        (fault.namespace.clone(), fault.name.clone(), fault.pods[0].clone())
    }

    pub(super) fn pods_of(&self, namespace: &str) -> usize {
        self.pods.iter().filter(|pod| pod["metadata"]["namespace"] == namespace).count()
    }

    /// A Deployment with its ReplicaSet, pods and, when something is wrong with it, events.
    fn workload(
        &mut self,
        namespace: &str,
        name: &str,
        replicas: usize,
        fault: Option<usize>,
    ) -> Vec<String> {
        let n = 1_000 + self.deployments.len() * 2;
        let hash = format!("{:x}", 0x6800_0000 + n);
        let set = format!("{name}-{hash}");
        let labels = json!({"app": name, "app.kubernetes.io/part-of": "platform", "pod-template-hash": hash});
        let spec = json!({"containers": [container(name)], "serviceAccountName": "default"});
        let available = if fault.is_some() { 0 } else { replicas };
        self.deployments.push(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace, "uid": uid(n), "creationTimestamp": created(n), "generation": 3,
                "annotations": {"deployment.kubernetes.io/revision": "3"}, "labels": {"app": name}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": labels}, "spec": spec}, "strategy": {"type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}},
            "status": {"observedGeneration": 3, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": available,
                "availableReplicas": available, "unavailableReplicas": replicas - available,
                "conditions": [{"type": "Available", "status": if fault.is_some() { "False" } else { "True" },
                    "reason": "MinimumReplicasUnavailable", "lastTransitionTime": created(n), "message": "Deployment does not have minimum availability."}]},
        }));
        let owner = |kind: &str, name: &str, n: usize| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid(n), "controller": true}]);
        self.replica_sets.push(json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": set, "namespace": namespace, "uid": uid(n + 1), "creationTimestamp": created(n),
                "ownerReferences": owner("Deployment", name, n), "labels": labels,
                "annotations": {"deployment.kubernetes.io/revision": "3"}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": labels}, "spec": spec}},
            "status": {"replicas": replicas, "readyReplicas": available, "availableReplicas": available, "observedGeneration": 1},
        }));
        (0..replicas)
            .map(|replica| {
                let at = 20_000 + self.pods.len();
                let pod = format!("{set}-{}", suffix(at));
                let status = fault.map_or_else(|| running(at), |fault| failing(at, fault, &pod, namespace));
                if let Some(fault) = fault {
                    self.event(namespace, &pod, at, fault, replica);
                }
                self.pods.push(json!({
                    "apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": pod, "namespace": namespace, "uid": uid(at), "creationTimestamp": created(at),
                        "ownerReferences": owner("ReplicaSet", &set, n + 1), "labels": labels},
                    "spec": {"nodeName": format!("node-{:04}", at % 100), "containers": [container(name)], "serviceAccountName": "default"},
                    "status": status,
                }));
                pod
            })
            .collect()
    }

    fn event(&mut self, namespace: &str, pod: &str, at: usize, fault: usize, replica: usize) {
        for (reason, message) in [
            ("BackOff", format!("Back-off restarting failed container app in pod {pod}_{namespace}({})", uid(at))),
            ("Failed", format!("Error: {}", trouble(fault, pod))),
            ("Unhealthy", "Readiness probe failed: Get \"http://10.4.7.12:8080/readyz\": dial tcp 10.4.7.12:8080: connect: connection refused".to_owned()),
        ] {
            self.events.push(json!({
                "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": reason, "message": message, "count": 17 + replica,
                "metadata": {"name": format!("{pod}.{reason}").to_lowercase(), "namespace": namespace, "uid": uid(100_000 + self.events.len())},
                "involvedObject": {"kind": "Pod", "name": pod, "namespace": namespace, "uid": uid(at), "fieldPath": "spec.containers{app}"},
                "firstTimestamp": "2026-11-24T09:10:00Z", "lastTimestamp": "2026-11-24T09:59:00Z", "source": {"component": "kubelet"},
            }));
        }
    }

    /// Writes it as `kubectl get -A -o json` prints it, with a log of the first fault.
    pub(super) fn write(&self, folder: &Path) {
        let (namespace, _, pod) = self.a_fault();
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team", "namespace": namespace},
            "spec": {"hard": {"pods": "400", "requests.cpu": "80"}}, "status": {"hard": {"pods": "400", "requests.cpu": "80"}, "used": {"pods": "254", "requests.cpu": "25400m"}}});
        let data: serde_json::Map<String, Value> =
            (0..400).map(|n| (format!("setting-number-{n:03}"), json!("value ".repeat(40)))).collect();
        let large = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large", "namespace": namespace}, "data": data});
        for (file, items) in [
            ("nodes", &self.nodes),
            ("namespaces", &self.namespaces),
            ("deployments", &self.deployments),
            ("replicasets", &self.replica_sets),
            ("pods", &self.pods),
            ("events", &self.events),
            ("resourcequotas", &vec![quota]),
            ("configmaps", &vec![large]),
        ] {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
            fs::write(folder.join(format!("{file}.json")), list.to_string()).unwrap();
        }
        fs::write(folder.join("recording.yaml"), format!("name: big\nat: {AT}\n")).unwrap();
        let logs = folder.join("logs").join(namespace).join(pod);
        fs::create_dir_all(&logs).unwrap();
        let log: String = (0..20_000).map(log_line).collect();
        fs::write(logs.join("app.log"), &log).unwrap();
        fs::write(logs.join("app.previous.log"), &log).unwrap();
    }
}

fn log_line(n: usize) -> String {
    let what = match n % 7 {
        0 => "ERROR com.example.recommendation.Engine - cannot reach feature store at features.data.svc:6379: connection refused".to_owned(),
        1 => format!("INFO request id={} user={} took={}ms", uid(n), n * 31, n % 900),
        n => format!("DEBUG cache shard {n} refreshed"),
    };
    format!("2026-11-24T09:{:02}:{:02}Z {what}\n", n / 60 % 60, n % 60)
}

fn trouble(fault: usize, pod: &str) -> String {
    match fault % 3 {
        0 => format!(
            "failed to pull and unpack image \"registry.example.com/platform/recommendation-engine-worker:2.{fault}.1\": failed to resolve reference: registry.example.com/platform/recommendation-engine-worker:2.{fault}.1: not found"
        ),
        1 => format!("back-off 5m0s restarting failed container=app pod={pod}"),
        _ => format!(
            "couldn't find key payment-endpoint-{fault} in ConfigMap platform/recommendation-engine-settings"
        ),
    }
}

fn failing(at: usize, fault: usize, pod: &str, namespace: &str) -> Value {
    let reason = ["ImagePullBackOff", "CrashLoopBackOff", "CreateContainerConfigError"][fault % 3];
    let message = format!("{} ({namespace})", trouble(fault, pod));
    let mut status = running(at);
    status["conditions"][1]["status"] = json!("False");
    let container = &mut status["containerStatuses"][0];
    container["ready"] = json!(false);
    container["state"] = json!({"waiting": {"reason": reason, "message": message}});
    if reason == "CrashLoopBackOff" {
        container["restartCount"] = json!(17);
        container["lastState"] = json!({"terminated": {"exitCode": 1, "reason": "Error", "startedAt": "2026-11-24T09:50:00Z", "finishedAt": "2026-11-24T09:50:01Z"}});
    } else {
        status["phase"] = json!("Pending");
    }
    status
}

fn running(at: usize) -> Value {
    json!({
        "phase": "Running", "podIP": format!("10.{}.{}.{}", at / 65_536, at / 256 % 256, at % 256), "startTime": created(at),
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": created(at)},
            {"type": "Ready", "status": "True", "lastTransitionTime": created(at)},
        ],
        "containerStatuses": [{"name": "app", "ready": true, "started": true, "restartCount": 0, "image": "i", "imageID": "",
            "state": {"running": {"startedAt": created(at)}}, "lastState": {}}],
    })
}

fn container(name: &str) -> Value {
    json!({"name": "app", "image": format!("registry.example.com/platform/{name}:2.14.1"), "ports": [{"containerPort": 8080}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}}})
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "creationTimestamp": created(1)}, "status": {"phase": "Active"}})
}

fn node(n: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": format!("node-{n:04}"), "uid": uid(n), "creationTimestamp": created(n),
            "labels": {"kubernetes.io/hostname": format!("node-{n:04}"), "topology.kubernetes.io/zone": format!("eu-central-1{}", ["a", "b", "c"][n % 3]),
                "node.kubernetes.io/instance-type": "m7i.4xlarge"}},
        "spec": {},
        "status": {"allocatable": {"cpu": "16", "memory": "64Gi", "pods": "250"}, "capacity": {"cpu": "16", "memory": "64Gi", "pods": "250"},
            "nodeInfo": {"kubeletVersion": "v1.36.1", "architecture": "amd64", "operatingSystem": "linux"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": created(n)}]},
    })
}
