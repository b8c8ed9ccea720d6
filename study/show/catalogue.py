"""The lists that `ganstudy list` prints: every name that a study file can use, with one line about each."""

from dataclasses import fields

from rich.console import Console
from rich.table import Table

from analysis.metrics import METRICS
from ganstudy import UserError
from ganstudy.forms import are_variants
from ganstudy.registry import first_line, nearest
from ganstudy.written import written
from study.console import print_table
from study.spec.design import DESIGNS
from study.spec.domains import as_given
from study.spec.features import known_features
from study.spec.published import SPACES
from study.spec.ranges import NO_RANGE, RANGES
from study.spec.samplers import SAMPLERS
from study.spec.schedulers import SCHEDULERS
from study.spec.tracking import TRACKERS
from trainables.config import settings
from trainables.data import DATA, OWN, taken
from trainables.fields import meaning_of
from trainables.losses import LOSSES
from trainables.models import ARCHS
from trainables.models.conditional import D_CONDITIONS, G_CONDITIONS
from trainables.optimisers import OPTIMISERS
from trainables.run import LOOPS
from trainables.signal_names import SIGNALS, signal_names
from trainables.tricks import TRICKS
from trainables.tricks.base import Trick
from trainables.updates import UPDATES
from trainables.updates.base import Update


def print_catalogue(kind: str | None, console: Console) -> None:
    """Print one list, or all of them if kind is None. Raises UserError for an unknown kind."""
    lists = catalogue()
    if kind is not None and kind not in lists:
        raise UserError(f"no list named {kind!r}; {nearest(kind, lists)}the lists are {', '.join(lists)}")
    for name in lists if kind is None else [kind]:
        table = Table(title=name, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True, style="cyan")
        table.add_column()
        for row in lists[name]:
            table.add_row(*row)
        print_table(console, table)
        console.print()


def catalogue() -> dict[str, list[tuple[str, str]]]:
    """Return every list: its kind -> (name, description) of each entry."""
    plain = settings()
    return {
        "data": [(name, _data_settings(name) + first_line(source)) for name, source in DATA.items()],
        "architectures": [(name, arch.source) for name, arch in ARCHS.items()],
        "conditions": [
            *((f"g.condition: {name}", first_line(cls)) for name, cls in G_CONDITIONS.items()),
            *((f"d.condition: {name}", first_line(cls)) for name, cls in D_CONDITIONS.items()),
        ],
        "losses": [(name, loss.source) for name, loss in LOSSES.items()],
        "tricks": [(name, _own_settings(trick) + first_line(trick)) for name, trick in TRICKS.items()],
        "updates": [(name, _own_settings(rule) + first_line(rule)) for name, rule in UPDATES.items()],
        "optimisers": [(name, first_line(optimiser)) for name, optimiser in OPTIMISERS.items()],
        "loops": [(name, first_line(loop)) for name, loop in LOOPS.items()],
        "samplers": [
            *((name, f"goal: explain. {first_line(design)}") for name, design in DESIGNS.items()),
            *((name, f"goal: optimise. {first_line(sampler)}") for name, sampler in SAMPLERS.items()),
        ],
        "schedulers": [(name, first_line(scheduler)) for name, scheduler in SCHEDULERS.items()],
        "trackers": [(name, entry.description) for name, entry in TRACKERS.items()],
        "metrics": [
            (
                name,
                f"{metric.description}; {metric.source} ({metric.direction.phrase if metric.direction else 'best at the real-data baseline'})",
            )
            for name, metric in METRICS.items()
        ],
        "signals": [(name, SIGNALS.get(name, f"the term of {name[2:]} in the loss of {name[0].upper()}")) for name in signal_names()],
        "features": list(known_features().items()),
        "ranges": [(name, f"{_in_words(as_given(known.domain))}: {known.source}") for name, known in RANGES.items()]
        + [(name, f"no range: {entry.reason}") for name, entry in NO_RANGE.items()],
        "spaces": [
            (name, "; ".join(f"{setting}: {_in_words(given)}" for setting, given in space.settings.items()) + f". {space.source}")
            for name, space in SPACES.items()
        ],
        "settings": [(name, f"{meaning_of(name)} (default {written(value)})") for name, value in sorted(plain.items())],
    }


def _data_settings(name: str) -> str:
    """Return the settings that only this data set has, as "[data.modes, data.std] ", or ""."""
    own = ", ".join(f"data.{setting}" for setting in taken(name) if setting in OWN)
    return f"[{own}] " if own else ""


def _own_settings(entry: type[Trick] | type[Update]) -> str:
    """Return the settings of a trick or update rule with their defaults, as "[gamma = 10.0] ", or ""."""
    given = ", ".join(f"{field.name} = {written(field.default)}" for field in fields(entry))
    return f"[{given}] " if given else ""


def _in_words(domain: object) -> str:
    """Return a domain as text: "0.1 to 10, log", or its choices."""
    if are_variants(domain):
        return ", ".join(domain)  # names of variants
    if isinstance(domain, dict):
        return f"{domain['low']:g} to {domain['high']:g}" + (", log" if domain.get("log") else "")
    assert isinstance(domain, list)
    return ", ".join(map(written, domain))
