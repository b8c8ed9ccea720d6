"""How test files are grouped for parallel processes."""

from pathlib import PurePath

# Files that start Ray share one process, so that only one Ray is active at a time.
STARTS_RAY = {
    "test_bad_node.py",
    "test_cli.py",
    "test_clock_back.py",
    "test_cluster.py",
    "test_damaged_study.py",
    "test_deploy.py",
    "test_disturbed.py",
    "test_faults.py",
    "test_format_resume.py",
    "test_kill.py",
    "test_lanes.py",
    "test_lanes_killed.py",
    "test_launch.py",
    "test_layout.py",
    "test_object_store_study.py",
    "test_objectives_study.py",
    "test_out_of_memory.py",
    "test_phases_run.py",
    "test_plugins.py",
    "test_reach.py",
    "test_read_only.py",
    "test_samplers_launch.py",
    "test_sharing.py",
    "test_submit.py",
    "test_time_limits.py",
    "test_train_as_a_trial.py",
}


def group(file: str) -> str:
    """Return the group of a file: "ray" if it starts Ray, else the file, so that its fixtures are built once."""
    return "ray" if PurePath(file).name in STARTS_RAY else file
