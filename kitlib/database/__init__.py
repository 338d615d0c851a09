"""The database downstream of Kafka, where consumed events end up.

`database` has the tables and their keys, `_url` turns an address into a connection, and `_postgres`
starts a PostgreSQL server for this process. Nothing here talks to Kafka.
"""

from kitlib.database.database import DESIGNS, Database

__all__ = ["DESIGNS", "Database"]
