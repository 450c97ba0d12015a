"""The objects of the story, in the order in which they came into the cluster."""

from stages import CHECKOUT, EXPORT, FRONTEND, PROMOTIONS, WORKER

REGISTRY = "registry.shop.example"
NODES = [("node-a1", "eu-central-1a", "10.20.1.11"), ("node-a2", "eu-central-1a", "10.20.1.12"),
         ("node-b1", "eu-central-1b", "10.20.2.11"), ("node-b2", "eu-central-1b", "10.20.2.12"),
         ("node-c1", "eu-central-1c", "10.20.3.11"), ("node-c2", "eu-central-1c", "10.20.3.12")]


def nodes():
    return [{"apiVersion": "v1", "kind": "Node",
             "metadata": {"name": name, "annotations": {"make/ip": ip}, "labels": {
                 "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                 "node.kubernetes.io/instance-type": "m6i.xlarge", "topology.kubernetes.io/zone": zone,
                 "topology.kubernetes.io/region": "eu-central-1", **({"make/frail": "true"} if name == "node-c2" else {})}},
             "spec": {"podCIDR": ip.rsplit(".", 1)[0].replace("10.20", "10.24") + f".{index % 2 * 128}/25",
                      "providerID": f"aws:///{zone}/i-0{index}7c4e19d2ab53f8{index}"}}
            for index, (name, zone, ip) in enumerate(NODES)]


def namespace(name, team):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": team}}}


def probe(path, port):
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": 10, "timeoutSeconds": 1}


def workload(kind, ns, name, image, replicas=1, cpu="100m", memory="128Mi", limit=None, port=8080, args=None, env=None,
             config=None, cause=None, strategy=None, spec=None, pod=None, claim=None):
    """A Deployment, StatefulSet or DaemonSet with one container."""
    labels = {"app.kubernetes.io/name": name}
    box = {"name": name, "image": image if "/" in image and image.startswith(REGISTRY) else f"{REGISTRY}/{image}",
           "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit or memory}}}
    if port:
        box["ports"] = [{"name": "http", "containerPort": port}]
        box["readinessProbe"] = probe("/healthz", "http")
    if args:
        box["args"] = args
    if config:
        box["env"] = [{"name": key, "valueFrom": {"configMapKeyRef": {"name": f"{name}-config", "key": key}}} for key in config]
    if env:
        box["env"] = box.get("env", []) + env
    template = {"metadata": {"labels": labels}, "spec": {"containers": [box], **(pod or {})}}
    body = {"selector": {"matchLabels": labels}, "template": template, **(spec or {})}
    if kind != "DaemonSet":
        body["replicas"] = replicas
    if kind == "StatefulSet":
        body["serviceName"] = name
        if claim:
            box["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
            body["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "gp3", "resources": {"requests": {"storage": claim}}}}]
    if strategy:
        body["strategy"] = strategy
    meta = {"name": name, "namespace": ns, "labels": labels}
    if cause:
        meta["annotations"] = {"kubernetes.io/change-cause": cause}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": body}


def service(ns, name, port=8080):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": ns, "labels": {"app.kubernetes.io/name": name}},
            "spec": {"selector": {"app.kubernetes.io/name": name}, "ports": [{"name": "http", "port": 80, "targetPort": port}]}}


def config(ns, name, data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-config", "namespace": ns}, "data": data}


def budget(ns, name, **spec):
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": ns},
            "spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": name}}, **spec}}


def autoscaler(ns, name, low, high, cpu):
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name, "namespace": ns},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}, "minReplicas": low, "maxReplicas": high,
                     "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": cpu}}}]}}


def volume(ns, claim, size, zone):
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"pvc-{ns}-{claim}"},
            "spec": {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": "gp3",
                     "persistentVolumeReclaimPolicy": "Delete", "claimRef": {"namespace": ns, "name": claim},
                     "csi": {"driver": "ebs.csi.aws.com", "fsType": "ext4", "volumeHandle": f"vol-0{abs(hash_of(ns + claim)):016x}"[:21]},
                     "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                         {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}]}]}}}}


def hash_of(text):
    value = 1469598103934665603
    for byte in text.encode():
        value = (value ^ byte) * 1099511628211 % (1 << 60)
    return value


EVERYWHERE = {"tolerations": [{"operator": "Exists"}], "hostNetwork": True, "priorityClassName": "system-node-critical"}
ZONE_A = {"nodeSelector": {"topology.kubernetes.io/zone": "eu-central-1a"}}
SPREAD = {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}]}


