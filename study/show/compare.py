"""Two studies side by side: what differs in design, the effects that both measured, and one ranking of all configs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import analysis
from analysis.compare import interval, sentence, unmatched
from analysis.confirmed import has_confirmed
from analysis.explain import all_outcomes
from analysis.plain import plain
from analysis.words import listed, plural, value_text
from ganstudy import UserError
from ganstudy.command import command
from ganstudy.forms import is_range
from ganstudy.written import written
from study.console import print_table
from study.show.terminal import print_ranking
from study.spec.planned import phases_of
from study.store.layout import shown
from study.store.local_copy import protocols
from study.views import StudyView
from trainables.config import settings

_KEYS = ("objective", "objectives", "constraints", "failure", "stop_hopeless")
_SIZES = ("n_configs", "seeds", "top", "of")  # how much was trained, which is no reason for a difference
_SEARCHED = "optimise"  # the phase whose configs are chosen by the values of others
_RANKED = 12  # rows of the ranking


class Compared:
    """Two studies by one evaluation protocol. Raises UserError if there is none that both were measured with, or other objectives."""

    def __init__(self, first: StudyView, second: StudyView, outcome: str | None):
        if first.folder.resolve() == second.folder.resolve():
            raise UserError(f"compare needs two studies; given {shown(first.folder)} twice")
        self.views = (first, second)
        self.names = _names(shown(first.folder), shown(second.folder))
        self.by = first.objective
        if second.objective != self.by and outcome is None:
            raise UserError(
                f"the studies must have one objective, or --outcome must name what to compare; {self.names[0]} has {self.by}, "
                f"{self.names[1]} {second.objective}"
            )
        self.protocol = _common_protocol(first, second)
        self.tables = tuple(view.table(protocol=self.protocol) for view in self.views)
        for name, table in zip(self.names, self.tables, strict=True):
            if not table.evidence.any():
                raise UserError(f"compare needs finished trials of both studies; {name} has none")
        if shared := _of_one_study(first, second):
            raise UserError(
                f"compare needs two independent studies; {shown(second.folder)} and {shown(first.folder)} hold {plural(shared, 'trial')} of the "
                "same launch, so one is a copy of the other"
            )
        _refuse_other_failures(first, second)
        every = (name for table in self.tables for name in all_outcomes(table, self.by))
        asked = list(dict.fromkeys(every)) if outcome is None else [outcome]
        self.explained = tuple(analysis.explain(table, asked) for table in self.tables)
        self.found = analysis.compare(*self.explained)

    @property
    def design(self) -> list[tuple[str, str, str]]:
        """What differs: the key or setting, and its value in each study."""
        one, other = (view.study.spec for view in self.views)
        rows = [(key, _text(a.get(key)), _text(b.get(key))) for a, b in [_of_phases(one, other)] for key in {**a, **b}]
        rows += [(key, _text(one.get(key)), _text(other.get(key))) for key in _KEYS]
        known = {**settings(), **one["base"], **other["base"]}
        names = dict.fromkeys([*known, *(name for spec in (one, other) for part in spec["space"].values() for name in part)])
        rows += [(name, _setting(one, name), _setting(other, name)) for name in names]
        return [row for row in rows if row[1] != row[2]]

    def as_dict(self) -> dict[str, Any]:
        """The comparison as plain values, for JSON."""
        return {
            "studies": self.names,
            "protocol": self.protocol,
            "design": [{"name": name, "first": one, "second": other} for name, one, other in self.design],
            "effects": [{**plain(each), "differs": each.differs} for each in self.found],
            "counted": self.counted,
            "ranking": plain(analysis.rank(analysis.together(dict(zip(self.names, self.tables, strict=True))), self.by).to_dict("records")),
        }

    @property
    def counted(self) -> str:
        """Which trials the ranking counts, if only one of the studies has confirmed configs; else ""."""
        fresh = [has_confirmed(table) for table in self.tables]
        if fresh[0] is fresh[1]:
            return ""
        one, other = self.names if fresh[0] else self.names[::-1]
        without = fresh.index(False)
        view, table = self.views[without], self.tables[without]
        text = f"In the ranking, only trials with fresh seeds count for {one}; for {other}, which has no confirmed configs, all trials do."
        if (table.phase[table.evidence] == _SEARCHED).any():
            text += (
                f" {other} was a search, so the values of its first configs look better than new runs would be: they were chosen by them. "
                f"{command('confirm', shown(view.folder))} trains these configs with fresh seeds."
            )
        return text

    def print(self, console: Console) -> None:
        """Print the design, the effects and the ranking."""
        if self.counted:
            console.print(self.counted, soft_wrap=True)
        for name, view, table in zip(self.names, self.views, self.tables, strict=True):
            counted = table.where(table.evidence)
            n = f"{plural(len(counted), 'trial')} of {plural(len(set(counted.config_id)), 'config')}"
            console.print(f"{name}: {view.study.spec['question']} {n}.", soft_wrap=True)
        _print_rows(["differs in design", *self.names], self.design, console)
        _print_rows(
            ["setting", "compared", "outcome", *self.names, "difference", "95 %", "p of all"], [_row(each) for each in self.found], console
        )
        for line in self._conclusions():
            console.print(line, soft_wrap=True)
        console.print()
        tables = dict(zip(self.names, self.tables, strict=True))
        print_ranking(analysis.together(tables), self.by, console, n=_RANKED, studies=tables)

    def _conclusions(self) -> list[str]:
        certain = [each for each in self.found if each.differs]
        lines = [sentence(each, self.names) for each in certain]
        if certain:
            reasons = [name for name, *_ in self.design if name.rpartition(".")[2] not in _SIZES]
            lines.append(
                f"The studies also differ in {listed(reasons)}, any of which may be the reason."
                if reasons
                else "The studies have the same design."
            )
        elif self.found:
            lines.append(f"No effect differs beyond chance, of {plural(len(self.found), 'comparison')} that both studies made.")
        else:
            lines.append("No effect can be compared: the studies share no comparison.")
        first, second = self.explained
        return lines + [f"{line}." for line in unmatched(first, second, dict(zip(self.names, self.tables, strict=True)))]


def _of_phases(*specs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the keys of the phases of each study: "seeds", or "explore.seeds" if they do not have one and the same phase."""
    phases = [phases_of(spec) for spec in specs]
    alike = len({tuple(each) for each in phases}) == 1 and len(phases[0]) == 1
    return [{key if alike else f"{name}.{key}": value for name, phase in each.items() for key, value in phase.items()} for each in phases]


