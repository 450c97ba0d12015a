{{- $probe := (index .spec.containers 0).livenessProbe }}
{{- $ip := or .status.podIP "" }}
{{- $failure := "" }}
{{- with $probe.tcpSocket }}{{ $failure = printf "dial tcp %s:%v: connect: connection refused" $ip .port }}{{ end }}
{{- with $probe.httpGet }}
  {{- $port := toString .port }}
  {{- $listens := empty (index $.spec.containers 0).ports }}
  {{- range (index $.spec.containers 0).ports }}
    {{- if or (eq (toString .containerPort) $port) (eq (or .name "") $port) }}{{ $listens = true }}{{ end }}
  {{- end }}
  {{- if $listens }}
    {{- $failure = "HTTP probe failed with statuscode: 404" }}
  {{- else }}
    {{- $failure = printf "Get \"%s://%s:%s%s\": dial tcp %s:%s: connect: connection refused" (lower (or .scheme "HTTP")) $ip $port (or .path "/") $ip $port }}
  {{- end }}
{{- end }}
