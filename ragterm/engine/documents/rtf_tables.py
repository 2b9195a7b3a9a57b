"""RTF's words that are characters, destinations without text, and character sets (specification 1.9.1, appendix)."""

# Lists of words read as words: SIM905 would have one quoted string a line.
# ruff: noqa: SIM905

from __future__ import annotations

CHARACTERS: dict[str, str] = {
    "tab": "\t", "emdash": "—", "endash": "–", "emspace": "\u2003", "enspace": "\u2002", "qmspace": "\u2005", "bullet": "•",
    "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "zwj": "\u200d", "zwnj": "\u200c", "ltrmark": "\u200e",
    "rtlmark": "\u200f", "~": "\xa0", "_": "\u2011", "-": "", "{": "{", "}": "}", "\\": "\\", "\t": "\t",
}  # fmt: skip

IGNORED = frozenset(
    "colortbl filetbl fonttbl listtable listoverridetable revtbl rsidtbl pict objdata themedata colorschememapping datastore "
    "latentstyles generator header headerl headerr headerf footer footerl footerr footerf ftnsep ftnsepc ftncn aftnsep aftnsepc aftncn "
    "annotation atnid atnauthor atndate atnicn atnref atrfstart atrfend bkmkstart bkmkend fldinst fldtype formfield datafield private "
    "nonshppict shprslt shpinst nonesttables nesttableprops pn pnseclvl pntxta pntxtb xe tc rxe template background docvar userprops "
    "xmlnstbl mailmerge operator company manager category doccomm comment hlinkbase wgrffmtfilter passwordhash upr objclass objname "
    "panose falt fontemb factoidname svb sp sn sv result".split()
)
"""Destinations whose text is no text of the document. (`result` is the picture of an object.)"""

CODE_PAGES: dict[int, str] = {
    77: "mac_roman", 78: "cp932", 79: "cp949", 80: "gb18030", 81: "cp950", 83: "cp1255", 84: "cp1256", 85: "cp1253", 86: "mac_turkish",
    87: "cp874", 88: "mac_latin2", 89: "mac_cyrillic", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "cp950",
    161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874",
    238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip
"""Character set of a font -> its code page; those that are not here (ANSI, default, symbols) take the document's."""
