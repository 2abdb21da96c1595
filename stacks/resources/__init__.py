"""Pulumi dynamic providers, in importable modules without work at import.

The state refers to them by name: a class defined in `__main__` would be pickled whole into it, and what a renamed module made
could not be destroyed any more.
"""
