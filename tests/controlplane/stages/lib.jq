# What is wrong with a pod, read from its spec as a kubelet and a container runtime would find out. Only the first
# container can be at fault; the others run. README.md lists the rules.
def main: .spec.containers[0];
def shown: (.status.containerStatuses // [])[0].state // {};
def waits: shown.waiting.reason // "";
def runs: shown.running != null;
def ended: shown.terminated != null;
def restarts: (.status.containerStatuses // [])[0].restartCount // 0;
def starting: .metadata.deletionTimestamp == null and (runs | not) and (ended | not);

# What it refers to, and what tests/controlplane found when it looked for that.
def refers: [.spec.containers[].env[]?.valueFrom | select(. != null) | .configMapKeyRef, .secretKeyRef | select(. != null)]
  + [.spec.containers[].envFrom[]?] + [.spec.volumes[]? | select(.configMap != null or .secret != null)] | length > 0;
def found: .metadata.annotations["kubelet.test/references"] // "";
def looked: (refers | not) or found != "";

def image_fault: main.image | test("-missing$|/private/") or test("^[^/]*\\.invalid(:[0-9]+)?/");
def mount_fault: refers and (found | startswith("MountVolume"));
def config_fault: refers and (found as $f | $f != "" and $f != "found" and ($f | startswith("MountVolume") | not));

def programs: ["sh", "bash", "/bin/sh", "/bin/bash", "sleep", "env", "cat", "echo", "true", "false", "exec", "python",
  "python3", "node", "java", "nginx", "/app/server", "/app/worker"];
def knows($program): programs | index($program) != null;
def program: (main.command // [])[0];
def start_fault: program as $p | $p != null and (knows($p) | not);

def script: main | ((.command // []) + (.args // [])) as $a
  | if ($a[0] // "" | test("(^|/)(ba)?sh$")) and $a[1] == "-c" then $a[2] else null end;
def script_fault: script as $s | $s != null and (knows($s | split(" ")[0]) | not);
def flags: ["port", "listen", "config", "memory", "warmup", "workers", "verbose", "exit-with"];
def serves: program as $p | $p == null or ($p | startswith("/app/"));
def flag_fault: serves and ([(main.args // [])[] | capture("^--(?<flag>[a-z-]+)").flag | select(. as $f | flags | index($f) == null)] | length > 0);
def told: serves and ([(main.args // [])[] | select(startswith("--exit-with="))] | length > 0);
def exit_fault: script_fault or flag_fault or told or program == "false";

def amount: capture("^(?<n>[0-9.]+)(?<u>[A-Za-z]*)$") | (.n | tonumber)
  * ({"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 1024, "Mi": 1048576, "Gi": 1073741824}[.u] // 1);
def needs: [(main.args // [])[] | select(startswith("--memory=")) | ltrimstr("--memory=") | amount] | first // 0;
def oom_fault: main.resources.limits.memory as $limit | $limit != null and needs > ($limit | amount);

def paths: ["/", "/healthz", "/livez", "/readyz", "/health", "/ready", "/live"];
def listens($port): (main.ports // []) as $p | ($p | length) == 0
  or ([$p[] | select(.containerPort == $port or .name == $port)] | length) > 0;
def fails($probe): $probe != null
  and (($probe.httpGet != null and ((listens($probe.httpGet.port) | not) or (($probe.httpGet.path // "/") as $at | paths | index($at) == null)))
    or ($probe.tcpSocket != null and (listens($probe.tcpSocket.port) | not)));
def liveness_fault: fails(main.livenessProbe);
def readiness_fault: fails(main.readinessProbe);
def warmup: [(main.args // [])[] | select(startswith("--warmup=")) | ltrimstr("--warmup=")] | first // "";

def fault: if image_fault then "image" elif mount_fault then "mount" elif config_fault then "config"
  elif start_fault then "start" elif exit_fault then "exit" elif oom_fault then "oom"
  elif liveness_fault then "liveness" elif readiness_fault then "readiness" else "none" end;

# Real kubelets wait 10 s, 20 s, 40 s … 5 min before the next start; tests have not that long.
def backoff: "\([1.5 * pow(2; [restarts, 5] | min), 20] | min)s";
