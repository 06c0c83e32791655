"""What users write to score a table with the tutorial's CNN: the peers of ``benchmarks/scoring.py``."""

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def tokenizer_of(model: Any) -> tuple[dict[str, int], int]:
    """Index of each word, and the length of a sequence."""
    return {word: index for index, word in enumerate(model.vocabulary.tokens, 1)}, model.manifest.max_length


def sequences(texts: Any, words: dict[str, int], length: int) -> Any:
    """Texts as Keras' tokenizer and pad_sequences have them, in plain Python."""
    from keras.utils import pad_sequences

    table = str.maketrans(FILTERS, " " * len(FILTERS))
    encoded = [[words[word] for word in text.lower().translate(table).split() if word in words] for text in texts]
    return pad_sequences(encoded, maxlen=length, padding="post")


def saved(model: Any, folder: Path) -> str:
    """The network as a .keras file."""
    from textclf.artifact import export_keras

    path = str(folder / "model.keras")
    export_keras(model, path)
    return path


def keras(texts: Any, model: Any, folder: Path) -> Any:
    """Keras in an iterator pandas UDF."""
    from pyspark.sql.pandas import functions

    path, (words, length) = saved(model, folder), tokenizer_of(model)

    pandas_udf: Any = functions.pandas_udf

    @pandas_udf("float")  # type: ignore[untyped-decorator, misc, unused-ignore]
    def score(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        import keras

        network = keras.saving.load_model(path)
        for batch in batches:
            yield pd.Series(network.predict(sequences(batch, words, length), batch_size=1024, verbose=0)[:, 0])

    return texts.select("id", score("text").alias("score"))


def batch(texts: Any, model: Any, folder: Path) -> Any:
    """The same in predict_batch_udf."""
    from pyspark.ml.functions import predict_batch_udf
    from pyspark.sql.types import FloatType

    path, (words, length) = saved(model, folder), tokenizer_of(model)

    def make() -> Callable[[Any], Any]:
        import keras

        network = keras.saving.load_model(path)
        return lambda inputs: network.predict(sequences(inputs, words, length), batch_size=1024, verbose=0)[:, 0]

    score = predict_batch_udf(make, return_type=FloatType(), batch_size=4096)
    return texts.select("id", score("text").alias("score"))


def mlflow(texts: Any, model: Any, folder: Path) -> Any:
    """The same as a pyfunc model in MLflow's spark_udf."""
    import mlflow.pyfunc

    path, (words, length) = saved(model, folder), tokenizer_of(model)

    class Network(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined, unused-ignore]
        def load_context(self, context: Any) -> None:
            import keras

            self._network = keras.saving.load_model(context.artifacts["network"])

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG002
            batch = sequences(model_input.iloc[:, 0], words, length)
            return self._network.predict(batch, batch_size=1024, verbose=0)[:, 0]

    place = str(folder / f"mlflow-{len(list(folder.iterdir()))}")
    requirements = ["keras"]
    mlflow.pyfunc.save_model(place, python_model=Network(), artifacts={"network": path}, pip_requirements=requirements)
    score = mlflow.pyfunc.spark_udf(texts.sparkSession, place, result_type="float", env_manager="local")
    return texts.select("id", score("text").alias("score"))


def _training(model: Any, rows: int = 2_000) -> tuple[list[str], list[int]]:
    rng, words = np.random.default_rng(4), model.vocabulary.tokens
    return [" ".join(rng.choice(words, 12)) for _ in range(rows)], [row % 2 for row in range(rows)]


def fasttext(texts: Any, model: Any, folder: Path) -> Any:
    """A supervised fastText model in a pandas UDF."""
    package: Any = import_module("fasttext")
    from pyspark.sql.pandas import functions

    examples, labels = _training(model)
    lines = [f"__label__{label} {text}\n" for text, label in zip(examples, labels, strict=True)]
    (folder / "fasttext.txt").write_text("".join(lines))
    path = str(folder / "fasttext.bin")
    package.train_supervised(str(folder / "fasttext.txt"), dim=100, verbose=0).save_model(path)

    pandas_udf: Any = functions.pandas_udf

    @pandas_udf("float")  # type: ignore[untyped-decorator, misc, unused-ignore]
    def score(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        network = import_module("fasttext").load_model(path)
        for batch in batches:
            _, scores = network.predict([re.sub(r"\W+", " ", text.lower()) for text in batch])
            yield pd.Series([float(each[0]) for each in scores])

    return texts.select("id", score("text").alias("score"))


def hashing(texts: Any, model: Any, _folder: Path) -> Any:
    """HashingVectorizer and LogisticRegression in a pandas UDF."""
    from pyspark.sql.pandas import functions
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    examples, labels = _training(model)
    fitted = make_pipeline(HashingVectorizer(n_features=1 << 18), LogisticRegression()).fit(examples, labels)
    held = texts.sparkSession.sparkContext.broadcast(fitted)

    pandas_udf: Any = functions.pandas_udf

    @pandas_udf("float")  # type: ignore[untyped-decorator, misc, unused-ignore]
    def score(batch: pd.Series) -> pd.Series:
        return pd.Series(held.value.predict_proba(batch)[:, 1])

    return texts.select("id", score("text").alias("score"))


def onnx_bytes(model: Any) -> bytes:
    """The CNN as an ONNX graph: indices (n, length) to probabilities (n, 1)."""
    from onnx import TensorProto, helper, numpy_helper

    weights = model.weights
    tensors = {
        "embedding": weights["embedding.embeddings"],
        "kernel": weights["convolution.kernel"].transpose(2, 1, 0),
        "kernel_bias": weights["convolution.bias"],
        "hidden": weights["hidden.kernel"],
        "hidden_bias": weights["hidden.bias"],
        "output": weights["output.kernel"],
        "output_bias": weights["output.bias"],
        "axes": np.array([2], np.int64),
    }
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Gather", ["embedding", "tokens"], "vectors", {}),
        ("Transpose", ["vectors"], "channels", {"perm": [0, 2, 1]}),
        ("Conv", ["channels", "kernel", "kernel_bias"], "windows", {}),
        ("ReduceMax", ["windows", "axes"], "strongest", {"keepdims": 0}),
        ("Relu", ["strongest"], "features", {}),
        ("Gemm", ["features", "hidden", "hidden_bias"], "dense", {}),
        ("Relu", ["dense"], "active", {}),
        ("Gemm", ["active", "output", "output_bias"], "logit", {}),
        ("Sigmoid", ["logit"], "score", {}),
    ]
    nodes = [helper.make_node(kind, inputs, [output], **more) for kind, inputs, output, more in steps]
    graph = helper.make_graph(
        nodes,
        "cnn",
        [helper.make_tensor_value_info("tokens", TensorProto.INT32, ["n", "length"])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(np.ascontiguousarray(tensor), name) for name, tensor in tensors.items()],
    )
    made: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    ).SerializeToString()
    return made


