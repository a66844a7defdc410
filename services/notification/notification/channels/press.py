"""Newspaper and television: a document ready for print, put into a folder that they collect from, or mailed to them.

Our own id is the document's file name and the mail's Message-ID. A mail that was on its way when the connection broke
may have arrived, and nobody can be asked but the recipient: then the press cannot tell, and a person asks.
"""

import os
import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from notification.application.ports import CannotTell, Message, NotSent, Receipt

TIMEOUT_SECONDS: Final = 30.0
DOCX: Final = "vnd.openxmlformats-officedocument.wordprocessingml.document"


@dataclass(frozen=True, slots=True)
class Mail:
    """Where mail is handed over, `smtp://[user:password@]host[:port]` or `smtps://…`, from whom, and to whom."""

    url: str = field(repr=False)
    sender: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Press:
    """One newspaper or broadcaster. `name` names its folder; without `mail` it collects documents there."""

    name: str
    folder: Path
    mail: Mail | None = None
    timeout: float = TIMEOUT_SECONDS

    asks_people = True

    def find(self, client_id: str) -> Receipt | None:
        """Return whether it was handed over. Raises CannotTell where a mail may have arrived."""
        if self._mark(client_id, "sending").exists():
            raise CannotTell("邮件结果不明，须询问对方 the mail may have arrived; ask the recipient")
        return Receipt(client_id) if self._mark(client_id, "sent" if self.mail else "docx").exists() else None

    def post(self, message: Message) -> Receipt:
        """Write the document and hand it over. Raises NotSent, CannotTell."""
        document = ready_for_print(message)
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            # Whoever collects never sees half of it.
            draft = self._mark(message.client_id, "part")
            draft.write_bytes(document)
            os.replace(draft, self._mark(message.client_id, "docx"))
            if self.mail is not None:
                self._send(self.mail, message, document)
        except OSError as error:
            raise NotSent(f"{type(error).__name__}: {error.strerror or error}") from error
        return Receipt(message.client_id)

    def state(self, external_id: str) -> Receipt:
        """Return that it was handed over; what came of it a person confirms."""
        return Receipt(external_id)

    def remove(self, receipt: Receipt) -> None:
        """Do nothing: what is printed stays printed, the correction stands beside it."""

    @property
    def _path(self) -> Path:
        return self.folder / self.name

    def _mark(self, client_id: str, what: str) -> Path:
        return self._path / f"{client_id}.{what}"

    def _send(self, mail: Mail, message: Message, document: bytes) -> None:
        sending = self._mark(message.client_id, "sending")
        try:
            with _connect(mail.url, self.timeout) as server:
                sending.touch()
                server.send_message(_mail(mail, message, document))
        except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as error:
            # The server answered that it will not have it.
            sending.unlink(missing_ok=True)
            raise NotSent(f"the mail was refused ({type(error).__name__})") from error
        except (OSError, smtplib.SMTPException) as error:
            if sending.exists():
                raise CannotTell("邮件结果不明，须询问对方 the mail may have arrived; ask the recipient") from error
            raise NotSent(f"the mail server is not in reach ({type(error).__name__})") from error
        os.replace(sending, self._mark(message.client_id, "sent"))


def ready_for_print(message: Message) -> bytes:
    """Return a bulletin as a .docx document."""
    # Imported here alone: it belongs to the job process.
    from docx import Document
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml.ns import qn
    from docx.shared import Pt

    document = Document()
    style = document.styles["Normal"]
    style.font.name, style.font.size = "FangSong", Pt(16)
    style.element.rPr.rFonts.set(qn("w:eastAsia"), "仿宋")
    heading = document.add_paragraph()
    heading.alignment = WD_ALIGN_PARAGRAPH.CENTER
    title = heading.add_run(_printable(message.title))
    title.bold, title.font.size = True, Pt(22)
    for paragraph in _printable(message.text).splitlines():
        if paragraph.strip():
            document.add_paragraph(paragraph.strip()).paragraph_format.first_line_indent = Pt(32)
    day = document.add_paragraph(f"{message.day.year}年{message.day.month}月{message.day.day}日")
    day.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    document.sections[0].footer.paragraphs[0].text = f"稿件编号 {message.client_id}"
    core = document.core_properties
    core.title, core.author, core.comments, core.identifier = message.title, "", "", message.client_id
    written = BytesIO()
    document.save(written)
    return written.getvalue()


def _printable(text: str) -> str:
    """Return `text` without control characters, which XML cannot hold."""
    return "".join(char for char in text if char in "\n\t" or char.isprintable())


def _mail(mail: Mail, message: Message, document: bytes) -> EmailMessage:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = mail.sender, mail.recipient, " ".join(message.title.split())
    letter["Message-ID"] = f"<{message.client_id}@{mail.sender.rpartition('@')[2]}>"
    letter["Date"] = format_datetime(datetime.now(UTC))
    letter.set_content(f"稿件见附件，请刊发后由宣传部门在系统中核实。编号 {message.client_id}\n")
    letter.add_attachment(document, maintype="application", subtype=DOCX, filename=f"{message.client_id}.docx")
    return letter


def _connect(url: str, timeout: float) -> smtplib.SMTP:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, parts.port or 465, timeout=timeout, context=ssl.create_default_context()
        )
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=timeout)
    if parts.username:
        server.login(unquote(parts.username), unquote(parts.password or ""))
    return server
