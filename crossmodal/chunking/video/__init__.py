"""Cut films into frames by scene, with their subtitles."""
