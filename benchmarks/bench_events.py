"""Events: every filter over a million of them, and how fast they load.

Run `python benchmarks/bench_events.py [EVENTS]`; it works on a test database of its own, which it drops. Meant for
PostgreSQL (DATABASE_URL); on SQLite take fewer events. Every figure is the best of three: a page of 1000 ids.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.bench_faces import seconds, throwaway_database

ACCOUNT = UUID("5b1f4f0e-8c2f-4f39-9f8a-0d9d0a6c1e11")
LIST = UUID("11111111-1111-4111-8111-111111111111")
EVENTS = 1_000_000
LIMIT_MS = 200
LOADED = 20_000
START = datetime(2024, 1, 1, tzinfo=UTC)

FILL = """
INSERT INTO embedded_event (event_id, account_id, create_time, end_time, handler_id, external_id, user_data, source,
    track_id, face_id, attach_result, face_detections, body_detections, match_result, top_match_type,
    top_similar_object_id, top_similar_external_id, top_similar_object_similarity, top_matching_candidates_label,
    city, area, district, street, house_number, longitude, latitude, age, gender, emotion, ethnic_group, mask, liveness,
    apparent_age, apparent_gender, headwear_state, sleeve_length, backpack_state, attributes_generation,
    attributes_sample_ids)
SELECT md5('event' || n)::uuid, '{account}', '{start}'::timestamptz + n * interval '10 second',
    '{start}'::timestamptz + n * interval '10 second' + interval '3 second', md5('handler' || n % 20)::uuid,
    'person ' || n % 50000, 'note ' || n, 'camera ' || n % 300, 'track ' || n / 5, md5('face' || n)::uuid, '[]', '[]',
    '[]', '[]', 'face', md5('top' || n % 10000)::uuid, 'person ' || n % 10000, (n::bigint * 7919 % 100000) / 100000.0,
    'label ' || n % 7, 'city ' || n % 50, 'area ' || n % 200, 'district ' || n % 500, 'street ' || n % 5000,
    (n % 120)::text, 24 + (n::bigint * 104729 % 100000) / 100000.0 * 20, 50 + (n::bigint * 15485863 % 100000) / 10000.0,
    18 + n % 60, n % 2, 1 + n % 7, 1 + n % 4, 1 + n % 3, n % 3, 18 + n % 60, n % 3, n % 3,
    (ARRAY['short', 'long', 'undefined'])[1 + n % 3], n % 3, 0, ''
FROM generate_series(0, {count} - 1) n
"""
CHILDREN = """
INSERT INTO embedded_eventtag (event_id, account_id, value)
SELECT md5('event' || n)::uuid, '{account}', 'tag ' || n % (CASE k WHEN 0 THEN 10 ELSE 1000 END) + k * 10
FROM generate_series(0, {count} - 1) n, generate_series(0, 1) k;
INSERT INTO embedded_eventcolor (event_id, account_id, value)
SELECT md5('event' || n)::uuid, '{account}', (ARRAY['black', 'blue', 'green', 'grey', 'red'])[1 + n % 5]
FROM generate_series(0, {count} - 1) n;
INSERT INTO embedded_face (face_id, account_id, external_id, user_data, avatar, create_time, attributes_generation,
    attributes_sample_ids)
