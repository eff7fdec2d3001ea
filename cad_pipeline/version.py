"""The version, on a page of its own, so that a report can name it without loading the front door."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
