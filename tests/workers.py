"""The processes of a study whose trials share workers, by the names that Ray gives them."""

import psutil

WORKER, DISPATCHER = "ray::Worker", "ray::Dispatcher"
LANE = "ray::ResourceTrainable"  # tune.with_resources names it so


def running(*names: str) -> list[psutil.Process]:
    """Return the processes below this one whose names begin so."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.name().startswith(names) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found
