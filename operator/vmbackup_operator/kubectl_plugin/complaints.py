"""What is said of an error, in one line: its reason, what is wrong with what, and what to do."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError, TransientError, VmbackupError

GOOD = 0
#: What was watched, or asked about, is not good; the command itself did what it had to.
NOT_GOOD = 1
COULD_NOT = 2

#: What to do about each reason, as docs/kubectl.md has it.
ADVICE = {
    "AmbiguousName": "write bses/NAME or rses/NAME",
    "AmbiguousVirtualMachine": "write it as GROUP/NAME, or by its ARM id",
    "BundleNotWritten": "name another file with --output-file",
    "ClusterUnavailable": "look at the kubeconfig, the network and your sign-in, and try again",
    "InternalError": "a fault of vmbackup's: tell us, with what VMBACKUP_TRACEBACK=1 prints",
    "KubeconfigUnreadable": "mend the file, or name another one with --kubeconfig",
    "Misunderstood": "--help shows what there is",
    "NoKubeconfig": "set KUBECONFIG, or name a file with --kubeconfig",
    "NoRecoveryPoint": "kubectl vmbackup points shows those that there are",
    "NoSuchContext": "name one of these with --context",
    "NotAuthorized": "ask for a binding to vmbackup-view, vmbackup-operate or vmbackup-restore",
    "NotLookedAt": "try again once kubectl get bpol shows something as READY",
    "NotPausing": "kubectl vmbackup watch shows what it is doing",
    "ObjectNotFound": "look at its name, and at the namespace (-n)",
    "OutputLost": "what was to be printed is not there: run it again with another place for it",
    "PolicySuspended": "set spec.suspend to false first",
    "RefusedByCluster": "correct what it names",
    "RegionUnknown": "say it with --region",
    "SessionEnded": "kubectl vmbackup run POLICY --vm VM asks for another backup",
    "UnknownVirtualMachine": "kubectl vmbackup policy plan POLICY shows those of the policy",
    "UnreadableObject": "the CRDs and this plugin may be of different versions: use those of one",
    "WrongSettings": "look at the kubeconfig",
}


def reason_of(error: VmbackupError) -> str:
    """Return the word under which docs/kubectl.md has *error*."""
    match error:
        case PermanentError(reason=reason):
            return reason
        case TransientError():
            return "ClusterUnavailable"
        case _:
            return "InternalError"


def complaint_of(error: VmbackupError) -> str:
    """Return the line that says *error*, and what to do."""
    reason = reason_of(error)
    advice = ADVICE.get(reason)
    return f"{reason}: {error}" + (f"; {advice}" if advice else "")
