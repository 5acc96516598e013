"""The exercise checkers of the notebooks: each takes an answer and says what is right or wrong.

A checker never raises for a wrong answer. It knows the usual mistakes, and its feedback names the
one that the answer makes. As long as the answer is None or `...`, the exercise is not attempted.
``answers`` holds what all checkers share; ``lesson_00`` and so on hold those of one notebook each.
"""
