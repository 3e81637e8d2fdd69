"""The built-in model ``starter``: images and text in one space, and passages, without a download.

Owns the shipped files (``data/``, see ``MODEL_CARD.md``), how they become model folders and where
these lie. Refuses to load a model: a folder is loaded as any other.
"""

from crossmodal.models.starter.cache import image_text_directory as image_text_directory
from crossmodal.models.starter.cache import sentence_directory as sentence_directory
from crossmodal.models.starter.shipped import digest as digest
