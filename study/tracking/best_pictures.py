"""Pictures of the best trials for the W&B run of a study: their samples, and these beside real data."""

from collections.abc import Sequence

from ganstudy import UserError
from ganstudy.files import write_whole
from study.views import StudyView, TrialView


def best_pictures(view: StudyView, trials: Sequence[TrialView]) -> dict[str, list[dict[str, str]]]:
    """Return what pictures there are, the best trial first: their name in W&B -> [{"path", "caption"}].

    best/samples: the newest grid of samples. best/neighbours: samples of images with their nearest training images; best/scatter: samples of points over
    real points. real: a grid of real data. Trials without a stored generator, and those whose data are not here, have no picture beside real data.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for place, trial in enumerate(trials, start=1):
        caption = f"place {place}: {trial.trial_id}"
        if (grid := view.layout.grid(trial.trial_id, trial.record.saved_images)).exists():
            found.setdefault("best/samples", []).append({"path": str(grid), "caption": caption})
        if beside := _beside_real(view, trial):
            name, picture = beside
            found.setdefault(name, []).append({**picture, "caption": f"place {place}. {picture['caption']}"})
    if found and view.layout.real.exists():
        found["real"] = [{"path": str(view.layout.real), "caption": "real data"}]
    return found


def _beside_real(view: StudyView, trial: TrialView) -> tuple[str, dict[str, str]] | None:
    """Return the name of the picture, and its file and caption; None if it cannot be made. The file is made if it does not exist."""
    from trainables.beside_real import beside_real_png  # here, since torch takes seconds, which a study without results does not need

    if not trial.stored or not view.trusted:
        return None
    path = view.layout.beside_real(trial.trial_id, trial.stored[-1].images)
    text = path.with_suffix(".txt")
    try:
        if not text.exists():
            png, caption = beside_real_png(trial.generator(), trial.config.data, name=trial.trial_id)
            path.parent.mkdir(exist_ok=True)
            write_whole(path, png)
            write_whole(text, caption)
    except UserError:  # the data have moved, or are too large, or the generator is damaged: the leaderboard does without a picture
        return None
    caption = text.read_text()
    return "best/scatter" if "real points" in caption else "best/neighbours", {"path": str(path), "caption": caption}
