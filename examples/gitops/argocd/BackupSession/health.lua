-- Argo CD's health of a BackupSession: a failed one is degraded, one that somebody cancelled or that was skipped is not.
local status = obj.status
if status == nil or status.conditions == nil then
  return {status = "Progressing", message = "the operator has not looked at it yet"}
end
if status.outcome == "Failed" then
  return {status = "Degraded", message = status.message}
end
if status.outcome ~= nil then
  return {status = "Healthy", message = status.message or status.outcome}
end
return {status = "Progressing", message = status.phase or "under way"}
