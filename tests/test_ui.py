"""The pages a study is looked at in, opened in a real browser on a real server."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from team_server import free_port
from tracking_studies import METHODS, make_comparison, make_record, make_spec, make_study, save_run
from worker_studies import Formula, write_study

from suite.report import exported_files
from suite.tracking import Tracker
from suite.tracking.links import study_links
from suite.tracking.server import Server, start_server
from suite.tracking.views import RUNS_VIEW, charts_link, run_link
from suite.tuning import Search, open_storage

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no Chromium on this machine (apt install chromium)", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

PATIENCE = 30_000
"""Milliseconds: the first page of a server on a busy machine takes many seconds."""
BENIGN = re.compile(r"Failed to load resource|ResizeObserver loop")
"""Failed requests are judged by their address instead; the other is Chromium's own."""
NO_AUTHENTICATION = "/mlflow/users/current"
"""MLflow's pages ask for it always; without authentication it is missing."""


@dataclass
class Browser:
    """A browser that remembers what went wrong."""

    page: playwright.Page
    folder: Path
    errors: list[str] = field(default_factory=list)

    def open(self, link: str, *, awaiting: str, name: str) -> playwright.Page:
        """Open a link, wait for an element, keep a screenshot."""
        self.page.goto("about:blank")  # a link that differs only after its `#` would not load anew
        self.page.goto(link)
        self.page.wait_for_selector(awaiting, timeout=PATIENCE)
        self.shoot(name)
        return self.page

    def shoot(self, name: str) -> None:
        """Keep a screenshot once drawing has settled."""
        self.page.wait_for_timeout(1500)
        self.page.screenshot(path=str(self.folder / f"{name}.png"))


@dataclass(frozen=True)
class Study:
    """A tracked study and its server."""

    server: Server
    links: dict[str, str]
    experiment_id: str


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """Two scales, three methods, three seeds, one comparison."""
    home = tmp_path_factory.mktemp("home")
    study = make_study(home)
    specs = [make_spec(study, m, s.name, seed) for s in study.scale for m in METHODS for seed in study.refit.seeds]
    specs += [make_spec(study, "adversarial", seed=0, phase="tune"), make_spec(study, "untouched", phase="checkpoint")]
    results = home / "results"
    results.mkdir()
    (results / "main.csv").write_text("scale,method,effect\n4-layer,adversarial,0.04\n")
    (results / "summary.md").write_text("Synthetic: **no difference** found at MDE 0.05.\n")
    (results / "report.html").write_text("<h1>Synthetic report</h1>")
    store = f"sqlite:///{home / 'mlflow.db'}"
    with Tracker(store, study.name, home / "study.toml") as tracker:
        tracker.sync([save_run(make_record(spec), home / "runs") for spec in specs])
        tracker.comparison(study, [make_comparison(study, "4-layer", "adversarial")], results, exported_files(results))
    with start_server(store, home, port=0) as server:
        links = study_links(server.url, study)
        experiment = re.search(r"experiments/(\d+)", links["comparison"])
        assert experiment is not None
        yield Study(server, links, experiment[1])


@pytest.fixture(scope="module")
def chromium() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def browser(chromium: playwright.Browser, tmp_path: Path) -> Iterator[Browser]:
    """A fresh profile; fails the test on any error of the page, any failed request, any request to another host."""
    page = chromium.new_page(viewport={"width": 1920, "height": 1200})
    browser = Browser(page, tmp_path)
    page.on("pageerror", lambda error: browser.errors.append(f"page error: {error}"))
    page.on(
        "console",
        lambda message: (
            browser.errors.append(f"console: {message.text}")
            if message.type == "error" and not BENIGN.search(message.text)
            else None
        ),
    )
    page.on(
        "response",
        lambda response: (
            browser.errors.append(f"{response.status} {response.url}")
            if response.status >= 400 and NO_AUTHENTICATION not in response.url
            else None
        ),
    )
    page.on(
        "request",
        lambda request: (
            browser.errors.append(f"request to {request.url}")
            if not request.url.startswith(("http://127.0.0.1", "data:", "blob:", "about:"))
            else None
        ),
    )
    yield browser
    page.close()
    assert browser.errors == []


def await_text(page: playwright.Page, pattern: str) -> None:
    """Wait until the page shows text that matches."""
    page.wait_for_function(
        "pattern => new RegExp(pattern).test(document.body.innerText)", arg=pattern, timeout=PATIENCE
    )


