"""Run an image-text model whose images are patches in any number (SigLIP 2 with NaFlex).

Owns what such a model makes of rows of patches; all else is as of other image-text models.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.models.patch_preprocess import shapes_of


class PatchesEncoder(TransformersEncoder):
    """Serve SigLIP 2 with NaFlex; safe to share between threads."""

    def _image_features(self, pixels: npt.NDArray[np.uint8]) -> Any:
        import torch

        shapes_N2 = torch.from_numpy(shapes_of(pixels)).to(self.device)
        rows_NPSC = torch.from_numpy(np.require(pixels[:, 1:], requirements=["C", "W"]))
        scaled_NPSC = (rows_NPSC.to(self.device).float() * self._image.rescale - self._mean) / (
            self._std
        )
        places_P = torch.arange(scaled_NPSC.shape[1], device=self.device)
        mask_NP = places_P < shapes_N2.prod(dim=1, keepdim=True)
        patches_NPV = scaled_NPSC.flatten(2) * mask_NP.unsqueeze(-1)
        return self._model.get_image_features(
            pixel_values=patches_NPV.to(self._model.dtype),
            pixel_attention_mask=mask_NP.long(),
            spatial_shapes=shapes_N2,
        )
