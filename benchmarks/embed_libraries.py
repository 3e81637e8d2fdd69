"""Embed the same pictures with what else pip installs and runs offline with the same weights.

None is a dependency of this project: a library that is missing is named and left out. Put them in
an environment of their own that also sees this one's packages. Each gets the threads, the batches
and the number format that suit it: sentence-transformers reads the model's folder, in bfloat16;
OpenVINO converts the loaded model and runs it in bfloat16 where the processor has it, a stream a
core; ONNX Runtime gets the exported model, in float32, for its processor kernels have no bfloat16.

Not here: open_clip needs torchvision, which pip has only for another build of torch than the
processor's, and reads checkpoints in a layout of its own.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.embed_parts import Vectors, decoded_ahead, parts, text_vectors

_BATCH = 32
_PASS = 8
_MODULES = {
    "sentence-transformers": ("sentence_transformers",),
    "onnxruntime": ("onnxruntime", "onnxscript"),
    "openvino": ("openvino",),
}


class SentenceTransformers:
    """Do as its documentation: encode pictures, which its threads do not decode ahead."""

    def __init__(self, model: Path) -> None:
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(
            str(model), device="cpu", model_kwargs={"dtype": "bfloat16"}, local_files_only=True
        )

    def images(self, paths: Sequence[str]) -> Vectors:
        """Embed pictures, opened batch by batch: all at once would not fit in memory."""
        batches = (paths[i : i + _BATCH] for i in range(0, len(paths), _BATCH))
        return np.concatenate([self._encode([_opened(p) for p in batch]) for batch in batches])

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts."""
        return self._encode(list(texts))

    def _encode(self, inputs: list[Any]) -> Vectors:
        vectors: Vectors = self.model.encode(
            inputs, batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors


class Exported:
    """Decode ahead in threads as the loop does; a library runs the vision tower."""

    def __init__(self, model: Path) -> None:
        self.processor, self.tokenizer, self.model = parts(model, "float32")
        self.run = self.load(_vision_of(self.model))

    def load(self, vision: Any) -> Callable[[Any], Any]:
        """Return what turns (n, 3, height, width) float32 pixels into vectors."""
        raise NotImplementedError

    def images(self, paths: Sequence[str]) -> Vectors:
        """Embed pictures."""
        found = [self.run(pixels) for pixels in decoded_ahead(self.processor, paths, _BATCH)]
        vectors: Vectors = np.concatenate(found).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts with the model that was exported: only pictures are timed."""
        return text_vectors(self.tokenizer, self.model, texts)


class OnnxRuntime(Exported):
    """Run the exported model in batches of 8 on all cores."""

    def load(self, vision: Any) -> Callable[[Any], Any]:
        """Export and open the model."""
        import onnxruntime
        import torch

        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "vision.onnx")
            torch.onnx.export(
                vision,
                (torch.zeros(2, 3, 224, 224),),
                path,
                input_names=["pixels"],
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("n")},),
                external_data=False,
                verbose=False,
            )
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda pixels: np.concatenate(
            [session.run(None, {"pixels": part})[0] for part in _passes(pixels)]
        )


class OpenVino(Exported):
    """Run the converted model in batches of 8, as many at a time as it has streams."""

    def load(self, vision: Any) -> Callable[[Any], Any]:
        """Convert and compile the model."""
        import torch

        from crossmodal.encoders.backends.openvino_tower import openvino as library

        openvino = library()
        converted = openvino.convert_model(vision, example_input=torch.zeros(2, 3, 224, 224))
        compiled = openvino.compile_model(converted, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
        queue = openvino.AsyncInferQueue(compiled)

        def run(pixels: Any) -> Any:
            found: dict[int, Any] = {}

            def keep(request: Any, number: int) -> None:
                found[number] = request.get_output_tensor(0).data.copy()

            queue.set_callback(keep)
            for number, part in enumerate(_passes(pixels)):
                queue.start_async([part], number)
            queue.wait_all()
            return np.concatenate([found[number] for number in sorted(found)])

        return run


LIBRARIES: dict[str, Callable[[Path], Any]] = {
    "sentence-transformers": SentenceTransformers,
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
}


def missing(name: str) -> list[str]:
    """Return the modules that a contender needs and this environment lacks."""
    return [module for module in _MODULES[name] if importlib.util.find_spec(module) is None]


def _vision_of(model: Any) -> Any:
    import torch

    class Vision(torch.nn.Module):
        """Give the image features alone."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixels: torch.Tensor) -> Any:
            """Return (n, dim) features."""
            output = self.model.get_image_features(pixel_values=pixels)
            return getattr(output, "pooler_output", output)

    return Vision().eval()


def _passes(pixels: Any) -> list[Any]:
    return [pixels[i : i + _PASS] for i in range(0, len(pixels), _PASS)]


def _opened(path: str) -> Any:
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")
