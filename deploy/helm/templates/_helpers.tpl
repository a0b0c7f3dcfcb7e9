{{- define "veilcast.name" -}}
{{- default .Release.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "veilcast.selector" -}}
app.kubernetes.io/name: veilcast
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "veilcast.labels" -}}
{{ include "veilcast.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "veilcast.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{- define "veilcast.blobs" -}}
s3://{{ .Values.s3.bucket }}{{ with .Values.s3.prefix }}/{{ . }}{{ end }}
{{- end -}}

{{- define "veilcast.podSecurity" -}}
# The restricted profile of the Pod Security Standards. RuntimeDefault lets processes confine themselves further, with
# seccomp and Landlock (containerd 1.7, CRI-O 1.24 and later), as those that decode files do.
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "veilcast.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end -}}

{{- define "veilcast.environment" -}}
- { name: VEILCAST_DATABASE_FILE, value: /run/secrets/veilcast/database }
- { name: VEILCAST_BROKER_FILE, value: /run/secrets/veilcast/broker }
- { name: AWS_ACCESS_KEY_ID_FILE, value: /run/secrets/veilcast/s3_access_key }
- { name: AWS_SECRET_ACCESS_KEY_FILE, value: /run/secrets/veilcast/s3_secret_key }
- { name: AWS_REGION, value: {{ .Values.s3.region | quote }} }
{{- with .Values.s3.endpoint }}
- { name: AWS_ENDPOINT_URL, value: {{ . | quote }} }
{{- end }}
{{- end -}}

{{- define "veilcast.volumes" -}}
- name: settings
  configMap: { name: {{ include "veilcast.name" .root }}-settings }
- name: secrets
  secret:
    secretName: {{ .root.Values.secretName }}
    defaultMode: 0440
    items:
    {{- range .keys }}
      - { key: {{ . }}, path: {{ . }} }
    {{- end }}
- name: data
  emptyDir: { sizeLimit: {{ .scratch }} }
- name: tmp
  emptyDir: { sizeLimit: 256Mi }
{{- end -}}

{{- define "veilcast.mounts" -}}
- { name: settings, mountPath: /etc/veilcast, readOnly: true }
- { name: secrets, mountPath: /run/secrets/veilcast, readOnly: true }
- { name: data, mountPath: /data }
- { name: tmp, mountPath: /tmp }
{{- end -}}

{{- define "veilcast.settings" -}}
{{- $own := dict "picture_workers" .Values.gateway.pictureWorkers "max_connections" .Values.gateway.maxConnections "max_connections_per_address" .Values.gateway.maxConnections -}}
{{- mergeOverwrite (dict "service" $own) (deepCopy .Values.settings) | toYaml -}}
{{- end -}}

{{- define "veilcast.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "veilcast.selector" . | nindent 8 }}
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "veilcast.selector" . | nindent 8 }}
{{- end -}}

{{- define "veilcast.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Egress to what every part needs, and nothing else. */}}
{{- define "veilcast.backends" -}}
- to: {{- toYaml .Values.networkPolicy.dns.to | nindent 4 }}
  ports: [{ protocol: UDP, port: 53 }, { protocol: TCP, port: 53 }]
- to: {{- toYaml .Values.networkPolicy.database.to | nindent 4 }}
  ports: [{ protocol: TCP, port: {{ .Values.networkPolicy.database.port }} }]
- to: {{- toYaml .Values.networkPolicy.broker.to | nindent 4 }}
  ports: [{ protocol: TCP, port: {{ .Values.networkPolicy.broker.port }} }]
- to: {{- toYaml .Values.networkPolicy.s3.to | nindent 4 }}
  ports: [{ protocol: TCP, port: {{ .Values.networkPolicy.s3.port }} }]
{{- end -}}
