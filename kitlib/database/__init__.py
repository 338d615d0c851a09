"""The database downstream of Kafka, where the consumed events end up: SQLite or PostgreSQL.

`database` has the tables, each with another key, and `_url` turns an address into a connection.
"""

from kitlib.database.database import DESIGNS, Database

__all__ = ["DESIGNS", "Database"]
