{{- $main := index .spec.containers 0 }}
{{- $old := dict }}
{{- with .status.containerStatuses }}{{ $old = index . 0 }}{{ end }}
{{- $restarts := or $old.restartCount 0 | toString | int }}
{{- $last := or $old.lastState dict | toJson }}
{{- $pod := printf "%s_%s(%s)" .metadata.name .metadata.namespace .metadata.uid }}
{{- $began := Now }}{{ with $old.state }}{{ with .running }}{{ $began = .startedAt }}{{ end }}{{ end }}
{{- $age := 0 }}
{{- with .status.startTime }}{{ $age = sub (now | unixEpoch | int64) (toDate "2006-01-02T15:04:05Z" . | unixEpoch | int64) }}{{ end }}
{{- /* A pull is tried again every nine seconds. */ -}}
{{- $attempts := add1 (div (add $age 1) 9) }}
