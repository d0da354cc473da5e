{{/*
The objects of a file that is applied by hand as well, for this release: its namespace, its key ring's
name and its labels. Called with a list of the root, the file's path and the annotations to add, by kind.
*/}}
{{- define "vmbackup.shipped" -}}
{{- $root := index . 0 -}}
{{- $annotations := index . 2 -}}
{{- $labels := include "vmbackup.labels" $root | fromYaml -}}
{{- $text := $root.Files.Get (index . 1) | replace "vmbackup-system" $root.Release.Namespace -}}
{{- $text = $text | replace "vmbackup-key-ring" (include "vmbackup.keyRing" $root) -}}
{{- range splitList "\n---\n" $text }}
{{- $object := fromYaml . }}
{{- if not $object.kind }}{{ fail (printf "%s holds no object: %s" (index $ 1) (toJson $object)) }}{{ end }}
{{- $about := $object.metadata }}
{{- $_ := set $about "labels" (merge (dict) ($about.labels | default dict) $labels) }}
{{- with get $annotations $object.kind }}
{{- $_ := set $about "annotations" (merge (dict) ($about.annotations | default dict) .) }}
{{- end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
