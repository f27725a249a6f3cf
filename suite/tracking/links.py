"""Where in a tracking server's pages a study is: asked over HTTP, without importing mlflow."""

from __future__ import annotations

import base64
import json
import os
import statistics
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from suite.spec import StudySpec
from suite.tracking.describe import COMPARISON, GROUP_TAG
from suite.tracking.views import charts_link, compare_link, model_link, run_link, table_link

_SECONDS = 60.0
"""Reading a run takes MLflow about 24 ms, so a thousand refits stay within it."""
REPORT = "report.html"
"""What `suite export` calls the page with every table and figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refit:
    """A finished refit as the server knows it."""

    run_id: str
    scale: str
    method: str
    seed: int
    selection: float
    """Final source-language validation metric."""


def study_links(server: str, study: StudySpec) -> dict[str, str]:
    """What each page shows, to its address; empty when the server does not know the study.

    Raises:
        OSError: the server does not answer.
    """
    found = _find_experiment(server, study.name)
    if found is None:
        return {}
    root = _root(server)
    links = {"table of refits": table_link(root, found), "charts by scale and method": charts_link(root, found)}
    runs = _search(server, found, "tags.phase = 'refit' and tags.state = 'complete'")
    refits = [_refit(run, study.tune.select_on) for run in runs]
    for scale, (robust, baseline) in pairs(refits, study.comparison.baseline).items():
        label = f"{scale}: {robust.method} against {baseline.method}, seed {robust.seed}"
        links[label] = compare_link(root, found, [baseline.run_id, robust.run_id])
    for run in _search(server, found, f"tags.phase = '{COMPARISON}'")[:1]:
        links["comparison"] = run_link(root, found, run["info"]["run_id"])
        if _has_file(server, run["info"]["run_id"], REPORT):
            links["report"] = run_link(root, found, run["info"]["run_id"], f"artifacts/{REPORT}")
    return links | {f"model of {name}": model_link(root, found, at) for name, at in _models(server, found).items()}


def pairs(refits: list[Refit], baseline: str) -> dict[str, tuple[Refit, Refit]]:
    """Per scale the best robust method and the baseline at their lowest common seed.

    Best is by the mean validation metric: what is looked at first should not depend on the reported split.
    """
    arms: dict[tuple[str, str], dict[int, Refit]] = {}
    for refit in refits:
        arms.setdefault((refit.scale, refit.method), {})[refit.seed] = refit
    chosen = {}
    for scale in dict.fromkeys(refit.scale for refit in refits):
        robust = [arm for (s, method), arm in arms.items() if s == scale and method != baseline]
        best = max(robust, key=lambda arm: statistics.fmean(r.selection for r in arm.values()), default={})
        standard = arms.get((scale, baseline), {})
        common = sorted(best.keys() & standard.keys())
        if common:
            chosen[scale] = best[common[0]], standard[common[0]]
    return chosen


def _refit(run: dict[str, Any], split: str) -> Refit:
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    metrics = ((str(m["key"]), float(m["value"])) for m in run["data"].get("metrics", ()))
    return Refit(
        run_id=run["info"]["run_id"],
        scale=tags["scale"],
        method=tags["method"],
        seed=int(tags["seed"]),
        selection=next((value for name, value in metrics if _selects(name, split)), float("-inf")),
    )


def _selects(name: str, split: str) -> bool:
    """Whether a metric is the one that its run was selected by: each run logs one final value on that split."""
    head, _, last = name.rpartition("/")
    return head.partition(".")[0] == split and last == "final"


def _find_experiment(server: str, name: str) -> str | None:
    try:
        found = _ask(server, f"experiments/get-by-name?experiment_name={quote(name)}", None)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise
    return str(found["experiment"]["experiment_id"])


def _search(server: str, experiment_id: str, query: str) -> list[dict[str, Any]]:
    body = {"experiment_ids": [experiment_id], "filter": query, "max_results": 1000}
    return list(_ask(server, "runs/search", body).get("runs", ()))


def _has_file(server: str, run_id: str, name: str) -> bool:
    """Whether a run has an artifact of that name at its top."""
    listed = _ask(server, f"artifacts/list?run_id={quote(run_id)}", None)
    return any(file["path"] == name for file in listed.get("files", ()))


def _models(server: str, experiment_id: str) -> dict[str, str]:
    """Scale and method to the id of the model logged last."""
    body = {"experiment_ids": [experiment_id], "order_by": [{"field_name": "creation_timestamp", "ascending": True}]}
    newest = {}
    for model in _ask(server, "logged-models/search", body).get("models", ()):
        tags = {tag["key"]: tag["value"] for tag in model["info"].get("tags", ())}
        if model["info"]["status"] == "LOGGED_MODEL_READY" and GROUP_TAG in tags:
            newest[tags[GROUP_TAG]] = model["info"]["model_id"]
    return newest


def _ask(server: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", **_credentials(server)}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{_root(server)}/api/2.0/mlflow/{path}", data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
        return dict(json.load(answer))


def _root(server: str) -> str:
    """The address without credentials, as it may be shown and opened."""
    parts = urlsplit(server)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def _credentials(server: str) -> dict[str, str]:
    """Basic authentication from the address or, as for MLflow's own client, the environment."""
    parts = urlsplit(server)
    name = unquote(parts.username or "") or os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    password = unquote(parts.password or "") or os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    token = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {token}"} if name else {}
