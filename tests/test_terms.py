"""Laws of names in running text: what is found is the whole name, stands by itself and means the place or the month."""

from __future__ import annotations

import pytest

from suite.attacks import find_sites, study_lexicons
from suite.tasks.segmenting import UNSPACED
from suite.tasks.terms import DATED, NAMESAKES, ORDINARY, SHORTEST_UNSPACED, find_terms, replace_terms, term_lexicon


def found(text: str, language: str) -> list[str]:
    return [text[start:stop] for start, stop in find_terms(text, language)]


@pytest.mark.parametrize(
    ("language", "text", "names"),
    [
        ("en", "In France and, since Monday, in Germany's north.", ["France", "Monday", "Germany"]),
        ("en", "On March 5 they left the United States.", ["March", "United States"]),
        ("de", "Im Juni 1990 ging sie nach Frankreich.", ["Juni", "Frankreich"]),
        ("es", "El 3 de mayo llegó a Estados Unidos.", ["mayo", "Estados Unidos"]),
        ("ru", "Он приехал в Иран во вторник.", ["Иран", "вторник"]),
        ("vi", "Ông sống ở Tây Ban Nha và Pháp.", ["Tây Ban Nha", "Pháp"]),
        ("tr", "3 Ekim 2001'de Küba'ya gitti.", ["Ekim", "Küba"]),
        ("tr", "Ağustos sonunda geldi", ["Ağustos"]),
        ("ar", "سافر إلى فرنسا في 5 مارس 2010.", ["فرنسا", "مارس"]),
        ("hi", "वह जर्मनी में रहता है।", ["जर्मनी"]),
        ("zh", "她出生于墨西哥，后来在美国和巴巴多斯工作。", ["墨西哥", "美国", "巴巴多斯"]),
        ("ja", "彼はニュージーランドと日本で働いた。", ["ニュージーランド", "日本"]),
        ("th", "เขาเกิดในประเทศแคนาดาเมื่อวันอังคาร", ["แคนาดา", "วันอังคาร"]),
    ],
)
def test_names_that_stand_by_themselves_are_found(language: str, text: str, names: list[str]) -> None:
    assert found(text, language) == names


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "他住在马里兰州。"),
        ("zh", "瓦伦西亚和巴伦西亚都在沿海地区。"),
        ("zh", "南美国家和发展中国家的人。"),
        ("zh", "新墨西哥州，白俄罗斯人，西班牙语"),
        ("ja", "ニュージャージーとニュージーランド人"),
        ("ja", "中国地方と東南アジア系の人"),
        ("de", "Rhode Island liegt am Meer, Island auch."),
        ("es", "La Alhambra de Granada; José Guadalupe; Irán mañana."),
        ("es", "Vive en Nueva México Central."),
        ("ar", "دعم مالي للعالم الذي مارس الطب"),
        ("ru", "среда обитания; Того человека нет."),
        ("en", "You may leave; they march in May; turkey, Turkey and China cups; Michael Jordan, Chad, Jersey."),
        ("en", "Miss France Gall of South Germany Bank and New Mexico City in france."),
        ("fr", "Maurice et Dominique mangent une grenade."),
        ("vi", "phương pháp tốt; Pháp luật; tiếng Tây Ban Nha"),
        ("hi", "भारतीय लोग और जापानी भाषा"),
        ("th", "รัฐนิวเม็กซิโก ภาษาอินโดนีเซีย มาลี"),
        ("tr", "Pazar yeri; Ocak yanıyor"),
        ("fr", "Alsace-Allemagne-Est"),
    ],
)
def test_parts_of_words_and_of_names_ordinary_words_and_namesakes_are_not(language: str, text: str) -> None:
    assert found(text, language) == []


def test_a_name_is_replaced_as_the_donor_calls_it_and_nothing_else_changes() -> None:
    assert replace_terms("Im Juni nach Kuba, nicht nach Rhode Island.", "de", "en") == (
        "Im June nach Cuba, nicht nach Rhode Island."
    )
    assert replace_terms("no name at all", "en", "de") == "no name at all"
    assert replace_terms("in Australia", "en", "xh") == "in Australia" or "Australia" in term_lexicon("en", "xh")


def test_the_lists_speak_of_languages_and_entries_that_there_are() -> None:
    assert {*SHORTEST_UNSPACED} == UNSPACED
    for language in {*ORDINARY, *DATED}:
        for name in ORDINARY.get(language, frozenset()):
            assert name not in term_lexicon(language, "en")
    assert "GE" in NAMESAKES and "Georgien" not in term_lexicon("de", "en")


def test_a_language_that_the_cldr_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="knows no language 'qqq'"):
        find_terms("x", "qqq")


@pytest.mark.parametrize(
    ("language", "text", "wrong"),
    [
        ("en", "you may march in june or polish the china", {"Mai", "März", "Juni", "China", "Chine"}),
        ("vi", "phương pháp này", {"France"}),
        ("zh", "他住在马里兰州附近", {"Mali", "Maryland"}),
    ],
)
def test_the_attack_on_words_takes_names_only_where_they_are_found(language: str, text: str, wrong: set[str]) -> None:
    options = {o for site in find_sites(text, language, study_lexicons("xnli", language), 0) for o in site.options}
    assert options and not options & wrong
    sites = find_sites("They left Germany in July", "en", study_lexicons("xnli", "en"), 0)
    assert [site.options[0] for site in sites if site.options[0] in ("Deutschland", "Juli")] == ["Deutschland", "Juli"]
