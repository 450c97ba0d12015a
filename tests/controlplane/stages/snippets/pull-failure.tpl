{{- $image := (index .spec.containers 0).image }}
{{- $host := regexFind "^[^/]*" $image }}
{{- $repository := regexFind "^[^/]+(/[^:@]+)*" $image | trimPrefix $host | trimPrefix "/" }}
{{- $why := printf "failed to pull and unpack image %q: failed to resolve reference %q: " $image $image }}
{{- if regexMatch "\\.invalid(:[0-9]+)?$" $host }}
  {{- $why = printf "%sfailed to do request: Head \"https://%s/v2/%s/manifests/%s\": dial tcp: lookup %s on 10.96.0.10:53: no such host" $why $host $repository (regexFind "[^:]*$" $image) (regexFind "^[^:]*" $host) }}
{{- else if contains "/private/" $image }}
  {{- $why = printf "%spull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed" $why }}
{{- else }}
  {{- $why = printf "rpc error: code = NotFound desc = %s%s: not found" $why $image }}
{{- end }}