SELECT md5('face' || n)::uuid, '{account}', '', '', '', now(), 0, '' FROM generate_series(0, {count} - 1, 10) n;
INSERT INTO embedded_facelist (list_id, account_id, user_data, create_time, last_update_time)
VALUES ('{list}', '{account}', '', now(), now());
INSERT INTO embedded_facelink (face_list_id, face_id)
SELECT '{list}', md5('face' || n)::uuid FROM generate_series(0, {count} - 1, 100) n;
"""


def md5_uuid(text: str) -> UUID:
    """As the fill makes ids."""
    import hashlib

    return UUID(hashlib.md5(text.encode()).hexdigest())  # noqa: S324


def cases(count: int) -> dict[str, dict[str, object]]:
    """A selective and a broad use of every filter."""
    from lunatasks.luna_services.ports import GeoRectangle

    middle = START + timedelta(seconds=count * 5)
    some_ids = [md5_uuid(f"event{n}") for n in range(0, count, max(1, count // 1000))][:1000]
    words = {
        "external_ids": "person 7", "top_similar_external_ids": "person 7", "sources": "camera 7",
        "cities": "city 7", "areas": "area 7", "districts": "district 7", "streets": "street 7",
        "house_numbers": "7", "track_ids": "track 7",
    }  # fmt: skip
    codes = {
        "emotions": 1, "ethnic_groups": 1, "masks": 1, "liveness": 1, "apparent_gender": 1, "headwear_states": 1,
        "backpack_states": 1, "sleeve_lengths": "short", "upper_clothing_colors": "red",
    }  # fmt: skip
    return {
        "none": {},
        "event_ids (1000)": {"event_ids": some_ids},
        "handler_ids": {"handler_ids": [md5_uuid("handler7")]},
        "handler_ids (absent)": {"handler_ids": [UUID(int=1)]},
        "face_ids (1000)": {"face_ids": [md5_uuid(f"face{n}") for n in range(1000)]},
        "top_similar_object_ids": {"top_similar_object_ids": [md5_uuid("top7")]},
        **{name: {name: [value]} for name, value in words.items()},
        "sources (100 of 300)": {"sources": [f"camera {n}" for n in range(100)]},
        "streets (1000 of 5000)": {"streets": [f"street {n}" for n in range(1000)]},
        **{name: {name: [value]} for name, value in codes.items()},
        "gender": {"gender": 1},
        "tags (rare)": {"tags": ["tag 777"]},
        "tags (common)": {"tags": ["tag 7"]},
        "tags (absent)": {"tags": ["nothing"]},
        "create_time (an hour)": {"create_time__gte": middle, "create_time__lt": middle + timedelta(hours=1)},
        "create_time (half)": {"create_time__lt": middle},
        "end_time (an hour)": {"end_time__gte": middle, "end_time__lt": middle + timedelta(hours=1)},
        "event_id": {"event_id__gte": UUID(int=2**127), "event_id__lt": UUID(int=2**127 + 2**126)},
        "top_matching_candidates_label": {"top_matching_candidates_label": "label 3"},
        "top_similarity (0.1 %)": {"top_similar_object_similarity__gte": 0.999},
        "top_similarity (half)": {"top_similar_object_similarity__gte": 0.5},
        "age": {"age__gte": 30, "age__lt": 31},
        "apparent_age": {"apparent_age__gte": 30, "apparent_age__lt": 31},
        "geo_position (0.02 degrees)": {"geo_position": GeoRectangle(30.0, 55.0)},
        "geo_position (2 degrees)": {"geo_position": GeoRectangle(30.0, 55.0, 1.0, 1.0)},
        "face_id": {"face_id__gte": UUID(int=0), "face_id__lt": UUID(int=2**118)},
        "list_id (1 % of faces)": {"list_id": LIST},
        "user_data (common part)": {"user_data": "note"},
        "user_data (one event)": {"user_data": f"note {count - 1}"},
        "gender + emotion + city + hour": {
            "gender": 1, "emotions": [1, 2], "cities": ["city 7"], "create_time__gte": middle,
            "create_time__lt": middle + timedelta(days=1),
        },
    }  # fmt: skip


def page_ms(filters: object) -> tuple[float, int]:
    """Best time of a first page of ids, and its length."""
    from lunatasks.luna_services.embedded.events import EmbeddedEvents

    events, best, found = EmbeddedEvents(), float("inf"), 0
    for _ in range(3):
        started = time.perf_counter()
        found = len(next(events.iterate_ids(filters), []))  # type: ignore[arg-type]
        best = min(best, time.perf_counter() - started)
    return best * 1000, found


def fill(count: int) -> None:
    """A million events by the database itself."""
    from django.db import connection

    values = {"account": ACCOUNT, "start": START.isoformat(), "count": count, "list": LIST}
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'embedded_event'")
        indexes = [(name, made) for name, made in cursor.fetchall() if not name.endswith("_pkey")]
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        cursor.execute(FILL.format(**values))
        for _, made in indexes:
            cursor.execute(made)
        for statement in CHILDREN.split(";"):
            if statement.strip():
                cursor.execute(statement.format(**values))
        for table in ("event", "eventtag", "eventcolor", "face", "facelink"):
            cursor.execute(f"VACUUM ANALYZE embedded_{table}")


def bench_filters(count: int) -> None:
    """Milliseconds of each filter."""
    from lunatasks.luna_services.ports import EventFilters

    print(f"filters over {count} events, a page of 1000 ids, milliseconds")
    slow = []
    for name, members in cases(count).items():
        took, found = page_ms(EventFilters(account_id=ACCOUNT, **members))  # type: ignore[arg-type]
        print(f"  {name:32s} {took:9.1f}  {found:5d} ids")
        if took > LIMIT_MS:
            slow.append(name)
    print(f"above {LIMIT_MS} ms: {', '.join(slow) or 'none'}")


def bench_load() -> None:
    """Events with a descriptor per second."""
    from lunatasks.luna_services.descriptors import SFACE, normalise
    from lunatasks.luna_services.embedded.events import EmbeddedEvents
    from lunatasks.luna_services.ports import NewEvent

    random, events = np.random.default_rng(1), EmbeddedEvents()
    vectors = normalise(random.standard_normal((LOADED, SFACE.dimension)))
    new = [
        NewEvent(event_id=UUID(bytes=random.bytes(16)), face_descriptors={SFACE.number: vector}) for vector in vectors
    ]

    def load(rows: list[NewEvent]) -> Callable[[], None]:
        def run() -> None:
            for start in range(0, len(rows), 1000):
                events.add_events(ACCOUNT, rows[start : start + 1000])

        return run

    print(f"events with a descriptor loaded {LOADED / seconds(load(new)):9.0f}/s")


def main() -> None:
    """Print all rows."""
    from django.db import connection

    count = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with throwaway_database():
        bench_load()
        if connection.vendor != "postgresql":
            print("the filters are measured on PostgreSQL: set DATABASE_URL")
            sys.exit(0)
        print(f"filled in {seconds(lambda: fill(count)):.0f} s")
        bench_filters(count)


if __name__ == "__main__":
    main()
