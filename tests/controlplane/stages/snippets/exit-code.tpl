{{- $code := 1 }}
{{- if regexMatch "(^|/)(ba)?sh$" (first (or $main.command (list ""))) }}{{ $code = 127 }}
{{- else if ne (first (or $main.command (list ""))) "false" }}
  {{- $code = 2 }}
  {{- range $main.args }}{{ if hasPrefix "--exit-with=" . }}{{ $code = trimPrefix "--exit-with=" . | int }}{{ end }}{{ end }}
{{- end }}
