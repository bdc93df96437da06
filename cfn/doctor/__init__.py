"""Judges rendered templates: reads JSON, resolves every intrinsic, asks each rule. Imports nothing that renders."""