def _names(first: str, second: str) -> tuple[str, str]:
    names = Path(first).name, Path(second).name
    return names if names[0] != names[1] else (first, second)


def _common_protocol(first: StudyView, second: StudyView) -> str:
    """Return the hash of an evaluation protocol that both studies were measured by: a study's own, if possible."""
    measured = [{view.protocol.hash, *protocols(view.folder)} for view in (first, second)]
    for own in (first.protocol.hash, second.protocol.hash, *sorted(measured[0])):
        if own in measured[0] & measured[1]:
            return own
    one, other = first.protocol.as_dict(), second.protocol.as_dict()
    differing = "; ".join(f"{key}: {written(one[key])} and {written(other[key])}" for key in one if one[key] != other[key])
    raise UserError(
        f"the studies must be measured by one evaluation protocol, or their metrics cannot be compared; they differ in {differing}. "
        f"If the data are the same, measure one like the other: {command('evaluate', shown(second.folder))} with --features and --samples"
    )


def _of_one_study(first: StudyView, second: StudyView) -> int:
    """Return how many trials are in both folders because one is a copy of the other."""
    if first.study.created != second.study.created:
        return 0
    return len(first.trials().index.intersection(second.trials().index))


def _refuse_other_failures(first: StudyView, second: StudyView) -> None:
    """Raise UserError if the studies do not mean the same by a failure."""
    one, other = (view.study.spec.get("failure") for view in (first, second))
    if one != other:
        raise UserError(
            f"studies that are compared must define a failure alike; {shown(first.folder)} has failure: {written(one)}, {shown(second.folder)} "
            f"failure: {written(other)}. {command('resume', shown(second.folder), '--set', f'failure={written(one)}')} changes it for finished trials too"
        )


def _setting(spec: Mapping[str, Any], name: str) -> str:
    for part in spec["space"].values():
        if name in part:
            form = part[name]
            if is_range(form):
                return f"{value_text(form['low'])} to {value_text(form['high'])}{' (log)' if form.get('log') else ''}"
            return ", ".join(map(_text, form))
    return _text(spec["base"].get(name, settings().get(name)))


def _text(value: object) -> str:
    if value is None:
        return "–"
    return ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, Mapping) else value_text(value)


def _row(each: analysis.Difference) -> tuple[str, ...]:
    one, other = each.first, each.second
    mark = "*" if each.differs else ""
    effects = [f"{claim.shown(claim.effect)} ({claim.interval(family=False)})" for claim in (one, other)]
    return one.setting, one.compared, one.outcome, *effects, one.shown(each.difference) + mark, interval(each), f"{each.family_p:.2g}"


def _print_rows(heads: list[str], rows: Any, console: Console) -> None:
    if not rows:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*row)
    print_table(console, table)
    console.print()
