"""Reads locks of Python requirements."""

def _without_comment(line):
    return "" if line.startswith("#") else line.partition(" #")[0]

def parse_lock(text):
    """Reads a lock as pip-compile and uv write it.

    Args:
      text: the file's text.

    Returns:
      (dict from normalized name to the requirement as one line, None), or
      (None, a sentence that says what is wrong).
    """
    locked = {}
    for line in text.replace("\r", "").replace("\\\n", " ").split("\n"):
        words = [word for word in _without_comment(line.strip()).split(" ") if word]
        if not words or words[0].startswith("-"):
            continue
        requirement = " ".join(words)
        name, pinned, _ = words[0].partition("==")
        if not pinned:
            return None, "the lock has {}, which pins no version with ==".format(repr(words[0]))
        if "--hash=" not in requirement:
            return None, "the lock has {} without a hash".format(repr(words[0]))
        name = name.partition("[")[0].lower().replace("-", "_").replace(".", "_")
        locked[name] = requirement
    return locked, None
