"""Turn blocks of text into passages that fit the encoder."""
