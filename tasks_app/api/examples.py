"""Contents shown as examples in the OpenAPI document and the manual; a test validates every one."""

from typing import Any

from tasks_app.states import TaskType

IDS = ["8950722f-3fd4-4223-b48f-03f95f0e8dfb", "346a5645-ec89-4806-820a-dbcb6e0dc381"]
LIST_ID = "557d54ec-29ad-4f3c-93b4-c9092ef12515"
MOMENT = "2018-08-11T09:11:41.674Z"

CONTENT_EXAMPLES: dict[TaskType, dict[str, dict[str, Any]]] = {
    TaskType.CLUSTERING: {
        "faces of a list": {"objects_type": "faces", "filters": {"list_id": LIST_ID}, "threshold": 0.9},
        "events of two cameras": {
            "objects_type": "events",
            "filters": {"sources": ["cam1", "cam2"], "create_time__gte": MOMENT},
            "params": {"use_track_info": 1},
            "limit": 3,
        },
    },
    TaskType.LINKER: {
        "faces to a new list": {
            "create_list": 1,
            "user_data": "visitors of August",
            "objects_type": "faces",
            "filters": {"create_time__gte": MOMENT},
        },
        "events to a list that exists": {
            "list_id": LIST_ID,
            "objects_type": "events",
            "filters": {"sources": ["cam1"]},
        },
    },
    TaskType.GC: {
        "old faces, counted only": {
            "target": "faces",
            "filters": {"create_time__lt": MOMENT},
            "dry_run": True,
        },
        "descriptors of an old version": {
            "target": "face_descriptors",
            "filters": {"descriptor_version": 59},
            "store_results": True,
        },
    },
    TaskType.REPORTER: {
        "report": {"filters": {"task_id": 146}, "columns": ["user_data", "create_time"], "csv_delimiter": ";"}
    },
    TaskType.ADDITIONAL_EXTRACT: {
        "missing attributes": {"extraction_target": "basic_attributes", "filters": {"objects_type": "faces"}},
        "descriptors of another version": {
            "extraction_target": "face_descriptor",
            "options": {"missing": True, "descriptor_version": 1002},
            "filters": {"objects_type": "faces"},
        },
    },
    TaskType.CROSS_MATCH: {
        "two faces in a list": {
            "filters": {
                "reference_type": "faces",
                "candidate_type": "faces",
                "reference_filters": {"face_ids": IDS},
                "candidate_filters": {"list_id": LIST_ID},
            },
            "threshold": 0.5,
            "limit": 3,
        }
    },
    TaskType.ROC: {
        "two people": {
            "markup": [
                {"face_id": IDS[0], "label": 12},
                {"face_id": IDS[1], "label": 12},
                {"face_id": LIST_ID, "label": 7},
            ],
            "key_FPRs": [0.000001, 0.001],
        }
    },
    TaskType.EXPORTER: {
        "events with images": {
            "objects_type": "events",
            "filters": {"sources": ["cam1", "cam2"]},
            "columns": ["create_time", "face_id", "gender", "age"],
            "save_images": 1,
        }
    },
    TaskType.ESTIMATOR: {
        "archive with a password": {
            "handler": {"handler_id": "c42ad7cb-9078-4be4-8457-4d3c744477df"},
            "source": {"source_type": "zip", "reference": "photos.zip", "authorization": {"password": "open sesame"}},
        },
        "folder": {
            "handler": {"policies": {"detect_policy": {"detect_face": 1}}},
            "source": {"source_type": "network_disk", "path": "2018/august", "recursive": True, "postfix": ".jpg"},
        },
    },
}
