"""Fail, by name, when PostgreSQL or Redis of the tests does not answer."""

import os
import sys

import psycopg
import redis


def main() -> None:
    """Ask both."""
    try:
        with psycopg.connect(os.environ["TEST_DATABASE_URL"], connect_timeout=10) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        sys.exit(f"PostgreSQL does not answer at TEST_DATABASE_URL: {type(error).__name__}")
    try:
        redis.Redis.from_url(os.environ["TEST_REDIS_URL"], socket_timeout=10).ping()
    except redis.RedisError as error:
        sys.exit(f"Redis does not answer at TEST_REDIS_URL: {type(error).__name__}")


if __name__ == "__main__":
    main()
