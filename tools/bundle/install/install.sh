#!/bin/bash
# Installs the agent from the bundle beside this file, where it is not installed yet, and starts it. Needs
# python3, no network, no pip, no apt. The settings come in the environment (docs/worker-protocol.md section
# 8); they are optional only for an image that is prepared in advance: then nothing is started.
# Exit codes: 4 a file is not what the list says, 5 another Python version.
set -eu
umask 022
folder=$(cd "$(dirname "$0")" && pwd)

# The agent's own user: no login, no home, no group but its own.
if ! id vmbackup-agent > /dev/null 2>&1; then
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \
        vmbackup-agent
fi

# -I -S: only the interpreter's own library.
VMBACKUP_FOLDER="$folder" python3 -I -S - <<'PYTHON'
import base64, hashlib, json, os, shutil, subprocess, sys, zipfile

FOLDER = os.environ["VMBACKUP_FOLDER"]
OPT, RUN = "/opt/vmbackup", "/run/vmbackup"
UNIT = "/etc/systemd/system/vmbackup-agent.service"
# The agent may write the data disks that are attached for it, not the disk that the machine runs from; the
# names are those that the rules of Azure's images have given by then.
RULES = "/etc/udev/rules.d/99-vmbackup-agent.rules"
RULE = (
    'SUBSYSTEM=="block", ENV{DEVTYPE}=="disk", '
    'SYMLINK=="disk/azure/scsi1/lun*|disk/azure/data/by-lun/*", GROUP="vmbackup-agent", MODE="0660"\n'
)
SETTINGS = {
    "workerId": "VMBACKUP_WORKER_ID",
    "launch": "VMBACKUP_LAUNCH",
    "launchKey": "VMBACKUP_LAUNCH_KEY",
    "jobsUrl": "VMBACKUP_JOBS_URL",
    "eventsUrl": "VMBACKUP_EVENTS_URL",
}


def end(code, text):
    print("vmbackup install: " + text, file=sys.stderr)
    sys.exit(code)


def on_disk(*paths):
    """Returns when all that the file systems of *paths* were given is on their disks."""
    subprocess.run(["sync", "-f", *paths], check=True)


def write(path, text, mode):
    """Writes a file at once and never with more rights than *mode*."""
    aside = path + ".new"
    if os.path.exists(aside):
        os.unlink(aside)
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(aside, path)


with open(os.path.join(FOLDER, "bundle.json"), "rb") as file:
    bundle = json.load(file)

here = "%d.%d" % sys.version_info[:2]
if here != bundle["python"]:
    end(5, "this machine has Python %s, the bundle is for %s" % (here, bundle["python"]))

place = os.path.join(OPT, bundle["id"])
installed = os.path.isdir(place)
for file in () if installed else bundle["files"]:
    path = os.path.join(FOLDER, file["name"])
    try:
        with open(path, "rb") as opened:
            data = opened.read()
    except FileNotFoundError:
        end(4, "%s: not there" % file["name"])
    md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    found = (len(data), md5, hashlib.sha256(data).hexdigest())
    if found != (file["sizeBytes"], file["md5"], file["sha256"]):
        end(4, "%s: not the file that the bundle lists" % file["name"])

if not installed:
    aside = os.path.join(OPT, ".%s.unfinished" % bundle["id"])
    shutil.rmtree(aside, ignore_errors=True)
    os.makedirs(os.path.join(aside, "site"))
    for file in bundle["files"]:
        path = os.path.join(FOLDER, file["name"])
        if file["name"].endswith((".whl", ".zip")):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(os.path.join(aside, "site"))
        else:
            shutil.copyfile(path, os.path.join(aside, file["name"]))
    # Last, and found by the next launch: with it, all of the bundle is here.
    shutil.copyfile(os.path.join(FOLDER, "bundle.json"), os.path.join(aside, "bundle.json"))
    on_disk(aside)  # else a machine that loses power may find the name, and empty files under it
    os.rename(aside, place)

for path in (UNIT, RULES):
    os.makedirs(os.path.dirname(path), exist_ok=True)
with open(os.path.join(place, "vmbackup-agent.service")) as file:
    unit = file.read().replace("@PYTHON@", sys.executable).replace("@ID@", bundle["id"])
write(UNIT, unit, 0o644)
write(RULES, RULE, 0o644)
given = {field: os.environ[name] for field, name in SETTINGS.items() if os.environ.get(name)}
if given:
    missing = sorted(set(SETTINGS) - set(given))
    if missing:
        end(1, "no %s in the environment" % ", ".join(SETTINGS[field] for field in missing))
    settings = json.dumps({**given, "bundleId": bundle["id"]}, indent=1)
    os.makedirs(RUN, mode=0o700, exist_ok=True)
    write(os.path.join(RUN, "agent.json"), settings, 0o600)  # memory: gone when the machine stops
on_disk(OPT, os.path.dirname(UNIT), os.path.dirname(RULES))  # the renames themselves, before systemd relies on them
PYTHON

systemctl daemon-reload
if [ -S /run/udev/control ]; then
    udevadm control --reload
fi
if [ -n "${VMBACKUP_WORKER_ID:-}" ]; then
    # Not enabled: every start of the machine is followed by a launch, which brings its settings. Restart:
    # it may run with the settings of the launch before.
    systemctl restart vmbackup-agent.service
fi
