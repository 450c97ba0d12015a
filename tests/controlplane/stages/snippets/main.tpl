{{- $main := index .spec.containers 0 }}
{{- $old := dict }}
{{- with .status.containerStatuses }}{{ $old = index . 0 }}{{ end }}
{{- $restarts := or $old.restartCount 0 | toString | int }}
{{- $last := or $old.lastState dict | toJson }}
{{- $pod := printf "%s_%s(%s)" .metadata.name .metadata.namespace .metadata.uid }}
{{- $began := Now }}{{ with $old.state }}{{ with .running }}{{ $began = .startedAt }}{{ end }}{{ end }}
