"""A small and a full content of every type, for tests."""

from tasks_app.states import TaskType

ACCOUNT = "6d071cca-fda5-4a03-84d5-5bea65904480"
ID = "557d54ec-29ad-4f3c-93b4-c9092ef12515"
OTHER_ID = "8950722f-3fd4-4223-b48f-03f95f0e8dfb"
MOMENT = "2018-08-11T09:11:41.674000Z"

FACE_FILTERS = {
    "account_id": ACCOUNT,
    "face_ids": [ID, OTHER_ID],
    "external_ids": ["a", "b"],
    "user_data": "100-00-12",
    "create_time__gte": MOMENT,
    "create_time__lt": MOMENT,
    "face_id__gte": ID,
    "face_id__lt": ID,
    "list_id": ID,
}
EVENT_FILTERS = {"account_id": ACCOUNT, "create_time__lt": MOMENT, "event_ids": [ID], "tags": ["a"], "gender": 1}
TABLE = {"columns": ["user_data", "create_time"], "csv_delimiter": "$", "save_images": 1}

FULL = {
    TaskType.CLUSTERING: {
        "objects_type": "faces",
        "filters": FACE_FILTERS,
        "params": {"use_track_info": 0},
        "threshold": 0.5,
        "descriptor": {"type": "face"},
        "limit": 3,
    },
    TaskType.LINKER: {
        "create_list": 1,
        "list_id": ID,
        "user_data": "100-00-12",
        "objects_type": "faces",
        "filters": FACE_FILTERS,
    },
    TaskType.GC: {
        "target": "faces",
        "filters": FACE_FILTERS,
        "remove_samples": True,
        "store_results": True,
        "dry_run": True,
    },
    TaskType.REPORTER: {"filters": {"account_id": ACCOUNT, "task_id": 146}, **TABLE},
    TaskType.EXPORTER: {"objects_type": "faces", "filters": FACE_FILTERS, **TABLE, "descriptor": {"type": "face"}},
    TaskType.ADDITIONAL_EXTRACT: {
        "extraction_target": "face_descriptor",
        "options": {"missing": False, "descriptor_version": 1001},
        "filters": {"objects_type": "faces", "account_id": ACCOUNT, "face_id__gte": ID, "face_id__lt": ID},
    },
    TaskType.CROSS_MATCH: {
        "filters": {
            "reference_type": "faces",
            "candidate_type": "faces",
            "reference_filters": FACE_FILTERS,
            "candidate_filters": FACE_FILTERS,
            "descriptor": {"type": "face"},
            "account_id": ACCOUNT,
        },
        "threshold": 0.5,
        "limit": 3,
    },
    TaskType.ROC: {
        "markup": [{"face_id": ID, "label": 12}, {"face_id": ID, "label": 12}, {"face_id": OTHER_ID, "label": -1}],
        "filters": {"account_id": ACCOUNT},
        "threshold_hit_top": 0.95,
        "limit": 3,
        "key_FPRs": [0.000001, 0.001],
        "cropped": True,
    },
    TaskType.ESTIMATOR: {
        "handler": {"policies": {"detect_policy": {"detect_face": 1}, "match_policy": [{"label": "x"}]}},
        "source": {
            "source_type": "zip",
            "reference": "photos.zip",
            "recursive": True,
            "image_type": 1,
            "prefix": "a",
            "postfix": ".jpg",
        },
        "filters": {"account_id": ACCOUNT},
    },
}
"""With every member: stored exactly as sent."""

SMALL = {
    TaskType.CLUSTERING: {"objects_type": "faces"},
    TaskType.LINKER: {"objects_type": "faces", "create_list": 1},
    TaskType.GC: {"target": "faces"},
    TaskType.REPORTER: {"filters": {"task_id": 1}},
    TaskType.EXPORTER: {"objects_type": "faces"},
    TaskType.ADDITIONAL_EXTRACT: {"extraction_target": "basic_attributes", "filters": {"objects_type": "faces"}},
    TaskType.CROSS_MATCH: {"filters": {"reference_type": "faces", "candidate_type": "faces"}},
    TaskType.ROC: {"markup": [{"face_id": ID, "label": 1}, {"face_id": OTHER_ID, "label": 2}]},
    TaskType.ESTIMATOR: {
        "handler": {"handler_id": ID},
        "source": {"source_type": "zip", "reference": "photos.zip"},
    },
}
"""With required members only."""
