"""E-mail: headers, body, quotes and attachments, of mail that is well made and of mail as it is."""

from __future__ import annotations

import base64
import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from support.containers import mail_of, put

from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.documents.places import Places, Staging
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError
from ragterm.engine.types.members import member_path


def parse(tmp_path: Path, content: bytes | str) -> ParsedDocument:
    return opened(tmp_path, content)[0]


def opened(tmp_path: Path, content: bytes | str) -> tuple[ParsedDocument, dict[str, bytes]]:
    """The mail, and what was unpacked of it, by name."""
    path = put(tmp_path / "mail.eml", content.encode() if isinstance(content, str) else content)
    places = Places(tmp_path / "collection")
    parsed = parse_file(path, Staging(str(path), str(places.folder_of(str(path)))))
    files = {one.name: places.file_of(member_path(str(path), one.name)) for one in parsed.members if not one.skipped}
    return parsed, {name: file.read_bytes() for name, file in files.items()}


def blocks(parsed: ParsedDocument) -> list[tuple[str, str]]:
    return [(one.kind, parsed.text[one.start : one.end]) for one in parsed.blocks]


def test_headers_body_quotes_and_signature(tmp_path: Path, check_invariants) -> None:
    body = "Dear Bob,\n\nyes.\n\nOn Monday Bob wrote:\n> Are the plums ripe?\n>> I asked\n> Bob\n\n- one\n- two\n\n"
    body += "-- \nAnn\nGardens Ltd\n"
    parsed = parse(
        tmp_path,
        mail_of(
            body, To="Bob <bob@example.org>", Cc="c@example.org", Date="Tue, 1 Oct 2024 12:34:56 -0500", Subject="Plums"
        ),
    )
    assert (parsed.kind, parsed.title, parsed.parser) == ("email", "Plums", "email")
    assert parsed.metadata == {
        "from": "Ann <ann@example.org>",
        "to": "Bob <bob@example.org>",
        "cc": "c@example.org",
        "date": "2024-10-01T12:34:56-05:00",
        "subject": "Plums",
    }
    assert blocks(parsed) == [
        ("metadata", "From: Ann <ann@example.org>\nTo: Bob <bob@example.org>\nCc: c@example.org\n"
                     "Date: Tue, 01 Oct 2024 12:34:56 -0500\nSubject: Plums"),
        ("paragraph", "Dear Bob,"),
        ("paragraph", "yes."),
        ("paragraph", "On Monday Bob wrote:"),
        ("quote", "> Are the plums ripe?\n>> I asked\n> Bob"),
        ("list", "- one\n- two"),
        ("paragraph", "--\nAnn\nGardens Ltd"),
    ]  # fmt: skip
    check_invariants(parsed)


def test_plain_text_is_preferred_and_a_notice_is_no_text(tmp_path: Path) -> None:
    html = "<p>The <b>HTML</b> version.</p><blockquote>Earlier</blockquote><ul><li>pears</li></ul>"
    assert "HTML" not in parse(tmp_path, mail_of("The plain version.", html=html)).text
    long = f"<html><body><h1>News</h1><p>{'Plums are ripe. ' * 100}</p>{html}</body></html>"
    parsed = parse(tmp_path, mail_of("Your program cannot show HTML.", html=long))
    assert "cannot show" not in parsed.text
    assert [kind for kind, _ in blocks(parsed)] == ["metadata", "heading", "paragraph", "paragraph", "quote", "list"]


