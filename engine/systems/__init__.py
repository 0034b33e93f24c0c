"""Whole systems after the project's source documents, behind the generator's interface."""
