import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from textclf.errors import UsageError
from textclf.models import ARCHITECTURES, InputShape, KerasArchitecture, architecture

SHAPES = [InputShape(40, 12, 2), InputShape(40, 12, 6)]
GRAPHS: list[tuple[str, dict[str, str]]] = [
    (name, {}) for name, made in ARCHITECTURES.items() if isinstance(made, KerasArchitecture)
] + [
    ("recurrent", {"cell": "gru"}),
    ("kim_cnn", {"channels": "two", "pretrained": "vectors.txt"}),
]


@pytest.mark.parametrize(
    ("name", "vocabulary", "parameters"),
    [
        ("dense", 2506, 25_071),  # 2,505 words, and padding, which counts do not include
        ("embedding_flatten", 1747, 137_371),
        ("embedding_max_pooling", 1747, 87_871),
        ("cnn", 1747, 240_129),
    ],
)
def test_the_networks_of_the_tutorial_have_their_parameters(name: str, vocabulary: int, parameters: int) -> None:
    made = architecture(name)
    assert made.parameter_count(made.parse({}), InputShape(vocabulary, 100, 2)) == parameters


def test_a_frozen_embedding_leaves_the_published_parameters_to_train() -> None:
    made = ARCHITECTURES["embedding_max_pooling"]
    assert isinstance(made, KerasArchitecture)
    frozen = made.parse({"pretrained": "glove-6b-50d", "train_embedding": False})
    trained = made.build(frozen, InputShape(1747, 100, 2)).trainable_variables
    assert sum(int(np.prod(variable.shape)) for variable in trained) == 521


def test_logistic_regression_has_one_weight_a_word_and_an_intercept() -> None:
    made = architecture("logistic_regression")
    assert made.parameter_count(made.parse({}), InputShape(1715, 100, 2)) == 1715
    assert made.parameter_count(made.parse({}), InputShape(1715, 100, 6)) == 6 * 1715


@pytest.mark.parametrize("shape", SHAPES, ids=["two labels", "six labels"])
@pytest.mark.parametrize(("name", "given"), GRAPHS, ids=["-".join([name, *given]) for name, given in GRAPHS])
def test_the_graph_has_the_tensors_that_the_architecture_declares(
    name: str, given: dict[str, str], shape: InputShape
) -> None:
    import keras

    made = ARCHITECTURES[name]
    assert isinstance(made, KerasArchitecture)
    hyperparameters = made.parse(given)
    keras.utils.clear_session()  # otherwise Keras numbers repeated names, which hides a clash
    model = made.build(hyperparameters, shape)
    declared = made.tensors(hyperparameters, shape)
    assert [weight.path.removeprefix(f"{name}/").replace("/", ".") for weight in model.weights] == list(declared)
    assert [tuple(weight.shape) for weight in model.weights] == list(declared.values())
    assert model.count_params() == made.parameter_count(hyperparameters, shape)
    assert model.output_shape == (None, 1 if shape.labels == 2 else shape.labels)
    assert model.layers[-1].activation.__name__ == ("sigmoid" if shape.labels == 2 else "softmax")


def test_text_values_are_read_by_the_type_of_the_setting() -> None:
    assert architecture("cnn").parse({"num_filters": "64"}).num_filters == 64
    assert architecture("logistic_regression").parse({"C": "0.5"}).C == 0.5


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("cnn", {"num_filter": "64"}, "did you mean num_filters?"),
        ("cnn", {"num_filters": "0"}, "num_filters: integer, >= 1, <= 4096, default 128"),
        ("cnn", {"num_filters": "many"}, "num_filters='many'"),
        ("cnn", {"kernel_size": "2.5"}, "kernel_size='2.5'"),
        ("kim_cnn", {"kernel_sizes": "3;4"}, "received: kernel_sizes='3;4'"),
        (
            "kim_cnn",
            {"kernel_sizes": "3;4"},
            "kernel_sizes: string (widths from 1 to 99 with commas between, as 2,3,4), default",
        ),
        ("kim_cnn", {"max_norm": "inf"}, "max_norm: finite number, > 0, default 3.0"),
        ("kim_cnn", {"max_norm": "nan"}, "received: max_norm='nan'"),
        ("kim_cnn", {"dropout": "nan"}, "dropout: finite number, >= 0, < 1, default 0.5"),
        ("kim_cnn", {"channels": "both"}, "channels: one or two, default one"),
        (
            "kim_cnn",
            {"pretrained": 50},
            "pretrained: string (a file of GloVe or word2vec vectors, or glove-6b-50d), default None",
        ),
    ],
)
def test_a_wrong_hyperparameter_says_what_is_allowed(name: str, given: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError) as error:
        architecture(name).parse(given)
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "channels=two without pretrained .* name the vectors with pretrained, or take channels=one"),
        (
            {"pretrained": "vectors.txt", "train_embedding": "false"},
            "would freeze both channels: leave train_embedding true, or take channels=one",
        ),
    ],
)
def test_two_channels_begin_the_same_and_one_of_them_learns(given: dict[str, str], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        architecture("kim_cnn").parse({"channels": "two"} | given)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_says_what_it_takes(name: str) -> None:
    made = architecture(name)
    fields = made.hyperparameters.model_fields
    for wrong in ({"colour": "red"}, dict.fromkeys(fields, "no such value")):
        with pytest.raises(UsageError) as error:
            made.parse(wrong)
        message = str(error.value)
        assert all(f"{field}: " in message for field in fields)
    described = {line.partition(":")[0]: line for line in made.describe()}
    for field, spec in fields.items():
        assert f"default {spec.default}" in described[field]
        if spec.annotation in (int, float):
            assert re.search("[<>]", described[field]), described[field]


def test_a_kernel_wider_than_the_text_is_refused() -> None:
    cnn = architecture("cnn")
    with pytest.raises(UsageError, match="kernel_size of at most 12"):
        cnn.check(cnn.parse({"kernel_size": 13}), SHAPES[0])


def test_an_unknown_architecture_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean logistic_regression"):
        architecture("logistic_regresion")


def test_importing_the_architectures_imports_nothing_heavy() -> None:
    code = "import sys, textclf.models, textclf.artifact, textclf.training.train, textclf.scoring.score\n"
    code += "print(sorted({'tensorflow', 'keras', 'sklearn', 'jax'} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "[]\n"
