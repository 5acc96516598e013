"""What only the lessons need: exercise checkers, the museum of bugs, claims and figures."""
