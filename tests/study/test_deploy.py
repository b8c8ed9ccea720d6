"""The files of deploy/: against Ray's own schema, against the fields of KubeRay's API, and the SLURM script on a real Ray of two nodes."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from recorded import wait_until
from ruamel.yaml import YAML
from toy import TOY

from study.spec.study_spec import StudySpec
from study.store.store import Store

DEPLOY = Path(__file__).parents[2] / "deploy"

# The fields that deploy/kuberay.yaml may have: those of KubeRay 1.2's RayJob and RayCluster (ray-operator/apis/ray/v1/*_types.go), and of a pod.
RAY_JOB = {
    "activeDeadlineSeconds", "backoffLimit", "rayClusterSpec", "submitterPodTemplate", "metadata", "clusterSelector", "submitterConfig", "entrypoint",
    "runtimeEnvYAML", "jobId", "submissionMode", "entrypointResources", "entrypointNumCpus", "entrypointNumGpus", "ttlSecondsAfterFinished",
    "shutdownAfterJobFinishes", "suspend",
}  # fmt: skip
RAY_CLUSTER = {
    "suspend",
    "autoscalerOptions",
    "headServiceAnnotations",
    "enableInTreeAutoscaling",
    "headGroupSpec",
    "rayVersion",
    "workerGroupSpecs",
}
HEAD = {"template", "headService", "enableIngress", "rayStartParams", "serviceType"}
WORKERS = {
    "groupName",
    "replicas",
    "minReplicas",
    "maxReplicas",
    "idleTimeoutSeconds",
    "rayStartParams",
    "template",
    "scaleStrategy",
    "numOfHosts",
}
POD = {"securityContext", "containers", "volumes", "nodeSelector", "tolerations"}
CONTAINER = {"name", "image", "resources", "volumeMounts", "env"}


def documents(name: str) -> list[dict[str, Any]]:
    return list(YAML(typ="safe").load_all(DEPLOY / name))


def test_the_ray_up_file_fits_rays_schema() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    (config,) = documents("ray_up.yaml")
    validate_config(prepare_config(config))
    config["docker"]["imagee"] = "typo"
    with pytest.raises(Exception, match="imagee"):
        validate_config(prepare_config(config))


def test_the_rayjob_has_only_fields_of_kuberay_and_a_study_that_can_be_read(tmp_path: Path) -> None:
    config_map, job = documents("kuberay.yaml")
    (tmp_path / "study.yaml").write_text(config_map["data"]["study.yaml"])
    spec = StudySpec.load(tmp_path / "study.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["spec"].keys() <= RAY_JOB
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster.keys() <= RAY_CLUSTER
    assert cluster["headGroupSpec"].keys() <= HEAD
    assert {"groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"} <= cluster["workerGroupSpecs"][0].keys() <= WORKERS
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        assert pod.keys() <= POD
        (container,) = pod["containers"]
        assert container.keys() <= CONTAINER
        assert {mount["name"] for mount in container["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}
    entrypoint = job["spec"]["entrypoint"].split()
    head_mounts = {mount["mountPath"]: mount["name"] for mount in groups[0]["template"]["spec"]["containers"][0]["volumeMounts"]}
    assert entrypoint[2] == "/study/study.yaml"
    assert "/study" in head_mounts
    assert entrypoint[-1] == f"/runs/{spec.name}"
    assert f'rayVersion: "{_pinned("ray")}"' in (DEPLOY / "kuberay.yaml").read_text()


def _pinned(package: str) -> str:
    lines = (DEPLOY.parent / "constraints.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{package}=="))


@pytest.mark.slow
def test_the_slurm_script_starts_a_node_on_each_host_and_runs_the_study(tmp_path: Path) -> None:
    """srun and scontrol are stand-ins that run everything on this machine, which has two names."""
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "scontrol").write_text("#!/bin/sh\necho 127.0.0.1\necho localhost\n")
    (commands / "srun").write_text('#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"\n')
    for command in commands.iterdir():
        command.chmod(0o755)
    with (tmp_path / "toy.yaml").open("w") as file:
        YAML(typ="safe").dump(TOY, file)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "PATH": os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(DEPLOY.parent),
        "SLURM_JOB_NODELIST": "two",
        "SLURM_CPUS_PER_TASK": "1",
        "PORT": str(port),
    }
    done = subprocess.run(
        ["bash", DEPLOY / "slurm.sh", "toy.yaml", "study"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4/4" in done.stdout
    assert {record.closed.ended.value for record in Store(tmp_path / "study").trials.values() if record.closed} == {"budget"}


DRIVER = """#!/bin/bash
trap 'echo asked >> driver.txt; asked=1' TERM
echo started >> driver.txt
until [ "$asked" ]; do sleep 0.1; done
sleep 1
echo ended >> driver.txt
"""


def test_the_slurm_script_lets_the_driver_stop_cleanly(tmp_path: Path) -> None:
    """SLURM sends TERM to the script before the time limit; a second one would cut off the ticks in progress. All commands are stand-ins."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, script in {
        "scontrol": "#!/bin/sh\necho localhost\n",
        "srun": "#!/bin/sh\nexec sleep 100\n",
        "python": "#!/bin/sh\necho 1\n",
        "ganstudy": DRIVER,
    }.items():
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    environment = os.environ | {"PATH": os.pathsep.join([str(commands), os.environ["PATH"]]), "SLURM_JOB_NODELIST": "one"}
    job = subprocess.Popen(["bash", DEPLOY / "slurm.sh", "toy.yaml", "study"], cwd=tmp_path, env=environment)
    wait_until((tmp_path / "driver.txt").exists)
    job.terminate()
    assert job.wait(60) == 0
    assert (tmp_path / "driver.txt").read_text().split() == ["started", "asked", "ended"]
