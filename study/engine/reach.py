"""Checks in a limited time that a Ray cluster can be reached.

`ray.init` tries for many minutes and cannot be interrupted in between, so a process of its own tries it first: `python -m study.engine.reach ADDRESS`.
"""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

from ganstudy import UserError

LIMIT_S = 30  # how long connecting may take
_FORMS = r"auto|\w+://\S+|\S+:\d+"  # the forms of an address that name a running cluster


def refuse_malformed(address: str) -> None:
    """Raise UserError unless the address has a form that names a Ray cluster."""
    if not re.fullmatch(_FORMS, address):
        raise UserError(
            f"--address must be auto, HOST:PORT or ray://HOST:PORT; given {address!r}. Leave it out to start Ray on this machine"
        )


def refuse_unreachable(address: str) -> None:
    """Raise UserError unless this machine can connect to the cluster within LIMIT_S seconds. `auto`: the cluster of RAY_ADDRESS, or one of this machine."""
    variable = os.environ.get("RAY_ADDRESS")
    place = f"{variable} (from RAY_ADDRESS)" if address == "auto" and variable else f"{address} (from --address)"
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, address],
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"no answer within {LIMIT_S} s"
    else:
        if not done.returncode:
            return
        reason = done.stdout.strip() or (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    if "AuthenticationError" in reason:
        mode = os.environ.get("RAY_AUTH_MODE", "not set")
        advice = (
            f"Set RAY_AUTH_MODE=token (now: {mode}), and make the cluster's token available here: in ~/.ray/auth_token, or in the variable RAY_AUTH_TOKEN. "
            "Ray asks for a token as soon as ~/.ray/auth_token exists where the cluster is started"
        )
    else:
        advice = "Check with `ray status --address HOST:PORT` that the cluster runs and that no firewall is in between, or leave out --address to start Ray on this machine"
    raise UserError(
        f"the address of a Ray cluster must be one that can be reached; cannot connect to {place}: {reason.rstrip('.')}. {advice}"
    )


def main() -> None:
    """Connect to the address in argv. Prints why that failed, in one line, and exits with 1."""
    import ray  # here, since the driver needs only the functions above

    try:
        ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # its type depends on the form of the address and on the stage; the first one in the chain says most
        first: BaseException = error
        while before := first.__cause__ or first.__context__:
            first = before
        said = str(first).strip() or type(first).__name__
        sys.stdout.write(said.splitlines()[-1] if "Traceback" in said else " ".join(said.split()))
        sys.exit(1)


if __name__ == "__main__":
    main()
