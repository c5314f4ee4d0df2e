"""The data plane of Headrace: carries records from a source, through staging, to a sink."""

__version__ = "0.1.0"
