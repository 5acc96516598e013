"""What the lessons need and nobody else: exercise checkers, the museum of bugs, claims, figures."""
