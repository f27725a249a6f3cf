"""Questions whose context has one more sentence: one that is like the question, or one that contradicts the answer.

Nothing is written in any language: sentences and answers are the data's own, so there is no check that a reader would
still give the same answer. Adversarial SQuAD (Jia and Liang 2017) has sentences written and checked by people.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from suite.tasks.cldr import calendar_words
from suite.tasks.deriving import choose
from suite.tasks.examples import Answer, Examples, hash_order
from suite.tasks.segmenting import UNSPACED, word_units
from suite.tasks.types import Subset, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

KIND = ("question answering",)
BREAK = re.compile(
    r"(?:(?<=[.!?।؟۔])|(?<=[.!?।؟۔][\"'”’»)\]]))\s+|(?<=[。！？])(?![”」』])|(?<=[。！？][”」』])|[\r\n]+"
)
"""What parts sentences: a space after a final mark, the place after one of Chinese or Japanese, a new line."""
SPACES = re.compile(r"\s+")
"""What may part Thai clauses and sentences, which have no final marks; numbers and ๆ are set off by spaces too."""
CLAUSE, THAI_SENTENCE = 8, 40
"""Characters of the shortest stretch that is no number or sign, and of the shortest run of them that is parted."""
ABBREVIATED = re.compile(
    r"(?<!\w)(?:[^\W\d_]|Dr|Mr|Mrs|Ms|Mme|Mt|Ft|St|Ste|Sr|Sra|Jr|Prof|Gen|Col|Lt|Capt|Sgt|Rev|Hon|Gov|Sen|Rep|No|Nr|"
    r"Vol|vol|Fig|pp|ed|vs|etc|ca|cf|al|approx|Inc|Ltd|Co|Corp|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec|"
    r"Hl|Str|bzw|usw|гг|вв|им|ул|тыс|млн|млрд)\.$"
)
"""What ends with a dot and ends no sentence: initials (`Lyndon B. Johnson`, `U.S.`) and common abbreviations."""
OPENING, FINAL = "\"'“‘«„([「『¿¡", re.compile(r"[.!?।؟۔。！？|][\"'”’»)\]」』]*$")
"""What may stand before the first letter of a sentence, and what ends it."""
FEWEST_UNITS, LONGEST = 6, 400
"""A sentence has at least so many words (of unspaced scripts, pairs of characters), and at most so many characters."""
COMMON, FEW = 0.02, 6
"""A word in more than this share of the questions or of the sentences, and in more than so many, tells no topic."""
MOST_USES = 3
"""Questions that get the same sentence."""
NEAREST = 50
"""Sentences that are tried for a question, the most similar first."""
AT_ONCE = 200
"""Questions compared with all sentences at once: with 40,000 of them 64 MB."""
LONGEST_ANSWER = 60
"""Characters of the longest answer that is replaced."""
JOINING = frozenset("-‐‑–—/")
"""What joins an answer to another number or word (`1701–1714`), which another answer would not fit."""
WORD = r"[^\W\d_]+"

Right = tuple[Answer, ...]
Changed = dict[int, tuple[str, Right]]
"""Row to its new context, and where the answers stand in it."""


def distractor(task: Task, clean: Examples, languages: Mapping[str, Examples], seed: int) -> Examples | None:
    """Every context with the most like sentence of another context before or after it, none of the answers in it.

    Alike are sentence and question by the cosine of their sets of words, each weighted by the negative log of its share
    of the sentences or of the questions, whichever is greater: `what` is rare in sentences only. They share a word that
    is common in neither, and a sentence serves `MOST_USES` questions of the split, in the order of a hash of their ids;
    a question that is left without one is left out. Half of the sentences are put before, by a hash of the id.
    """
    if clean.pairs is None or clean.answers is None:
        return None
    chosen = _distractors(languages[clean.language], seed)
    changed: Changed = {}
    for row, (name, context, right) in enumerate(zip(clean.ids, clean.pairs, clean.answers, strict=True)):
        if name in chosen:
            put = _before if int(hash_order(seed, f"{name} distractor")[:8], 16) % 2 == 0 else _after
            changed[row] = put(chosen[name], context, right, clean.language)
    return _changed(clean, "distractor", changed)


def _distractors(whole: Examples, seed: int) -> dict[str, str]:
    """Question of a split to the sentence that it gets, by id: decided for all, so that a sample has the same."""
    contexts, answers = whole.pairs or (), whole.answers or ()
    pool = _pool(whole)
    ranked = [*_nearest(whole, pool)]
    uses: Counter[int] = Counter()
    chosen: dict[str, str] = {}
    for row in sorted(range(len(whole)), key=lambda row: hash_order(seed, f"{whole.ids[row]} turn")):
        context, right = contexts[row], answers[row]
        free = (int(i) for i in ranked[row] if uses[int(i)] < MOST_USES)
        found = next((i for i in free if pool[i] not in context and not _any_in(right, pool[i])), None)
        if found is not None:
            uses[found] += 1
            chosen[whole.ids[row]] = pool[found]
    return chosen


def answer_conflict(task: Task, clean: Examples, languages: Mapping[str, Examples], seed: int) -> Examples | None:
    """Every context with the sentence of its answer again at its end, another answer of the same shape in its place.

    The context then says two things; what it said first remains right. Shapes are those of `shape`, so of languages
    without capitals only answers with numbers are replaced. The other answer is one of the split that this context has
    not, to a question that begins with the same two words or else the same word (`how many`, `who`) if there is one;
    the search for it begins at a place given by a hash of the id.
    """
    if clean.pairs is None or clean.answers is None:
        return None
    whole = languages[clean.language]
    alike: dict[str, dict[str, None]] = {}
    for question, right in zip(whole.texts, whole.answers or (), strict=False):
        for form in _forms(question, right[0].text, clean.language):
            alike.setdefault(form, {})[right[0].text] = None
    others = {form: [*texts] for form, texts in alike.items()}
    changed: Changed = {}
    for row, (name, context, right) in enumerate(zip(clean.ids, clean.pairs, clean.answers, strict=True)):
        around = _around(context, right[0], clean.language)
        draw = hash_order(seed, f"{name} answer-conflict")
        tried = (others.get(form, []) for form in _forms(clean.texts[row], right[0].text, clean.language))
        found = (_other(answers, context, right, draw) for answers in tried)
        other = next((text for text in found if text is not None), None)
        if around is not None and other is not None and not _any_in(right, around[0] + other + around[1]):
            changed[row] = _after(around[0] + other + around[1], context, right, clean.language)
    return _changed(clean, "answer-conflict", changed)


def _forms(question: str, answer: str, language: str) -> list[str]:
    """What another answer should share with this one, most first: shape and how the question begins, shape alone."""
    form = shape(answer, language)
    words = word_units(question, language)
    return [f"{form}\n{' '.join(words[:n])}" for n in (2, 1, 0)] if form else []


def _other(answers: Sequence[str], context: str, right: Right, draw: str) -> str | None:
    """An answer that a context has not and that holds no right one, the first from a place on that `draw` gives."""
    folded = context.casefold()
    first = int(draw[:8], 16) % max(1, len(answers))
    in_turn = itertools.chain(answers[first:], answers[:first])
    return next((text for text in in_turn if text.casefold() not in folded and not _any_in(right, text)), None)


def shape(text: str, language: str) -> str:
    """An answer with a 0 for each digit, `month` and `day` for their names, and a W for each other capitalised word.

    Other words stay, and so do words all in capitals where there are digits (`73 CE`). Empty where an answer has
    neither digit nor capital, or is long. `May 1953` and `June 1888` are alike, `1,200 km` and `9,300 km`,
    `Ada Lovelace` and `New York`; `73 CE` and `26 March` are not.
    """
    calendar = calendar_words(language)
    numbers = re.search(r"\d", text) is not None

    def form(found: re.Match[str]) -> str:
        word = found[0]
        if word.casefold() in calendar:
            return f"<{calendar[word.casefold()]}>"
        marks = numbers and len(word) > 1 and word.isupper()
        return "W" if word[0].isupper() and not marks else word

    capitals = any(word[0].isupper() for word in re.findall(WORD, text))
    return re.sub(r"\d", "0", re.sub(WORD, form, text)) if len(text) <= LONGEST_ANSWER and (numbers or capitals) else ""


def sentences(text: str, language: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of a text begin and end, by their final marks; those of Thai by long stretches of clauses."""
    parted = _parts_clauses if language == "th" else _parts_sentences
    start = 0
    for found in (SPACES if language == "th" else BREAK).finditer(text):
        if not ({*"\r\n"} & {*found[0]} or parted(text, start, *found.span())):
            continue
        if text[start : found.start()].strip():
            yield start, found.start()
        start = found.end()
    if text[start:].strip():
        yield start, len(text)


