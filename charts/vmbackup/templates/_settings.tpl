{{/*
The file that the operator reads: the values that are its settings, with the namespace that this is.
vmbackup_operator/settings.py says what may be in it.
*/}}
{{- define "vmbackup.settings" -}}
{{- $here := .Release.Namespace -}}
{{- $reference := .Values.appliance.keyRing.secretRef -}}
{{- if ne (.Values.namespace | default $here) $here -}}
{{- fail (printf "namespace: must be the release's namespace %s, or be left out; found %s" $here .Values.namespace) -}}
{{- end -}}
{{- if ne ($reference.namespace | default $here) $here -}}
{{- fail (printf "appliance.keyRing.secretRef.namespace: must be the release's namespace %s, or be left out; found %s" $here $reference.namespace) -}}
{{- end -}}
{{- $ring := dict "secretRef" (dict "namespace" $here "name" $reference.name) -}}
{{- $settings := dict "namespace" $here "appliance" (merge (dict "keyRing" $ring) (omit .Values.appliance "keyRing")) -}}
{{- range list "tenancy" "regionEnvironments" "otherSubscriptions" "discovery" "snapshotSets" "logging" "tags" "workers" "sweeper" -}}
{{- $_ := set $settings . (index $.Values .) -}}
{{- end -}}
{{ toYaml $settings }}
{{- end }}
