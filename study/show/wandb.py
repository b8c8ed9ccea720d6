"""What a launch does with W&B once the report is written, and prints about it."""

from pathlib import Path

from rich.console import Console

from ganstudy.command import command
from study.spec.tracking import WandbConfig
from study.store.layout import Layout, shown
from study.tracking.process import complete_wandb
from study.tracking.wandb_publish import HINT, addresses, installed
from study.tracking.wandb_study import has_report, study_url

_LIMIT_S = 30.0  # the user waits, and what is missing then can be sent later


def send_report(folder: Path, config: WandbConfig, console: Console) -> None:
    """Add a new report to the W&B run of the study, and print the addresses of the run, the workspace and the report there if it is online."""
    if not has_report(Layout(folder)):
        return
    problem = complete_wandb(folder, config, trust_plugins=True, limit_s=_LIMIT_S)  # the launch has imported them
    if problem:
        console.print(f"W&B: the report was not sent ({problem}); {command('sync', shown(folder))} sends it", soft_wrap=True)
    elif url := study_url(Layout(folder)):
        console.print(f"W&B: {url}", soft_wrap=True)
        for name, address in addresses(Layout(folder)).items():
            console.print(f"W&B {name}: {address}", soft_wrap=True)
        if not installed():
            console.print(HINT, soft_wrap=True)