def await_answer(address: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until a page is served."""
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(OSError):
            urllib.request.urlopen(address, timeout=5).close()
            return
        time.sleep(0.2)
    raise AssertionError(f"{address} does not answer")


def test_table_of_refits_shows_the_columns_that_matter(tracked: Study, browser: Browser) -> None:
    page = browser.open(tracked.links["table of refits"], awaiting="text=4-layer · standard · seed 1", name="table")
    assert page.locator("text=18 matching runs").count() == 1
    heads = page.locator(".ag-header-cell").all_inner_texts()
    assert {"zero_shot/mean", "zero_shot/gap", "arm", "method"} <= set(heads)
    first = page.locator(".ag-center-cols-container .ag-row").first.inner_text()
    assert "adversarial" in first  # sorted by the zero-shot mean, which the synthetic numbers give to it


def test_charts_show_mean_curves_by_scale_and_method(tracked: Study, browser: Browser) -> None:
    page = browser.open(tracked.links["charts by scale and method"], awaiting=".js-plotly-plot", name="charts")
    assert page.locator("text=Group: 4-layer · adversarial").count() >= 1
    await_text(page, r"headlines and curves\s+\(9\)")
    assert page.locator(".js-plotly-plot").count() >= 3
    page.wait_for_selector(".js-plotly-plot .js-line", state="attached", timeout=PATIENCE)
    page.mouse.move(900, 800)
    for _ in range(8):
        page.mouse.wheel(0, 900)
    browser.shoot("folded")
    await_text(page, r"alignment\.csls_p1\.layer-4\s+\(5\)")


def test_ungrouped_charts_colour_runs_by_method(tracked: Study, browser: Browser) -> None:
    link = charts_link(tracked.server.url, tracked.experiment_id, RUNS_VIEW)
    page = browser.open(link, awaiting=".js-plotly-plot", name="runs")
    fills = set(re.findall(r"fill: (rgb\([^)]*\))", page.locator(".js-plotly-plot .bars").first.inner_html()))
    assert fills - {"rgb(255, 255, 255)"} == {"rgb(0, 114, 178)", "rgb(213, 94, 0)", "rgb(0, 158, 115)"}


def test_compare_page_plots_a_robust_run_against_the_standard_one(tracked: Study, browser: Browser) -> None:
    link = tracked.links["4-layer: adversarial against standard, seed 1"]
    page = browser.open(link, awaiting=".js-plotly-plot .parcoords", name="compare")
    assert page.locator("text=Comparing 2 Runs from 1 Experiment").count() == 1
    plot = page.locator(".js-plotly-plot .parcoords").first
    assert all(axis in (plot.text_content() or "") for axis in ("arm", "method", "radius", "zero_shot/mean"))
    page.click("text=Scatter Plot")
    page.wait_for_selector(".js-plotly-plot .draglayer", state="attached", timeout=PATIENCE)
    assert {"standard", "robust"} <= set(page.locator(".js-plotly-plot .xtick").all_text_contents())
    browser.shoot("scatter")


def test_run_page_says_what_the_run_is(tracked: Study, browser: Browser) -> None:
    compare = tracked.links["4-layer: adversarial against standard, seed 1"]
    robust = re.findall(r"%22([0-9a-f]{32})%22", compare)[1]
    link = run_link(tracked.server.url, tracked.experiment_id, robust)
    page = browser.open(link, awaiting="text=refit of study", name="run")
    assert page.locator("text=home-intents · train · clean").count() >= 1
    page = browser.open(
        run_link(tracked.server.url, tracked.experiment_id, robust, "artifacts"), awaiting="text=pins.txt", name="files"
    )
    page.click("text=study.toml")
    page.wait_for_selector("text=Synthetic numbers only", timeout=PATIENCE)
    browser.shoot("study")


def test_comparison_run_holds_tables_and_the_answer(tracked: Study, browser: Browser) -> None:
    page = browser.open(tracked.links["comparison"], awaiting="text=no difference", name="comparison")
    assert page.locator("text=Comparison of study").count() == 1


def test_report_link_shows_the_exported_page(tracked: Study, browser: Browser) -> None:
    page = browser.open(tracked.links["report"], awaiting="iframe", name="report")
    frame = page.frame_locator("iframe").first
    frame.locator("text=Synthetic report").wait_for(timeout=PATIENCE)
    browser.shoot("report")


def test_searches_are_shown_by_optunas_dashboard(tmp_path: Path, browser: Browser) -> None:
    study = Formula.of(write_study(tmp_path, tmp_path / "no checkpoint is needed"))
    storage = open_storage(None, study.folder)
    search = Search(study, study.study.scale[0], study.study.method[1], storage)  # type: ignore[arg-type]
    for number in range(4):
        search.run(number)
    port = free_port()
    command = [Path(sys.executable).with_name("optuna-dashboard"), f"sqlite:///{study.folder.optuna}"]
    server = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/dashboard"
    try:
        await_answer(address, server)
        page = browser.open(address, awaiting="text=shared/1-layer/adversarial", name="searches")
        page.click("text=shared/1-layer/adversarial")
        page.wait_for_selector(".js-plotly-plot", timeout=PATIENCE)
        await_text(page, "History")
        browser.shoot("history")
    finally:
        server.kill()
        server.wait()
