"""Laws of `report.html`: well-formed, self-contained, escaped, the same bytes; sorted and read in a real browser."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from report_studies import COMPARISONS, RECORDS, STUDY, make_comparisons, make_records

from suite.report import export, tables
from suite.report.figures import TooLittleData, to_svg
from suite.report.heat_figure import by_family, heat_map
from suite.report.html import to_drawing, to_html, to_inline
from suite.report.page import Plate, write_page
from suite.report.power_figure import effect_against_seeds
from suite.report.rank_figure import critical_difference, critical_difference_figure
from suite.report.render import escape_markdown
from suite.report.table import Cell, Column, Table
from suite.results import Results

VOID = {"meta", "link", "br", "wbr", "hr", "img", "input"}
HOSTILE = "<script>alert('x')</script> & \"quoted\" **bold** `code` </style>"


@dataclass
class Element:
    """A tag with its attributes and all the text in it."""

    name: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Reader(HTMLParser):
    """Every element of a page in order; fails on a tag that is not closed or closed in the wrong place."""

    elements: list[Element] = field(default_factory=list)
    opened: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"attribute twice in {tag}"
        self.elements.append(Element(tag, dict(attrs)))
        if tag not in VOID:
            self.opened.append(self.elements[-1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.opened[-1].name == tag, f"</{tag}> closes <{self.opened[-1].name}> at {self.getpos()}"
        self.opened.pop()

    def handle_data(self, data: str) -> None:
        for element in self.opened:
            element.text += data


def read(page: str) -> list[Element]:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.opened, f"left open: {[element.name for element in reader.opened]}"
    return reader.elements


def small_table(values: list[float | None]) -> Table:
    columns = (
        Column(key="method", header="method", kind="text", role="label"),
        Column(key="accuracy", header="accuracy", kind="difference", unit="points"),
        Column(key="p_adjusted", header="p adj.", kind="p"),
    )
    rows = tuple(
        (Cell(value=f"m{i}"), Cell(value=v, interval=None if v is None else (v - 0.011, v + 0.012)), Cell(value=0.0213))
        for i, v in enumerate(values)
    )
    return Table(name="small", title=HOSTILE, columns=columns, rows=rows, notes=(HOSTILE,), signature="a|b")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    export(STUDY, RECORDS, Results(comparisons=COMPARISONS), folder)
    return folder


@pytest.fixture(scope="module")
def page(exported: Path) -> str:
    return (exported / "report.html").read_text(encoding="utf-8")


# The page


def test_the_page_is_well_formed_and_its_ids_are_distinct(page: str) -> None:
    ids = [element.attributes["id"] for element in read(page) if "id" in element.attributes]
    assert len(set(ids)) == len(ids)


def test_the_page_names_no_address(page: str) -> None:
    assert not re.findall(r"https?://|@import|//[a-z]+\.[a-z]+/", page)
    for element in read(page):
        address = element.attributes.get("href") or element.attributes.get("src") or "#"
        assert address.startswith("#"), address
    assert not re.findall(r"url\((?!#)", page)


def test_every_reference_within_the_page_leads_somewhere(page: str) -> None:
    elements = read(page)
    ids = {element.attributes.get("id") for element in elements}
    named = {str(e.attributes["href"])[1:] for e in elements if "href" in e.attributes}
    named |= set(re.findall(r"url\(#([^)]+)\)", page))
    named |= {str(e.attributes["aria-labelledby"]) for e in elements if "aria-labelledby" in e.attributes}
    assert named <= ids


def test_every_table_and_figure_is_on_the_page(exported: Path, page: str) -> None:
    ids = {element.attributes.get("id") for element in read(page)}
    assert {f"table-{path.stem}" for path in exported.glob("*.csv")} <= ids
    assert {f"figure-{path.stem}" for path in exported.glob("figures/*.svg")} <= ids
    assert len(list(exported.glob("figures/*.svg"))) == 7


def test_the_answer_comes_first_then_the_main_table_then_the_figures(page: str) -> None:
    sections = [e.attributes["id"] for e in read(page) if e.name == "section"]
    assert sections[:3] == ["answer", "main-table", "figures"]
    order = [page.index(f'id="figure-{name}"') for name in ("forest", "seeds", "heat-map", "strength")]
    assert order == sorted(order)


def test_every_table_shows_its_rows_notes_and_signature(page: str) -> None:
    text = next(e.text for e in read(page) if e.name == "main")
    shown = [table for table in tables(STUDY, RECORDS, Results(comparisons=COMPARISONS)) if table.rows]
    for table in shown:
        assert table.title in text and table.signature in text
        assert all(note in text for note in table.notes)
    assert page.count("<tr>") == sum(len(t.rows) + 1 for t in shown)


def test_names_and_questions_are_text_whatever_they_hold() -> None:
    study = dataclasses.replace(STUDY, question=HOSTILE)
    plate = Plate(name="plate", caption=f"{HOSTILE}\n\n{HOSTILE}", svg=b"<svg><path/></svg>")
    said = {"Answer": [escape_markdown(HOSTILE)], HOSTILE: ["said"]}
    page = write_page(study, said, [small_table([0.1])], [plate])
    elements = read(page)
    assert next(e.text for e in elements if e.attributes.get("class") == "question") == HOSTILE
    assert next(e.text for e in elements if e.name == "li") == HOSTILE
    assert next(e.text for e in elements if e.name == "figcaption") == f"{HOSTILE} {HOSTILE}"
    assert sum(e.name == "script" for e in elements) == sum(e.name == "style" for e in elements) == 1
    assert page == write_page(study, said, [small_table([0.1])], [plate])


def test_a_study_without_results_has_no_page_and_loses_an_old_one(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old", encoding="utf-8")
    export(STUDY, [], Results(), tmp_path)
    assert not (tmp_path / "report.html").exists()


# Its parts


def cells(table: Table) -> list[Element]:
    return [element for element in read(str(to_html(table))) if element.name == "td"]


def test_cells_carry_the_unrounded_value_that_they_are_sorted_by() -> None:
    values = [0.0123456789, None, -0.2]
    found = [cell.attributes.get("data-value") for cell in cells(small_table(values))[1::3]]
    assert found == [None if value is None else repr(value) for value in values]


def test_tooltips_hold_interval_and_adjusted_p() -> None:
    tip = cells(small_table([0.0123456789]))[1].attributes["title"]
    assert tip == "1.23457, interval 0.1346 to 2.435 points; p adj.: 0.021"


def test_cells_of_the_main_table_say_what_their_comparison_found(page: str) -> None:
    c = next(c for c in COMPARISONS if c.kind == "primary")
    text = f"p: {c.p:.3f}" if c.p >= 0.001 else "p: <0.001"
    tips = [e.attributes.get("title") or "" for e in read(page) if e.name == "td"]
    assert any(f"points against {c.baseline}, 95 % interval" in tip and text in tip for tip in tips)


def test_markup_in_titles_and_notes_is_shown_as_it_is() -> None:
    elements = read(str(to_html(small_table([0.1]))))
    assert [e.text for e in elements if e.name == "h3" or e.attributes.get("class") == "note"] == [HOSTILE] * 2
    assert not any(e.name in ("script", "strong") for e in elements)


def test_best_is_bold_second_underlined_and_the_dagger_explained(page: str) -> None:
    main = page[page.index('id="table-main"') : page.index('id="figures"')]
    assert "<strong>" in main and "<u>" in main and "<sup>†</sup>" in main
    assert "† differs from standard" in main and "second underlined" in main


def test_sentences_keep_bold_code_and_lists_and_nothing_else() -> None:
    assert to_inline(r"**a · b**: \<i> 5 \* 3 `x_1 < 2` & c") == (
        "<strong>a · b</strong>: &lt;i&gt; 5 * 3 <code>x_1 &lt; 2</code> &amp; c"
    )
    assert to_inline("head:\n  - one\n  - **two**") == "head:<ul><li>one</li><li><strong>two</strong></li></ul>"


def test_a_drawing_has_ids_of_its_own_and_the_inks_of_the_page(exported: Path) -> None:
    svg = (exported / "figures" / "forest.svg").read_bytes()
    drawing = str(to_drawing(svg, "forest"))
    assert all(i.startswith("forest-") for i in re.findall(r'\bid="([^"]+)"', drawing))
    assert drawing.count("fill: #ffffff") == 0 and "var(--paper)" in drawing and "currentColor" in drawing
    assert "xmlns" not in drawing and "<style" not in drawing and "<title" not in drawing


# Figures that this page adds


def test_the_heat_map_keeps_families_together() -> None:
    assert by_family(("de", "fr", "zh", "sv", "es")) == ["de", "sv", "fr", "es", "zh"]


def test_a_critical_difference_diagram_is_refused_for_the_languages_of_one_task() -> None:
    with pytest.raises(TooLittleData, match="needs independent data sets"):
        critical_difference(STUDY, RECORDS, COMPARISONS)


def test_a_critical_difference_diagram_of_several_data_sets_names_every_method() -> None:
    scores = {f"task {i}": {"standard": 0.7, "adversarial": 0.72 + i / 100, "other": 0.6} for i in range(6)}
    figure = critical_difference_figure(scores)
    texts = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert all(name in texts for name in ("standard  2.00", "adversarial  1.00", "3.00  other", "CD = 1.35"))
    assert to_svg(figure, "s") == to_svg(critical_difference_figure(scores), "s")
    with pytest.raises(ValueError, match="'task 1' lacks other"):
        critical_difference_figure({**scores, "task 1": {"standard": 0.7, "adversarial": 0.7}})


def test_the_power_curve_passes_through_the_study() -> None:
    figure = effect_against_seeds(STUDY, RECORDS, COMPARISONS)
    lines = [line.get_xydata().tolist() for axes in figure.axes for line in axes.lines]
    points = [line for line in lines if len(line) == 1]
    assert len(points) == len([c for c in COMPARISONS if c.kind == "primary"])
    for (n, effect), curve in zip([p[0] for p in points], [x for x in lines if len(x) > 2], strict=True):
        assert dict(curve)[n] == pytest.approx(effect, rel=1e-9)


def test_figures_of_one_scale_and_one_method_are_drawn() -> None:
    study = dataclasses.replace(STUDY, scale=STUDY.scale[:1], method=STUDY.method[:2])
    records = make_records(study, ("standard", "adversarial"))
    comparisons = make_comparisons(study, records)
    for draw in (heat_map, effect_against_seeds):
        assert b"<svg" in to_svg(draw(study, records, comparisons), study.name)


# In a browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine (apt install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desktop", "phone"])
def opened(chromium: Any, exported: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page at two widths; fails the test on any message of the console, any error, any request."""
    width, height = request.param
    wrong: list[str] = []
    tab = chromium.new_page(viewport={"width": width, "height": height}, color_scheme="light")
    tab.on("console", lambda message: wrong.append(f"console: {message.text}"))
    tab.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    tab.on("request", lambda r: None if r.url.startswith("file:") else wrong.append(f"request: {r.url}"))
    tab.goto((exported / "report.html").as_uri())
    yield tab
    tab.close()
    assert wrong == []


