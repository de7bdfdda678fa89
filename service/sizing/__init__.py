"""Which cores and how much memory a number of photos a second needs, and what that costs.

needs   the arithmetic
speed   how long one photo takes on this machine
report  both put together: a JSON object, lines of text
"""
