-- Argo CD's health of a RecoveryPoint: it is written once its backup counts.
return {status = "Healthy", message = obj.spec.kind}
