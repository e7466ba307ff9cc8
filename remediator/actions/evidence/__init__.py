"""What is collected before anything is changed, one file for each kind of it, and the steps that do nothing but look.

Reads only. What is kept is bounded and redacted here; where it is kept, and when it is collected, is engine/.
"""