def _parts_sentences(text: str, start: int, end: int, after: int) -> bool:
    """Whether what looks like the end of a sentence is one: no abbreviation, and no small letter after a dot."""
    before = text[start:end]
    return not (before.endswith(".") and (text[after : after + 1].islower() or ABBREVIATED.search(before)))


def _parts_clauses(text: str, start: int, end: int, after: int) -> bool:
    """Whether a space of Thai parts two runs of clauses: both long, and no number or sign on either side."""
    last = text[start:end].split()[-1:] or [""]
    line = text[after:].splitlines()[0] if text[after:] else ""
    rest = line.split()[:1] or [""]
    return end - start >= THAI_SENTENCE <= len(line) and min(len(last[0]), len(rest[0])) >= CLAUSE


def _pool(whole: Examples) -> list[str]:
    """Distinct sentences of all contexts, neither fragments nor whole paragraphs."""
    contexts = dict.fromkeys(whole.pairs or ())
    found = (text[a:b].strip() for text in contexts for a, b in sentences(text, whole.language))
    return [sentence for sentence in dict.fromkeys(found) if _is_whole(sentence, whole.language)]


def _is_whole(sentence: str, language: str) -> bool:
    """Of moderate length, from a capital, a digit or a letter of a script without capitals to a final mark."""
    if len(sentence) > LONGEST or len(word_units(sentence, language)) < FEWEST_UNITS:
        return False
    first = sentence.lstrip(OPENING)[:1]
    if not first.isalnum() or first.islower():
        return False
    return len(sentence) >= THAI_SENTENCE if language == "th" else FINAL.search(sentence) is not None


