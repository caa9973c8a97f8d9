"""The table that ends scripts/coverage: SUMMARY LEAST LEAST_OF_FILE SOURCE...

SUMMARY is what `llvm-cov export` wrote, the LEAST are percentages, a SOURCE is a file's name
without its end. Exit code 1 when fewer branches were taken.
"""

import json
import sys
from pathlib import Path


def branches_of(summary):
    """Of each source but the tests': {"count", "covered", "percent"} of its branches."""
    files = json.loads(Path(summary).read_text(encoding="utf-8"))["data"][0]["files"]
    return {Path(file["filename"]).stem: file["summary"]["branches"] for file in files
            if file["filename"].endswith(".cc") and "/tests/" not in file["filename"]}


def main(summary, least, least_of_file, *sources):
    least, least_of_file = float(least), float(least_of_file)
    counts = branches_of(summary)
    taken = branches = 0
    poor = []
    print("branches taken     of  percent  file")
    for name in sources:
        count = counts[name]
        print(f"{count['covered']:14} {count['count']:6} {count['percent']:8.1f}  {name}.cc")
        taken += count["covered"]
        branches += count["count"]
        if count["count"] and count["percent"] < least_of_file:
            poor.append(name)
    print(f"{taken:14} {branches:6} {100 * taken / branches:8.1f}  in all")
    if poor:
        return f"coverage: fewer than {least_of_file:g} % were taken in {', '.join(poor)}"
    if 100 * taken < least * branches:
        return f"coverage: fewer than {least:g} % were taken in all"
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
