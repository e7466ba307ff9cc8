"""How messages leave the house: one file per channel. A channel sends what it is given and says how that went.

Whether, when and how often something is sent is engine's; what it says is escalation's.
"""
