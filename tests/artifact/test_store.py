import json
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from tests.factories.artifacts import sample
from textclf.artifact import Artifact, ModelStore
from textclf.artifact.manifest import FILES, FileEntry
from textclf.artifact.store import parse_reference
from textclf.errors import ArtifactError, InputError, UsageError

Damage = Callable[[Path], object]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(str(tmp_path / "models"))


def test_a_saved_model_comes_back_as_it_was(store: ModelStore, tmp_path: Path) -> None:
    saved = store.save(sample())
    loaded = store.load("yelp", "1")
    assert loaded == saved
    assert loaded.reference == "yelp@1"
    assert loaded.vocabulary == sample().vocabulary
    assert list((tmp_path / "models/yelp/1").glob(".*")) == []


def test_versions_count_up_and_only_promotion_makes_a_champion(store: ModelStore) -> None:
    for seed in range(11):
        store.save(sample(seed=seed))
    assert store.versions("yelp") == [str(version) for version in range(1, 12)]
    assert store.champion("yelp") is None
    store.promote("yelp", "2")
    store.promote("yelp", "10")
    assert store.champion("yelp") == "10"
    assert store.load("yelp").reference == "yelp@10"
    assert store.names() == ["yelp"]


def test_writers_at_the_same_time_get_versions_of_their_own(store: ModelStore) -> None:
    saved: list[Artifact] = []
    writers = [
        threading.Thread(target=lambda seed=seed: saved.append(store.save(sample(seed=seed)))) for seed in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    references = {artifact.reference for artifact in saved}
    assert len(references) == 8
    for artifact in saved:
        assert store.load("yelp", artifact.manifest.version) == artifact


def test_a_half_written_version_is_not_seen_and_its_number_is_not_used_again(store: ModelStore, tmp_path: Path) -> None:
    folder = tmp_path / "models/yelp/1"
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"half")
    assert store.names() == []
    assert store.versions("yelp") == []
    assert store.save(sample()).manifest.version == "2"


def test_a_store_at_a_url_is_the_same_store(store: ModelStore, tmp_path: Path) -> None:
    store.save(sample())
    assert ModelStore((tmp_path / "models").as_uri()).load("yelp", "1").reference == "yelp@1"


@pytest.mark.parametrize("reference", ["", "@1", "yelp@", "yelp@0", "yelp@latest", "../yelp", "yelp/1", "a b"])
def test_a_reference_of_another_form_is_refused(reference: str) -> None:
    with pytest.raises(UsageError, match="NAME@VERSION"):
        parse_reference(reference)


def test_a_missing_model_says_what_there_is(store: ModelStore) -> None:
    store.save(sample())
    with pytest.raises(InputError, match="one of: yelp"):
        store.load("yelpp")
    with pytest.raises(InputError, match="yelp, which has no champion"):
        store.load("yelp")
    with pytest.raises(InputError, match="yelp@7"):
        store.load("yelp", "7")
    with pytest.raises(InputError, match="not a valid model name"):
        store.load("../yelp")
    with pytest.raises(InputError, match="yelp@7"):
        store.promote("yelp", "7")


def test_a_champion_file_cannot_lead_out_of_the_store(store: ModelStore, tmp_path: Path) -> None:
    store.save(sample())
    (tmp_path / "models/yelp/champion").write_text("../../elsewhere\n")
    with pytest.raises(InputError, match="no such model"):
        store.load("yelp")


def rewritten(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rewriting(changes: dict[str, object]) -> Damage:
    return lambda folder: rewritten(folder, **changes)


def refilled(folder: Path, file: str, data: bytes) -> None:
    """Replace a file's content and update the manifest, so that only checks of the content can fail."""
    (folder / file).write_bytes(data)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    rewritten(folder, files=files | {file: FileEntry.of(data).model_dump()})


def removed(folder: Path, file: str) -> None:
    (folder / file).unlink()


def cut(folder: Path, file: str) -> None:
    (folder / file).write_bytes(b"")


def flipped(folder: Path, file: str) -> None:
    data = bytearray((folder / file).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / file).write_bytes(bytes(data))


def tensors(folder: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    path = folder / "weights.safetensors"
    loaded = load(path.read_bytes())
    change(loaded)
    refilled(folder, path.name, save(loaded))


def grown(folder: Path, size: int) -> None:
    """Grow the weights into a sparse file, and give its size in the manifest."""
    with (folder / "weights.safetensors").open("r+b") as file:
        file.truncate(size)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    rewritten(folder, files=files | {"weights.safetensors": {"sha256": "0" * 64, "size": size}})


def header(**entry: object) -> bytes:
    """Return a safetensors file with one tensor of eight bytes."""
    data = json.dumps({"output.bias": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8], **entry}}).encode()
    return len(data).to_bytes(8, "little") + data + b"\0" * 8


