"""The program that writes ``docs/hand-in.md``, a sheet with the tasks of all lessons.

    python -m scripts.make_hand_in

The tasks are read from the notebooks. A test compares the sheet with this program's output.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
SHEET = ROOT / "docs" / "hand-in.md"
TASK = re.compile(r"\*\*Task (\d+\.\d+)\*\* (.+)", re.S)
_HEAD = """# Hand-in sheet

*For a student.* Each [lesson](lessons.md) ends with tasks, and the notebook checks your answers. Copy this page into a file with your name, such as `ada-lovelace.md`, or print it. For each task, write what you predicted, the answer that the notebook accepted, and one or two sentences of your own that say why. A prediction that was wrong is no mistake: say what you learned from it.

*For a teacher.* Collect one file from each student. `iw.lessons.check("4.2", None)` says what kind of answer a task wants. The right answers are measured in the lesson itself, so they can differ by a few percent between machines and versions; the check allows for that. Grade the sentences, because the check has already seen the numbers. The reason that the check prints after a right answer is the model answer.

Name: ______________________________ Date: ______________ Version (`iw.__version__`): ______________
"""  # noqa: E501


def tasks(path: Path) -> list[tuple[str, str]]:
    """The number and the question of each task of a notebook."""
    cells = nbformat.read(path, as_version=4).cells
    found = [TASK.search(cell.source) for cell in cells if cell.cell_type == "markdown"]
    return [(match[1], match[2].strip()) for match in found if match]


def sheet() -> str:
    """The text of the sheet."""
    parts = [_HEAD]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        title = nbformat.read(path, as_version=4).cells[0].source.split("\n")[0]
        parts.append(f"## {title.removeprefix('# ')}\n")
        for number, question in tasks(path):
            parts += [
                f"**{number}** {question}\n",
                "Prediction: ____________ Answer: ____________\n",
                "Why: ______________________________________________________________________\n",
            ]
    return "\n".join(parts)


if __name__ == "__main__":
    SHEET.write_text(sheet())