def test_html_with_pictures_inside_an_alternative(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"] = "Pictures"
    message.set_content("  ")
    message.add_alternative("<p>See the plum.</p><img src='cid:1'>", subtype="html")
    html = message.get_payload()[1]
    html.add_related(b"\x89PNG", "image", "png", cid="<1>", filename="plum.png")
    parsed = parse(tmp_path, message.as_bytes())
    assert "See the plum." in parsed.text
    assert [(one.name, bool(one.skipped)) for one in parsed.members] == [("plum.png", True)]


def test_flowed_text_is_joined(tmp_path: Path) -> None:
    """RFC 3676, section 4: soft breaks, space-stuffing, quotes, the signature separator."""
    content = (
        "Subject: s\nContent-Type: text/plain; charset=utf-8; format=flowed\n\n"
        "The plums \nare ripe.\n From here.\n> you \n> asked\n-- \nAnn\n"
    )
    texts = [text for kind, text in blocks(parse(tmp_path, content)) if kind != "metadata"]
    assert texts == ["The plums are ripe.\nFrom here.", "> you asked", "--\nAnn"]


def test_attachments_become_members(tmp_path: Path) -> None:
    parsed, files = opened(
        tmp_path,
        mail_of(
            "See below.", {"report.txt": "Pears.", "sub/dir\\x.md": "# X", "logo.png": b"\x89PNG", "smime.p7s": b"sign"}
        ),
    )
    assert files == {"report.txt": b"Pears.", "sub_dir_x.md": b"# X"}
    assert {one.name: one.skipped for one in parsed.members if one.skipped} == {
        "logo.png": "unsupported kind of file (.png)",
        "smime.p7s": "unsupported kind of file (.p7s): a signature, without text of its own",
    }
    assert "Attachments: report.txt, sub_dir_x.md, logo.png, smime.p7s" in parsed.text


def test_names_of_attachments_as_programs_write_them(tmp_path: Path) -> None:
    names = {
        'filename="=?utf-8?B?w7xiZXIubWQ=?="': "über.md",
        "filename*=UTF-8''gr%C3%BCn.md": "grün.md",
        'filename*0="very long "; filename*1="name.md"': "very long name.md",
        'filename="../../evil.md"': ".._.._evil.md",
    }
    for disposition, name in names.items():
        content = (
            "Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nHello.\n"
            f"--b\nContent-Disposition: attachment; {disposition}\n\nplums\n--b--\n"
        )
        parsed = parse(tmp_path, content)
        if name.startswith("."):
            assert parsed.members == () and "hidden" in parsed.warnings[0]
        else:
            assert [one.name for one in parsed.members] == [name]


def test_a_forwarded_message_is_a_document_of_its_own(tmp_path: Path) -> None:
    inner = email.message_from_bytes(
        mail_of("Inner text.", {"deep.txt": "Deep."}, Subject="Re: a/b"), policy=email.policy.default
    )
    outer = EmailMessage()
    outer["Subject"] = "Fwd"
    outer.set_content("Outer text.")
    outer.add_attachment(inner)
    parsed, files = opened(tmp_path, outer.as_bytes())
    assert "Inner text" not in parsed.text and list(files) == ["Re: a_b.eml"]
    again, deep = opened(tmp_path / "again", files["Re: a_b.eml"])
    assert "Inner text." in again.text and deep == {"deep.txt": b"Deep."} and again.title == "Re: a/b"


@pytest.mark.parametrize(
    ("charset", "text", "python"),
    [
        ("iso-8859-1", "Überraschung “süß”", "cp1252"),
        ("koi8-r", "Сливы созрели", "koi8-r"),
        ("gb2312", "梅子熟了，镕基", "gb18030"),
        ("iso-2022-jp", "梅が熟した", "iso-2022-jp"),
        ("utf-7", "Pflaumen für Süß", "utf-7"),
        ("x-unknown", "Pflaumen für Süß und Öl", "utf-8"),
        ("us-ascii", "Pflaumen für Süß und Öl", "utf-8"),
    ],
)
def test_charsets_as_declared_or_as_they_are(tmp_path: Path, charset: str, text: str, python: str) -> None:
    head = f"Subject: s\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: base64\n\n"
    content = head.encode() + base64.b64encode(text.encode(python))
    assert blocks(parse(tmp_path, content))[-1] == ("paragraph", text)
    eight_bit = head.replace("base64", "8bit").encode() + text.encode(python)
    assert blocks(parse(tmp_path, eight_bit))[-1] == ("paragraph", text)


def test_headers_that_break_the_rules(tmp_path: Path) -> None:
    content = "From: Ann \xc3\x9cber <ann@example.org\nTo: <<>>,;@\nDate: yesterday\n"
    content += "Subject: =?x-none?Q?caf=E9?= =?utf-8?Q?=C3=A9t?=\n\nHello."
    parsed = parse(tmp_path, content.encode("latin-1"))
    assert "Ann Über" in parsed.metadata["from"] and parsed.metadata["date"] == "yesterday"
    assert "Hello." in parsed.text and parsed.title
    folded = parse(tmp_path, "Subject: =?utf-8?Q?Pflaumen_?=\n =?utf-8?Q?s=C3=BC=C3=9F?=\n\nHello.")
    assert folded.title == "Pflaumen süß"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_a_whole_message_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    parsed = parse(tmp_path, "Subject: Plums\nFrom: a@example.org\n\nThey are ripe.\n".encode(encoding))
    assert parsed.title == "Plums" and "They are ripe." in parsed.text


def test_damaged_and_encrypted_mail_says_so(tmp_path: Path) -> None:
    cut = mail_of("The plums are ripe.", {"a.txt": "Pears. " * 200})
    parsed = parse(tmp_path, cut[: len(cut) - 300])
    assert "The plums are ripe." in parsed.text and any("damaged: it breaks off" in one for one in parsed.warnings)
    sealed = "From: a@b.c\nContent-Type: multipart/encrypted; boundary=b\n\n--b\n\nVersion: 1\n--b\n\nhQEMA\n--b--\n"
    assert any("encrypted" in one for one in parse(tmp_path, sealed).warnings)


@pytest.mark.parametrize(
    ("content", "says"),
    [("   \n ", "white space"), ("Just a text.\nNo headers.\n", "headers"), ("\x00\x01" * 90, "headers")],
)
def test_what_is_no_mail(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(ParseError, match=says) as caught:
        parse(tmp_path, content)
    assert caught.value.title == "Not an e-mail" and caught.value.hint


def test_parts_within_parts_end(tmp_path: Path) -> None:
    """Four hundred multiparts, one in the other: refused or read, never a crash."""
    content = (
        "Subject: s\n"
        + "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(400))
        + "\nx\n"
    )
    try:
        assert parse(tmp_path, content).title == "s"
    except ParseError as error:
        assert error.title == "Too deeply nested"


@pytest.mark.data
def test_real_mail(data: Path, tmp_path: Path, check_invariants) -> None:
    """Every one is read but the empty one; what Python's package decodes of the plain body without help is in the text."""
    paths = sorted((data / "files" / "other").glob("*.eml"))
    assert len(paths) == 35
    compared = 0
    for path in paths:
        if path.name == "empty.eml":
            with pytest.raises(ParseError):
                parse_file(path)
            continue
        parsed = parse_file(path)
        check_invariants(parsed)
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        attachments = (
            {part.get_filename() for part in message.iter_attachments() if part.get_filename()}
            if message.is_multipart()
            else set()
        )
        assert attachments <= {one.name for one in parsed.members}, path.name
        body = message.get_body(("plain",))
        if body is not None and body.get_content().strip() and "utf-16" not in path.name:
            # ASCII alone: several of these declare a charset that is not theirs.
            words = [word for word in body.get_content().split() if word.isascii()]
            there = set(parsed.text.split())
            assert [word for word in words[:200] if word not in there] == [], path.name
            compared += 1
    assert compared >= 25
