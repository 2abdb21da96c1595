"""Pulumi dynamic providers. Importable modules without work at import, because the state refers to them by name: a class defined in
`__main__` would be pickled whole into the state, and a renamed module could not be destroyed any more.
"""
