"""check_unique: what every list of names in a macro has to fulfil."""

def check_unique(where, attribute, names):
    """Fails if a list is empty or names something twice.

    Args:
      where: the macro and the target, for the message.
      attribute: the attribute that holds the list, for the message.
      names: the list.
    """
    if not names:
        fail("{}: {} is empty; allowed: one or more".format(where, attribute))
    seen = {}
    for name in names:
        if name in seen:
            fail("{}: {} has {} more than once; allowed: once".format(where, attribute, name))
        seen[name] = True
