"""What the simulated kubelet (KWOK) does with the nodes and pods of the story, as Stage objects.

A fault is recognised by the container's image, so an image that is not faulty heals its pod. Words in braces in the
messages of events are filled in by make.py, because the message of a Stage's event is a fixed text.
"""

CHECKOUT = "registry.shop.example/shop/checkout:2.14.0"
PROMOTIONS = "registry.shop.example/shop/promotions:1.9.0"
FRONTEND = "registry.shop.example/shop/frontend:4.8.1-hotfx"
WORKER = "registry.shop.example/payments/worker:1.31.2"
EXPORT = "registry.shop.example/payments/settlement-export:3.2.0"
FAULTY = [CHECKOUT, PROMOTIONS, FRONTEND, WORKER, EXPORT]

NODE = """
{{ $now := Now }}
{{ $since := or .metadata.creationTimestamp $now }}
conditions:
{{ range NodeConditions }}
- lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $since | Quote }}
  message: {{ .message | Quote }}
  reason: {{ .reason | Quote }}
  status: {{ .status | Quote }}
  type: {{ .type | Quote }}
{{ end }}
addresses:
- {address: {{ index .metadata.annotations "make/ip" | Quote }}, type: InternalIP}
- {address: {{ .metadata.name | Quote }}, type: Hostname}
daemonEndpoints: {kubeletEndpoint: {Port: 10250}}
capacity: {cpu: "4", memory: 16097252Ki, pods: "58", ephemeral-storage: 83873772Ki}
allocatable: {cpu: 3920m, memory: 15080420Ki, pods: "58", ephemeral-storage: "76224326324"}
nodeInfo:
  architecture: amd64
  operatingSystem: linux
  bootID: {{ .metadata.uid | Quote }}
  machineID: {{ .metadata.uid | replace "-" "" | Quote }}
  systemUUID: {{ .metadata.uid | Quote }}
  containerRuntimeVersion: containerd://2.1.4
  kernelVersion: 6.12.48
  kubeletVersion: v1.36.3
  kubeProxyVersion: ""
  osImage: Bottlerocket OS 1.49.0
phase: Running
"""


def conditions(ready, extra=""):
    """Pod conditions as the kubelet writes them."""
    words = "" if ready else (
        ', reason: ContainersNotReady, message: {{ printf "containers with unready status: [%s]" '
        '(index .spec.containers 0).name | Quote }}')
    flag = "True" if ready else "False"
    lines = ["conditions:"]
    for kind, status, more in [("PodReadyToStartContainers", "True", ""), ("Initialized", "True", ""),
                               ("Ready", flag, words), ("ContainersReady", flag, words)]:
        lines.append(f'- {{lastTransitionTime: {{{{ $now | Quote }}}}, status: "{status}", type: {kind}{more}}}')
    return "\n".join(lines) + "\n"


def container(state, ready="false", started="false", restarts="0", last="", created=True):
    """The status of every container of the pod."""
    ids = """
  imageID: {{ printf "%s@sha256:%s" (regexReplaceAll ":[^:/]*$" .image "") (sha256sum .image) | Quote }}
  containerID: {{ printf "containerd://%s" (sha256sum (printf "%s%s" $now .name)) | Quote }}""" if created else """
  imageID: \"\""""
    return f"""containerStatuses:
{{{{ range .spec.containers }}}}
- name: {{{{ .name | Quote }}}}
  image: {{{{ .image | Quote }}}}{ids}
  ready: {ready}
  started: {started}
  restartCount: {restarts}
  state: {state}
  {last}
{{{{ end }}}}
"""


HEAD = '{{ $now := Now }}\n{{ $pod := . }}\n'
PLACE = """
{{ with NodeIPsWith .spec.nodeName }}
hostIP: {{ index . 0 | Quote }}
{{ end }}
{{ with PodIPsWith .spec.nodeName ( or .spec.hostNetwork false ) .metadata.uid .metadata.name .metadata.namespace }}
podIP: {{ index . 0 | Quote }}
podIPs: [{ip: {{ index . 0 | Quote }}}]
{{ end }}
startTime: {{ $now | Quote }}
"""
RUNNING = "{running: {startedAt: {{ $now | Quote }}}}"
STATUS = "{{ $status := index .status.containerStatuses 0 }}\n"


