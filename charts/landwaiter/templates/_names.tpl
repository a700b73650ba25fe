{{/* Name of everything that is installed; 40 characters leave room for what is put behind it. */}}
{{- define "landwaiter.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "landwaiter" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-landwaiter" (.Release.Name | trunc 29 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* Labels by which Pods are found; a Deployment's can never be changed. */}}
{{- define "landwaiter.selector" -}}
app.kubernetes.io/name: landwaiter
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of everything; nobody's own can take the place of one by which things are found. */}}
{{- define "landwaiter.labels" -}}
{{- $more := dict "app.kubernetes.io/version" .Chart.AppVersion "app.kubernetes.io/managed-by" .Release.Service "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- merge (include "landwaiter.selector" . | fromYaml) $more .Values.commonLabels | toYaml -}}
{{- end -}}

{{/* Labels of the Pods, which do not change with the version of the chart: that would restart them. */}}
{{- define "landwaiter.podLabels" -}}
{{- merge (include "landwaiter.selector" . | fromYaml) .Values.podLabels .Values.commonLabels | toYaml -}}
{{- end -}}

{{/* `metadata` of an object of the namespace. Given: a list of the root and what follows the name. */}}
{{- define "landwaiter.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "landwaiter.name" $root }}{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "landwaiter.labels" $root | nindent 2 }}
{{- end -}}

{{/* The same of an object of the cluster. */}}
{{- define "landwaiter.clusterMetadata" -}}
{{- $root := index . 0 -}}
name: {{ include "landwaiter.name" $root }}{{ index . 1 }}
labels:
  {{- include "landwaiter.labels" $root | nindent 2 }}
{{- end -}}

{{- define "landwaiter.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "landwaiter.name" .) -}}
{{- end -}}

{{- define "landwaiter.image" -}}
{{- $image := .Values.image -}}
{{- with $image.registry }}{{ . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest -}}
{{- with $image.tag }}:{{ . }}{{ end }}@{{ $image.digest -}}
{{- else -}}
:{{ $image.tag | default .Chart.AppVersion -}}
{{- end -}}
{{- end -}}

{{/* ConfigMap of the policies, empty where there are none in files. */}}
{{- define "landwaiter.policies" -}}
{{- if .Values.existingPolicies -}}
{{- .Values.existingPolicies -}}
{{- else if .Values.policies -}}
{{- include "landwaiter.name" . }}-policies
{{- end -}}
{{- end -}}

{{/* ConfigMap of the authority behind the API server's client certificate. */}}
{{- define "landwaiter.clientCA" -}}
{{- .Values.clientAuth.existingConfigMap | default (printf "%s-client-ca" (include "landwaiter.name" .)) -}}
{{- end -}}

{{/* Secret with the serving certificate. */}}
{{- define "landwaiter.certificate" -}}
{{- if eq .Values.tls.mode "secret" -}}
{{- .Values.tls.secretName -}}
{{- else -}}
{{- include "landwaiter.name" . }}-tls
{{- end -}}
{{- end -}}

{{- define "landwaiter.verifiedImages" -}}
{{- include "landwaiter.name" . }}-verified-images
{{- end -}}

{{/* Namespaces that are not judged, as a JSON list. */}}
{{- define "landwaiter.leftOut" -}}
{{- concat (list "kube-system" .Release.Namespace) .Values.webhook.excludeNamespaces | uniq | sortAlpha | toJson -}}
{{- end -}}
