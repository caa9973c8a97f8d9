"""The table that ends a run: seqbench and its peers on each case."""

HEADER = (f"{'case':<50} {'library':<11} {'variant':<30} {'ms':>9} {'GFLOP/s':>8} {'of peak':>8}"
          f" {'ratio [low, high]':>20} {'rounds':>6}")

FOOTER = ("Ratio: seconds of the peer ÷ seconds of seqbench, median of the rounds' own ratios with "
          "its 95 % interval\n(below 6 rounds their range). Above 1, seqbench is faster.")


def lines_of(throughput, peers):
    """The lines of one case, from its rows of throughput.csv (seqbench's first) and peers.csv."""
    ratios = {row["case_id"]: row for row in peers}
    for place, row in enumerate(throughput):
        name = row["case_id"] if place == 0 else ""
        library = "seqbench" if place == 0 else row["kernel"]
        ratio = ratios.get(row["case_id"])
        variant = row["kernel"] if place == 0 else ratio["peer_variant"] if ratio else ""
        yield f"{name:<50} {library:<11} {variant:<30} {figures(row, ratio)}".rstrip()


def figures(row, ratio):
    if "seconds" not in row:
        return f"{row['status']}: {row['reason']}"
    seconds, gflops, fraction = (float(row[name]) for name in
                                 ("seconds", "gflops", "fraction_of_peak"))
    text = f"{1e3 * seconds:>9.4g} {gflops:>8.1f} {fraction:>8.2f}"
    if ratio is None:
        text += f" {'':>20}"
    else:
        spread = f"{ratio['ratio']:.2f} [{ratio['ratio_low']:.2f}, {ratio['ratio_high']:.2f}]"
        text += f" {spread:>20}"
    text += f" {row['repetitions']:>6}"
    return text + ("" if row["status"] == "ok" else f"  {row['status']}")
