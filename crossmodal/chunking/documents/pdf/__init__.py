"""Read PDF: lines, headings, paragraphs, figures and drawn pages."""
