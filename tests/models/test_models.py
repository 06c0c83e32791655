import subprocess
import sys

import pytest

from textclf.errors import UsageError
from textclf.models import ARCHITECTURES, InputShape, KerasArchitecture, architecture

SHAPES = [InputShape(40, 12, 2), InputShape(40, 12, 6)]


def test_the_cnn_of_the_tutorial_has_its_parameters() -> None:
    cnn = architecture("cnn")
    assert cnn.parameter_count(cnn.parse({}), InputShape(1747, 100, 2)) == 240_129


def test_logistic_regression_has_one_weight_a_word_and_an_intercept() -> None:
    made = architecture("logistic_regression")
    assert made.parameter_count(made.parse({}), InputShape(1715, 100, 2)) == 1715
    assert made.parameter_count(made.parse({}), InputShape(1715, 100, 6)) == 6 * 1715


@pytest.mark.parametrize("shape", SHAPES, ids=["two labels", "six labels"])
@pytest.mark.parametrize("name", [name for name, made in ARCHITECTURES.items() if isinstance(made, KerasArchitecture)])
def test_the_graph_has_the_tensors_that_the_architecture_declares(name: str, shape: InputShape) -> None:
    made = ARCHITECTURES[name]
    assert isinstance(made, KerasArchitecture)
    model = made.build(made.parse({}), shape)
    declared = made.tensors(made.parse({}), shape)
    assert [weight.path.removeprefix(f"{name}/").replace("/", ".") for weight in model.weights] == list(declared)
    assert [tuple(weight.shape) for weight in model.weights] == list(declared.values())
    assert model.count_params() == made.parameter_count(made.parse({}), shape)
    assert model.output_shape == (None, 1 if shape.labels == 2 else shape.labels)
    assert model.layers[-1].activation.__name__ == ("sigmoid" if shape.labels == 2 else "softmax")


def test_text_values_are_read_by_the_type_of_the_setting() -> None:
    assert architecture("cnn").parse({"num_filters": "64"}).num_filters == 64
    assert architecture("logistic_regression").parse({"C": "0.5"}).C == 0.5


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"num_filter": "64"}, "did you mean num_filters?"),
        ({"num_filters": "0"}, "num_filters: integer, >= 1, <= 4096, default 128"),
        ({"num_filters": "many"}, "num_filters='many'"),
        ({"kernel_size": "2.5"}, "kernel_size='2.5'"),
    ],
)
def test_a_wrong_hyperparameter_says_what_is_allowed(given: dict[str, str], expected: str) -> None:
    with pytest.raises(UsageError) as error:
        architecture("cnn").parse(given)
    assert expected in str(error.value)


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
