"""``python -m tests.cluster_jars``: fetch the jars of Hadoop's mini cluster once, for the tests on HDFS."""

import sys
from pathlib import Path

from textclf.errors import TextclfError
from textclf.spark.jars import resolve_into

COORDINATES = ",".join(
    [
        "org.apache.hadoop:hadoop-client-minicluster:3.5.0",
        "org.junit.jupiter:junit-jupiter-api:5.11.4",
        "org.mockito:mockito-core:4.11.0",
        "org.bouncycastle:bcpkix-jdk18on:1.82",
        "org.bouncycastle:bcprov-jdk18on:1.82",
    ]
)
SHA256 = {
    "commons-logging-1.3.0.jar": "66d3c980470b99b0c511dad3dfc0ae7b265ec1fb144e96bc0253a8a175fd34d9",
    "byte-buddy-1.12.19.jar": "030704139e46f32c38d27060edee9e0676b0a0fff8a8be53461515154ba8a7be",
    "byte-buddy-agent-1.12.19.jar": "3a70240de7cdcde04e7c504c2327d7035b9c25ae0206881e3bf4e6798a273ed8",
    "hadoop-client-minicluster-3.5.0.jar": "06772d24529e59939915979b3edba204d367750ef7dc5120411f35221dd4818c",
    "apiguardian-api-1.1.2.jar": "b509448ac506d607319f182537f0b35d71007582ec741832a1f111e5b5b70b38",
    "bcpkix-jdk18on-1.82.jar": "bdc723e20834832ac6af136cb5b5ff05e43b71d4fa151cc6510d9212ee086e63",
    "bcprov-jdk18on-1.82.jar": "14cde2fdfaa8890480a8e5b67aceef0c90f96682c1e23c133bafdc9e0b3255ce",
    "bcutil-jdk18on-1.82.jar": "4420691958ad1c0ba275a6d6d8a6317adbdbdc9277055b6a72aa89c88cda8c7d",
    "junit-jupiter-api-5.11.4.jar": "ab83ef9e51ac4597d59d26b4b58812129550e2f579a404c8af7d09f5ce5b4293",
    "junit-platform-commons-1.11.4.jar": "9edd969b0d0670c54105bc91ae79bd1c6f503e12115faba82073b84c86bbc334",
    "mockito-core-4.11.0.jar": "4b909690cab288c761eb94c0bf0e814496cf3921d8affac84cd87774530351e5",
    "opentest4j-1.3.0.jar": "48e2df636cab6563ced64dcdff8abb2355627cb236ef0bf37598682ddf742f1b",
}


def cluster_jars() -> list[Path]:
    """Return the jars; fetch them if they are not there yet.

    Raises:
        JarsError: They cannot be fetched, or one of them is not the pinned one.
    """
    folder = Path(sys.prefix) / "share" / "textclf" / "cluster-jars"
    fix = "check the network; the tests on HDFS need these jars"
    return resolve_into(folder, COORDINATES, "The jars of Hadoop's mini cluster cannot be fetched.", fix, SHA256)


if __name__ == "__main__":
    try:
        cluster_jars()
    except TextclfError as error:
        sys.exit(str(error))
