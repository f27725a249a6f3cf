"""Tracking in MLflow: the only importer of mlflow, which is imported by a background thread and only when used."""

from __future__ import annotations

from suite.tracking.address import Unreachable, check_tracking, mask, tracking_uri
from suite.tracking.describe import metrics_of, params_of, run_name, tags_of
from suite.tracking.links import study_links
from suite.tracking.server import Server, start_server
from suite.tracking.tracker import Tracker
from suite.tracking.upload import Upload, is_uploaded, read_mark

__all__ = [
    "Server",
    "Tracker",
    "Unreachable",
    "Upload",
    "check_tracking",
    "is_uploaded",
    "mask",
    "metrics_of",
    "params_of",
    "read_mark",
    "run_name",
    "start_server",
    "study_links",
    "tags_of",
    "tracking_uri",
]
