"""Languages: translations by key, plural forms, negotiation, and equal results in every language."""

from __future__ import annotations

import pytest

from tests.support.packs import GOOD, leg_day_files
from widget.content.languages import localized, negotiate_locale, pack_texts, text_hash
from widget.content.reader import read_files
from widget.content.reading import Reading
from widget.domain.content.pack import Pack
from widget.domain.engine.live import Engine
from widget.domain.engine.result import Setting
from widget.i18n.money import money_text
from widget.i18n.strings import LANGUAGES, strings_for
from widget.web.locale import accepted_locale

SPANISH = "locales/es.yaml"


def leg_day(**changed: str) -> Reading:
    files = leg_day_files()
    files.update(changed)
    return read_files(files, [])


def the_pack() -> Pack:
    pack = leg_day().pack
    assert pack is not None
    return pack


@pytest.mark.parametrize("locale", ["es", "ar"])
def test_every_text_of_the_shipped_pack_has_a_current_translation(locale: str) -> None:
    pack = the_pack()
    known = pack.translations[locale]
    assert {key: text_hash(text) for key, text in pack_texts(pack).items()} == {k: t.of for k, t in known.items()}
    assert all(item.text.strip() for item in known.values())


@pytest.mark.parametrize("locale", LANGUAGES)
def test_interface_strings_have_the_same_keys_and_fields_in_each_language(locale: str) -> None:
    english, words = strings_for("en"), strings_for(locale)
    assert words.keys() == english.keys()
    for key, text in words.items():
        for field in ("n", "shop", "email", "best", "total", "product", "order", "answer"):
            assert ("{" + field in text) == ("{" + field in english[key]), (locale, key)


@pytest.mark.parametrize("locale", ["es", "ar"])
def test_results_differ_between_languages_in_text_only(locale: str) -> None:
    pack = the_pack()
    here, there = Engine.of(pack), Engine.of(localized(pack, locale))
    one = here.recommend(GOOD, Setting("s", "q", 1))
    other = there.recommend(GOOD, Setting("s", "q", 1, locale))
    for name in ("products", "tips"):
        for mine, theirs in zip(one[name], other[name], strict=True):
            assert (mine.get("sku"), mine.get("id"), mine.get("match")) == (
                theirs.get("sku"),
                theirs.get("id"),
                theirs.get("match"),
            )
            assert mine["why"] != theirs["why"]
    assert other["dir"] == ("rtl" if locale == "ar" else "ltr")


def test_missing_stale_and_unknown_translations_are_reported_by_key() -> None:
    files = leg_day_files()
    text = files[SPANISH].replace("quiz.area.text:", "quiz.aera.text:", 1)
    files[SPANISH] = text
    files["quiz.yaml"] = files["quiz.yaml"].replace(
        "text: When did you last train", "text: On which day did you last train", 1
    )
    data = {problem.problem.code: problem for problem in read_files(files, []).problems}
    assert "quiz.area.text is missing in 'es'" in data["missing_translation"].problem.message
    assert "quiz.trained.text" in data["stale_translation"].problem.message
    assert data["unknown_translation"].problem.suggestion == "quiz.area.text"
    assert data["unknown_translation"].file == SPANISH
    assert data["stale_translation"].line > 1


def test_changed_safety_text_is_shown_untranslated_instead_of_in_a_stale_translation() -> None:
    files = leg_day_files()
    files["safety.yaml"] = files["safety.yaml"].replace("Sore legs can wait. This cannot.", "Nothing else matters now.")
    files["quiz.yaml"] = files["quiz.yaml"].replace(
        "text: When did you last train", "text: On which day did you last train", 1
    )
    pack = read_files(files, []).pack
    assert pack is not None
    spanish = localized(pack, "es")
    row = next(item for item in spanish.triage if item.id == "chest-or-breathing")
    assert "Nothing else matters now." in row.advice.body
    assert spanish.quiz.by_id["trained"].text != pack.quiz.by_id["trained"].text, "others keep their translation"


@pytest.mark.parametrize(
    ("wishes", "locale"),
    [
        (("es",), "es"),
        (("es-MX",), "es"),
        (("AR",), "ar"),
        (("fr", "ar-EG"), "ar"),
        (("fr",), "en"),
        ((None, ""), "en"),
    ],
)
def test_locale_is_the_first_preference_that_the_pack_supports(wishes: tuple[str | None, ...], locale: str) -> None:
    assert negotiate_locale(the_pack(), *wishes) == locale


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("fr-FR, ar;q=0.5, en;q=0.4", "ar"),
        ("en;q=0.1, es;q=0", "en"),
        ("", "en"),
        (";q=;;,,*", "en"),
        ("es;q=wrong, ar;q=0.2", "ar"),
    ],
)
def test_accept_language_is_ranked_by_quality(header: str, language: str) -> None:
    assert (accepted_locale(header, LANGUAGES) or "en") == language


@pytest.mark.parametrize(
    ("locale", "numbers"),
    [("en", {0, 1}), ("es", {0, 1, 2}), ("ar", {0, 1, 2, 3, 11})],
)
def test_counting_messages_use_the_plural_forms_of_the_language(locale: str, numbers: set[int]) -> None:
    words = strings_for(locale)
    assert len({words.text("chosen", n=n).replace(str(n), "") for n in numbers}) == len(numbers)
    listed = words.for_widget(12)["chosen"]
    assert listed[11] == words.text("chosen", n=11)


def test_money_is_formatted_by_language_with_its_currency_sign() -> None:
    assert money_text(2400, "USD", "en") == "$24.00"
    assert money_text(2400, "USD", "es") == "$24.00", "as in the United States"
    assert "\u200eUS$\u200e" in money_text(2400, "USD", "ar")
    assert money_text(2400, "USD", "no such") == "$24.00"


def test_unused_locale_file_is_reported() -> None:
    files = leg_day_files()
    files["locales/fr.yaml"] = "quiz.area.text: {of: abc, text: Où}\n"
    assert "unused_locale" in {problem.problem.code for problem in read_files(files, []).problems}
