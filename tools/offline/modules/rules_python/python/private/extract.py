"""Unpacks some files of a wheel: `extract WHEEL FOLDER PATTERN`.

PATTERN is a regular expression that the beginning of a file's name must match.
"""

import re
import sys
import zipfile


def main() -> None:
    """Runs the command line."""
    wheel, folder, pattern = sys.argv[1:]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if re.match(pattern, name)])


if __name__ == "__main__":
    main()
