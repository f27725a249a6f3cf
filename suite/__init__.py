"""Robust fine-tuning of multilingual encoders: tune, refit, track, compare, export."""

__version__ = "0.1.0"
