"""Score random days of a warehouse until the process ends; print ``ready``, then a line of JSON for each run.

python -m tests.soak.storage_driver_process FOLDER SEED
"""

import json
import random
import sys
from pathlib import Path

from tests.soak.world import DAYS, score_once
from textclf.config import load_pipeline
from textclf.scoring.score import ScoreOptions
from textclf.spark import open_session


def main(folder: Path, seed: str) -> None:
    """Run until killed."""
    rng, pipeline = random.Random(seed), load_pipeline(folder / "pipeline.toml")
    settings = json.loads((folder / "settings.json").read_text())
    spark = open_session("textclf driver", settings)
    print("ready", flush=True)
    while True:
        day = rng.choice((*DAYS, None))
        options = ScoreOptions(input=str(folder / f"input{rng.randrange(3)}"), day=day)
        run, code = score_once(spark, pipeline, options)
        print(json.dumps({"run_id": run.run_id, "status": run.status, "code": code, "error": run.error}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