def onnx(texts: Any, model: Any, _folder: Path) -> Any:
    """ONNX Runtime in mapInArrow, batches sorted by length and trimmed."""
    graph, (words, length) = onnx_bytes(model), tokenizer_of(model)
    table, width = str.maketrans(FILTERS, " " * len(FILTERS)), model.hyperparameters.kernel_size

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        onnxruntime: Any = import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        for batch in batches:
            lists = [
                [words[word] for word in text.lower().translate(table).split() if word in words][-length:]
                for text in batch.column("text").to_pylist()
            ]
            order = sorted(range(len(lists)), key=lambda row: len(lists[row]))
            scores = np.empty(len(lists), np.float32)
            for start in range(0, len(order), 256):
                rows = order[start : start + 256]
                # a window of padding alone must remain, as in the padded text
                wide = min(length, len(lists[rows[-1]]) + width)
                tokens = np.zeros((len(rows), wide), np.int32)
                for at, row in enumerate(rows):
                    tokens[at, : len(lists[row])] = lists[row]
                scores[rows] = session.run(None, {"tokens": tokens})[0][:, 0]
            yield pa.RecordBatch.from_arrays([batch.column("id"), pa.array(scores)], ["id", "score"])

    return texts.mapInArrow(score, "id long, score float")


PEERS: dict[str, Callable[[Any, Any, Path], Any]] = {
    "keras": keras,
    "batch": batch,
    "mlflow": mlflow,
    "fasttext": fasttext,
    "hashing": hashing,
    "onnx": onnx,
}
