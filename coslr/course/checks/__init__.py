"""The exercise checkers of the notebooks: an answer goes in, and what is right or wrong comes out.

A checker never raises for a wrong answer, and it says what is wrong: it knows the usual mistakes
and looks which of them the answer makes. An answer of None or `...` is not attempted yet.
``answers`` has what all of them share; ``lesson_00`` and so on have those of one notebook each.
"""
