"""Fetches wheels with the machine's pip."""

def fetch_wheel(rctx, requirement):
    """Unpacks a hash-locked wheel into the repository's folder site-packages.

    Args:
      rctx: the repository's context.
      requirement: a lock's line, version and hashes included.

    Returns:
      struct of wheel (file name) and requires (normalized names of distributions).
    """

    # Read as a file, so that another interpreter fetches anew and another PATH does not.
    python = rctx.read(Label("@machine_python//:interpreter.txt")).split("\n")[0]
    rctx.report_progress("fetching " + requirement.split(" ")[0])
    result = rctx.execute(
        [python, "-B", rctx.path(Label("//python/private:wheel.py")), rctx.path("."), requirement],
        environment = {"MACHETE_OFFLINE_PREFIX": rctx.getenv("MACHETE_OFFLINE_PREFIX", "")},
    )
    if result.return_code:
        fail(result.stderr.strip())
    return struct(**json.decode(result.stdout))
