"""What is durable: the schema, one module per aggregate, the one door for transactions. SQL stands only here.

Decisions about what the rows mean belong to the pure packages and to ``engine``.
"""
