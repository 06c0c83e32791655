"""The options of the JVMs of tests: those for short work, and the class data archive of the environment."""

import sys

from textclf.spark import SHORT_WORK
from textclf.spark.java import java_home, java_version
from textclf.spark.launch.class_archive import DEFAULT_OPTIONS, ITSELF
from textclf.spark.launch.class_dump import ClassArchiveError, make_archive

# The C2 compiler costs more time than it saves in a JVM that lives for seconds.
OPTIONS = SHORT_WORK[DEFAULT_OPTIONS]


def java_options() -> str:
    """Return the options of every test JVM. The archive, which sessions find themselves, is made if there is none."""
    try:
        if java_version(java_home()) < ITSELF:
            make_archive(java_home())
    except ClassArchiveError as error:  # the tests still pass, but are slower
        sys.stderr.write(f"{error}\n")
    return OPTIONS
