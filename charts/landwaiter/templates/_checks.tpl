{{/*
Refuse values that do not go together, which no schema can say in words that help.
*/}}
{{- define "landwaiter.check" -}}
{{- $tls := .Values.tls -}}
{{- if eq $tls.mode "secret" -}}
{{- if not $tls.secretName }}{{ fail "tls.secretName: wanted with tls.mode secret" }}{{ end -}}
{{- else if or $tls.secretName $tls.ca -}}
{{- fail (printf "tls.secretName, tls.ca: given, but tls.mode is %s and not secret" $tls.mode) -}}
{{- end -}}
{{- $client := .Values.clientAuth -}}
{{- if and $client.ca $client.existingConfigMap -}}
{{- fail "clientAuth.ca, clientAuth.existingConfigMap: both given, one wanted" -}}
{{- end -}}
{{- if ne (empty $client.name) (empty (or $client.ca $client.existingConfigMap)) -}}
{{- fail "clientAuth.name and clientAuth.ca (or existingConfigMap) go together: the authority vouches for callers, the name says which of them is the API server" -}}
{{- end -}}
{{- if and .Values.credentialProviders.providers (not .Values.credentialProviders.folder) -}}
{{- fail "credentialProviders.folder: wanted, the folder of the plugins" -}}
{{- end -}}
{{- if and .Values.registryFilesSecret (not .Values.registries) -}}
{{- fail "registryFilesSecret: given, but there are no registries that could name its files" -}}
{{- end -}}
{{- if and .Values.registryCredentials.helperEnvironment (not .Values.registryCredentials.existingSecret) -}}
{{- fail "registryCredentials.helperEnvironment: given, but existingSecret, which could name helpers, is not" -}}
{{- end -}}
{{- if and .Values.verifiedImages.enabled (not $client.name) -}}
{{- fail "verifiedImages.enabled: wants clientAuth.name, or anybody could have objects written" -}}
{{- end -}}
{{- $least := add .Values.drain.timeoutSeconds 45 -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (int $least) -}}
{{- fail (printf "terminationGracePeriodSeconds: %d given, at least %d wanted: drain.timeoutSeconds, and 45 for the last answers" (int .Values.terminationGracePeriodSeconds) (int $least)) -}}
{{- end -}}
{{- if lt (int .Values.drain.timeoutSeconds) (int .Values.drain.seconds) -}}
{{- fail "drain.timeoutSeconds: less than drain.seconds given, at least as much wanted" -}}
{{- end -}}
{{- if eq (int .Values.ports.webhook) (int .Values.ports.metrics) -}}
{{- fail "ports.webhook, ports.metrics: the same port given, two wanted" -}}
{{- end -}}
{{- if not (or .Values.existingPolicies .Values.policies) -}}
{{- if not .Values.clusterPolicies.enabled }}{{ fail "policies: none given, at least one wanted, or existingPolicies, or clusterPolicies.enabled" }}{{ end -}}
{{- if .Values.policyFiles }}{{ fail "policyFiles: given, but there are no policies that could name them" }}{{ end -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (lt (int .Values.autoscaling.maxReplicas) (int .Values.autoscaling.minReplicas)) -}}
{{- fail "autoscaling.maxReplicas: less than autoscaling.minReplicas given" -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.name: wanted where none is made" -}}
{{- end -}}
{{- if and .Values.access.namespaces (not (or .Values.access.secrets .Values.access.configMaps)) -}}
{{- fail "access.namespaces: given, but access.secrets and access.configMaps are false" -}}
{{- end -}}
{{- if and .Values.guard.enabled (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "guard.enabled: wants Kubernetes 1.30 or newer, this is %s" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end -}}
