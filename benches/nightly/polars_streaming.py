"""Both families in one process, as a nightly run does.

Usage: python polars_streaming.py EXPORTS OUT
"""

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(exports: Path, out: Path) -> None:
    for family in ("revenue", "usage"):
        spec = importlib.util.spec_from_file_location(family, HERE.parent / family / "polars_streaming.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.main(exports, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
