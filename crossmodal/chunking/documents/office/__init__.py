"""Read DOCX, PPTX and ODT."""
