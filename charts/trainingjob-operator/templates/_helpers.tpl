{{/* The chart's name, as the app.kubernetes.io/name label has it. */}}
{{- define "trainingjob.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of every object of the release. 52 characters leave room for the suffixes of role names. */}}
{{- define "trainingjob.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "trainingjob.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else if hasPrefix (printf "%s-" .Release.Name) (include "trainingjob.name" .) }}
{{- include "trainingjob.name" . | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "trainingjob.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What selects the operator's pod; never changes in an upgrade. */}}
{{- define "trainingjob.selectorLabels" -}}
app.kubernetes.io/name: {{ include "trainingjob.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "trainingjob.labels" -}}
{{- with .Values.commonLabels }}
{{- toYaml . }}
{{ end }}
{{- include "trainingjob.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "trainingjob.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "trainingjob.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is required when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* A digest names the very bytes, so it wins over a tag. */}}
{{- define "trainingjob.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Two operators without an election would both work. */}}
{{- define "trainingjob.replicas" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection.enabled) }}
{{- fail "replicas above 1 need leaderElection.enabled" }}
{{- end }}
{{- .Values.replicas }}
{{- end }}

{{/* The namespaces that the operator serves, as a JSON list; empty: all. */}}
{{- define "trainingjob.namespaces" -}}
{{- if eq .Values.rbac.scope "cluster" }}
{{- list | toJson }}
{{- else }}
{{- default (list .Release.Namespace) .Values.rbac.namespaces | sortAlpha | uniq | toJson }}
{{- end }}
{{- end }}

{{/* All that the operator may do. It reads no Secrets and writes nothing that it did not make itself. */}}
{{- define "trainingjob.rules" -}}
- apiGroups: [trainingjob.dev]
  resources: [trainingjobs]
  verbs: [get, list, watch, delete]
- apiGroups: [trainingjob.dev]
  resources: [trainingjobs/status]
  verbs: [get, update, patch]
# Not for finalizers: clusters that check owner references ask for it before a child may block its owner's deletion.
- apiGroups: [trainingjob.dev]
  resources: [trainingjobs/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [services, configmaps]
  verbs: [get, list, watch, create]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}
