-- Argo CD's health of a RestoreSession: a failed one is degraded, one that somebody cancelled is not.
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
for _, condition in ipairs(status.conditions) do
  -- A rewind waits for the word of a person before it swaps disks.
  if condition.type == "SwapConfirmed" and condition.status ~= "True" then
    return {status = "Suspended", message = condition.message}
  end
end
return {status = "Progressing", message = status.phase or "under way"}
