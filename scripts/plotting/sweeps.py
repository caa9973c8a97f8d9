"""What it costs to run a recurrence in parallel over time: sweeps of Newton's method."""

import altair as alt

from plotting.derived import TRAINING, own_tests
from plotting.layout import colour_of, gather, log_axis, point_style, titled
from plotting.naming import Lines, plural, span
from plotting.recall import experiment_names


def figures(run):
    """A line of claim 1: how many sweeps models take that solve their task, by task, and others do;
    none where the run has no sweeps."""
    rows = told_outcome(run)
    if rows.empty:
        return ()
    trained, first = (rows[rows["stage"] == stage] for stage in ("trained", "init"))
    solved, others = trained[trained["is_solved"]], trained[~trained["is_solved"]]
    parts = [f"before training {of_trainings(first)}"] if not first.empty else []
    if not solved.empty:
        tasks = solved.groupby(experiment_names(solved.assign(run=run.name, of_several=False)))
        by_task = [f"{name} {of_trainings(group)}" for name, group in tasks]
        parts.append(f"trained models that solve {', '.join(by_task)}")
    if not others.empty:
        parts.append(f"those that do not solve their task {of_trainings(others)}")
    return (f"all steps at once instead, sweeps of Newton's method over {span(rows['window'])} steps,"
            f" median (least to most): {'; '.join(parts)}",)  # fmt: skip


def of_trainings(rows):
    """"6 (4 to 12 in 9 trainings)", by column `sweeps`."""
    sweeps = rows["sweeps"]
    return (f"{sweeps.median():.3g} ({sweeps.min():.3g} to {sweeps.max():.3g} in"
            f" {plural(len(rows), 'training')})")  # fmt: skip


def told_outcome(run):
    """The rows of newton.csv whose training has a test, with column `is_solved`."""
    return run.table("newton").merge(own_tests(run)[[*TRAINING, "is_solved"]], on=TRAINING)


def sweeps_vs_decay(runs):
    """Sweeps of each training before and after it, against the decay of its gradient."""
    rows = gather(runs, told_outcome)
    rows = rows[rows["decay_decades_per_step"].notna() & rows["stage"].isin(["init", "trained"])]
    if rows.empty:
        return None
    # Hollow: before training.
    rows = rows.assign(status=rows["stage"].map({"init": "beyond", "trained": "ok"}),
                       panel=experiment_names(rows))  # fmt: skip
    lines = Lines(rows, "variant")
    base = alt.Chart().mark_point(size=55, strokeWidth=1.5, opacity=0.9)
    points = base.encode(
        x=alt.X("decay_decades_per_step:Q", title="decay of the gradient (decades a step)"),
        y=log_axis("sweeps", "sweeps (mean over sequences)", rows, "sweeps", "sweeps"),
        color=colour_of(lines),
        tooltip=["task", "model", "variant", "seed", "stage", "train_distance", "sweeps",
                 "decay_decades_per_step", "gate_mean", "is_solved"],
        **point_style(lines),
    )  # fmt: skip
    panels = [
        alt.layer(points).properties(
            data=panel, width=280, height=220, title=alt.Title(panel["panel"].iloc[0], fontSize=12)
        )
        for _, panel in lines.rows.groupby("panel", sort=False)
    ]
    return titled(
        alt.concat(*panels, columns=3),
        "Sweeps to solve all steps at once, against the gradient's decay",
        "hollow: before training; a gradient that keeps stands at the right",
    )
