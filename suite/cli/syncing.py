"""The verb `sync`: what the tracking store has missed is uploaded, without running anything."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from suite.cli.codes import DONE, FAILED
from suite.cli.stages import emit, mirror_comparison

if TYPE_CHECKING:
    from pathlib import Path


def sync(arguments: argparse.Namespace) -> int:
    """Upload every finished run that the store does not have, and end the runs there whose process is gone."""
    from suite.results import load_results
    from suite.storage import StudyFolder, home
    from suite.study_file import load_study
    from suite.tracking import Tracker, check_tracking, is_uploaded, tracking_uri

    study = load_study(arguments.study)
    uri, folder = tracking_uri(study.tracking, home()), StudyFolder.of(study)
    check_tracking(uri)
    finished = folder.ended()
    with Tracker(uri, study.name, arguments.study) as tracker:
        tracker.restore(finished)
        mirror_comparison(tracker, study, load_results(folder.results), arguments)
    left = [run for run in finished if not is_uploaded(run, uri)]
    _tell(arguments, len(finished), left)
    return FAILED if left else DONE


def _tell(arguments: argparse.Namespace, finished: int, left: list[Path]) -> None:
    if arguments.json:
        emit({"finished": finished, "uploaded": finished - len(left), "left": [run.name for run in left]})
    elif not arguments.quiet:
        print(f"{finished - len(left)} of {finished} finished runs are in the tracking store")
    if left:
        print(f"suite: {len(left)} runs are not uploaded, such as {left[0]}; repeat `suite sync`", file=sys.stderr)