HEADERS = {
    "of a type that numpy lacks": header(dtype="BF16", shape=[4]),
    "of another size than said": header(shape=[1 << 40]),
    "of an overflowing size": header(shape=[1 << 33, 1 << 33]),
    "of a negative size": header(shape=[-1]),
    "beyond the file": header(data_offsets=[0, 1 << 60]),
    "nested deep": (400_000).to_bytes(8, "little") + b"[" * 400_000,
    "with a header longer than the file": (1 << 62).to_bytes(8, "little") + b"{}",
}
GOLDENS = {
    "nested deep": b"[" * 200_000,
    "scores nested deep": b'{"texts": ["a"], "scores": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "texts that are numbers": b'{"texts": [1], "scores": [[0.5, 0.5]]}',
    "texts that are null": b'{"texts": [null], "scores": [[0.5, 0.5]]}',
    "half a surrogate pair": b'{"texts": ["\\ud800"], "scores": [[0.5, 0.5]]}',
    "scores that are no numbers": b'{"texts": ["a"], "scores": [[NaN, NaN]]}',
    "scores that are texts": b'{"texts": ["a"], "scores": [["0.5", "0.5"]]}',
    "infinite scores": b'{"texts": ["a"], "scores": [[1e999, 0]]}',
    "negative scores": b'{"texts": ["a"], "scores": [[-1, 2]]}',
    "scores that do not sum to 1": b'{"texts": ["a"], "scores": [[0.5, 0.7]]}',
    "ragged scores": b'{"texts": ["a", "b"], "scores": [[0.5, 0.5], [1.0]]}',
    "more texts than scores": b'{"texts": ["a", "b"], "scores": [[0.5, 0.5]]}',
    "not UTF-8": b'{"texts": ["\xff"], "scores": [[0.5, 0.5]]}',
    "another entry": b'{"texts": [], "scores": [], "more": 1}',
    "a list": b"[]",
}
ENTRIES: list[tuple[str, dict[str, object]]] = [
    ("labels", {"labels": ["0", "0"]}),
    ("labels", {"labels": ["0", ""]}),
    ("labels", {"labels": ["0", "\0"]}),
    ("labels", {"labels": ["0", "a\0b"]}),
    ("labels", {"labels": ["0", 1]}),
    ("labels", {"labels": ["0", None]}),
    ("labels", {"labels": [["0"], "1"]}),
    ("max_length", {"max_length": 10**10}),
    ("max_length", {"max_length": -1}),
    ("max_length", {"max_length": 1.5}),
    ("num_words", {"num_words": 10**10}),
    ("num_words", {"num_words": 0}),
    ("size", {"files": {"golden.json": {"sha256": "0", "size": -1}}}),
    ("name", {"name": "../yelp"}),
    ("version", {"version": "1/.."}),
    ("architecture", {"architecture": {"a": 1}}),
    ("architecture", {"hyperparameters": {"C": "NaN"}}),
    ("architecture", {"hyperparameters": {"C": [[]]}}),
]
DAMAGES: dict[str, tuple[Damage, str]] = {
    **{f"no {file}": (partial(removed, file=file), "no file") for file in FILES},
    **{f"flipped {file}": (partial(flipped, file=file), f"unusable file {file}") for file in FILES},
    **{f"cut {file}": (partial(cut, file=file), "0 bytes") for file in FILES},
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "no file"),
    "manifest not JSON": (lambda folder: (folder / "manifest.json").write_text("{"), "Invalid JSON"),
    "manifest of nothing": (lambda folder: (folder / "manifest.json").write_text("{}"), "Field required"),
    "newer format": (lambda folder: rewritten(folder, format_version=2, novelty=1), "(format version 1)"),
    "unknown entry": (lambda folder: rewritten(folder, novelty=1), "novelty"),
    "one label": (lambda folder: rewritten(folder, labels=["0"]), "labels"),
    "more labels": (lambda folder: rewritten(folder, labels=["0", "1", "2"]), "float64[6, 3]"),
    "unknown architecture": (lambda folder: rewritten(folder, architecture="os.system"), "no such architecture"),
    "unknown tokenizer": (lambda folder: rewritten(folder, tokenizer="eval"), "one of: keras"),
    "wrong hyperparameter": (lambda folder: rewritten(folder, hyperparameters={"C": -1}), "C=-1"),
    "another name": (lambda folder: rewritten(folder, name="amazon"), "amazon@1"),
    "another version": (lambda folder: rewritten(folder, version="2"), "yelp@2"),
    "escaping file": (lambda folder: rewritten(folder, files={"../x": FileEntry.of(b"").model_dump()}), "../x"),
    "weights not tensors": (lambda folder: refilled(folder, "weights.safetensors", b"pickle"), "a safetensors file"),
    "missing tensor": (lambda folder: tensors(folder, lambda each: each.pop("output.bias")), "set of tensors"),
    "other tensor shape": (
        lambda folder: tensors(folder, lambda each: each.update({"output.bias": np.zeros(2)})),
        "float64[2]",
    ),
    "other tensor type": (
        lambda folder: tensors(folder, lambda each: each.update({"output.bias": np.zeros(1, np.float32)})),
        "float32[1]",
    ),
    "not finite": (
        lambda folder: tensors(folder, lambda each: each.update({"output.bias": np.array([np.nan])})),
        "output.bias",
    ),
    "vocabulary of other size": (lambda folder: refilled(folder, "vocabulary.txt", b"\nbad\n"), "float64[6, 1]"),
    "vocabulary not text": (lambda folder: refilled(folder, "vocabulary.txt", b"\n\xff\n"), "vocabulary.txt"),
    "golden not JSON": (lambda folder: refilled(folder, "golden.json", b"["), "golden.json"),
    **{
        f"golden {name}": (partial(refilled, file="golden.json", data=data), "golden.json")
        for name, data in GOLDENS.items()
    },
    **{
        f"vocabulary {name}": (partial(refilled, file="vocabulary.txt", data=data), "vocabulary.txt")
        for name, data in {"with a token twice": b"\nbad\nbad\n", "without its first line": b"bad\ngood\n"}.items()
    },
    **{
        f"weights {name}": (partial(refilled, file="weights.safetensors", data=data), "a safetensors file")
        for name, data in HEADERS.items()
    },
    **{f"manifest with {changes}"[:60]: (rewriting(changes), field) for field, changes in ENTRIES},
    "manifest nested deep": (lambda folder: (folder / "manifest.json").write_bytes(b"[" * 200_000), "recursion"),
    "metrics nested deep": (
        lambda folder: (folder / "manifest.json").write_bytes(b'{"metrics":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        "recursion",
    ),
    "a size that no model has": (partial(grown, size=1 << 40), "larger than it can be"),
    "infinite weights": (
        lambda folder: tensors(folder, lambda each: each.update({"output.bias": np.array([np.inf])})),
        "output.bias",
    ),
    "golden of other size": (
        lambda folder: refilled(folder, "golden.json", b'{"texts": ["a"], "scores": [[1.0]]}'),
        "one score per label",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_refused_and_says_what_to_do(store: ModelStore, tmp_path: Path, damage: str) -> None:
    store.save(sample())
    break_it, expected = DAMAGES[damage]
    break_it(tmp_path / "models/yelp/1")
    with pytest.raises(ArtifactError) as error:
        store.load("yelp", "1")
    message = str(error.value)
    assert expected in message
    assert "received: " in message
    assert "expected: " in message
    assert "what to do: restore the folder" in message


def test_loading_imports_nothing_that_trains(store: ModelStore, tmp_path: Path) -> None:
    store.save(sample(kind="cnn"))
    code = "import sys; from textclf.artifact import ModelStore; ModelStore(sys.argv[1]).load('yelp', '1').weights\n"
    code += "print(sorted({'tensorflow', 'keras', 'sklearn', 'pickle5', 'dill'} & set(sys.modules)))"
    made = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "models")], capture_output=True, text=True, check=True
    )
    assert made.stdout == "[]\n"
