{{- $program := index (index .spec.containers 0).command 0 }}
{{- $why := "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: " }}
{{- if contains "/" $program }}
  {{- $why = printf "%s%q: stat %s: no such file or directory" $why $program $program }}
{{- else }}
  {{- $why = printf "%s%q: executable file not found in $PATH" $why $program }}
{{- end }}
