"""The face filters of the contract as SQL: the one place."""

from django.db.models import F, QuerySet, Value
from django.db.models.functions import StrIndex

from lunatasks.luna_services.embedded.models import Face
from lunatasks.luna_services.ports import FaceFilters


def matching_faces(filters: FaceFilters) -> QuerySet[Face]:
    """Faces that match every filter that is given, in no order."""
    bounds = {
        "face_id__in": filters.face_ids,
        "external_id__in": filters.external_ids,
        "create_time__gte": filters.create_time__gte,
        "create_time__lt": filters.create_time__lt,
        "face_id__gte": filters.face_id__gte,
        "face_id__lt": filters.face_id__lt,
        "links__face_list": filters.list_id,
    }
    given = {name: value for name, value in bounds.items() if value is not None}
    faces = Face.objects.filter(account_id=filters.account_id, **given)
    if filters.user_data is not None:
        # `contains` ignores case on SQLite
        found_at = StrIndex(F("user_data"), Value(filters.user_data))
        faces = faces.alias(found_at=found_at).filter(found_at__gt=0)
    return faces
