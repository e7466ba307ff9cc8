"""Whom to tell what, and when (S30 to S35): judged from values alone, and put into words. No async, no I/O, no clock.

Gathering the values and sending the words is engine's and channels'.
"""