def ended(code, reason):
    return (f'{{terminated: {{exitCode: {code}, reason: {reason}, startedAt: {{{{ $status.state.running.startedAt | Quote }}}}, '
            'finishedAt: {{ $now | Quote }}, containerID: {{ $status.containerID | Quote }}}}')


def waiting(reason, message):
    return f'{{waiting: {{reason: {reason}, message: {message}}}}}'


def stage(name, kind, match, template=None, delay=0, jitter=0, events=(), after=None, delete=False):
    expressions = [{"key": key, "operator": operator, **({"values": values} if values else {})}
                   for key, operator, values in match]
    steps = [{"event": {"type": kind_, "reason": reason, "message": message}} for kind_, reason, message in events]
    if template:
        steps.append({"patch": {"subresource": "status", "root": "status", "template": template}})
    if delete:
        steps.append({"delete": True})
    spec = {"resourceRef": {"apiGroup": "v1", "kind": kind}, "selector": {"matchExpressions": expressions}, "steps": steps}
    if delay or after:
        spec["delay"] = {"durationMilliseconds": delay}
        if after:
            spec["delay"]["durationFrom"] = {"expressionFrom": after}
        if jitter:
            spec["delay"]["jitterDurationMilliseconds"] = delay + jitter
    return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec}


LIVES = (".metadata.deletionTimestamp", "DoesNotExist", None)
IMAGE = ".spec.containers.[].image"
PHASE = ".status.phase"
REASON = ".status.containerStatuses.[].state.waiting.reason"
READY = '.status.conditions.[] | select( .type == "Ready" ) | .status'
STEADY = ('.metadata.labels["make/frail"]', "DoesNotExist", None)
SPEAKS = ('.metadata.labels["make/silent"]', "DoesNotExist", None)
PULLED = ("Normal", "Pulled", 'Successfully pulled image "{image}" in 1.94s (1.94s including waiting). Image size: 84211973 bytes.')
PRESENT = ("Normal", "Pulled", 'Container image "{image}" already present on machine')
CREATED = ("Normal", "Created", "Created container: {container}")
STARTED = ("Normal", "Started", "Started container {container}")
BACKOFF = ("Warning", "BackOff", "Back-off restarting failed container {container} in pod {pod}_{namespace}({uid})")
# 1 s, then 10 s doubled with each restart, at most 5 minutes, as the kubelet waits.
RESTART = ('((.status.containerStatuses[0].restartCount) as $n | '
           'if $n == 0 then 1 else ([300, 10 * pow(2; $n - 1)] | min) end | floor | tostring) + "s"')


