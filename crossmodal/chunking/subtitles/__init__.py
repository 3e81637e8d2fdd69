"""Cut subtitles into passages with their time."""
