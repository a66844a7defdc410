"""A look through an uploaded workbook before it is kept or read: is it one, is it safe, what texts are in it.

A workbook is a ZIP of XML. Each part is read once here, within limits, with its checksum, by a parser that refuses
document types; only then is it given to the library that reads cells, which makes room for a whole rectangle of them.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from xml.parsers import expat

from assessment.domain.columns import Place
from citybus.errors import Refusal

MOST_BYTES: Final = 10 << 20
MOST_UNPACKED_BYTES: Final = 50 << 20
MOST_PARTS: Final = 500
MOST_ROWS: Final = 20_000
MOST_COLUMNS: Final = 64

_BOOK: Final = "xl/workbook.xml"
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
_XML: Final = (".xml", ".rels", ".vml")
_OTHERWISE_HARMLESS: Final = (".png", ".jpg", ".jpeg", ".gif", ".emf", ".wmf")
_ROW: Final = re.compile(r"[0-9]{1,7}")
_PRINTER: Final = "xl/printersettings/"
_TEXTS: Final = frozenset({"si", "is", "text", "p"})
"""Elements whose runs are one text: strings of cells, comments, paragraphs of drawings."""


# zipfile raises RuntimeError for encryption and NotImplementedError for methods that it does not know; what is damaged
# within a header shows as any of the others.
_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    expat.ExpatError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
)


@dataclass(slots=True)
class _Sheet:
    filled: bool = False
    unusable: dict[Place, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found: all texts, and by sheet the cells that hold a `FORMULA` or a `CELL_ERROR`."""

    texts: tuple[str, ...]
    unusable: Mapping[str, Mapping[Place, str]]


def scan(content: bytes) -> Scan:
    """Look through a workbook.

    Raises Refusal: 422 `WORKBOOK_UNREADABLE` (not an .xlsx, damaged, encrypted, or with a document type),
    `WORKBOOK_ACTIVE` (macros or embedded objects); 413 `WORKBOOK_TOO_LARGE`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _scan(archive)
    except _DAMAGE as error:
        raise unreadable() from error


def _scan(archive: zipfile.ZipFile) -> Scan:
    parts = archive.infolist()
    _check_parts(parts)
    texts: list[str] = []
    sheets: dict[str, _Sheet] = {}
    names: dict[str, str] = {}
    targets: dict[str, str] = {}
    for part in parts:
        content = archive.read(part)
        if not part.filename.lower().endswith(_XML):
            continue
        reader = _Part(texts)
        reader.read(content)
        if part.filename == _BOOK:
            names = reader.sheets
        elif part.filename == _RELATIONS:
            targets = reader.relations
        elif reader.sheet.filled:
            sheets[part.filename] = reader.sheet
    paths = {name: _path(targets.get(relation, "")) for name, relation in names.items()}
    unusable = {name: sheets[path].unusable for name, path in paths.items() if path in sheets}
    return Scan(tuple(texts), MappingProxyType(unusable))


def _check_parts(parts: list[zipfile.ZipInfo]) -> None:
    names = [part.filename.lower() for part in parts]
    # Two parts of one name are read differently by different readers: what was looked at would not be what is read.
    if len(set(names)) < len(names) or _BOOK not in names or "[content_types].xml" not in names:
        raise unreadable()
    if any(part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for part in parts):
        raise unreadable()
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED_BYTES:
        raise _too_large("工作簿解压后过大。", "The workbook is too large when unpacked.")
    for name in names:
        if not name.endswith((*_XML, *_OTHERWISE_HARMLESS, "/")) and not name.startswith(_PRINTER):
            raise Refusal(
                "WORKBOOK_ACTIVE",
                zh="工作簿含宏、嵌入对象或其他不允许的部件，请另存为不含宏的 .xlsx。",
                en="The workbook holds macros, embedded objects or the like. Save it as a plain .xlsx.",
            )


class _Part:
    """Reads one XML part: its texts, and what it tells of sheets, cells and relations."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self._run: list[str] = []
        self._row = self._column = -1
        self._within = 0
        self.sheet = _Sheet()
        self.sheets: dict[str, str] = {}
        self.relations: dict[str, str] = {}

    def read(self, content: bytes) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._run.append
        parser.Parse(content, True)

    def _doctype(self, *_: Any) -> None:
        raise unreadable()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(":")[2]
        if tag == "c":
            self._place(attributes.get("r"))
            if attributes.get("t") == "e":
                self._note("CELL_ERROR")
        elif tag == "row":
            said = attributes.get("r", "")
            self._row = int(said) if _ROW.fullmatch(said) else max(self._row, 0) + 1
            self._column = -1
        elif tag in ("v", "is"):
            self._fill()
        elif tag == "f" and self._row > 0:
            self._note("FORMULA")
        elif tag == "sheet":
            relation = next((value for key, value in attributes.items() if key.rpartition(":")[2] == "id"), "")
            self.sheets[attributes.get("name", "")] = relation
        elif tag == "Relationship":
            self.relations[attributes.get("Id", "")] = attributes.get("Target", "")
        if tag in _TEXTS:
            self._within += 1
        self._flush(self._within > (tag in _TEXTS))
        self._texts.extend(value for value in attributes.values() if not value.isascii())

    def _end(self, name: str) -> None:
        if name.rpartition(":")[2] in _TEXTS:
            self._within -= 1
        self._flush(self._within > 0)

    def _flush(self, goes_on: bool) -> None:
        """End a text unless it goes on. Two cells are two texts, or 奥秘 beside 密云 would be a mark."""
        if self._run and not goes_on:
            text = "".join(self._run)
            self._run.clear()
            if not text.isascii():
                self._texts.append(text)

    def _fill(self) -> None:
        """Note that the present cell is not empty. Empty cells that only have a style reach to the last row."""
        self.sheet.filled = True
        if self._row > MOST_ROWS or self._column >= MOST_COLUMNS:
            raise _too_large(
                f"一个工作表最多 {MOST_ROWS} 行、{MOST_COLUMNS} 列。",
                f"A sheet has {MOST_ROWS} rows and {MOST_COLUMNS} columns at most.",
                rows=MOST_ROWS,
                columns=MOST_COLUMNS,
            )

    def _note(self, code: str) -> None:
        self._fill()
        self.sheet.unusable[self._row, self._column] = code

    def _place(self, reference: str | None) -> None:
        letters = (reference or "").rstrip("0123456789")
        if reference and letters.isascii() and letters.isalpha() and len(letters) <= 3:
            self._column = _number(letters) - 1
        else:
            self._column += 1


def _number(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _path(target: str) -> str:
    """Return the part that a relation of the workbook points to."""
    return target[1:] if target.startswith("/") else f"xl/{target}"


def unreadable() -> Refusal:
    """Return the refusal of what is no workbook that can be read."""
    return Refusal(
        "WORKBOOK_UNREADABLE",
        zh="不是可读取的 .xlsx 工作簿（损坏、加密或格式不符）。",
        en="This is no .xlsx workbook that can be read: it is damaged, encrypted or of another format.",
    )


def _too_large(zh: str, en: str, **figures: Any) -> Refusal:
    return Refusal("WORKBOOK_TOO_LARGE", zh=zh, en=en, status=413, **figures)
