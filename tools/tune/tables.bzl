"""The measured tables that the default heuristics are fitted to and judged by."""

# With fewer, a condition of the heuristic decides, but for a few N of e4m3
# (machete/generator/catalogue.py).
LEAST_TOKENS = 17

# By families: the table, and how much slower than the fastest schedule the chosen one may be.
TABLES = {
    "bf16_e2m1": struct(name = "h200_bf16_mxfp4_group32.csv", most_regret = "0.11"),
    "bf16_e2m1_gse4m3": struct(name = "h200_bf16_nvfp4_group16.csv", most_regret = "0.10"),
    "bf16_u4": struct(name = "h200_bf16_u4_group128.csv", most_regret = "0.08"),
    "bf16_u4b8": struct(name = "h200_bf16_u4b8_group128.csv", most_regret = "0.10"),
    "bf16_u8b128": struct(name = "h200_bf16_u8b128_group128.csv", most_regret = "0.17"),
    "e4m3_u4b8": struct(name = "h100_e4m3_u4b8_group128.csv", most_regret = "0.12"),
    "e4m3_u4b8_gs": struct(name = "h100_e4m3_u4b8_own_group128.csv", most_regret = "0.11"),
    "e4m3_u4b8_gsvoid": struct(name = "h100_e4m3_u4b8_channel.csv", most_regret = "0.16"),
    "s8_u4b8": struct(name = "h100_s8_u4b8_group128.csv", most_regret = "0.13"),
    "s8_u4b8_gs": struct(name = "h100_s8_u4b8_own_group128.csv", most_regret = "0.20"),
    "s8_u4b8_gsvoid": struct(name = "h100_s8_u4b8_channel.csv", most_regret = "0.25"),
}
