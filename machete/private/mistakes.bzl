"""What is wrong with the arguments of the macros, in words, as far as it is known at loading.

Each function returns the first mistake, or None. The generator finds the rest when it runs. Functions, so
that tests see the messages: tests/mistakes makes a table of them.
"""

load(":catalogue.bzl", "DATA_TYPES", "EPILOGUE_SCHEDULES", "FAMILIES", "KERNEL_SCHEDULES", "TILE_SCHEDULERS")

_SHAPES = {
    "cluster": (3, "three positive integers: CTAs along the features, the tokens and K"),
    "tile": (2, "two positive integers: features, tokens"),
}
_NAMES = {
    "epilogue": EPILOGUE_SCHEDULES,
    "kernel": KERNEL_SCHEDULES,
    "scheduler": TILE_SCHEDULERS,
}

_LONGEST = 80

def _is_list(value):
    return type(value) in ["list", "tuple"]

def _is_schedule(value):
    return type(value) == "struct" and hasattr(value, "machete_schedule")

def _spell(value):
    """Writes a value so that what is allowed, after it, is still read."""
    if _is_schedule(value):
        return "schedule({})".format(value.name)
    text = repr(value)
    return text[:_LONGEST] + " ..." if len(text) > _LONGEST else text

def _refusal(what, value, allowed):
    return "{} = {}; allowed: {}".format(what, _spell(value), allowed)

def _list_mistake(attribute, values, kind = "strings"):
    if not _is_list(values):
        return _refusal(attribute, values, "a list of " + kind)
    if not values:
        return "{} is empty; allowed: one or more {}".format(attribute, kind)
    return None

def _names_mistake(attribute, names):
    mistake = _list_mistake(attribute, names)
    if mistake:
        return mistake
    seen = {}
    for name in names:
        if type(name) != "string":
            return _refusal("an element of " + attribute, name, "strings")
        if name in seen:
            return "{} has {} more than once; allowed: once".format(attribute, name)
        seen[name] = True
    return None

def _name_mistake(name):
    # What Bazel allows beyond these, the generator's command line does not.
    if type(name) != "string" or not name or [c for c in name.elems() if not (c.isalnum() or c in "_-./")]:
        return _refusal("name", name, "letters, digits and _ - . /")
    return None

def schedules_of(family):
    """Lists the schedules of one of Machete's own families.

    Args:
      family: its name.

    Returns:
      The names of its schedules.
    """
    return [shard.removeprefix("impl_").removesuffix(".cu") for shard in FAMILIES[family]]

def kernels_mistake(name, families, schedules = None):
    """Checks the arguments of machete_kernels.

    Args:
      name: the target's name.
      families: as machete_kernels has it.
      schedules: as machete_kernels has it.

    Returns:
      A message, or None.
    """
    mistake = _families_mistake(families) or _subset_mistake(name, families, schedules)
    return "machete_kernels {}: {}".format(name, mistake) if mistake else None

def _families_mistake(families):
    mistake = _names_mistake("families", families)
    if mistake:
        return mistake
    for family in families:
        if family not in FAMILIES and ":" not in family and "/" not in family:
            return "families has {}; allowed: {}, or the label of a machete_family".format(
                family,
                ", ".join(FAMILIES),
            )
    return None

def _subset_mistake(name, families, schedules):
    if schedules == None:
        return None
    mistake = _name_mistake(name) or _names_mistake("schedules", schedules)
    if mistake:
        return mistake
    for family in families:
        if family not in FAMILIES:
            return "schedules with family {}; allowed: with {}; a machete_family has its own".format(
                family,
                ", ".join(FAMILIES),
            )
    known = sorted({name: True for family in families for name in schedules_of(family)})
    for name in schedules:
        if name not in known:
            return "schedules has {}; allowed with these families: {}".format(name, ", ".join(known))
    for family in families:
        own = schedules_of(family)
        if not [name for name in schedules if name in own]:
            return "schedules has none for family {}; allowed with it: {}".format(family, ", ".join(own))
    return None

def schedule_mistake(schedule):
    """Checks a schedule, apart from whether its kernel can run it.

    Args:
      schedule: what should be a result of schedule().

    Returns:
      A message, or None.
    """
    if not _is_schedule(schedule):
        return _refusal("a schedule", schedule, "what schedule() returns")
    for field, (length, allowed) in _SHAPES.items():
        shape = getattr(schedule, field)
        if not _is_list(shape) or len(shape) != length:
            return _refusal(field, shape, allowed)
        for size in shape:
            if type(size) != "int" or size < 1:
                return _refusal(field, shape, allowed)
    for field, allowed in _NAMES.items():
        value = getattr(schedule, field)
        if type(value) != "string" or value not in allowed:
            return _refusal(field, value, ", ".join(allowed))
    return None

def family_mistake(name, types, schedules, heuristic):
    """Checks the arguments of machete_family.

    Args:
      name: the target's name.
      types: its arguments that are types, by name.
      schedules: as machete_family has it.
      heuristic: as machete_family has it.

    Returns:
      A message, or None.
    """
    mistake = (
        _name_mistake(name) or
        _types_mistake(types) or
        _schedules_mistake(schedules) or
        _heuristic_mistake(heuristic, schedules)
    )
    return "machete_family {}: {}".format(name, mistake) if mistake else None

def _types_mistake(types):
    for field, type_ in types.items():
        if type_ not in DATA_TYPES:
            return _refusal(field, type_, ", ".join(DATA_TYPES))
    return None

def _schedules_mistake(schedules):
    mistake = _list_mistake("schedules", schedules, "schedules")
    if mistake:
        return mistake
    for index, schedule in enumerate(schedules):
        mistake = schedule_mistake(schedule)
        if mistake:
            return "schedules[{}]: {}".format(index, mistake)
    return _names_mistake("schedules", [schedule.name for schedule in schedules])

def _heuristic_mistake(heuristic, schedules):
    mistake = _list_mistake("heuristic", heuristic, "(condition, schedule)")
    if mistake:
        return mistake
    names = [schedule.name for schedule in schedules]
    for index, branch in enumerate(heuristic):
        mistake = _branch_mistake(branch, names, index == len(heuristic) - 1)
        if mistake:
            return "heuristic[{}]{}".format(index, mistake)
    return None

def _branch_mistake(branch, names, last):
    if not _is_list(branch) or len(branch) != 2:
        return _refusal("", branch, "(condition, schedule)")
    condition, schedule = branch
    if last and condition != None:
        return _refusal(": condition", condition, "None for the last, which is the default")
    if not last and type(condition) != "string":
        return _refusal(": condition", condition, "a string such as \"M <= 16\"; None for the last")
    mistake = schedule_mistake(schedule)
    if mistake:
        return ": " + mistake
    if schedule.name not in names:
        return ": schedule {}; allowed: one of `schedules`: {}".format(schedule.name, ", ".join(names))
    return None
