"""Training runs as experiments: many seeds, kept on disk, and compared with intervals.

Read it in this order: `data` and `models` are what is trained, `training.fit` is one run, `trials`
describes many, and `studies.run` trains them. `contests` finds each schedule's best peak by a rule
that is fixed in advance, `outcomes` judges the differences, and `comparisons` shows both.
"""
