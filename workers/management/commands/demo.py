"""`manage.py demo`: photos in, clusters out, through the REST API and real workers."""

import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded.sample_photos import SamplesFailed, fetch_samples
from workers.client import Client, ClientError
from workers.torture.stack import free_port
from workers.tour import Stop, Tour, TourEnded, table

LARGEST = 5
NAMES_SHOWN = 4


class Command(BaseCommand):
    help = "Import photos, cluster their faces by a task, and show what was found."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--photos", type=Path, help="a folder of your own photos; sub-folders name the persons")

    def handle(self, *args: Any, photos: Path | None, **options: Any) -> None:
        times: dict[str, float] = {}
        folder = self._timed(times, "photos", lambda: photos or self._samples())
        if not folder.is_dir():
            raise CommandError(f"{folder} is no folder")
        self._timed(times, "database", lambda: call_command("migrate", verbosity=0, interactive=False))
        self.stdout.write(f"importing the photos of {folder}")
        name = _list_name(folder)
        self._timed(times, "import", lambda: call_command("importfaces", str(folder), "--list", name))
        list_id = uuid5(settings.LUNATASKS_DEFAULT_ACCOUNT_ID, f"list:{name}")
        with _Service() as service:
            self._timed(times, "service", service.start)
            try:
                self._show_all(Tour(service.client, folder, list_id), list_id, times)
            except (ClientError, TourEnded) as error:
                raise CommandError(str(error)) from None
        self.stdout.write("\ntime: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in times.items()))
        self._say_what_next()

    def _show_all(self, tour: Tour, list_id: UUID, times: dict[str, float]) -> None:
        task_id, seconds = tour.run("clustering", {"objects_type": "faces", "filters": {"list_id": str(list_id)}})
        times["clustering"] = seconds
        clusters: list[list[str]] = tour.client.result(task_id)["result"]
        self.stdout.write(f"task {task_id}: clustering, asked for by POST /1/tasks/clustering")
        self._show(clusters)
        self.stdout.write("\nevery task type once, each through the REST API and the workers ...")
        more = self._timed(times, "more photos", tour.make_more_photos)
        self.stdout.write(f"{more} second photos of persons are altered copies of the first ones: crop, blur and light")
        faces = sum(len(cluster) for cluster in clusters)
        first = Stop("clustering", f"{faces} faces", seconds, f"{len(clusters)} clusters")
        stops = self._timed(times, "all types", lambda: list(tour.stops(first, task_id)))
        self.stdout.write(f"\n{table(stops)}")

    def _timed(self, times: dict[str, float], name: str, step: Any) -> Any:
        started = time.monotonic()
        value = step()
        times[name] = time.monotonic() - started
        return value

    def _samples(self) -> Path:
        try:
            return fetch_samples()
        except SamplesFailed as error:
            raise CommandError(str(error)) from None

    def _show(self, clusters: list[list[str]]) -> None:
        several = [cluster for cluster in clusters if len(cluster) > 1]
        faces = sum(len(cluster) for cluster in clusters)
        self.stdout.write(f"\n{faces} faces in {len(clusters)} clusters, {len(several)} of them with several faces")
        for number, cluster in enumerate(several[:LARGEST], 1):
            names = _names(cluster)
            more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
            self.stdout.write(f"  {number}. {len(cluster):3} faces: {', '.join(names[:NAMES_SHOWN])}{more}")

    def _say_what_next(self) -> None:
        address = f"http://{settings.LUNATASKS_HOST}:{settings.LUNATASKS_PORT}/admin/"
        password = settings.LUNATASKS_HOME / "secrets" / "admin_password"
        self.stdout.write(f"\nnext: `make serve`, then open {address} as 'admin' (password in {password})")


def _list_name(folder: Path) -> str:
    """The list of the folder's faces: other photos, of an earlier demo or import, stay out of this one's results."""
    return f"demo: {folder.absolute()}"[-128:]


def _names(cluster: list[str]) -> list[str]:
    cards = registry.faces().get_faces(settings.LUNATASKS_DEFAULT_ACCOUNT_ID, [UUID(face) for face in cluster[:1000]])
    return sorted(card.user_data or card.external_id or str(card.face_id) for card in cards)


class _Service:
    """The service as it stands: one that runs already, else a tree of our own for the time of the demo."""

    def __init__(self) -> None:
        self.port = settings.LUNATASKS_PORT
        self.client = Client(settings.LUNATASKS_HOST, self.port)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "_Service":
        return self

    def start(self) -> None:
        """Raises CommandError with the end of the service's log."""
        if self.client.is_ours(settings.LUNATASKS_HOME):
            return
        self.port = free_port()
        self.client = Client(settings.LUNATASKS_HOST, self.port)
        log = settings.LUNATASKS_HOME / "demo.log"
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "runall", "--port", str(self.port)]
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=dict(os.environ)
            )
        give_up = time.monotonic() + 60
        while not self.client.is_healthy():
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise CommandError(f"the service did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