def column(tab: Any, table: str, place: int) -> list[str]:
    return [str(text) for text in tab.locator(f"#table-{table} tbody td:nth-child({place})").all_inner_texts()]


def test_a_click_sorts_and_the_third_restores(opened: Any) -> None:
    before = column(opened, "deltas-languages", 6)
    head = opened.locator("#table-deltas-languages th:nth-child(6)")
    values = "#table-deltas-languages tbody td:nth-child(6)"
    for order, sign in (("descending", -1), ("ascending", 1)):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == order
        found = [float(v) for v in opened.locator(values).evaluate_all("cells => cells.map(c => c.dataset.value)")]
        assert found == sorted(found, key=lambda value: sign * value) and found != []
        assert column(opened, "deltas-languages", 6) != before
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "none"
    assert column(opened, "deltas-languages", 6) == before


def test_the_keyboard_sorts_and_missing_values_stay_last(opened: Any) -> None:
    heads = opened.locator("#table-runs th").all_inner_texts()
    place = heads.index("selection") + 1
    button = opened.locator(f"#table-runs th:nth-child({place}) button")
    for key in ("Enter", "Space"):
        button.focus()
        button.press(key)
        found = column(opened, "runs", place)
        missing = [i for i, text in enumerate(found) if text == "–"]
        assert missing and missing == list(range(len(found) - len(missing), len(found)))
    assert opened.locator(f"#table-runs th:nth-child({place})").get_attribute("aria-sort") == "ascending"


def test_the_button_turns_the_page_dark_and_back(opened: Any) -> None:
    def paper() -> str:
        return str(opened.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = paper()
    for colour in ("rgb(21, 24, 28)", light):
        opened.locator("#theme").click()
        assert paper() == colour
    assert light == "rgb(255, 255, 255)"


def test_the_page_follows_the_system(opened: Any) -> None:
    opened.emulate_media(color_scheme="dark")
    assert opened.locator("#theme").inner_text() == "Light"
    fill = "getComputedStyle(document.querySelector('#figure-forest path')).fill"
    assert opened.evaluate(fill) == "rgb(21, 24, 28)"


def test_tables_scroll_in_their_own_box(opened: Any) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    boxes = opened.locator(".table .scroll").evaluate_all("boxes => boxes.map(b => b.scrollWidth > b.clientWidth)")
    assert any(boxes)
