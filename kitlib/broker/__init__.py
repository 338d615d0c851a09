"""A real Apache Kafka for the lessons: its parts, one node of it, or an external one.

`parts` fetches and verifies the jars and makes the start-up cache, `settings` holds every setting
that differs from Kafka's defaults, `node` runs a broker, `handle` is what lessons hold in their
hands. Nothing here knows of lessons.
"""
