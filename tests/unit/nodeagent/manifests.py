"""A pod as the API server has one of the chart's Deployment."""

from __future__ import annotations

from typing import Any


def manifest(**container: Any) -> dict[str, Any]:
    """Return a pod that is bound to a node; *container* is put over its container."""
    asked = {"httpGet": {"path": "/livez", "port": "health", "scheme": "HTTP"}}
    often = {"periodSeconds": 5, "timeoutSeconds": 5, "successThreshold": 1, "failureThreshold": 3}
    return {
        "metadata": {
            "namespace": "backups",
            "name": "operator-0",
            "uid": "5f6c",
            "labels": {"app": "vmbackup"},
        },
        "spec": {
            "nodeName": "node-1",
            "serviceAccountName": "operator",
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 60,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532},
            "containers": [
                {
                    "name": "operator",
                    "image": "registry.example.com/vmbackup:1",
                    "args": ["--instance=$(POD_NAME)"],
                    "env": [
                        {
                            "name": "POD_NAME",
                            "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
                        }
                    ],
                    "ports": [{"name": "health", "containerPort": 8080, "protocol": "TCP"}],
                    "startupProbe": {**asked, **often},
                    "livenessProbe": {**asked, **often},
                    "readinessProbe": {**asked, **often},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                    "volumeMounts": [{"name": "settings", "mountPath": "/etc/vmbackup"}],
                    **container,
                }
            ],
            "volumes": [
                {"name": "settings", "configMap": {"name": "settings", "defaultMode": 420}},
                {"name": "temporary", "emptyDir": {"sizeLimit": "64Mi"}},
                {
                    "name": "token",
                    "projected": {
                        "defaultMode": 420,
                        "sources": [
                            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}
                        ],
                    },
                },
            ],
        },
    }
