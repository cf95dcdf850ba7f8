"""The measured tables that the default heuristics are fitted to and judged by."""

# With fewer, a condition of the heuristic decides (machete/generator/catalogue.py).
LEAST_TOKENS = 17

# How much slower than the fastest schedule the chosen one may be, by weights; there is a table for
# each.
MOST_REGRET = {
    "u4b8": "0.15",
    "u8b128": "0.45",
}

def table(weights):
    """The name of a table."""
    return "h100_bf16_{}_group128.csv".format(weights)