def _nearest(asking: Examples, pool: Sequence[str]) -> Iterator[NDArray[np.int64]]:
    """For every question the sentences that share a telling word with it, the most similar first, at most `NEAREST`."""
    import numpy as np

    known: dict[str, int] = {}
    said, asked = (_words(texts, asking.language, known) for texts in (pool, asking.texts))
    counts = [
        np.bincount(np.concatenate([np.zeros(0, np.int64), *rows]), minlength=len(known)) for rows in (said, asked)
    ]
    shares = np.max([n / max(1, len(rows)) for n, rows in zip(counts, (said, asked), strict=True)], axis=0)
    telling = np.all([n <= max(FEW, COMMON * len(rows)) for n, rows in zip(counts, (said, asked), strict=True)], axis=0)
    weights = -np.log(np.clip(shares, 1e-12, 1.0))
    (table, questions), (told, topics) = (
        [_unit_rows(rows, w) for rows in (said, asked)] for w in (weights, 1.0 * telling)
    )
    for start in range(0, len(asked), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        alike = (questions[part] @ table.T).toarray() * ((topics[part] @ told.T).toarray() > 0)
        for row in alike:
            least = np.partition(row, -NEAREST)[-NEAREST] if len(row) > NEAREST else 0.0
            kept = np.flatnonzero((row > 0) & (row >= least))
            yield kept[np.argsort(-row[kept], kind="stable")][:NEAREST]


def _words(texts: Sequence[str], language: str, known: dict[str, int]) -> list[NDArray[np.int64]]:
    """Numbers of the distinct words of each text; new words are numbered on."""
    import numpy as np

    bags = (dict.fromkeys(word_units(text, language)) for text in texts)
    return [np.array([known.setdefault(word, len(known)) for word in bag], dtype=np.int64) for bag in bags]


def _unit_rows(rows: Sequence[NDArray[np.int64]], weights: NDArray[np.float64]) -> csr_array:
    """A sparse table with the weights of each row's words, scaled to length 1."""
    import numpy as np
    from scipy.sparse import csr_array

    at = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    bounds = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    norms = np.sqrt([max(float(np.sum(weights[row] ** 2)), 1e-12) for row in rows])
    return csr_array((weights[at] / np.repeat(norms, np.diff(bounds)), at, bounds), shape=(len(rows), len(weights)))


def _around(context: str, answer: Answer, language: str) -> tuple[str, str] | None:
    """What stands before and after an answer in its sentence; none in a range, or in no sentence of moderate length."""
    stop = answer.start + len(answer.text)
    if context[answer.start - 1 : answer.start] in JOINING or context[stop : stop + 1] in JOINING:
        return None
    for a, b in sentences(context, language):
        if a <= answer.start and stop <= b and b - a <= LONGEST:
            return context[a : answer.start], context[stop:b]
    return None


def _any_in(right: Right, text: str) -> bool:
    """Whether a text holds an answer, in whatever case."""
    folded = text.casefold()
    return any(answer.text.strip().casefold() in folded for answer in right)


def _after(sentence: str, context: str, right: Right, language: str) -> tuple[str, Right]:
    return context + _space(language) + sentence, right


def _before(sentence: str, context: str, right: Right, language: str) -> tuple[str, Right]:
    first = sentence + _space(language)
    return first + context, tuple(dataclasses.replace(a, start=a.start + len(first)) for a in right)


def _space(language: str) -> str:
    """What parts two sentences: nothing in Chinese and Japanese, a space in Thai and elsewhere."""
    return "" if language in UNSPACED and language != "th" else " "


def _changed(clean: Examples, subset: str, changed: Changed) -> Examples | None:
    """The rows that have another context; none where they are too few."""
    rows = sorted(changed)
    kept = choose(clean, subset, rows)
    if kept is None:
        return None
    return dataclasses.replace(
        kept, pairs=tuple(changed[row][0] for row in rows), answers=tuple(changed[row][1] for row in rows)
    )


DISTRACTOR = Subset(
    name="distractor",
    description="Questions whose context has, before or after it, the sentence of another context that is most like "
    "the question and holds none of its answers.",
    provenance="synthetic",
    defined_for=KIND,
    same_items=True,
    build_across=distractor,
)
ANSWER_CONFLICT = Subset(
    name="answer-conflict",
    description="Questions whose context ends with a copy of the answer's sentence that gives another answer of the "
    "same shape (number for number, capitalised name for name); what was said first remains right.",
    provenance="synthetic",
    defined_for=KIND,
    same_items=True,
    build_across=answer_conflict,
)
QA_SUBSETS = (DISTRACTOR, ANSWER_CONFLICT)
"""Entries of `suite.tasks.SUBSETS`."""
