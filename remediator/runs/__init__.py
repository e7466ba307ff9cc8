"""How a run goes on: what a plan is, and the state machine that says what happens next.

Pure: nothing here reads the world or the clock; ``engine.runner`` does what the machine says and tells it what happened.
"""
