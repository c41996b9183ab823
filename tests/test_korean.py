"""Korean as it is taught: one word for a thing, in the page, the README and the tutorial."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "gradtrail"
WORDS = SOURCE / "exploring" / "page" / "words"
TEXTS = [
    *(WORDS / "ko.js", SOURCE / "tracing" / "words" / "ko.json"),
    ROOT / "README.ko.md",
    *sorted((ROOT / "docs" / "ko").glob("*.md")),
]
TAUGHT = {
    r"걸음": "스텝 (a step of training), 단계 (a stage)",
    r"(?<![가-힣])지도(?=[ 가-힣]|$)": "맵 (a feature map)",
    r"최적화가": "옵티마이저가 (the optimiser)",
    r"계획": "플랜 (the plan)",
    r"모두에게": "모든 샘플에서",
    r"행 순서": "행 우선 순서 (row-major order)",
    r"한 단계\(": "스텝",
}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_the_words_are_those_that_are_taught(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = {wrong: right for wrong, right in TAUGHT.items() if re.search(wrong, text, re.M)}
    assert found == {}


def test_what_the_page_says() -> None:
    page = (WORDS / "ko.js").read_text(encoding="utf-8")
    for said in (
        "옵티마이저가 ${layer} 층의 가중치를 갱신합니다",
        "맵 안에서 이동",
        'step: "스텝"',
        'deadShare: "모든 샘플에서 닫힘"',
    ):
        assert said in page
    assert "\n## 플랜: 형상 표\n" in (ROOT / "README.ko.md").read_text(encoding="utf-8")
