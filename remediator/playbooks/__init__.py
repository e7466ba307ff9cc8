"""What a playbook says: its language, its matchers and templates, the index over many, and the library that loads them.

What a playbook leads to belongs elsewhere: judging (decision/), doing (actions/), asking (conditions/).
Pure, except that library.py reads files. No code in this file.
"""
