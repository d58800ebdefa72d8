"""Results of clustering as pages."""

from io import BytesIO
from uuid import UUID

import orjson
import pytest

from lunatasks.admin_site import clusters
from lunatasks.admin_site.clusters import summarise
from lunatasks.luna_services import registry


def ids(count: int, *, start: int = 0) -> list[str]:
    return [str(UUID(int=number)) for number in range(start, start + count)]


def page_of(client, task, **query) -> str:
    answer = client.get(f"/admin/tasks_app/task/{task.pk}/change/", query)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("chunk", [1, 7, 40, 2**20])
@pytest.mark.parametrize("sizes", [[], [1], [3, 1], [120, 11, 2, 2, 1, 1, 1]])
def test_a_summary_counts_as_the_whole_document_would(monkeypatch, chunk, sizes):
    monkeypatch.setattr(clusters, "CHUNK", chunk)
    document = [ids(size, start=1000 * number) for number, size in enumerate(sizes)]

    summary = summarise(BytesIO(orjson.dumps(document)))

    assert summary.clusters == len(sizes)
    assert summary.objects == sum(sizes)
    assert summary.singletons == sizes.count(1)
    assert list(summary.sizes) == sizes
    assert sum(count for _, count, _ in summary.histogram) == len(sizes)
    assert sum(objects for _, _, objects in summary.histogram) == sum(sizes)


def test_the_page_shows_faces_names_and_counts(admin, finished_task, make_face, sample_of):
    first, second = make_face(external_id="Ann"), make_face(external_id="Ann")
    alone = make_face(external_id="Bob")
    task = finished_task([sorted([str(first), str(second)]), [str(alone)]])

    page = page_of(admin, task)

    assert sample_of(first) in page
    assert f"/admin/embedded/face/{alone}/change/" in page
    assert "Ann <small>\u00d7 2</small>" in page
    assert "showing 1 to 2 of 2 clusters" in page


def test_a_face_that_was_deleted_since_leaves_its_place(admin, account, finished_task, make_face):
    face_id = make_face()
    task = finished_task([[str(face_id)]])
    registry.faces().delete_faces(account, [face_id])

    assert "deleted since" in page_of(admin, task)


def test_a_face_without_an_image_says_so(admin, finished_task, make_face):
    task = finished_task([[str(make_face(sample=None))]])

    assert "no image" in page_of(admin, task)


def test_large_results_are_shown_in_part_and_say_so(admin, finished_task, monkeypatch):
    monkeypatch.setattr(clusters, "MOST_CLUSTERS", 30)
    document = [ids(50), *([name] for name in ids(199, start=1000))]
    task = finished_task(document)

    page = page_of(admin, task, clusters="2")

    assert "showing 25 to 30 of 200 clusters; pages show the largest 30, the download holds all" in page
    assert page.count("deleted since") == 6


def test_of_a_large_cluster_the_page_shows_some_faces_and_its_own_page_the_others(admin, finished_task):
    task = finished_task([ids(150)])

    page = page_of(admin, task)
    second = admin.get(f"/admin/tasks_app/task/{task.pk}/cluster/1/", {"page": "2"}).content.decode()

    assert "+136" in page
    assert "showing 121 to 150" in second
    assert ids(150)[149] in second
    assert ids(150)[119] not in second


@pytest.mark.parametrize("page", ["0", "-1", "x", "9" * 30, "²", "\0"])
def test_a_nonsense_page_number_is_forgiven(admin, finished_task, page):
    task = finished_task([ids(3)])

    assert "showing 1 to 1 of 1 clusters" in page_of(admin, task, clusters=page)
    assert admin.get(f"/admin/tasks_app/task/{task.pk}/cluster/1/", {"page": page}).status_code == 200


@pytest.mark.parametrize("number", [0, 2, 10**18])
def test_a_cluster_that_does_not_exist_is_not_found(admin, finished_task, number):
    task = finished_task([ids(3)])

    assert admin.get(f"/admin/tasks_app/task/{task.pk}/cluster/{number}/").status_code == 404


def test_an_empty_result_is_no_error(admin, finished_task):
    assert "The result is empty." in page_of(admin, finished_task([]))


def test_a_result_whose_file_is_gone_is_told(admin, make_task):
    task = make_task(task_status=5, result_path="tasks/0/1/gone.json")

    assert f"Result of the task &#x27;{task.pk}&#x27; not found" in page_of(admin, task)


def test_who_may_not_see_faces_sees_numbers_only(sign_in, finished_task, make_face):
    from django.contrib.auth.models import Permission, User

    client = sign_in()
    User.objects.latest("pk").user_permissions.add(Permission.objects.get(codename="view_task"))
    face_id = make_face(external_id="Ann")
    task = finished_task([[str(face_id)]])

    page = page_of(client, task)

    assert "You may not see faces" in page
    assert "Ann" not in page
    assert str(face_id) not in page
    assert client.get(f"/admin/tasks_app/task/{task.pk}/cluster/1/").status_code == 403


def test_faces_of_another_account_are_never_shown(admin, other_account, finished_task, make_face):
    task = finished_task([[str(make_face(external_id="Ann"))]], account_id=other_account)

    assert "Ann" not in page_of(admin, task)


def test_an_external_id_is_escaped(admin, finished_task, make_face):
    face_id = make_face(external_id='"><script>alert(1)</script>', user_data="<script>")
    task = finished_task([[str(face_id)]])

    addresses = (
        f"tasks_app/task/{task.pk}/change/", f"tasks_app/task/{task.pk}/cluster/1/",
        "embedded/face/", f"embedded/face/{face_id}/change/",
    )  # fmt: skip
    for address in addresses:
        page = admin.get(f"/admin/{address}").content
        assert b"<script>alert" not in page
        assert b"&lt;script&gt;" in page


def test_the_queries_of_the_page_do_not_grow_with_the_result(
    admin, finished_task, make_face, django_assert_num_queries
):
    document = [[str(make_face())] for _ in range(12)]
    task = finished_task(document)
    page_of(admin, task)

    with django_assert_num_queries(9):
        page_of(admin, task)
