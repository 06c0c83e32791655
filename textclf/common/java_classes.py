"""Classes of the JVM by their dotted names, without a look for packages of these names."""

from typing import Any

from py4j.java_gateway import JavaClass


class JavaClasses:
    """What Py4J's view of a JVM is, for names whose packages are written small and whose classes begin with a capital.

    Py4J asks the JVM about each part of a dotted name, and for each part the JVM looks through all its jars for a class
    of that name. Here a name costs nothing; a class that is missing is found out when it is used.

    Args:
        jvm: Py4J's view of the JVM, such as ``spark._jvm``.
        package: Dotted name of a package, with a dot at its end; the root by default.

    Raises:
        py4j.protocol.Py4JError: A class that is used is not there.
    """

    def __init__(self, jvm: Any, package: str = "") -> None:
        self._jvm, self._package = jvm, package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by copying and pickling
            raise AttributeError(name)
        full = f"{self._package}{name}"
        return JavaClass(full, self._jvm._gateway_client) if name[0].isupper() else JavaClasses(self._jvm, f"{full}.")
