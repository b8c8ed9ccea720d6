#!/usr/bin/env bash
# A study on SLURM: sbatch --nodes=4 --gpus-per-node=1 --cpus-per-task=16 deploy/slurm.sh my.yaml /shared/runs/my
# The study folder must be on a file system of all nodes. Submitted again, it resumes the study. One Ray node runs on each SLURM node.
#SBATCH --job-name=ganstudy
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --signal=B:TERM@120
set -euo pipefail
study=${1:?usage: sbatch deploy/slurm.sh STUDY.yaml FOLDER}
folder=${2:?usage: sbatch deploy/slurm.sh STUDY.yaml FOLDER}

export RAY_AUTH_MODE=token RAY_AUTH_TOKEN  # other users of these nodes must not run code here
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | base64 | tr -d '+/=')
export RAY_USAGE_STATS_ENABLED=0

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
address="${nodes[0]}:${PORT:-6379}"
# SLURM ends the steps with the job; elsewhere they end with this script
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
for node in "${nodes[@]}"; do
    if [ "$node" = "${nodes[0]}" ]; then
        start=(--head --port="${address##*:}" --include-dashboard=false)
    else
        start=(--address="$address")
    fi
    srun --nodes=1 --ntasks=1 --overlap --nodelist="$node" ray start "${start[@]}" --num-cpus="${SLURM_CPUS_PER_TASK:-1}" --block &
done
# every node must have joined, since a trial's share of the cluster is computed at the start
for ((waited = 0; ; waited += 2)); do
    alive=$(python -c 'import ray, sys
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
print(sum(node["Alive"] for node in ray.nodes()))' "$address" 2>/dev/null || echo 0)
    [ "$alive" -ge "${#nodes[@]}" ] && break
    [ "$waited" -ge 300 ] && { echo "only $alive of ${#nodes[@]} Ray nodes started in 5 minutes" >&2; exit 1; }
    sleep 2
done
driver= asked=
trap 'asked=1; [ -z "$driver" ] || kill -TERM $driver' TERM  # two minutes before the time limit: stop cleanly; submit again to resume
ganstudy launch "$study" --address "$address" --folder "$folder" &
driver=$!
[ -z "$asked" ] || kill -TERM $driver  # the signal came before the driver was known
code=0
wait $driver || code=$?
while kill -0 $driver 2>/dev/null; do  # the signal has ended the wait, not the driver
    code=0
    wait $driver || code=$?
done
exit $code
