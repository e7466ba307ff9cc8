"""Whether to act: facts in, a decision with every reason out (S5 to S10, S14).

Pure: ``engine.decider`` gathers the facts; nothing here reads the store, the world or the clock.
"""