def system():
    return [
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "gp3", "annotations": {
            "storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "ebs.csi.aws.com",
         "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": True},
        workload("DaemonSet", "kube-system", "kube-proxy", "mirror/kube-proxy:v1.36.3", port=None, cpu="50m", memory="64Mi", pod=EVERYWHERE),
        workload("DaemonSet", "kube-system", "cilium", "mirror/cilium:v1.18.3", port=None, cpu="100m", memory="256Mi", pod=EVERYWHERE),
        workload("DaemonSet", "kube-system", "ebs-csi-node", "mirror/aws-ebs-csi-driver:v1.49.0", port=None, cpu="10m", memory="64Mi", pod=EVERYWHERE),
        workload("Deployment", "kube-system", "coredns", "mirror/coredns:v1.13.1", 2, memory="170Mi", pod={"priorityClassName": "system-cluster-critical", **SPREAD}),
        service("kube-system", "coredns"),
        # Somebody nailed it to a node while they looked for a fault, months ago.
        workload("Deployment", "kube-system", "metrics-server", "mirror/metrics-server:v0.8.0", 1, memory="200Mi", port=10250,
                 cause="pin to node-c2 while debugging kubelet certificates",
                 pod={"nodeSelector": {"kubernetes.io/hostname": "node-c2"}, "priorityClassName": "system-cluster-critical"}),
        service("kube-system", "metrics-server", 10250),
        {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1beta1.metrics.k8s.io"},
         "spec": {"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                  "insecureSkipTLSVerify": True, "service": {"namespace": "kube-system", "name": "metrics-server", "port": 80}}},
        namespace("ingress", "platform"),
        workload("Deployment", "ingress", "ingress-nginx", "mirror/ingress-nginx:v1.13.3", 2, cpu="200m", memory="256Mi", limit="512Mi", pod=SPREAD),
        service("ingress", "ingress-nginx"), budget("ingress", "ingress-nginx", minAvailable=1),
    ]


def monitoring():
    return [
        namespace("monitoring", "platform"),
        volume("monitoring", "data-prometheus-0", "200Gi", "eu-central-1a"), volume("monitoring", "data-prometheus-1", "200Gi", "eu-central-1b"),
        workload("StatefulSet", "monitoring", "prometheus", "mirror/prometheus:v3.7.2", 2, cpu="500m", memory="3Gi", limit="4Gi", port=9090, claim="200Gi",
                 spec={"podManagementPolicy": "Parallel"}),
        service("monitoring", "prometheus", 9090),
        workload("StatefulSet", "monitoring", "alertmanager", "mirror/alertmanager:v0.29.0", 3, cpu="20m", memory="64Mi", port=9093, spec={"podManagementPolicy": "Parallel"}, pod=SPREAD),
        service("monitoring", "alertmanager", 9093), budget("monitoring", "alertmanager", maxUnavailable=1),
        workload("Deployment", "monitoring", "grafana", "mirror/grafana:12.2.1", 1, memory="256Mi", port=3000), service("monitoring", "grafana", 3000),
        workload("Deployment", "monitoring", "kube-state-metrics", "mirror/kube-state-metrics:v2.17.0", 1),
        workload("DaemonSet", "monitoring", "node-exporter", "mirror/node-exporter:v1.10.2", cpu="20m", memory="64Mi", port=9100, pod=EVERYWHERE),
    ]


CHECKOUT_CONFIG = {"PAYMENTS_URL": "http://payments-api.payments.svc", "CART_URL": "http://cart.shop.svc", "LOG_LEVEL": "info"}
PROMOTIONS_CONFIG = {"CATALOG_URL": "http://catalog.shop.svc", "CAMPAIGN": "black-friday"}


def checkout(image, timeout, cause):
    return workload("Deployment", "shop", "checkout", image, 4, cpu="250m", memory="256Mi", limit="512Mi", config=CHECKOUT_CONFIG,
                    args=["serve", "--listen=:8080", f"--payment-timeout={timeout}"], cause=cause, strategy={"type": "Recreate"})


def promotions(image, cause, keys=()):
    return workload("Deployment", "shop", "promotions", image, 3, config=[*PROMOTIONS_CONFIG, *keys], cause=cause, spec={"progressDeadlineSeconds": 300})


def frontend(image, cause):
    return workload("Deployment", "shop", "frontend", image, 6, cpu="150m", memory="192Mi", limit="256Mi", port=3000, cause=cause, pod=SPREAD)


def worker(image, cause):
    return workload("Deployment", "payments", "payments-worker", image, 3, cpu="200m", memory="256Mi", port=None, cause=cause,
                    args=["consume", "--queue=payments", "--batch-size=5000" if image == WORKER else "--batch-size=500"],
                    env=[{"name": "DATABASE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "payments-db", "key": "password"}}}])


def landing(replicas):
    return workload("Deployment", "marketing", "landing-page", "marketing/landing-page:7.2.0", replicas, cpu="100m", memory="128Mi", pod=ZONE_A)


def shop():
    objects = [
        namespace("shop", "storefront"), namespace("payments", "payments"), namespace("marketing", "campaigns"),
        config("shop", "checkout", CHECKOUT_CONFIG), config("shop", "promotions", PROMOTIONS_CONFIG),
        checkout(f"{REGISTRY}/shop/checkout:2.12.3", "5s", "release 2.12.3"),
        promotions("shop/promotions:1.8.4", "release 1.8.4"), frontend("shop/frontend:4.8.0", "release 4.8.0"),
        workload("Deployment", "shop", "catalog", "shop/catalog:3.5.1", 4, cpu="150m", memory="256Mi", pod=SPREAD),
        workload("Deployment", "shop", "cart", "shop/cart:2.3.0", 3, cpu="150m", memory="256Mi", pod=SPREAD),
        workload("Deployment", "shop", "search", "shop/search:5.0.2", 3, cpu="200m", memory="512Mi"),
        workload("Deployment", "shop", "recommendations", "shop/recommendations:1.4.9", 2, cpu="200m", memory="512Mi"),
        workload("StatefulSet", "shop", "redis", "mirror/redis:8.2.2", 3, cpu="100m", memory="512Mi", port=6379, spec={"podManagementPolicy": "Parallel"}, pod=SPREAD),
        *[service("shop", name, port) for name, port in [("checkout", 8080), ("promotions", 8080), ("frontend", 3000), ("catalog", 8080),
                                                        ("cart", 8080), ("search", 8080), ("recommendations", 8080), ("redis", 6379)]],
        budget("shop", "checkout", maxUnavailable=1), budget("shop", "frontend", minAvailable="50%"), budget("shop", "cart", minAvailable=2),
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "shop", "namespace": "shop"}, "spec": {
            "ingressClassName": "nginx", "rules": [{"host": "www.shop.example", "http": {"paths": [
                {"path": path, "pathType": "Prefix", "backend": {"service": {"name": name, "port": {"name": "http"}}}}
                for path, name in [("/checkout", "checkout"), ("/", "frontend")]]}}]}},
        volume("payments", "data-payments-db-0", "100Gi", "eu-central-1a"), volume("payments", "data-payments-db-1", "100Gi", "eu-central-1b"),
        workload("Deployment", "payments", "payments-api", "payments/api:1.31.0", 3, cpu="200m", memory="256Mi", pod=SPREAD),
        worker(f"{REGISTRY}/payments/worker:1.30.4", "release 1.30.4"),
        workload("Deployment", "payments", "fraud-check", "payments/fraud-check:0.9.7", 2, cpu="200m", memory="512Mi"),
        # Zone b's member of the pair must be on node-b2, which is to be drained.
        workload("StatefulSet", "payments", "payments-db", "mirror/postgres:18.1", 2, cpu="500m", memory="2Gi", port=5432, claim="100Gi",
                 spec={"podManagementPolicy": "Parallel"},
                 pod={"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                     {"weight": 100, "preference": {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-a2", "node-b2"]}]}}]}}}),
        *[service("payments", name, port) for name, port in [("payments-api", 8080), ("fraud-check", 8080), ("payments-db", 5432)]],
        budget("payments", "payments-db", minAvailable=2), budget("payments", "payments-api", maxUnavailable=1),
        {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "settlement-export", "namespace": "payments"}, "spec": {
            "schedule": "*/5 * * * *", "suspend": True, "concurrencyPolicy": "Forbid", "startingDeadlineSeconds": 60, "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": {"backoffLimit": 1, "template": {"spec": {"restartPolicy": "Never", "containers": [
                {"name": "export", "image": EXPORT, "args": ["--bucket=s3://settlements-prod/daily"],
                 "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}}}]}}}}}},
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team-quota", "namespace": "marketing"},
         "spec": {"hard": {"pods": "6", "requests.cpu": "500m", "requests.memory": "2Gi"}}},
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "defaults", "namespace": "marketing"}, "spec": {"limits": [
            {"type": "Container", "default": {"memory": "256Mi", "cpu": "500m"}, "defaultRequest": {"memory": "128Mi", "cpu": "100m"}}]}},
        landing(2), service("marketing", "landing-page"),
        workload("Deployment", "marketing", "newsletter", "marketing/newsletter:2.0.1", 1, pod=ZONE_A),
    ]
    return objects


def autoscalers():
    return [autoscaler("shop", "cart", 3, 10, 70)]


def reindex():
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "search-reindex", "namespace": "shop"}, "spec": {"backoffLimit": 2, "template": {
        "metadata": {"labels": {"app.kubernetes.io/name": "search-reindex"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "reindex", "image": f"{REGISTRY}/shop/search-reindex:5.0.2",
                 "resources": {"requests": {"cpu": "1", "memory": "14Gi"}, "limits": {"memory": "14Gi"}}}]}}}}
