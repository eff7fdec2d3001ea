"""Lets `python -m cad_pipeline.cli` stand for `cad-pipeline`."""

from cad_pipeline.cli import main

if __name__ == "__main__":
    main()
