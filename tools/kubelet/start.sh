# What a node does in its own namespaces: mounts, network, processes. See node.py.
#   start.sh FOLDER PROGRAMS KUBELET NAME
# FOLDER has containerd.toml, kubelet.yaml, kubeconfig and images; what is made lies in FOLDER/made.
set -eu
folder=$1 programs=$2 kubelet=$3 name=$4

# What containerd and the kubelet make in the machine's folders is seen by nobody else, and goes.
mount -t tmpfs none /run
mount -t tmpfs none /var/lib
mount -t tmpfs none /var/log
mount -t tmpfs none "$folder/made" # layers lie upon each other on a file system of their own

export PATH="$programs/usr/bin:$programs/usr/sbin:$PATH"
for libraries in "$programs"/usr/lib/*-linux-gnu; do
  export LD_LIBRARY_PATH="$libraries"
done
containerd --config "$folder/containerd.toml" >"$folder/containerd.log" 2>&1 &
until ctr version >"$folder/ctr.log" 2>&1; do
  kill -0 $! # containerd has ended
  sleep 0.1
done
for image in "$folder"/images/*.tar; do
  ctr --namespace k8s.io images import "$image"
done
# Beside containerd, so that this shell, which all others end with, takes in who has lost its parent.
# The kubelet keeps its own folder, /var/lib/kubelet: the names of sockets in there have 108 bytes.
"$kubelet" --config "$folder/kubelet.yaml" --kubeconfig "$folder/kubeconfig" \
  --hostname-override "$name" --node-ip 10.0.0.1 \
  --cert-dir "$folder/made/certificates" >"$folder/kubelet.log" 2>&1 &
wait $!
