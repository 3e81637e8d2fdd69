"""Read what was filled into the form of a PDF page; runs in the child.

PDFium draws these values but keeps them out of a page's text. Buttons, signatures and passwords say
nothing that one would look for.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

_MAX_FIELDS = 2000
_MAX_BYTES = 20_000
_PASSWORD_FLAG = 1 << 13
"""PDF 32000-1, table 228."""


def open_form(document: Any) -> None:
    """Let PDFium read the form of a document before its pages, if it has one that can be read."""
    import pypdfium2

    logging.getLogger("pypdfium2").setLevel(logging.ERROR)  # an XFA form has plain fields, too
    with suppress(pypdfium2.PdfiumError):
        document.init_forms()


def read_fields(page: Any) -> list[str]:
    """Return the filled fields of a page as ``Name: value``, in the order of the file.

    A page whose document has no form has none; neither has one that was filled with nothing.
    """
    import pypdfium2.raw as pdfium

    if page.formenv is None:
        return []
    lines: dict[str, None] = {}  # the widgets of one field, such as radio buttons, say it once
    for number in range(min(pdfium.FPDFPage_GetAnnotCount(page), _MAX_FIELDS)):
        annotation = pdfium.FPDFPage_GetAnnot(page, number)
        if not annotation:
            continue
        try:
            lines |= dict.fromkeys(_filled(page.formenv, annotation))
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)
    return list(lines)


def _filled(form: Any, annotation: Any) -> Iterator[str]:
    import pypdfium2.raw as pdfium

    if pdfium.FPDFAnnot_GetSubtype(annotation) != pdfium.FPDF_ANNOT_WIDGET:
        return
    value = _value(form, annotation)
    if not value:
        return
    name = _text(pdfium.FPDFAnnot_GetFormFieldAlternateName, form, annotation)
    name = name or _text(pdfium.FPDFAnnot_GetFormFieldName, form, annotation)
    yield f"{name}: {value}" if name else value


def _value(form: Any, annotation: Any) -> str:
    import pypdfium2.raw as pdfium

    kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON):
        if not pdfium.FPDFAnnot_IsChecked(form, annotation):
            return ""
        return _text(pdfium.FPDFAnnot_GetFormFieldExportValue, form, annotation) or "yes"
    written = (
        pdfium.FPDF_FORMFIELD_TEXTFIELD,
        pdfium.FPDF_FORMFIELD_COMBOBOX,
        pdfium.FPDF_FORMFIELD_LISTBOX,
    )
    if kind not in written or _is_password(form, annotation, kind):
        return ""
    return _text(pdfium.FPDFAnnot_GetFormFieldValue, form, annotation)


def _is_password(form: Any, annotation: Any, kind: int) -> bool:
    import pypdfium2.raw as pdfium

    flags = pdfium.FPDFAnnot_GetFormFieldFlags(form, annotation)
    return kind == pdfium.FPDF_FORMFIELD_TEXTFIELD and bool(flags & _PASSWORD_FLAG)


def _text(ask: Any, form: Any, annotation: Any) -> str:
    """Return what PDFium answers in UTF-16, on one line, without control characters."""
    import pypdfium2.raw as pdfium

    size = min(ask(form, annotation, None, 0), _MAX_BYTES)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    ask(form, annotation, ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR)), size)
    text = buffer.raw[: size - 2].decode("utf-16-le", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
