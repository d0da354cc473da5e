#!/bin/bash
# Fetches the agent's bundle, proves every file and installs it; where it is installed, only starts it
# anew. What it needs comes in the environment (docs/worker-protocol.md section 8). Exit codes: 3 download
# failed, 4 wrong file, 5 other Python.
set -eu
umask 077

# Of an earlier launch, under root's own hand: what was proved then is what is there.
id=${VMBACKUP_BUNDLE_URL%%\?*}
installed=/opt/vmbackup/$(basename "$id")
if echo "$VMBACKUP_BUNDLE_SHA256  $installed/bundle.json" | sha256sum --check --status 2> /dev/null; then
    exec bash "$installed/install.sh" "$installed"
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# -I -S: only the interpreter's own library.
VMBACKUP_FOLDER="$folder" python3 -I -S - <<'PYTHON'
import base64, hashlib, http.client, json, os, ssl, sys, time, urllib.error, urllib.request

FOLDER = os.environ["VMBACKUP_FOLDER"]
BASE, _, SAS = os.environ["VMBACKUP_BUNDLE_URL"].partition("?")
ATTEMPTS = 8  # about two minutes: a private endpoint's record may be seconds old
TRUST = ssl.create_default_context()
if "SSL_CERT_FILE" not in os.environ and os.path.exists("/etc/ssl/certs/ca-certificates.crt"):
    TRUST.load_verify_locations("/etc/ssl/certs/ca-certificates.crt")  # the machine's own store
OPENER = urllib.request.build_opener(urllib.request.HTTPSHandler(context=TRUST))


def end(code, text):
    print("vmbackup launch: " + text, file=sys.stderr)
    sys.exit(code)


def download(name):
    url = BASE.rstrip("/") + "/" + name + ("?" + SAS if SAS else "")
    seen = ""
    for attempt in range(ATTEMPTS):
        try:
            with OPENER.open(url, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            seen = "HTTP %d" % error.code
            if error.code in (400, 401, 404, 416):
                break
        except (OSError, http.client.HTTPException) as error:  # no name, no way, a cut connection
            cause = getattr(error, "reason", error)
            seen = type(cause).__name__  # its text could hold the URL
            if isinstance(cause, ssl.SSLCertVerificationError):
                break
        if attempt < ATTEMPTS - 1:
            time.sleep(min(30, 2**attempt))
    end(3, "%s: download failed: %s" % (name, seen))


listed = download("bundle.json")
if hashlib.sha256(listed).hexdigest() != os.environ["VMBACKUP_BUNDLE_SHA256"]:
    end(4, "bundle.json: not the list that was announced")
for file in json.loads(listed)["files"]:
    name = file["name"]
    if "/" in name or name.startswith("."):
        end(4, "%r: not a file name" % name)
    data = download(name)
    if len(data) != file["sizeBytes"]:
        end(4, "%s: %d bytes, listed are %d" % (name, len(data), file["sizeBytes"]))
    if base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode() != file["md5"]:
        end(4, "%s: MD5 differs" % name)
    if hashlib.sha256(data).hexdigest() != file["sha256"]:
        end(4, "%s: SHA-256 differs" % name)
    with open(os.path.join(FOLDER, name), "xb") as out:
        out.write(data)
with open(os.path.join(FOLDER, "bundle.json"), "xb") as out:
    out.write(listed)
PYTHON

bash "$folder/install.sh" "$folder"
