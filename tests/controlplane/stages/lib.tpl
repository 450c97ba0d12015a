{{- /* Parts of the templates. Each takes a dict with the pod as "pod". */ -}}
{{- define "since" -}}
  {{- $at := Now -}}
  {{- range .pod.status.conditions -}}
    {{- if and (eq .type $.type) (eq .status $.status) .lastTransitionTime -}}{{- $at = .lastTransitionTime -}}{{- end -}}
  {{- end -}}
  {{- $at | Quote -}}
{{- end -}}
{{- define "conditions" }}
conditions:
- {type: PodReadyToStartContainers, status: "True", lastProbeTime: null, lastTransitionTime: {{ template "since" (dict "pod" .pod "type" "PodReadyToStartContainers" "status" "True") }}}
- {type: Initialized, status: "True", lastProbeTime: null, lastTransitionTime: {{ template "since" (dict "pod" .pod "type" "Initialized" "status" "True") }}}
{{- $status := ternary "True" "False" .ready }}
{{- range list "Ready" "ContainersReady" }}
- type: {{ . }}
  status: {{ $status | Quote }}
  lastProbeTime: null
  lastTransitionTime: {{ template "since" (dict "pod" $.pod "type" . "status" $status) }}
  {{- if $.ready }}
  reason: null
  message: null
  {{- else }}
  reason: ContainersNotReady
  message: {{ printf "containers with unready status: [%s]" (index $.pod.spec.containers 0).name | Quote }}
  {{- end }}
{{- end }}
{{- end -}}
{{- define "place" }}
hostIP: {{ NodeIPWith .pod.spec.nodeName | Quote }}
hostIPs: [{ip: {{ NodeIPWith .pod.spec.nodeName | Quote }}}]
{{- $ip := or .pod.status.podIP (PodIPWith .pod.spec.nodeName (or .pod.spec.hostNetwork false) (or .pod.metadata.uid "") (or .pod.metadata.name "") (or .pod.metadata.namespace "")) }}
podIP: {{ $ip | Quote }}
podIPs: [{ip: {{ $ip | Quote }}}]
startTime: {{ or .pod.status.startTime Now | Quote }}
{{- end -}}
{{- define "id" -}}
containerd://{{ printf "%s/%s/%v" .pod.metadata.uid .name .restarts | sha256sum }}
{{- end -}}
{{- /* Also takes ready, started, restarts, and the JSON of state and last of the first container. */ -}}
{{- define "containers" }}
{{- $now := Now }}
containerStatuses:
{{- range $i, $c := .pod.spec.containers }}
{{- $old := dict }}
{{- with $.pod.status.containerStatuses }}{{ if lt $i (len .) }}{{ $old = index . $i }}{{ end }}{{ end }}
- name: {{ $c.name | Quote }}
  image: {{ $c.image | Quote }}
  {{- if eq $i 0 }}
  ready: {{ $.ready }}
  started: {{ $.started }}
  restartCount: {{ $.restarts }}
  state: {{ $.state }}
  lastState: {{ $.last }}
  {{- if $.made }}
  imageID: {{ printf "%s@sha256:%s" ($c.image | regexFind "^[^:@]*(:[0-9]+/[^:@]*)?") ($c.image | sha256sum) | Quote }}
  containerID: {{ template "id" (dict "pod" $.pod "name" $c.name "restarts" $.restarts) }}
  {{- else }}
  imageID: ""
  {{- end }}
  {{- else }}
  ready: true
  started: true
  restartCount: {{ or $old.restartCount 0 }}
  state: {{ if and $old.state $old.state.running }}{{ toJson $old.state }}{{ else }}{running: {startedAt: {{ $now | Quote }}}}{{ end }}
  lastState: {}
  imageID: {{ printf "%s@sha256:%s" ($c.image | regexFind "^[^:@]*(:[0-9]+/[^:@]*)?") ($c.image | sha256sum) | Quote }}
  containerID: {{ template "id" (dict "pod" $.pod "name" $c.name "restarts" 0) }}
  {{- end }}
{{- end }}
{{- with .pod.spec.initContainers }}
initContainerStatuses:
{{- range $i, $c := . }}
{{- $old := dict }}
{{- with $.pod.status.initContainerStatuses }}{{ if lt $i (len .) }}{{ $old = index . $i }}{{ end }}{{ end }}
- name: {{ $c.name | Quote }}
  image: {{ $c.image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  {{- if eq (or $c.restartPolicy "") "Always" }}
  started: true
  state: {{ if and $old.state $old.state.running }}{{ toJson $old.state }}{{ else }}{running: {startedAt: {{ $now | Quote }}}}{{ end }}
  {{- else }}
  started: false
  state: {{ if and $old.state $old.state.terminated }}{{ toJson $old.state }}{{ else }}{terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}{{ end }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}
{{- /* Also takes type, reason, message, count, and whether it is about the first container. */ -}}
{{- define "event" }}
{{- $main := index .pod.spec.containers 0 }}
apiVersion: v1
kind: Event
metadata:
  name: {{ printf "%s.%s" .pod.metadata.name (printf "%s/%s/%s" .pod.metadata.uid .reason .message | sha256sum | trunc 16) }}
  namespace: {{ .pod.metadata.namespace }}
involvedObject:
  apiVersion: v1
  kind: Pod
  name: {{ .pod.metadata.name }}
  namespace: {{ .pod.metadata.namespace }}
  uid: {{ .pod.metadata.uid }}
  {{- if ne .about "pod" }}
  fieldPath: {{ printf "spec.containers{%s}" $main.name | Quote }}
  {{- end }}
type: {{ .type }}
reason: {{ .reason }}
message: {{ toJson .message }}
source: {component: kubelet, host: {{ .pod.spec.nodeName }}}
reportingComponent: kubelet
reportingInstance: {{ .pod.spec.nodeName }}
firstTimestamp: {{ or .pod.status.startTime Now | Quote }}
lastTimestamp: {{ Now | Quote }}
count: {{ .count }}
{{- end -}}
