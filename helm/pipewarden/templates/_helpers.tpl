{{- define "pipewarden.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{/* Names of pods are names of group members: short enough for a suffix, an ordinal and Kubernetes' 63. */}}
{{- define "pipewarden.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "pipewarden.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "pipewarden.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "pipewarden.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pipewarden.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Pods that are not the service: neither the Service nor a disruption budget may take them for it. */}}
{{- define "pipewarden.toolSelectorLabels" -}}
app.kubernetes.io/name: {{ include "pipewarden.name" . }}-tool
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pipewarden.toolLabels" -}}
{{ include "pipewarden.toolSelectorLabels" . }}
{{ include "pipewarden.commonLabels" . }}
{{- end }}

{{- define "pipewarden.labels" -}}
{{ include "pipewarden.selectorLabels" . }}
{{ include "pipewarden.commonLabels" . }}
{{- end }}

{{- define "pipewarden.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "pipewarden.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{- define "pipewarden.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "pipewarden.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{/* The kinds of pods that the mode has, as a list. */}}
{{- define "pipewarden.components" -}}
{{- if eq .Values.mode "split" }}[router, correlator]{{ else }}[combined]{{ end -}}
{{- end }}

{{/* A StatefulSet's name. Takes [root, component]. */}}
{{- define "pipewarden.componentName" -}}
{{- $root := index . 0 -}}{{- $component := index . 1 -}}
{{- if eq $component "combined" -}}
{{ include "pipewarden.fullname" $root }}
{{- else -}}
{{ include "pipewarden.fullname" $root }}-{{ $component }}
{{- end -}}
{{- end }}

{{- define "pipewarden.inventoryConfigMap" -}}
{{- if .Values.inventory.existingConfigMap -}}
{{ .Values.inventory.existingConfigMap }}
{{- else if .Values.inventory.assets -}}
{{ include "pipewarden.fullname" . }}-inventory
{{- end -}}
{{- end }}

{{- define "pipewarden.exceptionsConfigMap" -}}
{{- if .Values.exceptions.existingConfigMap -}}
{{ .Values.exceptions.existingConfigMap }}
{{- else if .Values.exceptions.entries -}}
{{ include "pipewarden.fullname" . }}-exceptions
{{- end -}}
{{- end }}

{{/* The settings file: the user's, and the paths of what this chart mounts. */}}
{{- define "pipewarden.settings" -}}
{{- $settings := deepCopy .Values.config -}}
{{- if include "pipewarden.inventoryConfigMap" . -}}
{{- $settings = mergeOverwrite $settings (dict "inventory" (dict "file" "/etc/pipewarden/inventory/inventory.yaml")) -}}
{{- end -}}
{{- if .Values.rules -}}
{{- $settings = mergeOverwrite $settings (dict "rules" (dict "directory" "/etc/pipewarden/rules")) -}}
{{- end -}}
{{- if include "pipewarden.exceptionsConfigMap" . -}}
{{- $settings = mergeOverwrite $settings (dict "exceptions" (dict "file" "/etc/pipewarden/exceptions/exceptions.yaml")) -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end }}

{{- define "pipewarden.kafka" -}}
{{- default dict .Values.config.kafka | toYaml -}}
{{- end }}

{{- define "pipewarden.applicationId" -}}
{{- $kafka := default dict .Values.config.kafka -}}
{{- default "pipewarden" $kafka.application_id -}}
{{- end }}

{{/* librdkafka's properties that come from secrets, as environment. Takes the map of properties. */}}
{{- define "pipewarden.secretEnvironment" -}}
{{- range $property, $from := . -}}
- name: PIPEWARDEN_KAFKA__CLIENT__{{ $property | upper | replace "." "_" }}
  valueFrom:
    secretKeyRef: {name: {{ $from.name }}, key: {{ $from.key }}}
{{ end }}
{{- end }}

{{/* What all pods mount beside the service's own files. */}}
{{- define "pipewarden.extraVolumeMounts" -}}
{{- if .Values.kafka.certificatesSecret }}
- {name: certificates, mountPath: /etc/pipewarden/certificates, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "pipewarden.extraVolumes" -}}
{{- with .Values.kafka.certificatesSecret }}
- name: certificates
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The environment of pods that are not the service. Takes [root, map of properties from secrets]. */}}
{{- define "pipewarden.toolEnvironment" -}}
{{- $root := index . 0 -}}{{- $properties := index . 1 -}}
{{- if or $properties $root.Values.extraEnv }}
env:
  {{- with $properties }}
  {{- include "pipewarden.secretEnvironment" . | trim | nindent 2 }}
  {{- end }}
  {{- with $root.Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- with $root.Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where the endpoints' certificate and token are. */}}
{{- define "pipewarden.httpVolumes" -}}
{{- with .Values.http.tlsSecret }}
- name: http-tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.http.tokenSecret }}
- name: http-token
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end }}

{{- define "pipewarden.httpVolumeMounts" -}}
{{- if .Values.http.tlsSecret }}
- {name: http-tls, mountPath: /etc/pipewarden/http-tls, readOnly: true}
{{- end }}
{{- if .Values.http.tokenSecret }}
- {name: http-token, mountPath: /etc/pipewarden/http-token, readOnly: true}
{{- end }}
{{- end }}

{{- define "pipewarden.httpScheme" -}}
{{- ternary "HTTPS" "HTTP" (ne .Values.http.tlsSecret "") -}}
{{- end }}

{{/* The ports of Kafka: as given, or those of the bootstrap servers. */}}
{{- define "pipewarden.kafkaPorts" -}}
{{- $ports := list -}}
{{- if .Values.networkPolicy.kafkaPorts -}}
{{- $ports = .Values.networkPolicy.kafkaPorts -}}
{{- else -}}
{{- $kafka := default dict .Values.config.kafka -}}
{{- range splitList "," (default "localhost:9092" $kafka.brokers) -}}
{{- $port := regexFind "[0-9]+$" (trim .) -}}
{{- $ports = append $ports (int (default "9092" $port)) -}}
{{- end -}}
{{- end -}}
{{- toYaml ($ports | uniq) -}}
{{- end }}

{{/* The endpoints of all pods of the service, by their stable names: as many as there always are. */}}
{{- define "pipewarden.statusUrls" -}}
{{- $root := . -}}
{{- $urls := list -}}
{{- range $component := include "pipewarden.components" . | fromYamlArray -}}
{{- $pods := index $root.Values $component -}}
{{- $number := ternary $pods.replicas $pods.autoscaling.minReplicas (eq $pods.autoscaling.kind "none") -}}
{{- range $ordinal := until (int $number) -}}
{{- $pod := printf "%s-%d" (include "pipewarden.componentName" (list $root $component)) $ordinal -}}
{{- $host := printf "%s.%s.%s.svc" $pod (include "pipewarden.fullname" $root) $root.Release.Namespace -}}
{{- $urls = append $urls (printf "%s://%s:9464" (include "pipewarden.httpScheme" $root | lower) $host) -}}
{{- end -}}
{{- end -}}
{{- toYaml $urls -}}
{{- end }}
