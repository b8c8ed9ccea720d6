"""Reads the runs of a W&B project through W&B's own client."""

import sys
from collections.abc import Callable
from typing import Any

from ganstudy import UserError

_PAGE = 200  # runs of one request
_TIMEOUT_S = 30  # of one request


def project_runs(project: str, say: Callable[[str], None] = lambda line: None) -> list[Any]:
    """Return the runs of a project, "entity/project", oldest first, as `wandb.apis.public.Run`.

    The server and the API key are those that W&B is configured for. Raises UserError if there is no key, or if the server does not answer or has
    no such project.
    """
    leave = sys.exit
    import requests  # here and below, since wandb takes a second
    import wandb

    try:
        runs = wandb.Api(timeout=_TIMEOUT_S).runs(project, per_page=_PAGE, lazy=False)  # lazy runs have no configs
        say(f"reading {len(runs)} runs of {project}")
        return list(runs)
    except (wandb.errors.Error, ValueError, requests.RequestException) as error:
        raise UserError(
            f"{project} must be a W&B project that you can read, as entity/project; {error}. `wandb login` stores a key"
        ) from error
    finally:
        sys.exit = leave  # the client has put a function of its own there