def crash(name, images, code, reason, runs_ms):
    """A container that starts, ends after a while, and is restarted ever later."""
    mine = (IMAGE, "In", images)
    keeps = '{{ $lastState := $status.lastState }}'
    backoff = ('{{ printf "back-off %s restarting failed container=%s pod=%s_%s(%s)" '
               '(index (list "10s" "10s" "20s" "40s" "1m20s" "2m40s" "5m0s" "5m0s" "5m0s") (min (int $status.restartCount) 7)) '
               '.name $pod.metadata.name $pod.metadata.namespace $pod.metadata.uid | Quote }}')
    count = "{{ $status.restartCount }}"
    return [
        stage(f"{name}-start", "Pod", [LIVES, mine, (PHASE, "In", ["Pending"])],
              HEAD + conditions(False) + container(RUNNING, started="true") + PLACE + "phase: Running\n",
              delay=2000, jitter=2000, events=[PULLED, CREATED, STARTED]),
        stage(f"{name}-end", "Pod", [LIVES, mine, (PHASE, "In", ["Running"]),
                                     (".status.containerStatuses.[].state.running.startedAt", "Exists", None)],
              HEAD + STATUS + container(waiting("CrashLoopBackOff", backoff), restarts=count,
                                        last=f"lastState: {ended(code, reason)}"),
              delay=runs_ms, jitter=runs_ms // 4, events=[BACKOFF]),
        stage(f"{name}-again", "Pod", [LIVES, mine, (REASON, "In", ["CrashLoopBackOff"])],
              HEAD + STATUS + container(RUNNING, started="true", restarts="{{ add 1 $status.restartCount }}",
                                        last="lastState: {{ $status.lastState | toJson }}"),
              after=RESTART, delay=10000, events=[PRESENT, CREATED, STARTED]),
    ]


STAGES = [
    stage("node-ready", "Node", [(READY, "NotIn", ["True"]), SPEAKS], NODE),
    stage("node-heartbeat", "Node", [(READY, "In", ["True"]), STEADY], NODE, delay=60000, jitter=60000),
    stage("pod-ready", "Pod", [LIVES, (PHASE, "In", ["Pending"]), (IMAGE, "NotIn", FAULTY)],
          HEAD + conditions(True) + container(RUNNING, ready="true", started="true") + PLACE + "phase: Running\n",
          delay=1000, jitter=3000, events=[PRESENT, CREATED, STARTED]),
    stage("pod-complete", "Pod", [LIVES, (PHASE, "In", ["Running"]), (IMAGE, "NotIn", FAULTY),
                                  (".metadata.ownerReferences.[].kind", "In", ["Job"])],
          HEAD + STATUS + container(ended(0, "Completed")) + "phase: Succeeded\n", delay=6000, jitter=4000),
    # The taint manager evicts from a node whose kubelet is gone: nobody confirms those deletions.
    stage("pod-delete", "Pod", [(".metadata.deletionTimestamp", "Exists", None),
                                ('.status.conditions.[] | select( .type == "DisruptionTarget" ) | .status', "NotIn", ["True"])],
          delay=1500, delete=True),
    *crash("checkout", [CHECKOUT], 2, "Error", 1800),
    *crash("worker", [WORKER], 137, "OOMKilled", 38000),
    stage("export-start", "Pod", [LIVES, (IMAGE, "In", [EXPORT]), (PHASE, "In", ["Pending"])],
          HEAD + conditions(False) + container(RUNNING, started="true") + PLACE + "phase: Running\n",
          delay=2000, jitter=2000, events=[PRESENT, CREATED, STARTED]),
    stage("export-fail", "Pod", [LIVES, (IMAGE, "In", [EXPORT]), (PHASE, "In", ["Running"])],
          HEAD + STATUS + container(ended(1, "Error")) + "phase: Failed\n", delay=7000, jitter=2000),
    stage("config-error", "Pod", [LIVES, (IMAGE, "In", [PROMOTIONS]), (PHASE, "In", ["Pending"]),
                                  (REASON, "NotIn", ["CreateContainerConfigError"])],
          HEAD + conditions(False) + container(
              waiting("CreateContainerConfigError", "\"couldn't find key PRICE_RULES_URL in ConfigMap shop/promotions-config\""),
              created=False) + PLACE + "phase: Pending\n",
          delay=2000, jitter=1000,
          events=[PULLED, ("Warning", "Failed", "Error: couldn't find key PRICE_RULES_URL in ConfigMap shop/promotions-config")]),
    stage("pull-error", "Pod", [LIVES, (IMAGE, "In", [FRONTEND]), (PHASE, "In", ["Pending"]),
                                (REASON, "NotIn", ["ErrImagePull", "ImagePullBackOff"])],
          HEAD + conditions(False) + container(
              waiting("ErrImagePull", f"""'failed to pull and unpack image "{FRONTEND}": failed to resolve image: {FRONTEND}: not found'"""),
              created=False) + PLACE + "phase: Pending\n",
          delay=2000, jitter=1000,
          events=[("Normal", "Pulling", 'Pulling image "{image}"'),
                  ("Warning", "Failed", 'Failed to pull image "{image}": rpc error: code = NotFound desc = failed to pull and '
                   'unpack image "{image}": failed to resolve image: {image}: not found'),
                  ("Warning", "Failed", "Error: ErrImagePull")]),
    stage("pull-backoff", "Pod", [LIVES, (REASON, "In", ["ErrImagePull"])],
          HEAD + container(waiting("ImagePullBackOff", f"""'Back-off pulling image "{FRONTEND}": ErrImagePull: failed to pull and unpack image "{FRONTEND}": failed to resolve image: {FRONTEND}: not found'"""),
                           created=False),
          delay=12000, jitter=3000,
          events=[("Normal", "BackOff", 'Back-off pulling image "{image}"'), ("Warning", "Failed", "Error: ImagePullBackOff")]),
]
