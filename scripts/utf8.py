"""Names of files as text that can be written as UTF-8."""


def shown(name):
    """The name with each byte that is no UTF-8 as \\xE9 (Python keeps such bytes as surrogates)."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_utf8(name):
    return shown(name) == name
