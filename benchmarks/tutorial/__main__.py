"""Run every model of the tutorial and write ``docs/tutorial.md``.

TEXTCLF_DATA=folder python -m benchmarks.tutorial [--seeds 10] [--output docs/tutorial.md] [--engine jax]
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.tutorial.beyond import sms_section, trec_section
from benchmarks.tutorial.exact import exact_section
from benchmarks.tutorial.material import Material, load_material
from benchmarks.tutorial.networks import networks_section
from benchmarks.tutorial.searches import searches_section
from benchmarks.tutorial.traps import traps_section
from textclf.errors import UsageError
from textclf.training.keras_trainer import use_keras_backend

Section = Callable[[Material, int], str]
"""From the data and the number of seeds to Markdown."""

SECTIONS: dict[str, Section] = {
    "exact": exact_section,
    "networks": networks_section,
    "searches": searches_section,
    "traps": traps_section,
    "trec": trec_section,
    "sms": sms_section,
}
_HEAD = """# The tutorial, measured

This page is written by `make tutorial`; every number on it was measured by that run. The package began with
[Practical Text Classification With Python and Keras](https://realpython.com/python-keras-text-classification/): here is
what that tutorial published beside what the package gives for the same data, the same split (scikit-learn's,
`test_size=0.25`, `random_state=1000`) and the same settings. The data are the Sentiment Labelled Sentences (Kotzias et
al., KDD 2015, CC BY 4.0), the SMS Spam Collection (Almeida, Hidalgo, CC BY 4.0) and TREC question classification (Li
and Roth 2002). Keras runs on {engine}.
"""


def write_page(data: Path, output: Path, seeds: int, engine: str, sections: list[str]) -> None:
    """Measure, and write the page."""
    use_keras_backend(engine)
    material = load_material(data)
    parts = [_HEAD.format(engine={"jax": "JAX", "tensorflow": "TensorFlow"}[engine])]
    parts += [SECTIONS[name](material, seeds) for name in sections]
    output.write_text("\n".join(parts), encoding="utf-8")
    sys.stderr.write(f"{output} is written\n")


def main() -> int:
    """The exit code."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--seeds", type=int, default=10)
    made.add_argument("--output", type=Path, default=Path("docs/tutorial.md"))
    made.add_argument("--engine", choices=("jax", "tensorflow"), default="jax")
    made.add_argument("--sections", default=",".join(SECTIONS), help="some of them, for a look")
    args = made.parse_args()
    try:
        folder = os.environ.get("TEXTCLF_DATA")
        if not folder:
            raise UsageError(
                "The tutorial needs its data.",
                received="no TEXTCLF_DATA",
                expected="the folder that holds uci/, sms_spam/ and trec/",
            )
        write_page(Path(folder).resolve(), args.output, args.seeds, args.engine, args.sections.split(","))
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
