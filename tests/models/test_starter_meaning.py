"""The built-in model loads as any other, and knows what pictures and passages mean."""

import pytest
import torch
from PIL import Image, ImageDraw
from torch.nn.functional import normalize

from crossmodal.models import starter

COLOURS = ("red", "blue", "yellow", "black")


def drawn(shape, colour):
    picture = Image.new("RGB", (224, 224), "white")
    getattr(ImageDraw.Draw(picture), shape)((50, 50, 174, 174), fill=colour)
    return picture


@pytest.fixture(scope="module")
def model():
    from transformers import AutoModel

    return AutoModel.from_pretrained(starter.image_text_directory()).eval()


@pytest.fixture(scope="module")
def texts(model):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(starter.image_text_directory())

    def encode(some):
        with torch.inference_mode():
            output = model.get_text_features(**tokenizer(some, padding=True, return_tensors="pt"))
        return normalize(output.pooler_output, dim=-1)

    return encode


@pytest.fixture(scope="module")
def images(model):
    from transformers import AutoImageProcessor

    process = AutoImageProcessor.from_pretrained(starter.image_text_directory())

    def encode(some):
        with torch.inference_mode():
            output = model.get_image_features(**process(some, return_tensors="pt"))
        return normalize(output.pooler_output, dim=-1)

    return encode


def test_image_and_text_meet_in_512_float32_dimensions(texts, images):
    text, image = texts(["a dog"]), images([drawn("rectangle", "red")])
    assert text.shape == image.shape == (1, 512)
    assert text.dtype == image.dtype == torch.float32


def test_a_red_square_is_a_red_square_and_no_dog(texts, images):
    square = images([drawn("rectangle", "red")])
    others = ["a photo of a dog", "two men playing football", "a snowy mountain"]
    scores = (square @ texts(["a red square", *others]).T)[0]
    assert scores.argmax() == 0
    assert scores[0] > scores[1:].max() + 0.04


def test_each_drawn_square_is_nearest_to_the_name_of_its_colour(texts, images):
    squares = images([drawn("rectangle", colour) for colour in COLOURS])
    nearest = (squares @ texts([f"a {colour} square" for colour in COLOURS]).T).argmax(1)
    assert nearest.tolist() == list(range(len(COLOURS)))


def test_captions_that_say_the_same_lie_nearer_than_others(texts):
    dog, puppy, train = texts(
        ["a dog runs on the beach", "a puppy is running along the shore", "a train at a station"]
    )
    assert dog @ puppy > dog @ train + 0.2


def test_passages_that_answer_a_question_lie_nearest():
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(str(starter.sentence_directory()), device="cpu")
    passages = [
        "Water boils at 100 degrees Celsius at sea level.",
        "The treaty was signed in Vienna in 1815.",
        "To install the package, run pip install in a terminal.",
    ]
    questions = ["How hot must water be to boil?", "When was peace agreed?", "setting up software"]
    found = encoder.encode(questions) @ encoder.encode(passages).T
    assert found.argmax(1).tolist() == [0, 1, 2]
    assert encoder.encode(passages).shape == (3, 384)
