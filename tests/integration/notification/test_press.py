"""Newspaper and television: the document they are given, and the mail that brings it."""

from collections.abc import Iterator
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from docx import Document

from dandang.local import ports
from notification.application.ports import CannotTell, Message, NotSent, Receipt
from notification.channels.press import Mail, Press, ready_for_print

MESSAGE = Message("p-1", "通报 <一>", "第一段\n\n第二段 & 说明\x00", date(2024, 5, 6))


class Mailbox:
    """Takes mail, refuses it, or breaks off after it came."""

    def __init__(self) -> None:
        self.letters: list[Any] = []
        self.answer = "250 OK"

    async def handle_DATA(  # noqa: N802  # the name that the library calls
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        self.letters.append(envelope)
        if self.answer == "break off":
            server.transport.abort()
        return self.answer


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    port = ports.choose()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, f"smtp://127.0.0.1:{port}"
    finally:
        controller.stop()


def press(folder: Path, url: str | None = None) -> Press:
    mail = Mail(url, "city@example.org", "desk@example.org") if url else None
    return Press("newspaper", folder, mail, timeout=2.0)


def test_the_document_holds_the_text_and_our_own_id() -> None:
    document = Document(BytesIO(ready_for_print(MESSAGE)))
    assert [each.text for each in document.paragraphs] == ["通报 <一>", "第一段", "第二段 & 说明", "2024年5月6日"]
    assert "p-1" in document.sections[0].footer.paragraphs[0].text


def test_a_document_is_put_into_the_folder_whole_and_found_again(tmp_path: Path) -> None:
    paper = press(tmp_path)
    assert paper.find("p-1") is None
    assert paper.post(MESSAGE) == Receipt("p-1")
    assert [path.name for path in (tmp_path / "newspaper").iterdir()] == ["p-1.docx"]
    assert paper.find("p-1") == Receipt("p-1")
    assert paper.state("p-1").proof is None


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "newspaper").write_text("a file where the folder should be")
    with pytest.raises(NotSent):
        press(tmp_path).post(MESSAGE)


def test_a_mail_brings_the_document_under_our_own_id(tmp_path: Path, mailbox: Any) -> None:
    box, url = mailbox
    paper = press(tmp_path, url)
    paper.post(MESSAGE)
    [letter] = box.letters
    assert letter.rcpt_tos == ["desk@example.org"]
    assert b"Message-ID: <p-1@example.org>" in letter.content
    assert b'filename="p-1.docx"' in letter.content
    assert paper.find("p-1") == Receipt("p-1")


def test_a_mail_that_is_refused_may_be_sent_again(tmp_path: Path, mailbox: Any) -> None:
    box, url = mailbox
    paper = press(tmp_path, url)
    box.answer = "554 no"
    with pytest.raises(NotSent):
        paper.post(MESSAGE)
    assert paper.find("p-1") is None
    box.answer = "250 OK"
    paper.post(MESSAGE)
    assert paper.find("p-1") == Receipt("p-1")


def test_a_mail_that_may_have_arrived_is_a_matter_for_people(tmp_path: Path, mailbox: Any) -> None:
    box, url = mailbox
    paper = press(tmp_path, url)
    box.answer = "break off"
    with pytest.raises(CannotTell):
        paper.post(MESSAGE)
    with pytest.raises(CannotTell):
        paper.find("p-1")
    # Somebody asked: it did not arrive.
    box.answer = "250 OK"
    paper.post(MESSAGE)
    assert paper.find("p-1") == Receipt("p-1")


def test_a_mail_server_out_of_reach_took_nothing(tmp_path: Path) -> None:
    paper = press(tmp_path, "smtp://127.0.0.1:1")
    with pytest.raises(NotSent):
        paper.post(MESSAGE)
    assert paper.find("p-1") is None
