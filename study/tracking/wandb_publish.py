"""Writes the workspace view and the report of a study as files and sends them to W&B: `python -m study.tracking.wandb_publish FOLDER ORDER`.

A process of its own does it, since wandb-workspaces waits for a server without a limit. Each page is made once: it is looked up before it is sent, so
that a process that was killed in between, or a folder that was copied, does not double it.
"""

import json
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psutil

from ganstudy.files import write_whole
from study.spec.tracking import WandbConfig
from study.store.layout import Layout
from study.tracking.killing import kill
from study.tracking.tracker import log

if TYPE_CHECKING:
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

HINT = (
    "W&B's workspace and report of the study are left out, since wandb-workspaces is not installed; pip install 'ganstudy[wandb]' adds them"
)


def installed() -> bool:
    """Whether the package is installed that describes workspaces and reports."""
    return find_spec("wandb_workspaces") is not None


def addresses(layout: Layout) -> dict[str, str]:
    """Return the addresses of the pages that are in W&B: {"workspace": ..., "report": ...}."""
    sent = _sent(layout)
    return {name: sent[name]["url"] for name in ("workspace", "report") if name in sent}


def are_sent(layout: Layout, config: WandbConfig) -> bool:
    """Whether the pages of the newest results are in W&B, or there are none to send."""
    found, sent = _found(layout), _sent(layout)
    return not found or (sent.get("lines"), sent.get("place")) == (found["lines"], _place(config))


class Pages:
    """Has a process write and send the pages of a study. Without the package, nothing is done."""

    def __init__(self, layout: Layout, config: WandbConfig):
        self.layout, self.config = layout, config
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = (0, False)  # of how many lines of the records the pages were written, and whether they were sent

    def begin(self, *, online: bool) -> None:
        """Begin to write the pages of the newest results, unless that has been done or is being done. online: send them too."""
        lines = _found(self.layout).get("lines", 0)
        busy = self._process is not None and self._process.poll() is None
        if busy or not lines or not installed() or self._asked >= (lines, online) or (online and are_sent(self.layout, self.config)):
            return
        self._asked = (lines, online)
        order = json.dumps({**self.config.model_dump(mode="json"), "mode": "online" if online else "offline"})
        self._process = subprocess.Popen([sys.executable, "-m", "study.tracking.wandb_publish", str(self.layout.folder), order])

    def finish(self, *, online: bool, limit_s: float) -> None:
        """Write the pages of the newest results, for at most so many seconds. What is not sent then is sent by `ganstudy sync`."""
        until = time.monotonic() + limit_s
        try:
            self._wait(until)  # it may be at older results
            self.begin(online=online)
            self._wait(until)
        except subprocess.TimeoutExpired:
            log(f"the workspace and the report of the study were not sent to W&B within {limit_s:g} s")
        self.close()

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None and self._process.poll() is None:
            kill(psutil.Process(self._process.pid))
            self._process.wait()
        self._process = None

    def _wait(self, until: float) -> None:
        if self._process is not None:
            self._process.wait(max(0.0, until - time.monotonic()))


def _found(layout: Layout) -> dict[str, Any]:
    """Return the newest results; {} without a ranking, since such a study has no run that could show it."""
    found = dict(json.loads(layout.results.read_text())) if layout.results.exists() else {}
    return found if found.get("leaderboard") else {}


def _sent(layout: Layout) -> dict[str, Any]:
    """Return where the pages are, and of how many lines of the records they are; {} if they are in W&B nowhere."""
    path = layout.wandb_pages / "sent.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _place(config: WandbConfig) -> list[str | None]:
    return [config.base_url, config.entity, config.project]


def _id_of_workspace(view: "ws.Workspace") -> str:
    """Return the id of the view in W&B; "" if it is not there. Its internal name depends on the study only."""
    from wandb_workspaces.workspaces import internal  # here, as in all functions of this file, since a study without W&B must not import it

    try:
        return str(internal.get_view_dict(view.entity, view.project, internal._internal_name_to_url_query_str(view._internal_name))["id"])
    except ValueError:  # no such view
        return ""


def _id_of_report(page: "wr.Report", known: str) -> str:
    """Return the id of the report in W&B: that of the known id, or with its description; "" if it is not there."""
    import wandb  # here for the same reason

    for each in wandb.Api().reports(f"{page.entity}/{page.project}"):
        if each.id == known or each.description == page.description:
            return str(each.id)
    return ""


def _publish(layout: Layout, config: WandbConfig) -> None:
    """Write the specifications of both pages, and send them if the mode is online."""
    import wandb  # here for the same reason

    from study.tracking.wandb_pages import report, workspace  # here for the same reason

    found, online = _found(layout), config.mode == "online"
    place = {"entity": config.entity or (str(wandb.Api().default_entity) if online else ""), "project": config.project}
    view, page = workspace(found, **place), report(found, **place)
    layout.wandb_pages.mkdir(exist_ok=True)
    for name, made in (("workspace", view), ("report", page)):
        write_whole(layout.wandb_pages / f"{name}.json", made._to_model().model_dump_json(by_alias=True, exclude_none=True, indent=2))
    if online:
        view._internal_id = _id_of_workspace(view)
        view.save()
        page.id = _id_of_report(page, _sent(layout).get("report", {}).get("id", ""))
        page.save()
        address = quote(page.url, safe=":/")  # it has the title, in which a question mark may be
        sent = {"workspace": {"id": view._internal_id, "url": view.url}, "report": {"id": page.id, "url": address}}
        write_whole(layout.wandb_pages / "sent.json", json.dumps({**sent, "lines": found["lines"], "place": _place(config)}))


if __name__ == "__main__":
    _publish(Layout(Path(sys.argv[1])), WandbConfig.model_validate_json(sys.argv[2]))
