"""What a right answer to each exercise is, and what the wrong ones mean: one file a lesson.

`kit.exercise("02.1", evidence)` finds the check for 02.1 in `lesson_02`, by its name. A check is a
function of the prediction and the evidence. It returns an `Outcome` and asks neither the broker nor
the database: what is not in the evidence does not count. How predictions are kept and outcomes are
shown is the business of `kitlib.checks.exercise`.
"""
