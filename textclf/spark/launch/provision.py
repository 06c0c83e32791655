"""Complete an environment: find or install Java, fetch Delta's jars, and compile the companion of this package.

``python -m textclf.spark.launch.provision`` does so. As it ends, it starts a process that makes the class data archive,
and does not wait for it. With ``--java`` it only finds or installs Java, for which no package is needed. With
``--java-home`` it only prints the home of the Java that jobs run on.
"""

import os
import sys

from textclf.errors import TextclfError
from textclf.spark.companion import compile_companion
from textclf.spark.jars import jar_folder, resolve_jars
from textclf.spark.java import find_java, install_java, java_home
from textclf.spark.launch.class_archive import find_archive
from textclf.spark.launch.class_dump import make_at_exit


def main(argv: list[str]) -> int:
    """Provision the environment. Returns the exit code: 0 if the environment is ready."""
    if argv == ["--java-home"]:
        sys.stdout.write(f"{find_java() or ''}\n")
        return 0
    if find_java() is None:
        sys.stderr.write("Java: none yet; trying to install it\n")
        install_java()
    if argv == ["--java"]:
        return 0  # whether there is one now is for the step that needs it
    try:
        java = java_home()
        os.environ["JAVA_HOME"] = str(java)
        jars = resolve_jars()
    except TextclfError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stderr.write(f"Java: {java}\nDelta: {len(jars)} jars in {jar_folder()}\n")
    try:
        sys.stderr.write(f"Companion: {compile_companion().name}\n")
    except (TextclfError, OSError) as error:  # tables on a local disk work without it
        sys.stderr.write(f"Companion: none, so tables work on a local disk only. {error}\n")
    if find_archive(java, {}).missing:  # after the companion, which is among its jars
        make_at_exit(java)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
