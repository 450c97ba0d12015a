#!/usr/bin/env python3
"""Makes this recording again: a real control plane, KWOK as kubelet, the story played in real time, then an export.

    make.py KUBECONFIG        plays and exports; about 15 minutes
    make.py KUBECONFIG export exports only
    make.py KUBECONFIG finish writes the logs and the list of embedded files only

Needs python3, kubectl, `kwok` on PATH and a control plane that runs nothing yet, such as that of tests/controlplane. What is not as the
API server served it: the parts of the cluster that are older than the outage are moved into the past as whole groups
(a shop is not twenty minutes old), events from before the outage are left out as an API server would have forgotten
them, messages and sources of the kubelet's events get their names filled in, the labels and annotations that steer
this script are removed, and the containers' logs are written by logs.py.
"""

import datetime, json, os, pathlib, re, subprocess, sys, tempfile, time

import logs, stages, story

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent
KUBECONFIG = sys.argv[1]
EMBEDDED = HERE.parents[3] / "src/recording/demo.rs"
STATE = pathlib.Path(tempfile.gettempdir()) / "checkout-outage.json"
DAY = 86_400
KINDS = ["nodes", "namespaces", "pods", "deployments.apps", "replicasets.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch",
         "cronjobs.batch", "persistentvolumeclaims", "persistentvolumes", "services", "endpointslices.discovery.k8s.io",
         "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy", "resourcequotas", "limitranges", "events", "configmaps",
         "ingresses.networking.k8s.io", "storageclasses.storage.k8s.io", "apiservices.apiregistration.k8s.io"]


def kubectl(*args, stdin=None, check=True):
    done = subprocess.run(["kubectl", f"--kubeconfig={KUBECONFIG}", *args], input=stdin, text=True, capture_output=True)
    if check and done.returncode:
        raise SystemExit(f"kubectl {' '.join(args)}: {done.stderr}")
    return done.stdout


def apply(*objects):
    kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=deploy-bot", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def settle(seconds=90):
    """Waits until no pod is pending and no rollout is under way."""
    end = time.time() + seconds
    while time.time() < end:
        pods = json.loads(kubectl("get", "pods", "-A", "-o", "json"))["items"]
        sets = json.loads(kubectl("get", "deployments,statefulsets,daemonsets", "-A", "-o", "json"))["items"]
        late = [s["metadata"]["name"] for s in sets if s["kind"] != "DaemonSet" and s["status"].get("readyReplicas", 0) != s["spec"]["replicas"]
                or s["status"].get("observedGeneration") != s["metadata"]["generation"] or s["status"].get("replicas", 0) != s["spec"].get("replicas", s["status"].get("replicas", 0))]
        if pods and not late and all(p["status"]["phase"] == "Running" and "deletionTimestamp" not in p["metadata"] for p in pods):
            time.sleep(3)
            return
        time.sleep(1)
    raise SystemExit(f"does not settle: {late}")


def play():
    marks = []

    def past(days, *objects):
        apply(*objects)
        settle()
        marks.append((time.time(), days * DAY))
        time.sleep(2)

    config = STATE.with_suffix(".stages.yaml")
    config.write_text("\n---\n".join(map(json.dumps, stages.STAGES)))
    kwok = subprocess.Popen(["kwok", f"--kubeconfig={KUBECONFIG}", "--manage-all-nodes=true", f"--config={config}", "--cidr=10.24.0.0/16"],
                            stdout=open(STATE.with_suffix(".kwok.log"), "w"), stderr=subprocess.STDOUT)
    try:
        past(97, *story.nodes(), *story.system())
        past(62, *story.monitoring())
        past(23, *story.shop())
        past(9, story.checkout(f"{story.REGISTRY}/shop/checkout:2.13.1", "5s", "release 2.13.1"), story.frontend("shop/frontend:4.8.1", "release 4.8.1"))
        kubectl("cordon", "node-b2")
        time.sleep(3)
        marks.append((time.time(), 3 * 3_600))
        begin = time.time()
        at = lambda seconds: time.sleep(max(0, begin + seconds - time.time()))
        kubectl("patch", "cronjob", "settlement-export", "-n", "payments", "-p", '{"spec":{"suspend":false}}')
        at(60)
        apply(story.promotions(stages.PROMOTIONS, "release 1.9.0", ["PRICE_RULES_URL"]), story.reindex())
        at(300)
        apply(*story.autoscalers())
        silence()
        at(330)
        apply(story.frontend(stages.FRONTEND, "hotfix for the voucher banner"), story.worker(stages.WORKER, "release 1.31.2: bigger batches for Black Friday"))
        at(390)
        apply(story.landing(5))
        at(420)
        apply(story.checkout(stages.CHECKOUT, "5", "release 2.14.0"))
        at(850)
        STATE.write_text(json.dumps({"marks": marks, "begin": begin}))
        export()
    finally:
        kwok.terminate()
        kwok.wait()
        config.unlink()


