"""Who learns, told after 100 steps of training: by what the gradient loses on its way back."""

import altair as alt
import numpy as np

from plotting.derived import TRAINING, own_tests
from plotting.layout import colour_of, gather, point_style, titled
from plotting.naming import Lines, plural

# What both trainings of a pair share.
PAIRED = ["task", "setup", "regime", "preset", "train_distance"]

# When gradients are measured on the way (kEarlySteps in harness/training/training.h).
EARLY_STEPS = 100

# Fewer of either kind tell nothing.
FEWEST = 5


def figures(run):
    """A line of claim 3: how well the gradient's decay tells those that will solve their task from
    those that will not, before training and after 100 steps; none where the run has fewer than five
    of either kind."""
    rows = undecided(run)
    solvers = int(rows["is_solved"].sum())
    others = len(rows) - solvers
    if min(solvers, others) < FEWEST:
        return ()
    first, early, loss = (f"{100 * share_of_pairs(rows, by):.0f} %" for by in ("init", "early", "loss"))
    return (f"what the gradient loses over the distance, and who learns: of pairs of a training that solves a task"
            f" at a distance and one that does not, both unsolved after {EARLY_STEPS} steps, the solver's had lost"
            f" less by then in {early}, before training in {first}; its loss was lower by then in {loss} (a coin: 50 %;"
            f" {plural(solvers, 'training')} that solve, {others} that do not)",)  # fmt: skip


def undecided(run):
    """The recurrent trainings that go on after 100 steps and have not solved their task by then, a
    row each: the decades that the gradient loses over the distance, `init` before training and
    `early` after 100 steps, the `loss` then, and `is_solved`, whether it is solved in the end."""
    decay, tests, learning = run.table("decay"), own_tests(run), run.table("learning")
    decay = decay[decay["model"] != "attention"]
    lost = decay.assign(lost=-decay["decades_per_step"] * decay["train_distance"])
    lost = lost.pivot_table(index=TRAINING, columns="stage", values="lost", dropna=True)
    lost = lost.reindex(columns=["init", "early"]).dropna().reset_index()
    tests = tests[~(tests["steps_to_solve"] <= EARLY_STEPS)]
    tests = tests[[*TRAINING, "accuracy", "is_solved"]]
    learning = learning[learning["step"] == EARLY_STEPS]
    return lost.merge(tests, on=TRAINING).merge(learning[[*TRAINING, "loss"]], on=TRAINING)


def share_of_pairs(rows, column):
    """The share of pairs, of one experiment and distance, in which the solver has less in `column`;
    half of the equal ones with it (Mann & Whitney 1947; the area under the curve of hits against
    false alarms)."""
    won = []
    for _, group in rows.groupby(PAIRED):
        values, is_solved = group[column].to_numpy(float), group["is_solved"].to_numpy(bool)
        less = np.subtract.outer(values[~is_solved], values[is_solved])
        won.extend(((less > 0) + 0.5 * (less == 0)).ravel())
    return float(np.mean(won))


def lost_before_and_after(runs):
    """Of each training the decades that its gradient loses, before training and after 100 steps."""
    rows = gather(runs, undecided)
    if rows.empty:
        return None
    # Hollow: unsolved.
    rows = rows.assign(status=np.where(rows["is_solved"], "ok", "beyond"))
    lines = Lines(rows, "variant")
    scale = alt.Scale(type="symlog", constant=1)
    chart = alt.Chart(lines.rows).mark_point(size=55, strokeWidth=1.5, opacity=0.9)
    chart = chart.encode(
        x=alt.X("init:Q", title="lost before training (decades)", scale=scale),
        y=alt.Y("early:Q", title=f"lost after {EARLY_STEPS} steps (decades)", scale=scale),
        color=colour_of(lines),
        tooltip=["task", "model", "variant", "seed", "train_distance", "init", "early", "loss",
                 "accuracy", "is_solved"],
        **point_style(lines),
    ).properties(width=460, height=360)  # fmt: skip
    return titled(
        chart,
        "What the gradient loses over the distance",
        "a point a training that is unsolved after 100 steps; hollow: unsolved in the end, too",
    )
