{{/* What objects are found by; a selector never changes, so no version is in it. */}}
{{- define "vmbackup.selector" -}}
app.kubernetes.io/name: vmbackup
app.kubernetes.io/component: operator
{{- end }}

{{/* What every object bears. */}}
{{- define "vmbackup.labels" -}}
app.kubernetes.io/name: vmbackup
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "vmbackup.keyRing" -}}
{{ .Values.appliance.keyRing.secretRef.name }}
{{- end }}

{{- define "vmbackup.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ printf "%s@%s" $image.repository $image.digest }}
{{- else -}}
{{ printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) }}
{{- end -}}
{{- end }}

{{/* The namespaces in which the operator works: those of the tenancy, or its own where there is none. */}}
{{- define "vmbackup.servedNamespaces" -}}
{{- $served := list -}}
{{- range .Values.tenancy }}{{ $served = append $served .namespace }}{{ end -}}
{{- if not $served }}{{ $served = list .Release.Namespace }}{{ end -}}
{{- concat $served .Values.formerNamespaces | uniq | toJson -}}
{{- end }}
