"""Complete an environment: find or install Java, fetch Delta's jars, and compile the companion of this package.

``python -m textclf.spark.launch.provision`` does so. With ``--java-home`` it only prints the home of the Java that jobs
run on.
"""

import os
import sys

from textclf.errors import TextclfError
from textclf.spark.companion import compile_companion
from textclf.spark.jars import jar_folder, resolve_jars
from textclf.spark.java import find_java, install_java, java_home


def main(argv: list[str]) -> int:
    """Provision the environment. Returns the exit code: 0 if the environment is ready."""
    if argv == ["--java-home"]:
        sys.stdout.write(f"{find_java() or ''}\n")
        return 0
    try:
        if find_java() is None:
            install_java()
        os.environ["JAVA_HOME"] = str(java_home())
        jars = resolve_jars()
    except TextclfError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stderr.write(f"Java: {os.environ['JAVA_HOME']}\nDelta: {len(jars)} jars in {jar_folder()}\n")
    try:
        sys.stderr.write(f"Companion: {compile_companion().name}\n")
    except (TextclfError, OSError) as error:  # tables on a local disk work without it
        sys.stderr.write(f"Companion: none, so tables work on a local disk only. {error}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
