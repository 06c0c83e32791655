"""Set-up compiles what jobs import before anything else."""

from textclf.spark.launch.bytecode import imported_files


def test_what_jobs_import_is_compiled_and_tools_and_tests_of_packages_are_left_for_later() -> None:
    files = list(imported_files())

    for name in ("pyspark/sql/session.py", "numba/core/ir.py", "keras/src/models/model.py", "tensorflow/__init__.py"):
        assert any(file.endswith(f"/site-packages/{name}") for file in files), name
    for name in ("/site-packages/moto/", "/site-packages/_pytest/", "/tests/"):
        assert not any(name in file for file in files), name
