"""Architecture specifications as nvcc options."""

def _number(code):
    """Splits the part after the underscore: "sm_90a" gives (90, "a")."""
    kind, _, text = code.partition("_")
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    if kind not in ("sm", "compute") or not digits.isdigit():
        return None
    return int(digits), text[len(digits):]

def parse_archs(specs):
    """Reads specifications such as "compute_90a:sm_90a".

    A specification holds parts, separated by semicolons. A part is VIRTUAL:CODE,... or CODE,...
    with VIRTUAL of compute_N and CODE of sm_N or compute_N; a part without VIRTUAL is compiled
    from the lowest of its codes.

    Args:
      specs: list of specifications.

    Returns:
      (list of nvcc options, None), or (None, a sentence that says what is wrong).
    """
    options = []
    for spec in specs:
        for part in spec.split(";"):
            if not part.strip():
                continue
            virtual, colon, rest = part.strip().rpartition(":")
            codes = [code.strip() for code in rest.split(",")]
            for code in codes:
                if not _number(code):
                    return None, "{} in {} is no CUDA architecture; sm_N and compute_N are".format(
                        repr(code),
                        repr(spec),
                    )
            if colon and (not virtual.startswith("compute_") or not _number(virtual)):
                return None, "{} in {} is no virtual architecture; compute_N is".format(
                    repr(virtual),
                    repr(spec),
                )
            lowest, suffix = min([_number(code) for code in codes])
            arch = virtual or "compute_{}{}".format(lowest, suffix)
            for code in codes:
                options += ["-gencode", "arch={},code={}".format(arch, code)]
    return options, None
