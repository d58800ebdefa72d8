"""`manage.py envtable`: the README's table of environment variables, from the code that reads them."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lunatasks import env

BEGIN, END = "<!-- environment: begin -->", "<!-- environment: end -->"


class Command(BaseCommand):
    help = "Print the table of environment variables, or write it into a file between its marks."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--write", type=Path, metavar="FILE", help="replace the table in this file")

    def handle(self, *args: Any, write: Path | None, **options: Any) -> None:
        if write is None:
            self.stdout.write(env.table())
            return
        text = write.read_text()
        if BEGIN not in text or END not in text:
            raise CommandError(f"{write} has no {BEGIN} and {END}")
        before, _, rest = text.partition(BEGIN)
        after = rest.partition(END)[2]
        write.write_text(f"{before}{BEGIN}\n{env.table()}\n{END}{after}")
