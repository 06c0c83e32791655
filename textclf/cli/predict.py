"""``textclf predict``: label texts without Spark and, if the model can be compiled, without TensorFlow."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any

from textclf.cli.model_args import add_place, load_chosen
from textclf.cli.output import cell, write_json
from textclf.common.terminal import visible
from textclf.errors import InputError, UsageError

if TYPE_CHECKING:
    from textclf.artifact import Artifact
    from textclf.inference.scorer import Scorer

_AT_ONCE = 4096  # lines of standard input scored together


def add(commands: Any) -> None:
    """Add the command."""
    made = commands.add_parser(
        "predict",
        help="label texts with a model, without Spark",
        description="Label texts with a model, without Spark.",
    )
    made.add_argument("texts", nargs="*", metavar="TEXT", help="texts; by default each line of standard input")
    add_place(made)
    made.add_argument("--model", metavar="NAME[@VERSION]", help="default: [score] model, or the only model there is")
    made.add_argument("--evidence", action="store_true", help="show the n-gram that influenced each decision most")
    made.add_argument("--json", action="store_true", help="print one JSON object per text, with a score for each label")
    made.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Label the texts and print a line for each."""
    from textclf.kernels.compiler import without_numba

    with without_numba() if args.texts else nullcontext():
        _label(args)
    return 0


def _label(args: argparse.Namespace) -> None:
    artifact = load_chosen(args)
    scorer = make(artifact, evidence=args.evidence)
    texts = iter(_given(args.texts)) if args.texts else _lines()
    # A user who types lines expects an answer to each.
    at_once = 1 if not args.texts and sys.stdin.isatty() else _AT_ONCE
    while part := list(islice(texts, at_once)):
        for found in answers(artifact, scorer, part, evidence=args.evidence):
            if args.json:
                write_json(found)
            else:
                _write_line(found)
        sys.stdout.flush()


def make(artifact: "Artifact", *, evidence: bool = False) -> "Scorer":
    """Return the scorer that ``--backend auto`` chooses, after it has reproduced the scores of the golden texts.

    Raises:
        UsageError: Evidence is requested from a model that cannot give it.
        ArtifactError: The scorer does not reproduce the scores recorded at training.
    """
    from textclf.inference.backends import choose

    choice = choose(artifact, "auto")
    if evidence and choice.name != "compiled":
        raise UsageError(
            f"Model {artifact.reference} cannot give evidence.",
            received=f"{artifact.manifest.architecture}: {choice.why}",
            expected="a model that the compiled backend can score",
            fix="leave out --evidence, or use another model",
        )
    return choice.scorer(artifact)


def answers(
    artifact: "Artifact", scorer: "Scorer", texts: Sequence[str], *, evidence: bool
) -> Iterator[dict[str, Any]]:
    """Yield a dictionary for each text: text, label, score, scores, known_tokens, evidence, model.

    Raises:
        ArtifactError: The model's weights overflow for a text.
    """
    from textclf.artifact.finite_scores import check_scores
    from textclf.text.arrow import string_array

    column, labels = string_array(texts), artifact.manifest.labels
    scores, known = scorer.score(column)
    check_scores(scores, artifact)
    chosen = scores.argmax(axis=1)
    found: list[str | None] = [None] * len(texts)
    if evidence:
        from textclf.inference.compiled_scorer import CompiledScorer
        from textclf.inference.evidence import strongest

        assert isinstance(scorer, CompiledScorer)
        found = strongest(scorer, *scorer.index.ragged(column), chosen)
    for row, text in enumerate(texts):
        every = {label: round(float(score), 6) for label, score in zip(labels, scores[row], strict=True)}
        label = labels[chosen[row]]
        answer: dict[str, Any] = {"text": text, "label": label, "score": every[label], "scores": every}
        answer["known_tokens"] = int(known[row])
        if evidence:
            answer["evidence"] = found[row]
        yield answer | {"model": artifact.reference}


def _write_line(found: dict[str, Any]) -> None:
    fields = [visible(found["label"]), f"{found['score']:.4f}"]
    if "evidence" in found:
        fields.append(visible(found["evidence"] or "-"))
    sys.stdout.write("\t".join([*fields, cell(found["text"])]) + "\n")


def _given(words: Sequence[str]) -> list[str]:
    """Return the texts of the command line decoded from UTF-8, whatever the locale's encoding.

    Raises:
        InputError: A text is not UTF-8.
    """
    found = []
    for number, word in enumerate(words, start=1):
        try:
            found.append(os.fsencode(word).decode("utf-8"))
        except UnicodeError as error:
            raise InputError(
                f"Text {number} on the command line is not UTF-8.",
                received=os.fsencode(word)[:60] if sys.getfilesystemencodeerrors() == "surrogateescape" else word[:60],
                expected="texts in UTF-8",
                fix="convert it first, for example with iconv -f latin1 -t utf-8, or use standard input",
            ) from error
    return found


def _lines() -> Iterator[str]:
    """Yield the lines of standard input; only a line feed ends a line, as in a source's files."""
    for number, raw in enumerate(sys.stdin.buffer, start=1):
        try:
            yield raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"Line {number} of standard input is not UTF-8.",
                received=raw[:60],
                expected="UTF-8, with one text per line",
                fix="convert it first, for example: iconv -f latin1 -t utf-8",
            ) from error