def silence():
    """The kubelet of node-c2 stops reporting, as the node controller notes it."""
    kubectl("label", "node", "node-c2", "make/silent=true")
    now = datetime.datetime.now(datetime.UTC)
    now, heard = [(now - datetime.timedelta(seconds=s)).strftime("%Y-%m-%dT%H:%M:%SZ") for s in (0, 46)]
    conditions = [{"type": kind, "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status.", "lastHeartbeatTime": heard, "lastTransitionTime": now}
                  for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"]]
    kubectl("patch", "node", "node-c2", "--subresource=status", "-p", json.dumps({"status": {"conditions": conditions}}))
    kubectl("create", "-f", "-", stdin=json.dumps({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "node-c2.18a1f0c94b7e5d21", "namespace": "default"},
        "involvedObject": {"kind": "Node", "name": "node-c2", "uid": kubectl("get", "node", "node-c2", "-o", "jsonpath={.metadata.uid}")},
        "type": "Normal", "reason": "NodeNotReady", "message": "Node node-c2 status is now: NodeNotReady", "count": 1,
        "firstTimestamp": now, "lastTimestamp": now, "source": {"component": "node-controller"}, "reportingComponent": "node-controller"}))


def export():
    state = json.loads(STATE.read_text())
    fetched = {kind: json.loads(kubectl("get", "-A", kind, "-o", "json")) for kind in KINDS}
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    pods = {p["metadata"]["uid"]: p for p in fetched["pods"]["items"]}
    begin = datetime.datetime.fromtimestamp(state["begin"], datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def when(event):
        return max(event.get(key) or "" for key in ["lastTimestamp", "eventTime", "firstTimestamp"]) or event["metadata"]["creationTimestamp"]

    keep = {
        "events": lambda e: when(e) >= begin and e["reason"] not in ("RegisteredNode", "Starting"),
        "configmaps": lambda c: c["metadata"]["namespace"] in ("shop", "payments", "marketing") and c["metadata"]["name"] != "kube-root-ca.crt",
        "apiservices.apiregistration.k8s.io": lambda a: a["spec"].get("service"),
    }
    for file in OUT.glob("*.json"):
        file.unlink()
    for kind, listing in fetched.items():
        listing["items"] = [tidy(kind, o, pods) for o in listing["items"] if keep.get(kind, lambda _: True)(o)]
        text = re.sub(r'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)((?:\.\d+)?Z)"', lambda m: f'"{moved(m[1], state["marks"])}{m[2]}"', json.dumps(listing, indent=4))
        if kind.startswith("horizontal"):
            listing = json.loads(text)
            for item in listing["items"]:
                item["metadata"]["creationTimestamp"] = json.loads((OUT / "deployments.json").read_text())["items"][-1]["metadata"]["creationTimestamp"]
            text = json.dumps(listing, indent=4)
        (OUT / f"{kind.split('.')[0]}.json").write_text(text + "\n")
    version = json.loads(kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
    (OUT / "recording.yaml").write_text(
        f"# What this recording is. Its time is the moment of the export; all ages in answers count from it.\n"
        f"name: checkout-outage\nat: {now.strftime('%Y-%m-%dT%H:%M:%SZ')}\nserverVersion: {version}\n"
        "story: Black Friday morning. A release of checkout does not start, and it is not the only thing that is wrong.\n")
    finish()


def finish():
    """What follows from the exported files: logs, and the list of files that the binary embeds."""
    at = re.search(r"^at: (.*)$", (OUT / "recording.yaml").read_text(), re.M)[1]
    logs.write(OUT, json.loads((OUT / "pods.json").read_text())["items"], logs.at(at))
    files = sorted(p.relative_to(OUT).as_posix() for p in [OUT / "recording.yaml", *OUT.glob("*.json"), *OUT.glob("logs/**/*.log")])
    text = EMBEDDED.read_text()
    begin, end = text.index("embed! {\n") + 9, text.rindex("}")
    EMBEDDED.write_text(text[:begin] + "".join(f'    "{file}",\n' for file in files) + text[end:])


def moved(text, marks):
    at = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    shift = next((shift for end, shift in marks if at.timestamp() <= end), 0)
    return (at - datetime.timedelta(seconds=shift)).strftime("%Y-%m-%dT%H:%M:%S")


def tidy(kind, item, pods):
    meta = item["metadata"]
    for member in ("labels", "annotations"):
        kept = {k: v for k, v in meta.get(member, {}).items() if not k.startswith("make/")}
        meta.pop(member, None)
        if kept:
            meta[member] = kept
    if kind == "events" and item.get("source", {}).get("component") == "kwok_controller":
        about = item["involvedObject"]
        # A pod that is gone had the containers of its siblings.
        pod = pods.get(about["uid"]) or max(pods.values(), key=lambda p: len(os.path.commonprefix([p["metadata"]["name"], about["name"]])))
        box = pod["spec"]["containers"][0]
        words = {"pod": about["name"], "namespace": about["namespace"], "uid": about["uid"], "container": box["name"], "image": box["image"]}
        item["message"] = re.sub(r"\{(\w+)\}", lambda m: words[m[1]], item["message"])
        about.update(apiVersion="v1", fieldPath=f"spec.containers{{{box['name']}}}")
        if about["uid"] in pods:
            item["source"]["host"] = pod["spec"]["nodeName"]
        item["source"]["component"] = item["reportingComponent"] = "kubelet"
    return item


if __name__ == "__main__":
    {"export": export, "finish": finish}.get((sys.argv[2:] or [""])[0], play)()
