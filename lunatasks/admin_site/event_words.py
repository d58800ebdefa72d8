"""Codes of events in words, as the contract names them."""

from collections.abc import Mapping

GENDER = {0: "female", 1: "male"}
APPARENT_GENDER = {**GENDER, 2: "undefined"}
EMOTION = {1: "anger", 2: "disgust", 3: "fear", 4: "happiness", 5: "neutral", 6: "sadness", 7: "surprise"}
ETHNIC_GROUP = {1: "african american", 2: "indian", 3: "asian", 4: "caucasian"}
MASK = {1: "missing", 2: "medical mask", 3: "occluded"}
LIVENESS = {0: "spoof", 1: "real", 2: "unknown"}
PRESENCE = {0: "absent", 1: "present", 2: "undefined"}

WORDS: Mapping[str, Mapping[int, str]] = {
    "gender": GENDER,
    "emotion": EMOTION,
    "ethnic_group": ETHNIC_GROUP,
    "mask": MASK,
    "liveness": LIVENESS,
    "apparent_gender": APPARENT_GENDER,
    "headwear_state": PRESENCE,
    "backpack_state": PRESENCE,
}


def in_words(name: str, code: int | None) -> str | None:
    """`male (1)`; None of what is not known."""
    if code is None:
        return None
    return f"{WORDS[name].get(code, 'no such code')} ({code})"
